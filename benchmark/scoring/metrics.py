"""Declarations of the metrics, which are computed from stored predictions.

``METRICS`` maps the name of each metric to its declaration: what it needs (labels or
probabilities), its direction, its bounds and its function.
"""

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
OF_SECOND = ("average_precision",)  # computed for the second of two mutually exclusive classes
N_BINS = 15

Function = Callable[[Predictions, NDArray], float]


@dataclass(frozen=True)
class Metric:
    """Declaration of a metric.

    Parameters
    ----------
    name : str
        Column in rows and tables.
    needs : 'labels' or 'proba'
        Second argument of ``function``. A metric that needs probabilities never receives labels.
    greater_is_better : bool
    function : callable (predictions, labels or proba) -> float
    describes : str
        One-line description.
    multilabel : bool or None
        True for a metric of multi-label tasks only, False for one of single-label tasks only, None
        for a metric of both.
    macro : bool
        Whether it is an average over classes, whose values on test sets with different classes
        cannot be compared.
    bounds : (float, float)
        Smallest and largest possible value.
    binary : bool
        Whether it is about the positive class, the second of two.
    target : float or None
        Best value of a metric for which neither greater nor smaller values are better.
    interval : str
        Key of ``interval_rules.RULES`` of a metric whose interval is not declared there by name.
    scale : str
        Scale on which its interval is symmetric; see ``significance.student_t_interval``.
    of_counts : callable (Counts) -> float array, or None
        The metric as a function of the counts of the classes.
    influence : callable (predictions) -> float array, or None
        Contribution of each image to the error of the metric; see ``influence``.
    resampled : callable (predictions, weights) -> float array, or None
        The metric with m weights of each image, (m, n), for a bootstrap.
    share_of : int or None
        Index of the class whose images the metric is a share of.

    See Also
    --------
    compute_metrics : Every applicable metric of some predictions.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmark.scoring.metrics import METRICS
    >>> from benchmark.scoring.predictions import Predictions
    >>> proba = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])
    >>> predictions = Predictions(np.array([0, 1, 1]), proba, ("benign", "malignant"), np.arange(3))
    >>> METRICS["auc"](predictions)
    1.0
    """

    name: str
    needs: Literal["labels", "proba"]
    greater_is_better: bool
    function: Function
    describes: str
    multilabel: bool | None = None
    macro: bool = False
    bounds: tuple[float, float] = (0, 1)
    binary: bool = False
    target: float | None = None
    interval: str = ""
    scale: str = "plain"
    of_counts: Callable[[fast_scores.Counts], NDArray[np.float64]] | None = None
    influence: Callable[[Predictions], NDArray[np.float64]] | None = None
    resampled: Callable[[Predictions, NDArray], NDArray[np.float64]] | None = None
    share_of: int | None = None

    def is_defined_for(self, predictions: Predictions) -> bool:
        """Whether the metric applies to the task: single-label, multi-label or binary."""
        if self.binary and len(predictions.classes) != 2:
            return False
        return self.multilabel in (None, predictions.multilabel)

    def __call__(self, predictions: Predictions) -> float:
        """Compute the metric; NaN where it is undefined (see ``note_undefined_metrics``)."""
        if not self.is_defined_for(predictions):
            return float("nan")
        return float(
            self.function(
                predictions, predictions.labels if self.needs == "labels" else predictions.proba
            )
        )


def compute_metrics(predictions: Predictions) -> dict[str, float]:
    """Compute every metric that applies to the predictions, by name.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmark.scoring.predictions import Predictions
    >>> proba = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.8, 0.2]])
    >>> predictions = Predictions(np.array([0, 1, 1, 0]), proba, ("a", "b"), np.arange(4))
    >>> compute_metrics(predictions)["accuracy"]
    0.75
    """
    return {
        metric.name: metric(predictions)
        for metric in METRICS.values()
        if metric.multilabel in (None, predictions.multilabel)
    }


def note_undefined_metrics(predictions: Predictions) -> list[Note]:
    """Note which metrics are undefined, and why."""
    texts = []
    if predictions.absent_classes:
        names = ", ".join(predictions.absent_classes)
        texts.append(
            f"no test images of: {names} (an incomplete fold); auc and average_precision are "
            "undefined, macro averages are over the other classes"
        )
    everywhere = [
        cls
        for cls, members in zip(predictions.classes, class_membership(predictions).T, strict=True)
        if len(members) and members.all()
    ]
    if everywhere and predictions.multilabel:
        texts.append(
            f"every test image has the label: {', '.join(everywhere)}; auc and average_precision "
            "are undefined"
        )
    return [Note(text, NoteKind.CLASSES) for text in texts]


