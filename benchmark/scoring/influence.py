"""What each test image adds to a metric, to first order: the infinitesimal jackknife (Jaeckel 1972) behind intervals and tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring import fast_scores
from benchmark.scoring.metrics import class_membership, compute_confusion_matrix, count_per_class
from benchmark.scoring.predictions import Predictions

Floats = NDArray[np.float64]
STEP = 1e-3  # images, for numeric derivatives by counts


@lru_cache(maxsize=4)
def compute_influence(metric: str, predictions: Predictions) -> Floats | None:
    """Contribution of each test image to the error of a metric; their squares sum to its variance.

    Parameters
    ----------
    metric : str
        One of ``METRICS``.
    predictions : Predictions

    Returns
    -------
    (n,) float or None
        Contributions that sum to zero; None for a metric that is no smooth function of the images,
        such as a minimum over classes.
    """
    function = _FUNCTIONS.get(metric)
    return None if function is None else function(predictions)


def _influence_on_mean(values: Callable[[Predictions], NDArray], p: Predictions) -> Floats:
    found = np.asarray(values(p), dtype=float)
    return (found - found.mean()) / len(found)


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
    """Derivatives of a function of the counts of each class, summed over what an image adds to the counts."""
    counts = count_per_class(p)
    _, slopes = _value_and_derivatives(
        function, np.concatenate([counts.right, counts.predicted, counts.true])
    )
    return _sum_derivatives(slopes, p.y_true, p.labels)


def _value_and_derivatives(
    function: Callable[[fast_scores.Counts], Floats], base: NDArray
) -> tuple[float, list[Floats]]:
    """Value of a function of right, predicted and true counts, and its derivatives by each, by central differences."""
    n = len(base)
    steps = np.vstack([np.eye(n), -np.eye(n), np.zeros((1, n))]) * STEP + base
    k = n // 3
    values = function(fast_scores.Counts(steps[:, :k], steps[:, k : 2 * k], steps[:, 2 * k :]))
    return float(values[-1]), np.split((values[:n] - values[n : 2 * n]) / (2 * STEP), 3)


def _sum_derivatives(
    slopes: list[Floats], y: NDArray[np.int64], labels: NDArray[np.int64]
) -> Floats:
    """Sum of the derivatives over the counts that an image of a class, or some, taken for another adds to."""
    right, predicted, true = slopes
    if y.ndim == 2:
        return (labels & y) @ right + labels @ predicted + y @ true
    return np.where(labels == y, right[y], 0) + predicted[labels] + true[y]


def compute_smoothed_influence(metric: str, p: Predictions) -> tuple[float, Floats, Floats] | None:
    """A metric with one more image in each class, half of it right, as the logit interval of a share has it (Anscombe 1956).

    Without it, a class without errors would seem to be without uncertainty.

    Parameters
    ----------
    metric : str
    p : Predictions

    Returns
    -------
    value : float
        Of the metric with the added images.
    contributions : (n,) float
        Of each image, with them.
    pseudo : (m, 2) float
        Weights and contributions of the added images.
    """
    if metric not in fast_scores.OF_COUNTS and metric != "kappa":
        return None
    y, labels, weights = _pseudo_images(p)
    if metric == "kappa":
        confusion = compute_confusion_matrix(p) + weights.reshape(len(p.classes), -1)
        value = fast_scores.cohen_kappa(confusion, p.ordinal)
        found = _kappa_derivatives(confusion, p.ordinal)
        return value, found[p.y_true, p.labels], np.column_stack([weights, found[y, labels]])
    counts = count_per_class(p)
    if p.multilabel:
        added = [weights @ part for part in (labels & y, labels, y)]
    else:
        confusion = weights.reshape(len(p.classes), -1)
        added = [confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)]
    base = np.concatenate(
        [counts.right + added[0], counts.predicted + added[1], counts.true + added[2]]
    )
    value, slopes = _value_and_derivatives(fast_scores.OF_COUNTS[metric], base)
    return (
        value,
        _sum_derivatives(slopes, p.y_true, p.labels),
        np.column_stack([weights, _sum_derivatives(slopes, y, labels)]),
    )


def _pseudo_images(p: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """True class, predicted class and weight of one more image of each class that is there: half right, the rest shared by the others."""
    k = len(p.classes)
    present = class_membership(p).any(axis=0).astype(float)
    if p.multilabel:  # half right, half missed, and half an image of another that is taken for it
        one = np.eye(k, dtype=np.int64)
        none = np.zeros_like(one)
        return np.vstack([one, one, none]), np.vstack([one, none, one]), np.tile(present / 2, 3)
    y, labels = np.repeat(np.arange(k), k), np.tile(np.arange(k), k)
    return y, labels, np.where(y == labels, 0.5, 0.5 / max(k - 1, 1)) * present[y]


def _influence_on_kappa(p: Predictions) -> Floats:
    return _kappa_derivatives(compute_confusion_matrix(p), p.ordinal)[p.y_true, p.labels]


def _kappa_derivatives(confusion: NDArray, quadratic: bool) -> Floats:
    """Derivative of Cohen's kappa by each cell of the confusion matrix, (k, k); NaN where chance alone agrees fully."""
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
    """Placements of DeLong, DeLong & Clarke-Pearson (1988), and by groups of Obuchowski (1997)."""
    found = np.empty(len(truth))
    for kind, placed in zip(
        (truth, ~truth), fast_scores.placement_values(truth, proba), strict=True
    ):
        m = len(placed)
        found[kind] = (placed - placed.mean()) / np.sqrt(m * max(m - 1, 1))
    return found


def _influence_on_average_precision(truth: NDArray[np.bool_], proba: Floats) -> Floats:
    """Derivative of average precision by the weight of each image."""
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
