"""Contribution of each test image to the error of a metric.

The contributions are first-order: the infinitesimal jackknife (Jaeckel 1972). Intervals and tests
are computed from them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring import fast_scores
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.metrics import (
    METRICS,
    class_membership,
    compute_confusion_matrix,
    count_per_class,
)
from benchmark.scoring.predictions import Predictions

Floats = NDArray[np.float64]
STEP = 1e-3  # step of numeric derivatives with respect to counts, in images


@lru_cache(maxsize=4)
def compute_influence(metric: str, predictions: Predictions) -> Floats | None:
    """Contribution of each test image to the error of a metric.

    The squares of the contributions sum to the variance of the metric.

    Parameters
    ----------
    metric : str
        See ``metric_lookup.find_metric``.
    predictions : Predictions

    Returns
    -------
    array of shape (n,), float, or None
        Contributions that sum to zero. None for a metric that is not a smooth function of the
        images, such as a minimum over classes.
    """
    if metric in METRICS:
        function = _FUNCTIONS.get(metric)
        return None if function is None else function(predictions)
    declared = find_metric(metric)
    if declared.of_counts is not None:
        return _influence_through_counts(declared.of_counts, predictions)
    return None if declared.influence is None else declared.influence(predictions)


def _influence_on_mean(values: Callable[[Predictions], NDArray], p: Predictions) -> Floats:
    per_image = np.asarray(values(p), dtype=float)
    return (per_image - per_image.mean()) / len(per_image)


def _label_accuracy(p: Predictions) -> Floats:
    right = p.labels == p.y_true
    return right.mean(axis=1) if p.multilabel else right.astype(float)


def _is_fully_correct(p: Predictions) -> NDArray[np.bool_]:
    return (p.labels == p.y_true).all(axis=1)


def _label_ranking_precision(p: Predictions) -> Floats:
    return fast_scores.label_ranking_precision(class_membership(p), p.proba)


def _negative_log_likelihood(p: Predictions) -> Floats:
    return fast_scores.negative_log_likelihood(p.y_true, p.proba)


def _squared_error(p: Predictions) -> Floats:
    return fast_scores.squared_error(p.y_true, p.proba)


def _influence_through_counts(
    function: Callable[[fast_scores.Counts], Floats], p: Predictions
) -> Floats:
    """Influence on a function of the class counts, by its derivatives with respect to them."""
    counts = count_per_class(p)
    _, slopes = _value_and_derivatives(
        function, np.concatenate([counts.right, counts.predicted, counts.true])
    )
    return _sum_derivatives(slopes, p.y_true, p.labels)


def _value_and_derivatives(
    function: Callable[[fast_scores.Counts], Floats], base: NDArray
) -> tuple[float, list[Floats]]:
    """Value of a function of counts, and its derivatives by central differences.

    Parameters
    ----------
    function : callable
    base : array of shape (3 * k,)
        The right, predicted and true counts of k classes, concatenated.

    Returns
    -------
    value : float
    slopes : list of three arrays of shape (k,)
        Derivatives with respect to the right, predicted and true counts.
    """
    n = len(base)
    steps = np.vstack([np.eye(n), -np.eye(n), np.zeros((1, n))]) * STEP + base
    k = n // 3
    values = function(fast_scores.Counts(steps[:, :k], steps[:, k : 2 * k], steps[:, 2 * k :]))
    with np.errstate(invalid="ignore"):  # a ratio may be infinite
        return float(values[-1]), np.split((values[:n] - values[n : 2 * n]) / (2 * STEP), 3)


def _sum_derivatives(
    slopes: list[Floats], y: NDArray[np.int64], labels: NDArray[np.int64]
) -> Floats:
    """Sum, for each image, of the derivatives with respect to the counts that it adds to.

    Parameters
    ----------
    slopes : list of three arrays of shape (k,)
        As returned by ``_value_and_derivatives``.
    y, labels : arrays of shape (n,) or (n, k), int
        True and predicted classes.
    """
    right, predicted, true = slopes
    if y.ndim == 2:
        return (labels & y) @ right + labels @ predicted + y @ true
    return np.where(labels == y, right[y], 0) + predicted[labels] + true[y]


def compute_smoothed_influence(metric: str, p: Predictions) -> tuple[float, Floats, Floats] | None:
    """Value and contributions of a metric with one pseudo-image added to each class.

    Half of each pseudo-image is predicted correctly, as for the logit interval of a share
    (Anscombe 1956). Without it, a class without errors would seem to have no uncertainty.

    Parameters
    ----------
    metric : str
    p : Predictions

    Returns
    -------
    value : float
        The metric, with the pseudo-images.
    contributions : array of shape (n,), float
        Contribution of each image, with the pseudo-images.
    pseudo : array of shape (m, 2), float
        Weights and contributions of the pseudo-images.

    None is returned for a metric that is not a function of counts.
    """
    of_counts = fast_scores.OF_COUNTS.get(metric) or find_metric(metric).of_counts
    if of_counts is None and metric != "kappa":
        return None
    y, labels, weights = _pseudo_images(p)
    if of_counts is None:
        confusion = compute_confusion_matrix(p) + weights.reshape(len(p.classes), -1)
        value = fast_scores.cohen_kappa(confusion, p.ordinal)
        slopes_by_cell = _kappa_derivatives(confusion, p.ordinal)
        return (
            value,
            slopes_by_cell[p.y_true, p.labels],
            np.column_stack([weights, slopes_by_cell[y, labels]]),
        )
    counts = count_per_class(p)
    if p.multilabel:
        added = [weights @ indicators for indicators in (labels & y, labels, y)]
    else:
        confusion = weights.reshape(len(p.classes), -1)
        added = [confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)]
    base = np.concatenate(
        [counts.right + added[0], counts.predicted + added[1], counts.true + added[2]]
    )
    value, slopes = _value_and_derivatives(of_counts, base)
    return (
        value,
        _sum_derivatives(slopes, p.y_true, p.labels),
        np.column_stack([weights, _sum_derivatives(slopes, y, labels)]),
    )


def _pseudo_images(p: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """True classes, predicted classes and weights of one pseudo-image of each class present.

    Half of each is predicted correctly; the other half is spread evenly over the other classes.
    """
    k = len(p.classes)
    present = class_membership(p).any(axis=0).astype(float)
    if p.multilabel:
        # of each label: half a true positive, half a false negative, half a false positive
        label = np.eye(k, dtype=np.int64)
        none = np.zeros_like(label)
        y, labels = np.vstack([label, label, none]), np.vstack([label, none, label])
        return y, labels, np.tile(present / 2, 3)
    y, labels = np.repeat(np.arange(k), k), np.tile(np.arange(k), k)
    return y, labels, np.where(y == labels, 0.5, 0.5 / max(k - 1, 1)) * present[y]


def _influence_on_kappa(p: Predictions) -> Floats:
    return _kappa_derivatives(compute_confusion_matrix(p), p.ordinal)[p.y_true, p.labels]


def _kappa_derivatives(confusion: NDArray, quadratic: bool) -> Floats:
    """Derivative of Cohen's kappa with respect to each cell of the confusion matrix, (k, k).

    NaN if chance alone gives full agreement.
    """
    n, weights = confusion.sum(), fast_scores.disagreement_weights(len(confusion), quadratic)
    of_true, of_predicted = weights @ confusion.sum(axis=0) / n, confusion.sum(axis=1) @ weights / n
    by_chance = float(confusion.sum(axis=1) @ of_true)
    if not by_chance:
        return np.full(confusion.shape, np.nan)
    chance = of_true[:, None] + of_predicted[None, :] - by_chance / n
    return float((weights * confusion).sum()) / by_chance**2 * chance - weights / by_chance


def _average_one_vs_rest(
    function: Callable[[NDArray[np.bool_], Floats], Floats], p: Predictions
) -> Floats:
    truth = class_membership(p)
    columns = [1] if len(p.classes) == 2 and not p.multilabel else list(range(len(p.classes)))
    if any(truth[:, k].all() or not truth[:, k].any() for k in columns):
        return np.full(len(truth), np.nan)
    return np.mean([function(truth[:, k], p.proba[:, k]) for k in columns], axis=0)


def _influence_on_auc(truth: NDArray[np.bool_], proba: Floats) -> Floats:
    """Influence on the area under the ROC curve, from placement values.

    The placement values are those of DeLong, DeLong & Clarke-Pearson (1988); summed over groups of
    images they give the variance of Obuchowski (1997).
    """
    influence = np.empty(len(truth))
    for kind, placed in zip(
        (truth, ~truth), fast_scores.placement_values(truth, proba), strict=True
    ):
        m = len(placed)
        influence[kind] = (placed - placed.mean()) / np.sqrt(m * max(m - 1, 1))
    return influence


def _influence_on_average_precision(truth: NDArray[np.bool_], proba: Floats) -> Floats:
    """Derivative of the average precision with respect to the weight of each image."""
    _, which = np.unique(-proba, return_inverse=True)  # distinct scores from the highest down
    positives, images = np.bincount(which, truth), np.bincount(which)
    right, taken, n = positives.cumsum(), images.cumsum(), truth.sum()
    precision = right / taken
    by_right = (positives / taken)[::-1].cumsum()[::-1] / n
    by_taken = (positives * right / taken**2)[::-1].cumsum()[::-1] / n
    area = float(positives @ precision) / n
    return np.where(truth, precision[which] / n - area / n + by_right[which], 0) - by_taken[which]


_FUNCTIONS: MappingProxyType[str, Callable[[Predictions], Floats]] = MappingProxyType(
    {
        "accuracy": partial(_influence_on_mean, _label_accuracy),
        "hamming_loss": partial(_influence_on_mean, lambda p: 1 - _label_accuracy(p)),
        "subset_accuracy": partial(_influence_on_mean, _is_fully_correct),
        "label_ranking_average_precision": partial(_influence_on_mean, _label_ranking_precision),
        "log_loss": partial(_influence_on_mean, _negative_log_likelihood),
        "brier": partial(_influence_on_mean, _squared_error),
        "kappa": _influence_on_kappa,
        "auc": partial(_average_one_vs_rest, _influence_on_auc),
        "average_precision": partial(_average_one_vs_rest, _influence_on_average_precision),
        **{
            name: partial(_influence_through_counts, function)
            for name, function in fast_scores.OF_COUNTS.items()
        },
    }
)
