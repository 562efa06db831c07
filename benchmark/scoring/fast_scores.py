"""Metrics computed from counts and ranks that are shared between them.

The definitions are scikit-learn's, and the tests compare every value with it. They are
reimplemented for speed: each of scikit-learn's functions validates and sorts its input anew, and
together they take most of the time of a fast cell (measured in ``results/engine.md``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Counts:
    """Number of images of each class that are predicted correctly, predicted, and true.

    Parameters
    ----------
    right, predicted, true : array of shape (..., k)
        For each of k classes: the images that are of the class and predicted as it, those predicted
        as it, and those that are of it.
    """

    right: NDArray
    predicted: NDArray
    true: NDArray

    @property
    def precision(self) -> Floats:
        """Share of the images predicted as a class that are of it; 0 if none was predicted."""
        return _divide_or_zero(self.right, self.predicted)

    @property
    def recall(self) -> Floats:
        """Share of the images of a class that are predicted as it; 0 if there are none."""
        return _divide_or_zero(self.right, self.true)

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall."""
        return _divide_or_zero(2 * self.right, self.predicted + self.true)


def confusion_matrix(y: Integers, labels: Integers, n_classes: int) -> Integers:
    """Number of images by true class (rows) and predicted class (columns), shape (k, k)."""
    return np.bincount(y * n_classes + labels, minlength=n_classes**2).reshape(n_classes, n_classes)


