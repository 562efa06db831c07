"""Figures of merit from counts and ranks that are taken once.

The definitions are scikit-learn's, and tests hold every figure equal to it. They are written again
for their cost: scikit-learn's functions, one by one, check and sort their input anew, and together
take most of the time of a quick cell (measured in ``results/engine.md``).
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
    """How often each class was right, predicted, and there.

    Parameters
    ----------
    right, predicted, true : (..., k)
    """

    right: NDArray
    predicted: NDArray
    true: NDArray

    @property
    def precision(self) -> Floats:
        """Of what was said to be a class, the share that is; 0 where nothing was."""
        return _divide_or_zero(self.right, self.predicted)

    @property
    def recall(self) -> Floats:
        """Of what is a class, the share that was said to be; 0 where nothing is."""
        return _divide_or_zero(self.right, self.true)

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall."""
        return _divide_or_zero(2 * self.right, self.predicted + self.true)


def confusion_matrix(y: Integers, labels: Integers, n_classes: int) -> Integers:
    """Counts of (true class, predicted class), (k, k)."""
    return np.bincount(y * n_classes + labels, minlength=n_classes**2).reshape(n_classes, n_classes)


def roc_auc(truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Area under the ROC curve of each column: the rank sum of Mann & Whitney 1947, ties counted half.

    Parameters
    ----------
    truth, scores : (n, k)

    Returns
    -------
    (k,) float
        NaN where all are of one kind.
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
    """Precision at each distinct score from the highest down, weighted by the recall gained there; (k,), NaN without positives."""
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
    """Share of negatives below each positive, and of positives below each negative, ties half: by midranks (Sun & Xu 2014)."""
    ranks = rankdata(scores)
    of_positives = (ranks[truth] - rankdata(scores[truth])) / (~truth).sum()
    of_negatives = (ranks[~truth] - rankdata(scores[~truth])) / truth.sum()
    return of_positives, 1 - of_negatives


def negative_log_likelihood(y: Integers, proba: Floats) -> Floats:
    """Negative log probability of each image's class, kept a rounding error away from 0 and 1, as scikit-learn does; (n,)."""
    true = (proba / proba.sum(axis=1, keepdims=True))[np.arange(len(proba)), y]
    least = np.finfo(proba.dtype).eps
    return -np.log(true.clip(least, 1 - least))


def squared_error(y: Integers, proba: Floats) -> Floats:
    """Squared error of each image's probabilities: of the second of two classes, else summed over the classes; (n,)."""
    squared = (proba - (y[:, None] == np.arange(proba.shape[1]))) ** 2
    return squared[:, 1] if proba.shape[1] == 2 else squared.sum(axis=1)


def label_ranking_precision(truth: NDArray[np.bool_], proba: Floats) -> Floats:
    """Of the labels ranked above a true one, the share that is true, by image; 1 where no label is true, or all are; (n,)."""
    ranks = rankdata(-proba, method="max", axis=1)
    among_true = ((proba[:, None, :] >= proba[:, :, None]) & truth[:, None, :]).sum(axis=2)
    n = truth.sum(axis=1)
    return np.divide(
        (among_true / ranks * truth).sum(axis=1), n, out=np.ones(len(truth)), where=n > 0
    )


def matthews_correlation(counts: Counts) -> Floats:
    """Matthews correlation coefficient for any number of classes (Gorodkin 2004); 0 where one side is constant."""
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
    """F1 of all pairs of an image and a label."""
    both = counts.predicted.sum(axis=-1) + counts.true.sum(axis=-1)
    return np.divide(
        2 * counts.right.sum(axis=-1), both, out=np.zeros(np.shape(both)), where=both > 0
    )


def geometric_mean(counts: Counts) -> Floats:
    """Geometric mean of the recall of the classes that have test images."""
    present = _has_test_images(counts)
    return np.where(present, counts.recall.clip(0), 1).prod(axis=-1) ** (1 / present.sum())


def _has_test_images(counts: Counts) -> NDArray[np.bool_]:
    """Classes that have test images; a numeric derivative moves the counts by less than a half."""
    return counts.true.reshape(-1, counts.true.shape[-1]).max(axis=0) > 0.5


def disagreement_weights(n_classes: int, quadratic: bool) -> Floats:
    """Weight of taking one class for another: the squared distance in their order, or one; (k, k)."""
    distance = np.subtract.outer(np.arange(n_classes), np.arange(n_classes))
    return (distance**2 if quadratic else distance != 0).astype(float)


def cohen_kappa(confusion: NDArray, quadratic: bool) -> float:
    """Cohen's kappa (1960), disagreement weighted by squared distance or not at all; NaN where chance alone agrees fully."""
    weights = disagreement_weights(len(confusion), quadratic)
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / confusion.sum()
    by_chance = (weights * expected).sum()
    return float(1 - (weights * confusion).sum() / by_chance) if by_chance else float("nan")


def _divide_or_zero(part: NDArray, whole: NDArray) -> Floats:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)


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
