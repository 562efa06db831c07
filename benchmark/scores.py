"""Figures of merit from counts and ranks that are taken once.

The definitions are scikit-learn's, and tests hold every figure equal to it. They are written again for their cost:
scikit-learn's functions, one by one, check and sort their input anew, and together take most of the time of a quick cell
(measured in ``results/engine.md``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Counted = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each class was right, predicted, and there.

    Parameters
    ----------
    right, predicted, true : (k,) int
    """

    right: Counted
    predicted: Counted
    true: Counted

    @property
    def precision(self) -> Floats:
        """Of what was said to be a class, the share that is; 0 where nothing was, (k,)."""
        return _share(self.right, self.predicted)

    @property
    def recall(self) -> Floats:
        """Of what is a class, the share that was said to be; 0 where nothing is, (k,)."""
        return _share(self.right, self.true)

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall, (k,)."""
        return _share(2 * self.right, self.predicted + self.true)


def confusion_matrix(y: Counted, labels: Counted, n_classes: int) -> Counted:
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
    return np.divide(above, n_true * (len(truth) - n_true), out=np.full(len(n_true), np.nan), where=(n_true > 0) & (n_true < len(truth)))


def average_precision(truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Precision at each distinct score from the highest down, weighted by the recall gained there; (k,), NaN without positives."""
    order = np.argsort(-scores, axis=0)
    sorted_scores, right = np.take_along_axis(scores, order, axis=0), np.take_along_axis(truth, order, axis=0).cumsum(axis=0)
    distinct = np.vstack([sorted_scores[1:] != sorted_scores[:-1], np.ones((1, truth.shape[1]), bool)])
    before = np.vstack([np.zeros((1, truth.shape[1])), np.maximum.accumulate(np.where(distinct, right, 0), axis=0)[:-1]])
    precision = right / np.arange(1, len(truth) + 1)[:, None]
    gained = (np.where(distinct, right - before, 0) * precision).sum(axis=0)
    return np.divide(gained, right[-1], out=np.full(truth.shape[1], np.nan), where=right[-1] > 0)


def matthews(confusion: Counted) -> float:
    """Matthews correlation coefficient for any number of classes (Gorodkin 2004); 0 where one side is constant."""
    n, true, predicted = float(confusion.sum()), confusion.sum(axis=1).astype(float), confusion.sum(axis=0).astype(float)
    covariance = np.trace(confusion) * n - true @ predicted
    spread = (n**2 - predicted @ predicted) * (n**2 - true @ true)
    return float(covariance / np.sqrt(spread)) if spread else 0.0


def kappa(confusion: Counted, quadratic: bool) -> float:
    """Cohen's kappa (1960), disagreement weighted by squared distance or not at all; NaN where chance alone agrees fully."""
    k = len(confusion)
    distance = np.subtract.outer(np.arange(k), np.arange(k))
    weights = distance**2 if quadratic else distance != 0
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / confusion.sum()
    by_chance = (weights * expected).sum()
    return float(1 - (weights * confusion).sum() / by_chance) if by_chance else float("nan")


def _share(part: Counted, whole: Counted) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
