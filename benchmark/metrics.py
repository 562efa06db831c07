"""Metrics, declared: what each needs, which way is better, how it is computed from stored predictions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.exceptions import UndefinedMetricWarning

from benchmark.predictions import Predictions

ABSENT = "no test image of: "

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
    with warnings.catch_warnings():  # absent classes are reported by `undefined`, once, in words
        warnings.filterwarnings("ignore", category=UndefinedMetricWarning)
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        warnings.filterwarnings("ignore", message="A single label was found")
        return {metric.name: metric(predictions) for metric in METRICS.values() if metric.multilabel in (None, predictions.multilabel)}


def undefined(predictions: Predictions) -> list[str]:
    """Say in words what absent classes do to the metrics."""
    if not predictions.absent:
        return []
    names = ", ".join(predictions.absent)
    return [f"{ABSENT}{names}; auc and average_precision are undefined, macro averages are over the other classes"]


def per_class(predictions: Predictions) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and number of test images of each class."""
    columns = range(len(predictions.classes))
    values = sk.precision_recall_fscore_support(predictions.y_true, predictions.labels, labels=columns, zero_division=0)
    names = ("precision", "recall", "f1", "support")
    return {cls: dict(zip(names, map(float, row), strict=True)) for cls, row in zip(predictions.classes, np.transpose(values), strict=True)}


def _averaged(function: Callable[..., Any], average: str) -> Function:
    """Over the classes that have test images: the recall of any other is undefined."""

    def score(p: Predictions, labels: NDArray) -> float:
        present = None if p.multilabel else np.unique(p.y_true)
        return function(p.y_true, labels, labels=present, average=average, zero_division=0)

    return score


def _one_vs_rest(function: Callable[..., Any]) -> Function:
    """Mean over classes of a binary score; binary tasks score the second class; NaN if a class is absent or all there is."""

    def score(p: Predictions, proba: NDArray) -> float:
        truth = p.y_true if p.multilabel else np.eye(len(p.classes), dtype=int)[p.y_true]
        columns = [1] if len(p.classes) == 2 and not p.multilabel else range(len(p.classes))
        if any(truth[:, k].min() == truth[:, k].max() for k in columns):
            return float("nan")
        return float(np.mean([function(truth[:, k], proba[:, k]) for k in columns]))

    return score


def _kappa(p: Predictions, labels: NDArray) -> float:
    return sk.cohen_kappa_score(p.y_true, labels, labels=range(len(p.classes)), weights="quadratic" if p.ordinal else None)


def _mcc(p: Predictions, labels: NDArray) -> float:
    return sk.matthews_corrcoef(p.y_true, labels)


def _log_loss(p: Predictions, proba: NDArray) -> float:
    return sk.log_loss(p.y_true, proba / proba.sum(axis=1, keepdims=True), labels=range(len(p.classes)))


def _brier(p: Predictions, proba: NDArray) -> float:
    """Brier 1950, as scikit-learn scales it: halved for two classes (0 best, 1 worst), else a sum over classes (2 worst)."""
    return sk.brier_score_loss(p.y_true, proba[:, 1] if len(p.classes) == 2 else proba, labels=range(len(p.classes)))


def _ece(p: Predictions, proba: NDArray, n_bins: int = 15) -> float:
    """Expected calibration error of the predicted class, 15 equal bins of confidence (Guo et al. 2017)."""
    confidence, correct = proba.max(axis=1), p.labels == p.y_true
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _accuracy(p: Predictions, labels: NDArray) -> float:
    return (p.y_true == labels).mean()


_LIST = (
    Metric("accuracy", "labels", True, _accuracy, "share of right answers (multi-label: of all image-label pairs)"),
    Metric(
        "balanced_accuracy",
        "labels",
        True,
        lambda p, labels: sk.balanced_accuracy_score(p.y_true, labels),
        "mean recall of the classes: equal to recall",
        False,
    ),
    Metric("precision", "labels", True, _averaged(sk.precision_score, "macro"), "mean precision of the classes (macro)"),
    Metric("recall", "labels", True, _averaged(sk.recall_score, "macro"), "mean recall of the classes (macro)"),
    Metric("f1", "labels", True, _averaged(sk.f1_score, "macro"), "mean F1 of the classes (macro)"),
    Metric("auc", "proba", True, _one_vs_rest(sk.roc_auc_score), "area under the ROC curve, one-vs-rest, macro"),
    Metric("average_precision", "proba", True, _one_vs_rest(sk.average_precision_score), "area under precision-recall, one-vs-rest, macro"),
    Metric("log_loss", "proba", False, _log_loss, "mean negative log probability of the true class", False),
    Metric("mcc", "labels", True, _mcc, "Matthews correlation coefficient", False),
    Metric("kappa", "labels", True, _kappa, "Cohen's kappa; quadratic weights for ordinal classes", False),
    Metric("brier", "proba", False, _brier, "mean squared error of the probabilities", False),
    Metric("ece", "proba", False, _ece, "expected calibration error, 15 bins", False),
    Metric("precision_weighted", "labels", True, _averaged(sk.precision_score, "weighted"), "precision, classes weighted by size"),
    Metric("recall_weighted", "labels", True, _averaged(sk.recall_score, "weighted"), "recall, classes weighted by size"),
    Metric("f1_weighted", "labels", True, _averaged(sk.f1_score, "weighted"), "F1, classes weighted by size"),
    Metric("f1_micro", "labels", True, _averaged(sk.f1_score, "micro"), "F1 over all image-label pairs", True),
    Metric(
        "subset_accuracy",
        "labels",
        True,
        lambda p, labels: (p.y_true == labels).all(axis=1).mean(),
        "share of images with every label right",
        True,
    ),
    Metric("hamming_loss", "labels", False, lambda p, labels: sk.hamming_loss(p.y_true, labels), "share of wrong image-label pairs", True),
    Metric(
        "label_ranking_average_precision",
        "proba",
        True,
        lambda p, proba: sk.label_ranking_average_precision_score(p.y_true, proba),
        "of the labels ranked above a true one, the share that is true",
        True,
    ),
)
METRICS = {metric.name: metric for metric in _LIST}
