"""What each test image adds to a metric, to first order: the infinitesimal jackknife (Jaeckel 1972) behind intervals and tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark import scores
from benchmark.metrics import confusion_of, counts_of, truth_of
from benchmark.predictions import Predictions

Floats = NDArray[np.float64]
STEP = 1e-3  # images, for numeric derivatives by counts


def influence(metric: str, predictions: Predictions) -> Floats | None:
    """Contribution of each test image to the error of a metric; their squares sum to its variance.

    Parameters
    ----------
    metric : str
        One of ``METRICS``.
    predictions : Predictions

    Returns
    -------
    (n,) float or None
        Contributions that sum to zero; None for a metric that is no smooth function of the images, such as a minimum over classes.
    """
    function = _FUNCTIONS.get(metric)
    return None if function is None else function(predictions)


def _of_mean(values: Callable[[Predictions], NDArray], p: Predictions) -> Floats:
    found = np.asarray(values(p), dtype=float)
    return (found - found.mean()) / len(found)


def _right(p: Predictions) -> Floats:
    right = p.labels == p.y_true
    return right.mean(axis=1) if p.multilabel else right.astype(float)


def _all_right(p: Predictions) -> NDArray[np.bool_]:
    return (p.labels == p.y_true).all(axis=1)


def _surprise(p: Predictions) -> Floats:
    return scores.surprise(p.y_true, p.proba)


def _squared_error(p: Predictions) -> Floats:
    return scores.squared_error(p.y_true, p.proba)


def _of_counts(function: Callable[[scores.Counts], Floats], p: Predictions) -> Floats:
    """Derivatives of a function of the counts of each class, by central differences, summed over what an image adds to the counts."""
    counts, k = counts_of(p), len(p.classes)
    base = np.concatenate([counts.right, counts.predicted, counts.true]).astype(float)
    steps = np.vstack([np.eye(3 * k), -np.eye(3 * k)]) * STEP
    values = function(scores.Counts(*np.split(base + steps, 3, axis=1)))
    slope_right, slope_predicted, slope_true = np.split((values[: 3 * k] - values[3 * k :]) / (2 * STEP), 3)
    if p.multilabel:
        return (p.labels & p.y_true) @ slope_right + p.labels @ slope_predicted + p.y_true @ slope_true
    labels = p.labels
    return np.where(labels == p.y_true, slope_right[p.y_true], 0) + slope_predicted[labels] + slope_true[p.y_true]


def _of_kappa(p: Predictions) -> Floats:
    confusion = confusion_of(p)
    n, weights = len(p.y_true), scores.disagreement(len(p.classes), p.ordinal)
    of_true, of_predicted = weights @ confusion.sum(axis=0) / n, confusion.sum(axis=1) @ weights / n
    by_chance = float(confusion.sum(axis=1) @ of_true)
    found, labels = float((weights * confusion).sum()), p.labels
    if not by_chance:
        return np.full(n, np.nan)
    chance = of_true[p.y_true] + of_predicted[labels] - by_chance / n
    return found / by_chance**2 * chance - weights[p.y_true, labels] / by_chance


def _one_vs_rest(function: Callable[[NDArray[np.bool_], Floats], Floats], p: Predictions) -> Floats:
    truth = truth_of(p)
    columns = [1] if len(p.classes) == 2 and not p.multilabel else range(len(p.classes))
    if any(truth[:, k].all() or not truth[:, k].any() for k in columns):
        return np.full(len(truth), np.nan)
    return np.mean([function(truth[:, k], p.proba[:, k]) for k in columns], axis=0)


def _of_auc(truth: NDArray[np.bool_], proba: Floats) -> Floats:
    """Placements of DeLong, DeLong & Clarke-Pearson (1988), and by groups of Obuchowski (1997)."""
    found = np.empty(len(truth))
    for kind, placed in zip((truth, ~truth), scores.placements(truth, proba), strict=True):
        m = len(placed)
        found[kind] = (placed - placed.mean()) / np.sqrt(m * max(m - 1, 1))
    return found


def _of_average_precision(truth: NDArray[np.bool_], proba: Floats) -> Floats:
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
        "accuracy": partial(_of_mean, _right),
        "hamming_loss": partial(_of_mean, lambda p: 1 - _right(p)),
        "subset_accuracy": partial(_of_mean, _all_right),
        "log_loss": partial(_of_mean, _surprise),
        "brier": partial(_of_mean, _squared_error),
        "kappa": _of_kappa,
        "auc": partial(_one_vs_rest, _of_auc),
        "average_precision": partial(_one_vs_rest, _of_average_precision),
        **{name: partial(_of_counts, function) for name, function in scores.OF_COUNTS.items()},
    }
)
