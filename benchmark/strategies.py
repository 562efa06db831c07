"""What is done about class imbalance, with the training part only."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from benchmark.datasets.base import Task


class Strategy(BaseEstimator):
    """Do nothing; the base class of every strategy.

    A strategy overrides what it needs: ``refusal`` says why it cannot work on a cell, ``resample`` changes the training
    part, ``weight`` changes the model before it is fitted. Whatever it does, it never sees the test part.
    """

    def refusal(self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task) -> str | None:
        """Return the reason why this cannot work, or None.

        Parameters
        ----------
        model : scikit-learn classifier, not fitted
        y : training targets
        classes : names of all classes
        task : 'binary', 'multiclass' or 'multilabel'
        """
        return None

    def resample(self, X: NDArray, y: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
        """Training part after resampling: features (n, d), or images (n, h, w, c) for a model that takes images."""
        return X, y

    def weight(self, model: Any) -> Any:
        """Model with whatever weights the strategy sets."""
        return model


class Resample(Strategy):
    """Resample the training part with an imbalanced-learn sampler.

    Images are resampled as flattened pixels; what an interpolating sampler makes of them is rounded to 0..255.

    Parameters
    ----------
    sampler : object with fit_resample
    """

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def refusal(self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task) -> str | None:
        """Refuse multi-label targets, a single class, and fewer samples than neighbours."""
        name = type(self.sampler).__name__
        if task == "multilabel":
            return f"{name} needs one label an image; this data set has several"
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            return f"{name} needs two classes; the training part has one"
        rarest, least = classes[labels[counts.argmin()]], counts.min()
        needed = getattr(self.sampler, "k_neighbors", 0) + 1
        if least < min(needed, counts.max()):
            return f"{name} with {needed - 1} neighbours needs {needed} training images a class; '{rarest}' has {least}"
        return None

    def resample(self, X: NDArray, y: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
        """Resample; the type of X stays."""
        flat, y = self.sampler.fit_resample(X.reshape(len(X), -1), y)
        if X.dtype == np.uint8:
            flat = np.clip(np.rint(flat), 0, 255)
        return flat.astype(X.dtype).reshape(-1, *X.shape[1:]), y


class ClassWeight(Strategy):
    """Weight every class by the inverse of its share of the training part (King & Zeng 2001; scikit-learn's 'balanced')."""

    def refusal(self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task) -> str | None:
        """Refuse a model that has no ``class_weight``."""
        return None if self._names(model) else "the model has no class_weight parameter"

    def weight(self, model: Any) -> Any:
        """Set ``class_weight='balanced'`` wherever the model, or an estimator inside it, has it."""
        return model.set_params(**dict.fromkeys(self._names(model), "balanced"))

    @staticmethod
    def _names(model: Any) -> list[str]:
        """Parameters to set; none inside an estimator that has the parameter itself and passes it on."""
        found = [name for name in model.get_params() if name.split("__")[-1] == "class_weight"]
        outer = [name.removesuffix("class_weight") for name in found]
        return [name for name in found if not any(name.startswith(prefix) and name != f"{prefix}class_weight" for prefix in outer)]


def random_over() -> Resample:
    """Repeat images of the rarer classes at random until all classes are as large as the largest."""
    from imblearn.over_sampling import RandomOverSampler

    return Resample(RandomOverSampler())


def random_under() -> Resample:
    """Drop images of the larger classes at random until all classes are as small as the smallest."""
    from imblearn.under_sampling import RandomUnderSampler

    return Resample(RandomUnderSampler())


def smote(k_neighbors: int = 5) -> Resample:
    """Synthetic images between neighbours of one class (Chawla et al. 2002) until all classes are as large as the largest."""
    from imblearn.over_sampling import SMOTE

    return Resample(SMOTE(k_neighbors=k_neighbors))


MENU = MappingProxyType(
    {
        "none": "benchmark.strategies:Strategy",
        "random_over": "benchmark.strategies:random_over",
        "random_under": "benchmark.strategies:random_under",
        "smote": "benchmark.strategies:smote",
        "class_weight": "benchmark.strategies:ClassWeight",
    }
)