def note_missing_classes(predictions: Predictions, targets: NDArray[np.int64]) -> list[Note]:
    """Note which classes the test set or the training set lacks, and the consequences.

    Parameters
    ----------
    predictions : Predictions
        Predictions for the test set.
    targets : array of shape (n_train,) or (n_train, n_classes), int
        Targets of the training set.
    """
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
        f"class '{name}' has no training images: none of its {n} test images can be predicted "
        "correctly, and log_loss takes their probability as 0"
        for name, n in lost
    )
    return [*note_undefined_metrics(predictions), *(Note(text, NoteKind.CLASSES) for text in texts)]


def metric_label(metric: str, classes: Sequence[str]) -> str:
    """Display name of a metric, with its class if it is computed for the second of two classes.

    Examples
    --------
    >>> metric_label("average_precision", ("benign", "malignant"))
    "average_precision of 'malignant'"
    >>> metric_label("f1", ("benign", "malignant"))
    'f1'
    """
    return f"{metric} of '{classes[1]}'" if metric in OF_SECOND and len(classes) == 2 else metric


def compute_class_metrics(predictions: Predictions) -> dict[str, dict[str, float]]:
    """Compute the metrics of each class, and its number of test images.

    Returns
    -------
    dict of str to dict
        By class: 'precision', 'recall', 'f1', 'average_precision' (NaN where it is undefined) and
        'support'.
    """
    counts, truth = count_per_class(predictions), class_membership(predictions)
    area = fast_scores.average_precision(truth, predictions.proba)
    values = np.column_stack([counts.precision, counts.recall, counts.f1, area, counts.true])
    names = ("precision", "recall", "f1", "average_precision", "support")
    return {
        cls: dict(zip(names, row, strict=True))
        for cls, row in zip(predictions.classes, values.tolist(), strict=True)
    }


def class_membership(p: Predictions) -> NDArray[np.bool_]:
    """Whether each image is of each class, shape (n, n_classes)."""
    return p.y_true.astype(bool) if p.multilabel else p.y_true[:, None] == np.arange(len(p.classes))


@lru_cache(maxsize=1)
def compute_confusion_matrix(p: Predictions) -> NDArray[np.int64]:
    """Number of images by true class (rows) and predicted class (columns), shape (k, k)."""
    return fast_scores.confusion_matrix(p.y_true, p.labels, len(p.classes))


@lru_cache(maxsize=1)
def count_per_class(p: Predictions) -> fast_scores.Counts:
    """Count the images of each class that are predicted correctly, predicted, and true."""
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
    """Make a metric of the mean of a binary score over the classes.

    For two mutually exclusive classes, it is the score of the second. It is NaN if no test image,
    or every test image, is of some class.
    """

    def score(p: Predictions, proba: NDArray) -> float:
        truth = class_membership(p)
        columns = [1] if len(p.classes) == 2 and not p.multilabel else slice(None)
        truth, proba = truth[:, columns], proba[:, columns]
        if (truth.all(axis=0) | ~truth.any(axis=0)).any():
            return float("nan")
        return function(truth, proba).mean()

    return score


def _expected_calibration_error(p: Predictions, proba: NDArray) -> float:
    """Expected calibration error of the predicted class (Guo et al. 2017).

    The confidence is binned as in the paper: 15 bins of equal width, closed on the right.
    """
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
        "share of correct predictions (multi-label: of all image-label pairs)",
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
        "geometric mean of the recalls of the classes with test images: 0 when one class is never "
        "predicted correctly",
        False,
        macro=True,
    ),
    Metric(
        "minimum_recall",
        "labels",
        True,
        _minimum_recall,
        "lowest recall of the classes with test images",
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
        "area under the precision-recall curve, one-vs-rest, macro; with two classes, of the "
        "second only; undefined when a class has no test images",
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
        "Brier score (1950): for two classes halved, as in scikit-learn (0 best, 1 worst), "
        "otherwise summed over the classes (2 worst)",
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
        "share of images with every label correct",
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
        "share of true labels among the labels ranked at or above each true label",
        True,
    ),
)
METRICS = {metric.name: metric for metric in _LIST}
