"""Strategies that resample the training set with a sampler of imbalanced-learn."""

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

# why a sampler of imbalanced-learn fails, and what to use instead
INSTEAD = {
    "ADASYN": "no image of a class to be enlarged has a neighbour of another class, or the classes "
    "are nearly even; random_over would work",
    "KMeansSMOTE": "no cluster has enough images of a class to be enlarged; random_over, or a "
    "lower cluster_balance_threshold, would work",
    "InstanceHardnessThreshold": "its inner folds need as many images of the largest class as its "
    "cv; random_under would work",
}
TOO_FEW = (
    "there are too few images for its neighbours, or too few that it would keep; random_over "
    "would work"
)


class Resample(Strategy):
    """Resample the training set with a sampler of imbalanced-learn.

    Images are resampled as flattened pixels; interpolated pixels are rounded to 0..255.

    Parameters
    ----------
    sampler : object with ``fit_resample``

    See Also
    --------
    benchmark.strategies.base.Strategy : The base class.

    Examples
    --------
    >>> from imblearn.over_sampling import RandomOverSampler
    >>> X, y = Resample(RandomOverSampler()).resample(np.eye(4), np.array([0, 0, 0, 1]))
    >>> np.bincount(y).tolist()
    [3, 3]
    """

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    @property
    def balances(self) -> bool:
        """Whether the sampler evens out the class frequencies; cleaning samplers do not."""
        return getattr(self.sampler, "_sampling_type", "") != "clean-sampling"

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Refuse multi-label targets, a single class, and classes with too few images."""
        name = type(self.sampler).__name__
        if task == "multilabel":
            return f"{name} needs one label per image; this dataset has several"
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            return f"{name} needs two classes; the training set has one"
        rarest, least = classes[labels[counts.argmin()]], int(counts.min())
        neighbours, needed = _count_neighbours(self.sampler)
        is_unchanged = (
            needed > neighbours and least == counts.max()
        )  # even classes stay as they are
        if least >= needed or is_unchanged:
            return None
        fewer = least - (needed - neighbours)
        fewer_work = fewer > 0 and name not in INSTEAD  # samplers in INSTEAD have other needs, too
        instead = (
            f"{format_count(fewer, 'neighbour')} or random_over" if fewer_work else "random_over"
        )
        return (
            f"{name} with {format_count(neighbours, 'neighbour')} needs {needed} training images "
            f"of each class; '{rarest}' has {least}; {instead} would work"
        )

    def resample(self, X: NDArray, y: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
        """Resample; the dtype of X is kept."""
        flat = X.reshape(len(X), -1)
        try:  # as float32, because distances and interpolation overflow in uint8
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
    """Whether a fitted sampler has selected or repeated samples, without interpolating."""
    return hasattr(sampler, "sample_indices_") and getattr(sampler, "shrinkage", None) is None


def _count_neighbours(sampler: Any) -> tuple[int, int]:
    """Count the neighbours that a sampler uses, and the images that each class needs for that."""
    inner = getattr(sampler, "smote", None) or sampler
    if isinstance(inner, NearMiss):  # neighbours of images of other classes
        n_neighbors, n_others = inner.n_neighbors, 0
    else:
        name = "n_neighbors" if isinstance(inner, ADASYN) else "k_neighbors"
        n_neighbors, n_others = getattr(inner, name, 0), 1
    return (n_neighbors, n_neighbors + n_others) if isinstance(n_neighbors, int) else (0, 0)


def _explain_failure(sampler: Any, error: Exception) -> str:
    """Explain why a sampler failed: in our words for imbalanced-learn, else by its own message."""
    if type(sampler).__module__.startswith("imblearn."):
        return INSTEAD.get(type(sampler).__name__, TOO_FEW)
    return " ".join(str(error).split())


def smote_enn(k_neighbors: int = 5, n_neighbors: int = 3) -> Resample:
    """SMOTE, then drop images whose neighbours are of another class (Batista et al. 2004).

    Parameters
    ----------
    k_neighbors : int, default=5
        Neighbours between which SMOTE interpolates.
    n_neighbors : int, default=3
        Neighbours that an image is compared with before it is dropped.

    Notes
    -----
    Batista, G. E. A. P. A., Prati, R. C. & Monard, M. C. (2004), "A study of the behavior of
    several methods for balancing machine learning training data", SIGKDD Explorations 6(1), 20-29.

    Examples
    --------
    >>> smote_enn(k_neighbors=2).sampler.smote.k_neighbors
    2
    """
    cleaning = EditedNearestNeighbours(sampling_strategy="all", n_neighbors=n_neighbors)
    return Resample(SMOTEENN(smote=SMOTE(k_neighbors=k_neighbors), enn=cleaning))


def smote_tomek(k_neighbors: int = 5) -> Resample:
    """SMOTE, then drop pairs of nearest neighbours of two classes (Batista et al. 2003).

    Parameters
    ----------
    k_neighbors : int, default=5
        Neighbours between which SMOTE interpolates.

    Notes
    -----
    Batista, G. E. A. P. A., Bazzan, A. L. C. & Monard, M. C. (2003), "Balancing training data for
    automated annotation of keywords: a case study", WOB 2003, 10-18.

    Examples
    --------
    >>> smote_tomek(k_neighbors=2).sampler.smote.k_neighbors
    2
    """
    return Resample(SMOTETomek(smote=SMOTE(k_neighbors=k_neighbors)))
