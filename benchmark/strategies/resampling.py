"""Resampling the training set with imbalanced-learn's samplers."""

from __future__ import annotations

from typing import Any

import numpy as np
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import ADASYN, SMOTE
from imblearn.under_sampling import EditedNearestNeighbours, NearMiss
from numpy.typing import NDArray

from benchmark.datasets.base import Task
from benchmark.strategies.base import Refused, Strategy
from benchmark.utils.text import format_count

INSTEAD = {  # why imbalanced-learn's samplers stop, and what does not
    "ADASYN": "no image of a class to be enlarged has a neighbour of another class, or the classes "
    "are nearly even; random_over would work",
    "KMeansSMOTE": "no cluster has enough images of a class to be enlarged; random_over, or a "
    "lower cluster_balance_threshold, would work",
    "InstanceHardnessThreshold": "its inner folds need as many images of the largest class as its "
    "cv; random_under would work",
}
TOO_FEW = "there are too few images for its neighbours, or too few that it would keep; random_over would work"


class Resample(Strategy):
    """Resample the training set with an imbalanced-learn sampler.

    Images are resampled as flattened pixels; what an interpolating sampler makes of them is rounded
    to 0..255.

    Parameters
    ----------
    sampler : object with fit_resample
    """

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    @property
    def balances(self) -> bool:
        """Whether it evens out the class frequencies; samplers that clean borders between classes do not."""
        return getattr(self.sampler, "_sampling_type", "") != "clean-sampling"

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Refuse multi-label targets, a single class, and fewer samples than neighbours."""
        name = type(self.sampler).__name__
        if task == "multilabel":
            return f"{name} needs one label an image; this data set has several"
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            return f"{name} needs two classes; the training set has one"
        rarest, least = classes[labels[counts.argmin()]], int(counts.min())
        neighbours, needed = _count_neighbours(self.sampler)
        if least >= needed or (
            needed > neighbours and least == counts.max()
        ):  # even classes are not enlarged
            return None
        fewer = least - (needed - neighbours)
        fewer_work = fewer > 0 and name not in INSTEAD  # those need more than neighbours
        instead = (
            f"{format_count(fewer, 'neighbour')} or random_over" if fewer_work else "random_over"
        )
        has = f"'{rarest}' has {least}; {instead} would work"
        return f"{name} with {format_count(neighbours, 'neighbour')} needs {needed} training images of each class; {has}"

    def resample(self, X: NDArray, y: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
        """Resample; the type of X stays."""
        flat = X.reshape(len(X), -1)
        try:  # neighbours and interpolation are wrong in the 8 bits of pixels
            new, new_y = self.sampler.fit_resample(
                flat.astype(np.float32) if X.dtype == np.uint8 else flat, y
            )
        except (ValueError, RuntimeError) as error:
            raise Refused(
                f"{type(self.sampler).__name__} cannot resample this training set: "
                f"{_explain_failure(self.sampler, error)}"
            ) from error
        if len(np.unique(new_y)) < len(np.unique(y)):
            raise Refused(
                f"{type(self.sampler).__name__} leaves no training image of some class; "
                "random_over would work"
            )
        if _selects_original_samples(self.sampler):
            return X[self.sampler.sample_indices_], new_y
        if X.dtype == np.uint8:
            new = np.clip(np.rint(new), 0, 255)
        return new.astype(X.dtype).reshape(-1, *X.shape[1:]), new_y


def _selects_original_samples(sampler: Any) -> bool:
    """Whether what it gave are some of the samples as they were, drawn once or more."""
    return hasattr(sampler, "sample_indices_") and getattr(sampler, "shrinkage", None) is None


def _count_neighbours(sampler: Any) -> tuple[int, int]:
    """Neighbours within one class that a sampler looks for, and the images that a class must have for that."""
    inner = getattr(sampler, "smote", None) or sampler
    if isinstance(inner, NearMiss):  # neighbours of the images of other classes
        return (
            (inner.n_neighbors, inner.n_neighbors) if isinstance(inner.n_neighbors, int) else (0, 0)
        )
    found = getattr(inner, "n_neighbors" if isinstance(inner, ADASYN) else "k_neighbors", 0)
    return (found, found + 1) if isinstance(found, int) else (0, 0)


def _explain_failure(sampler: Any, error: Exception) -> str:
    """Why a sampler stopped: in our words for those of imbalanced-learn, in its own for a plug-in."""
    if type(sampler).__module__.startswith("imblearn."):
        return INSTEAD.get(type(sampler).__name__, TOO_FEW)
    return " ".join(str(error).split())


def smote_enn(k_neighbors: int = 5, n_neighbors: int = 3) -> Resample:
    """SMOTE, then drop images whose neighbours are of another class (Batista, Prati & Monard 2004)."""
    cleaning = EditedNearestNeighbours(sampling_strategy="all", n_neighbors=n_neighbors)
    return Resample(SMOTEENN(smote=SMOTE(k_neighbors=k_neighbors), enn=cleaning))


def smote_tomek(k_neighbors: int = 5) -> Resample:
    """SMOTE, then drop pairs of nearest neighbours of two classes (Batista, Bazzan & Monard 2003)."""
    return Resample(SMOTETomek(smote=SMOTE(k_neighbors=k_neighbors)))
