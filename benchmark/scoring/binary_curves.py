"""Curves of the positive class of a binary task: ROC, precision-recall and decision curve.

Each is a function of a grid of horizontal positions, so that the curves of bootstrap samples can be
compared point by point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.bootstrap import draw_weights
from benchmark.scoring.interval_rules import find_independent_units
from benchmark.scoring.predictions import Predictions

Floats = NDArray[np.float64]
N_SAMPLES = 300
AT_ONCE = 2**22  # weights in memory


def roc_curve_at(grid: Floats, truth: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """Sensitivity at false-positive rates, interpolated linearly.

    Parameters
    ----------
    grid : (k,) float array
        False-positive rates, increasing.
    truth : (n,) bool array
    scores : (n,) float array
    weights : (m, n) float array
        Weights of the images in each of m samples.

    Returns
    -------
    (m, k) float array
    """
    right, wrong = _cumulate(truth, scores, weights)
    curves = []
    for taken, mistaken in zip(right, wrong, strict=True):
        x, y = (np.append(0, counts / counts[-1]) for counts in (mistaken, taken))
        # of several points with one false-positive rate, the highest is met first from the right
        curves.append(np.interp(grid, x + np.arange(len(x)) * 1e-12, y))
    return np.array(curves)


def precision_at(grid: Floats, truth: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """Precision at recalls: of the lowest number of images with at least this recall.

    Parameters and returns as for ``roc_curve_at``, with recalls as the grid.
    """
    right, wrong = _cumulate(truth, scores, weights)
    curves = []
    for taken, mistaken in zip(right, wrong, strict=True):
        place = np.searchsorted(taken / taken[-1], grid - 1e-12).clip(0, len(taken) - 1)
        curves.append(taken[place] / (taken[place] + mistaken[place]))
    return np.array(curves)


def net_benefit_at(
    grid: Floats, truth: NDArray[np.bool_], scores: Floats, weights: Floats
) -> Floats:
    """Net benefit at thresholds below 1 (Vickers & Elkin 2006).

    Parameters and returns as for ``roc_curve_at``, with thresholds as the grid.
    """
    order = np.argsort(-scores, kind="stable")
    treated = np.searchsorted(-scores[order], -grid, side="right")  # images with score >= threshold
    right = _prepend_zero(np.where(truth[order], weights[:, order], 0).cumsum(axis=1))
    wrong = _prepend_zero(np.where(truth[order], 0, weights[:, order]).cumsum(axis=1))
    benefit: Floats = right[:, treated] - wrong[:, treated] * (grid / (1 - grid))
    return benefit / weights.sum(axis=1, keepdims=True)


def _cumulate(truth: NDArray[np.bool_], scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weights of the positive and of the negative images above each distinct score, (m, d)."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    right = np.where(truth[order], weights[:, order], 0).cumsum(axis=1)[:, ends]
    wrong = np.where(truth[order], 0, weights[:, order]).cumsum(axis=1)[:, ends]
    return right, wrong


def _prepend_zero(values: Floats) -> Floats:
    return np.hstack([np.zeros((len(values), 1)), values])


Curve = Callable[[Floats, NDArray[np.bool_], Floats, Floats], Floats]
CURVES: MappingProxyType[str, tuple[Curve, Floats]] = MappingProxyType(
    {
        "roc": (roc_curve_at, np.linspace(0, 1, 201)),
        "precision_recall": (precision_at, np.linspace(0.005, 1, 200)),
        "decision": (net_benefit_at, np.linspace(0.005, 0.99, 198)),
    }
)


def compute_curve(name: str, seeds: Sequence[Predictions]) -> tuple[Floats, Floats, Floats]:
    """Compute a curve of some predictions, and its pointwise 95% confidence band.

    Parameters
    ----------
    name : str
        Key of ``CURVES``.
    seeds : sequence of Predictions
        Of one test set, both classes of which are present; curves are averaged over the seeds.

    Returns
    -------
    curve, lower, upper : (k,) float arrays
        At the positions of ``CURVES[name]``. The band is that of the percentiles of a bootstrap of
        images within each class, or of groups of images.
    """
    function, grid = CURVES[name]
    whole = np.ones((1, len(seeds[0].y_true)))
    parts = [(p.y_true == 1, p.proba[:, 1]) for p in seeds]
    curve = np.mean([function(grid, *part, whole)[0] for part in parts], axis=0)
    random, groups = np.random.default_rng(0), find_independent_units(seeds[0])[0]
    step, samples = max(1, AT_ONCE // whole.size), []
    for start in range(0, N_SAMPLES, step):
        weights = draw_weights(random, seeds[0], groups, min(step, N_SAMPLES - start))
        truth = parts[0][0]
        both = (weights[:, truth].sum(axis=1) > 0) & (weights[:, ~truth].sum(axis=1) > 0)
        samples.append(np.mean([function(grid, *part, weights[both]) for part in parts], axis=0))
    lower, upper = np.percentile(np.concatenate(samples), (2.5, 97.5), axis=0)
    return curve, lower, upper
