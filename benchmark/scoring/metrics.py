"""Metrics, declared: what each needs, which way is better, how it is computed from stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring import fast_scores
from benchmark.scoring.predictions import Predictions
from benchmark.utils.notes import Note, NoteKind

MACRO = "mean over the classes with test images (macro) of"
OF_SECOND = ("average_precision",)  # of two classes that exclude each other
N_BINS = 15

Function = Callable[[Predictions, NDArray], float]


@dataclass(frozen=True)
class Metric:
    """One figure of merit.

    Parameters
    ----------
    name : str
        Column in rows and tables.
    needs : 'labels' or 'proba'
        What ``function`` is given as its second argument. A metric that needs probabilities never
        sees labels.
    greater_is_better : bool
    function : callable (predictions, labels or proba) -> float
    describes : str
        One line for people.
    multilabel : bool or None
        True: only for multi-label tasks; False: only for the others; None: for all.
    macro : bool
        Over classes: its values on test sets with other classes do not compare.
    bounds : (float, float)
        Smallest and largest value that it can have.
    """

    name: str
    needs: Literal["labels", "proba"]
    greater_is_better: bool
    function: Function
    describes: str
    multilabel: bool | None = None
    macro: bool = False
    bounds: tuple[float, float] = (0, 1)

    def __call__(self, predictions: Predictions) -> float:
        """Value on stored predictions; NaN where it is undefined (see ``note_undefined_metrics``)."""
        return float(
            self.function(
                predictions, predictions.labels if self.needs == "labels" else predictions.proba
            )
        )


def compute_metrics(predictions: Predictions) -> dict[str, float]:
    """Compute every metric that applies, by name."""
    return {
        metric.name: metric(predictions)
        for metric in METRICS.values()
        if metric.multilabel in (None, predictions.multilabel)
    }


def note_undefined_metrics(predictions: Predictions) -> list[Note]:
    """Say in words which metrics are not defined, and why."""
    said = []
    if predictions.absent_classes:
        names = ", ".join(predictions.absent_classes)
        said.append(
            f"no test image of: {names}: an incomplete fold; auc and average_precision are "
            "undefined, "
            "macro averages are over the other classes"
        )
    everywhere = [
        cls
        for cls, of in zip(predictions.classes, class_membership(predictions).T, strict=True)
        if len(of) and of.all()
    ]
    if everywhere and predictions.multilabel:
        said.append(
            f"every test image is of: {', '.join(everywhere)}; auc and average_precision are "
            "undefined"
        )
    return [Note(text, NoteKind.CLASSES) for text in said]


def note_missing_classes(predictions: Predictions, targets: NDArray[np.int64]) -> list[Note]:
    """Say which classes the test set or the training set lacks, and what follows; ``targets`` are those of the training set."""
    n_train = (
        targets.sum(axis=0)
        if predictions.multilabel
        else np.bincount(targets, minlength=len(predictions.classes))
    )
    n_test = class_membership(predictions).sum(axis=0)
    lost = [
        (name, n)
        for name, n, k in zip(predictions.classes, n_test, n_train, strict=True)
        if n and not k
    ]
    texts = (
        f"class '{name}' has no training images: none of its {n} test images can be predicted, and "
        "log_loss takes their probability as 0"
        for name, n in lost
    )
    return [*note_undefined_metrics(predictions), *(Note(text, NoteKind.CLASSES) for text in texts)]


def metric_label(metric: str, classes: Sequence[str]) -> str:
    """Name of a metric for people: 'average_precision of 'malignant'' where it is of the second of two classes."""
    return f"{metric} of '{classes[1]}'" if metric in OF_SECOND and len(classes) == 2 else metric


def compute_class_metrics(predictions: Predictions) -> dict[str, dict[str, float]]:
    """Precision, recall, F1, average precision (NaN where undefined) and number of test images of each class."""
    counts, truth = count_per_class(predictions), class_membership(predictions)
    area = fast_scores.average_precision(truth, predictions.proba)
    values = np.column_stack([counts.precision, counts.recall, counts.f1, area, counts.true])
    names = ("precision", "recall", "f1", "average_precision", "support")
    return {
        cls: dict(zip(names, row, strict=True))
        for cls, row in zip(predictions.classes, values.tolist(), strict=True)
    }


def class_membership(p: Predictions) -> NDArray[np.bool_]:
    """Whether an image is of a class, (n, n_classes)."""
    return p.y_true.astype(bool) if p.multilabel else p.y_true[:, None] == np.arange(len(p.classes))


@lru_cache(maxsize=1)
def compute_confusion_matrix(p: Predictions) -> NDArray[np.int64]:
    """Counts of (true class, predicted class), (k, k)."""
    return fast_scores.confusion_matrix(p.y_true, p.labels, len(p.classes))


@lru_cache(maxsize=1)
def count_per_class(p: Predictions) -> fast_scores.Counts:
    """How often each class was right, predicted, and there."""
    if p.multilabel:
        return fast_scores.Counts(
            (p.labels & p.y_true).sum(axis=0), p.labels.sum(axis=0), p.y_true.sum(axis=0)
        )
    table = compute_confusion_matrix(p)
    return fast_scores.Counts(table.diagonal(), table.sum(axis=0), table.sum(axis=1))


def _make_count_metric(name: str) -> Function:
    function = fast_scores.OF_COUNTS[name]
    return lambda p, labels: float(function(count_per_class(p)))


def _minimum_recall(p: Predictions, labels: NDArray) -> float:
    counts = count_per_class(p)
    return float(counts.recall[counts.true > 0].min())


def _make_one_vs_rest_metric(function: Callable[[NDArray[np.bool_], NDArray], NDArray]) -> Function:
    """Mean over classes of a binary score, of two classes that of the second; NaN if a class has no test image, or all of them."""

    def score(p: Predictions, proba: NDArray) -> float:
        truth = class_membership(p)
        columns = [1] if len(p.classes) == 2 and not p.multilabel else slice(None)
        truth, proba = truth[:, columns], proba[:, columns]
        if (truth.all(axis=0) | ~truth.any(axis=0)).any():
            return float("nan")
        return function(truth, proba).mean()

    return score


def _expected_calibration_error(p: Predictions, proba: NDArray) -> float:
    """Expected calibration error of the predicted class (Guo et al. 2017): their 15 equal bins of confidence, closed on the right."""
    confidence, correct = proba.max(axis=1), p.labels == p.y_true
    bins = np.digitize(confidence, np.linspace(0, 1, N_BINS + 1)[1:-1], right=True)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


_LIST = (
    Metric(
        "accuracy",
        "labels",
        True,
        lambda p, labels: (p.y_true == labels).mean(),
        "share of right answers (multi-label: of all image-label pairs)",
    ),
    Metric(
        "balanced_accuracy",
        "labels",
        True,
        _make_count_metric("recall"),
        f"{MACRO} recall: equal to recall",
        False,
        macro=True,
    ),
    Metric(
        "precision",
        "labels",
        True,
        _make_count_metric("precision"),
        f"{MACRO} precision",
        macro=True,
    ),
    Metric("recall", "labels", True, _make_count_metric("recall"), f"{MACRO} recall", macro=True),
    Metric("f1", "labels", True, _make_count_metric("f1"), f"{MACRO} F1", macro=True),
    Metric(
        "geometric_mean",
        "labels",
        True,
        _make_count_metric("geometric_mean"),
        "geometric mean of the recall of the classes with test images: 0 when one class is never "
        "found",
        False,
        macro=True,
    ),
    Metric(
        "minimum_recall",
        "labels",
        True,
        _minimum_recall,
        "recall of the class found worst, of those with test images",
        False,
        macro=True,
    ),
    Metric(
        "auc",
        "proba",
        True,
        _make_one_vs_rest_metric(fast_scores.roc_auc),
        "area under the ROC curve, one-vs-rest, macro; undefined when a class has no test images",
        macro=True,
    ),
    Metric(
        "average_precision",
        "proba",
        True,
        _make_one_vs_rest_metric(fast_scores.average_precision),
        "area under precision-recall, one-vs-rest, macro; of two classes: of the second alone; "
        "undefined when a class has no test images",
        macro=True,
    ),
    Metric(
        "log_loss",
        "proba",
        False,
        lambda p, proba: fast_scores.negative_log_likelihood(p.y_true, proba).mean(),
        "mean negative log probability of the true class",
        False,
        bounds=(0, 1e3),
    ),
    Metric(
        "mcc",
        "labels",
        True,
        _make_count_metric("mcc"),
        "Matthews correlation coefficient",
        False,
        bounds=(-1, 1),
    ),
    Metric(
        "kappa",
        "labels",
        True,
        lambda p, labels: fast_scores.cohen_kappa(compute_confusion_matrix(p), p.ordinal),
        "Cohen's kappa; quadratic weights for ordinal classes",
        False,
        bounds=(-1, 1),
    ),
    Metric(
        "brier",
        "proba",
        False,
        lambda p, proba: fast_scores.squared_error(p.y_true, proba).mean(),
        "Brier 1950, halved for two classes as scikit-learn does (0 best, 1 worst), else a sum "
        "over classes (2 worst)",
        False,
        bounds=(0, 2),
    ),
    Metric(
        "ece",
        "proba",
        False,
        _expected_calibration_error,
        f"expected calibration error, {N_BINS} bins closed on the right",
        False,
    ),
    Metric(
        "precision_weighted",
        "labels",
        True,
        _make_count_metric("precision_weighted"),
        "precision, classes weighted by size",
    ),
    Metric(
        "recall_weighted",
        "labels",
        True,
        _make_count_metric("recall_weighted"),
        "recall, classes weighted by size",
    ),
    Metric(
        "f1_weighted",
        "labels",
        True,
        _make_count_metric("f1_weighted"),
        "F1, classes weighted by size",
    ),
    Metric(
        "f1_micro",
        "labels",
        True,
        _make_count_metric("f1_micro"),
        "F1 over all image-label pairs",
        True,
    ),
    Metric(
        "subset_accuracy",
        "labels",
        True,
        lambda p, labels: (p.y_true == labels).all(axis=1).mean(),
        "share of images with every label right",
        True,
    ),
    Metric(
        "hamming_loss",
        "labels",
        False,
        lambda p, labels: (p.y_true != labels).mean(),
        "share of wrong image-label pairs",
        True,
    ),
    Metric(
        "label_ranking_average_precision",
        "proba",
        True,
        lambda p, proba: fast_scores.label_ranking_precision(class_membership(p), proba).mean(),
        "of the labels ranked above a true one, the share that is true",
        True,
    ),
)
METRICS = {metric.name: metric for metric in _LIST}