def roc_auc(truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Area under the ROC curve of each column.

    Computed from the rank sum (Mann & Whitney 1947); ties count one half.

    Parameters
    ----------
    truth : array of shape (n, k), bool
    scores : array of shape (n, k), float

    Returns
    -------
    array of shape (k,), float
        NaN in columns that are all positive or all negative.
    """
    n_true = truth.sum(axis=0)
    above = (rankdata(scores, axis=0) * truth).sum(axis=0) - n_true * (n_true + 1) / 2
    return np.divide(
        above,
        n_true * (len(truth) - n_true),
        out=np.full(len(n_true), np.nan),
        where=(n_true > 0) & (n_true < len(truth)),
    )


def average_precision(truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Average precision of each column, as scikit-learn defines it.

    The precision at each distinct score, from the highest down, is weighted by the recall gained
    there.

    Parameters
    ----------
    truth : array of shape (n, k), bool
    scores : array of shape (n, k), float

    Returns
    -------
    array of shape (k,), float
        NaN in columns without positives.
    """
    order = np.argsort(-scores, axis=0)
    sorted_scores, right = (
        np.take_along_axis(scores, order, axis=0),
        np.take_along_axis(truth, order, axis=0).cumsum(axis=0),
    )
    distinct = np.vstack(
        [sorted_scores[1:] != sorted_scores[:-1], np.ones((1, truth.shape[1]), bool)]
    )
    before = np.vstack(
        [
            np.zeros((1, truth.shape[1])),
            np.maximum.accumulate(np.where(distinct, right, 0), axis=0)[:-1],
        ]
    )
    precision = right / np.arange(1, len(truth) + 1)[:, None]
    gained = (np.where(distinct, right - before, 0) * precision).sum(axis=0)
    return np.divide(gained, right[-1], out=np.full(truth.shape[1], np.nan), where=right[-1] > 0)


def placement_values(truth: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Placement values of positives and negatives, by midranks (Sun & Xu 2014).

    Parameters
    ----------
    truth : array of shape (n,), bool
    scores : array of shape (n,), float

    Returns
    -------
    of_positives : array of shape (n_positives,)
        Share of the negatives that score below each positive; ties count one half.
    of_negatives : array of shape (n_negatives,)
        Share of the positives that score above each negative; ties count one half.
    """
    ranks = rankdata(scores)
    of_positives = (ranks[truth] - rankdata(scores[truth])) / (~truth).sum()
    of_negatives = (ranks[~truth] - rankdata(scores[~truth])) / truth.sum()
    return of_positives, 1 - of_negatives


def negative_log_likelihood(y: Integers, proba: Floats) -> Floats:
    """Negative log probability of the true class of each image, shape (n,).

    Probabilities are clipped to a rounding error away from 0 and 1, as scikit-learn does.
    """
    true = (proba / proba.sum(axis=1, keepdims=True))[np.arange(len(proba)), y]
    least = np.finfo(proba.dtype).eps
    return -np.log(true.clip(least, 1 - least))


def squared_error(y: Integers, proba: Floats) -> Floats:
    """Squared error of the probabilities of each image, shape (n,).

    For two classes it is the error of the second, otherwise the sum over the classes.
    """
    squared = (proba - (y[:, None] == np.arange(proba.shape[1]))) ** 2
    return squared[:, 1] if proba.shape[1] == 2 else squared.sum(axis=1)


def label_ranking_precision(truth: NDArray[np.bool_], proba: Floats) -> Floats:
    """Label ranking average precision of each image, shape (n,).

    For each true label, the share of true labels among those ranked at least as high; averaged over
    the true labels. It is 1 for an image on which no label or every label is true.
    """
    ranks = rankdata(-proba, method="max", axis=1)
    among_true = ((proba[:, None, :] >= proba[:, :, None]) & truth[:, None, :]).sum(axis=2)
    n = truth.sum(axis=1)
    return np.divide(
        (among_true / ranks * truth).sum(axis=1), n, out=np.ones(len(truth)), where=n > 0
    )


def matthews_correlation(counts: Counts) -> Floats:
    """Matthews correlation coefficient for any number of classes (Gorodkin 2004).

    It is 0 if the true or the predicted classes are constant.
    """
    right, true, predicted = counts.right.sum(axis=-1), 1.0 * counts.true, 1.0 * counts.predicted
    n = true.sum(axis=-1)
    covariance = right * n - (true * predicted).sum(axis=-1)
    spread = (n**2 - (predicted**2).sum(axis=-1)) * (n**2 - (true**2).sum(axis=-1))
    return np.divide(
        covariance, np.sqrt(spread.clip(0)), out=np.zeros(np.shape(spread)), where=spread > 0
    )


def macro_average(name: str, counts: Counts) -> Floats:
    """Mean of 'precision', 'recall' or 'f1' over the classes that have test images."""
    present = _has_test_images(counts)
    n = present.sum() or np.nan
    return np.where(present, getattr(counts, name), 0).sum(axis=-1) / n


def weighted_average(name: str, counts: Counts) -> Floats:
    """Mean of 'precision', 'recall' or 'f1' over the classes, each weighted by its test images."""
    n = counts.true.sum(axis=-1)
    return np.divide(
        (getattr(counts, name) * counts.true).sum(axis=-1),
        n,
        out=np.zeros(np.shape(n)),
        where=n > 0,
    )


def f1_micro(counts: Counts) -> Floats:
    """F1 over all image-label pairs."""
    both = counts.predicted.sum(axis=-1) + counts.true.sum(axis=-1)
    return np.divide(
        2 * counts.right.sum(axis=-1), both, out=np.zeros(np.shape(both)), where=both > 0
    )


def geometric_mean(counts: Counts) -> Floats:
    """Geometric mean of the recall of the classes that have test images."""
    present = _has_test_images(counts)
    return np.where(present, counts.recall.clip(0), 1).prod(axis=-1) ** (1 / present.sum())


def _has_test_images(counts: Counts) -> NDArray[np.bool_]:
    """Mask of the classes that have test images, shape (k,).

    The threshold is one half since numeric derivatives (``influence``) shift counts by less.
    """
    return counts.true.reshape(-1, counts.true.shape[-1]).max(axis=0) > 0.5


def disagreement_weights(n_classes: int, quadratic: bool) -> Floats:
    """Weight of confusing one class with another, shape (k, k).

    With ``quadratic``, it is the squared distance in the order of the classes, otherwise one.
    """
    distance = np.subtract.outer(np.arange(n_classes), np.arange(n_classes))
    return (distance**2 if quadratic else distance != 0).astype(float)


def cohen_kappa(confusion: NDArray, quadratic: bool) -> float:
    """Cohen's kappa (1960), optionally with quadratic weights (``disagreement_weights``).

    NaN if chance alone gives full agreement.
    """
    weights = disagreement_weights(len(confusion), quadratic)
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / confusion.sum()
    by_chance = (weights * expected).sum()
    return float(1 - (weights * confusion).sum() / by_chance) if by_chance else float("nan")


def _divide_or_zero(numerator: NDArray, denominator: NDArray) -> Floats:
    return np.divide(
        numerator, denominator, out=np.zeros(np.shape(denominator)), where=denominator > 0
    )


OF_COUNTS: MappingProxyType[str, Callable[[Counts], Floats]] = MappingProxyType(
    {
        "balanced_accuracy": partial(macro_average, "recall"),
        **{name: partial(macro_average, name) for name in ("precision", "recall", "f1")},
        **{
            f"{name}_weighted": partial(weighted_average, name)
            for name in ("precision", "recall", "f1")
        },
        "f1_micro": f1_micro,
        "geometric_mean": geometric_mean,
        "mcc": matthews_correlation,
    }
)
