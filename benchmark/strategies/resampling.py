"""Resampling the training part with imbalanced-learn's samplers."""

from __future__ import annotations

from typing import Any

import numpy as np
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import ADASYN, SMOTE
from imblearn.under_sampling import EditedNearestNeighbours, InstanceHardnessThreshold, NearMiss
from numpy.typing import NDArray

from benchmark.datasets.base import Task
from benchmark.strategies.base import Refused, Strategy
from benchmark.text import count_of, one_line


class Resample(Strategy):
    """Resample the training part with an imbalanced-learn sampler.

    Images are resampled as flattened pixels; what an interpolating sampler makes of them is rounded to 0..255.

    Parameters
    ----------
    sampler : object with fit_resample
    """

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    @property
    def balances(self) -> bool:  # type: ignore[override]
        """Whether it evens out the class frequencies; samplers that clean borders between classes do not."""
        return getattr(self.sampler, "_sampling_type", "") != "clean-sampling"

    def refusal(self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task) -> str | None:
        """Refuse multi-label targets, a single class, and fewer samples than neighbours."""
        name = type(self.sampler).__name__
        if task == "multilabel":
            return f"{name} needs one label an image; this data set has several"
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            return f"{name} needs two classes; the training part has one"
        rarest, least = classes[labels[counts.argmin()]], counts.min()
        needed, why = _needed_images(self.sampler)
        if least < min(needed, counts.max()):
            return f"{name}{why} needs {needed} training images per class; '{rarest}' has {least}"
        return None

    def resample(self, X: NDArray, y: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
        """Resample; the type of X stays."""
        flat = X.reshape(len(X), -1)
        try:  # neighbours and interpolation are wrong in the 8 bits of pixels
            new, new_y = self.sampler.fit_resample(flat.astype(np.float32) if X.dtype == np.uint8 else flat, y)
        except (ValueError, RuntimeError) as error:
            sizes = ", ".join(map(str, np.unique(y, return_counts=True)[1]))
            why = f"{type(self.sampler).__name__} cannot resample a training set with classes of {sizes} images"
            raise Refused(f"{why}: {one_line(str(error))}") from error
        if len(np.unique(new_y)) < len(np.unique(y)):
            raise Refused(f"{type(self.sampler).__name__} leaves no training image of some class")
        if _selects(self.sampler):
            return X[self.sampler.sample_indices_], new_y
        if X.dtype == np.uint8:
            new = np.clip(np.rint(new), 0, 255)
        return new.astype(X.dtype).reshape(-1, *X.shape[1:]), new_y


def _selects(sampler: Any) -> bool:
    """Whether what it gave are some of the samples as they were, drawn once or more."""
    return hasattr(sampler, "sample_indices_") and getattr(sampler, "shrinkage", None) is None


def _needed_images(sampler: Any) -> tuple[int, str]:
    """Images of each class that a sampler needs, and for how many neighbours."""
    inner = getattr(sampler, "smote", None) or sampler
    if isinstance(inner, InstanceHardnessThreshold):
        return 2, ""  # of its inner folds one holds a class of one image, and trains without it
    neighbours = getattr(inner, "n_neighbors" if isinstance(inner, ADASYN | NearMiss) else "k_neighbors", None)
    if not isinstance(neighbours, int):
        return 1, ""
    own_class = not isinstance(inner, NearMiss)  # whose neighbours are of another class than the sample
    return neighbours + own_class, f" with {count_of(neighbours, 'neighbour')}"


def smote_enn(k_neighbors: int = 5, n_neighbors: int = 3) -> Resample:
    """SMOTE, then drop images whose neighbours are of another class (Batista, Prati & Monard 2004)."""
    cleaning = EditedNearestNeighbours(sampling_strategy="all", n_neighbors=n_neighbors)
    return Resample(SMOTEENN(smote=SMOTE(k_neighbors=k_neighbors), enn=cleaning))


def smote_tomek(k_neighbors: int = 5) -> Resample:
    """SMOTE, then drop pairs of nearest neighbours of two classes (Batista, Bazzan & Monard 2003)."""
    return Resample(SMOTETomek(smote=SMOTE(k_neighbors=k_neighbors)))
