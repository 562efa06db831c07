"""Metrics, declared: what each needs, which way is better, how it is computed from stored predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import label_ranking_average_precision_score

from benchmark import scores
from benchmark.predictions import Predictions

ABSENT = "no test image of: "
HARD = "every probability is 0 or 1: "

Function = Callable[[Predictions, NDArray], float]


@dataclass(frozen=True)
class Metric:
    """One figure of merit.

    Parameters
    ----------
    name : str
        Column in rows and tables.
    needs : 'labels' or 'proba'
        What ``function`` is given as its second argument. A metric that needs probabilities never sees labels.
    greater_is_better : bool
    function : callable (predictions, labels or proba) -> float
    describes : str
        One line for people.
    multilabel : bool or None
        True: only for multi-label tasks; False: only for the others; None: for all.
    """

    name: str
    needs: Literal["labels", "proba"]
    greater_is_better: bool
    function: Function
    describes: str
    multilabel: bool | None = None

    def __call__(self, predictions: Predictions) -> float:
        """Value on stored predictions; NaN where it is undefined (see ``undefined``)."""
        return float(self.function(predictions, predictions.labels if self.needs == "labels" else predictions.proba))


def compute(predictions: Predictions) -> dict[str, float]:
    """Compute every metric that applies, by name."""
    return {metric.name: metric(predictions) for metric in METRICS.values() if metric.multilabel in (None, predictions.multilabel)}


def undefined(predictions: Predictions) -> list[str]:
    """Say in words which metrics are not defined, and why."""
    names = ", ".join(predictions.absent)
    absent = f"{ABSENT}{names}; auc and average_precision are undefined, macro averages are over the other classes"
    hard = f"{HARD}auc and average_precision are not computed from hard labels"
    return [absent] * bool(names) + [hard] * predictions.hard


def per_class(predictions: Predictions) -> dict[str, dict[str, float]]:
    """Precision, recall, F1, average precision (NaN where undefined) and number of test images of each class."""
    counts, truth = _counts(predictions), _truth(predictions)
    area = scores.average_precision(truth, predictions.proba)
    values = np.column_stack([counts.precision, counts.recall, counts.f1, area, counts.true])
    names = ("precision", "recall", "f1", "average_precision", "support")
    return {cls: dict(zip(names, row, strict=True)) for cls, row in zip(predictions.classes, values.tolist(), strict=True)}


def _truth(p: Predictions) -> NDArray[np.bool_]:
    """Whether an image is of a class, (n, n_classes)."""
    return p.y_true.astype(bool) if p.multilabel else p.y_true[:, None] == np.arange(len(p.classes))


@lru_cache(maxsize=1)
def _confusion(p: Predictions) -> NDArray[np.int64]:
    return scores.confusion_matrix(p.y_true, p.labels, len(p.classes))


@lru_cache(maxsize=1)
def _counts(p: Predictions) -> scores.Counts:
    if p.multilabel:
        return scores.Counts((p.labels & p.y_true).sum(axis=0), p.labels.sum(axis=0), p.y_true.sum(axis=0))
    table = _confusion(p)
    return scores.Counts(table.diagonal(), table.sum(axis=0), table.sum(axis=1))


def _macro(name: str) -> Function:
    """Mean over the classes; of a class without test images no recall is defined, so that it does not count."""

    def score(p: Predictions, labels: NDArray) -> float:
        counts = _counts(p)
        values = getattr(counts, name)
        return values.mean() if p.multilabel else values[counts.true > 0].mean()

    return score


def _recalls(p: Predictions) -> NDArray[np.float64]:
    """Recall of every class that has test images."""
    counts = _counts(p)
    return counts.recall[counts.true > 0]


def _weighted(name: str) -> Function:
    """Mean over the classes, each weighted by its test images."""

    def score(p: Predictions, labels: NDArray) -> float:
        counts = _counts(p)
        return getattr(counts, name) @ counts.true / counts.true.sum() if counts.true.any() else 0.0

    return score


def _one_vs_rest(function: Callable[[NDArray[np.bool_], NDArray], NDArray]) -> Function:
    """Mean over classes of a binary score; binary tasks score the second class.

    NaN if a class is absent or all there is, and from hard labels.
    """

    def score(p: Predictions, proba: NDArray) -> float:
        truth = _truth(p)
        columns = [1] if len(p.classes) == 2 and not p.multilabel else slice(None)
        truth, proba = truth[:, columns], proba[:, columns]
        if p.hard or (truth.all(axis=0) | ~truth.any(axis=0)).any():
            return float("nan")
        return function(truth, proba).mean()

    return score


def _f1_micro(p: Predictions, labels: NDArray) -> float:
    counts = _counts(p)
    both = counts.predicted.sum() + counts.true.sum()
    return 2 * counts.right.sum() / both if both else 0.0


def _log_loss(p: Predictions, proba: NDArray) -> float:
    """Probabilities are kept a rounding error away from 0 and 1, as scikit-learn does."""
    true = (proba / proba.sum(axis=1, keepdims=True))[np.arange(len(proba)), p.y_true]
    least = np.finfo(proba.dtype).eps
    return -np.log(true.clip(least, 1 - least)).mean()


def _brier(p: Predictions, proba: NDArray) -> float:
    """Brier 1950, as scikit-learn scales it: halved for two classes (0 best, 1 worst), else a sum over classes (2 worst)."""
    squared = (proba - (p.y_true[:, None] == np.arange(len(p.classes)))) ** 2
    return squared[:, 1].mean() if len(p.classes) == 2 else squared.sum(axis=1).mean()


def _ece(p: Predictions, proba: NDArray, n_bins: int = 15) -> float:
    """Expected calibration error of the predicted class, 15 equal bins of confidence (Guo et al. 2017)."""
    confidence, correct = proba.max(axis=1), p.labels == p.y_true
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _kappa(p: Predictions, labels: NDArray) -> float:
    return scores.kappa(_confusion(p), quadratic=p.ordinal)


def _accuracy(p: Predictions, labels: NDArray) -> float:
    return (p.y_true == labels).mean()


_LIST = (
    Metric("accuracy", "labels", True, _accuracy, "share of right answers (multi-label: of all image-label pairs)"),
    Metric(
        "balanced_accuracy",
        "labels",
        True,
        _macro("recall"),
        "mean recall of the classes: equal to recall",
        False,
    ),
    Metric("precision", "labels", True, _macro("precision"), "mean precision of the classes (macro)"),
    Metric("recall", "labels", True, _macro("recall"), "mean recall of the classes (macro)"),
    Metric("f1", "labels", True, _macro("f1"), "mean F1 of the classes (macro)"),
    Metric(
        "geometric_mean",
        "labels",
        True,
        lambda p, labels: float(np.prod(_recalls(p)) ** (1 / len(_recalls(p)))),
        "geometric mean of the classes' recall: 0 when one class is never found",
        False,
    ),
    Metric("minimum_recall", "labels", True, lambda p, labels: float(_recalls(p).min()), "recall of the class found worst", False),
    Metric("auc", "proba", True, _one_vs_rest(scores.roc_auc), "area under the ROC curve, one-vs-rest, macro"),
    Metric("average_precision", "proba", True, _one_vs_rest(scores.average_precision), "area under precision-recall, one-vs-rest, macro"),
    Metric("log_loss", "proba", False, _log_loss, "mean negative log probability of the true class", False),
    Metric("mcc", "labels", True, lambda p, labels: scores.matthews(_confusion(p)), "Matthews correlation coefficient", False),
    Metric(
        "kappa",
        "labels",
        True,
        lambda p, labels: scores.kappa(_confusion(p), p.ordinal),
        "Cohen's kappa; quadratic weights for ordinal classes",
        False,
    ),
    Metric("brier", "proba", False, _brier, "mean squared error of the probabilities", False),
    Metric("ece", "proba", False, _ece, "expected calibration error, 15 bins", False),
    Metric("precision_weighted", "labels", True, _weighted("precision"), "precision, classes weighted by size"),
    Metric("recall_weighted", "labels", True, _weighted("recall"), "recall, classes weighted by size"),
    Metric("f1_weighted", "labels", True, _weighted("f1"), "F1, classes weighted by size"),
    Metric("f1_micro", "labels", True, _f1_micro, "F1 over all image-label pairs", True),
    Metric(
        "subset_accuracy",
        "labels",
        True,
        lambda p, labels: (p.y_true == labels).all(axis=1).mean(),
        "share of images with every label right",
        True,
    ),
    Metric("hamming_loss", "labels", False, lambda p, labels: (p.y_true != labels).mean(), "share of wrong image-label pairs", True),
    Metric(
        "label_ranking_average_precision",
        "proba",
        True,
        lambda p, proba: label_ranking_average_precision_score(p.y_true, proba),
        "of the labels ranked above a true one, the share that is true",
        True,
    ),
)
METRICS = {metric.name: metric for metric in _LIST}
