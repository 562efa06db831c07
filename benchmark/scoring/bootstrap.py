"""Intervals and tests of metrics that are not smooth in the images, by resampling these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from benchmark.scoring.metrics import Metric, class_membership
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import wilson_interval

N_SAMPLES = 500
AT_ONCE = 2**22  # weights in memory, 32 MB

Floats = NDArray[np.float64]


def bootstrap_interval(
    metric: Metric,
    seeds: Sequence[Predictions],
    groups: NDArray[np.int64] | None,
    alpha: float,
) -> tuple[float, float]:
    """Confidence interval of a rate at an operating point.

    It is Wilson's (1927), with the effective number of images that gives the variance of the
    bootstrap, which is larger than that of a rate at a fixed threshold. The interval of Zhou & Qin
    (2005), the bootstrap mean plus and minus z standard deviations, covered rates near 1 in only
    half of the simulated samples.

    Parameters
    ----------
    metric : Metric
        With ``resampled`` and ``share_of``.
    seeds : sequence of Predictions
        Of one test set; the interval is that of the mean over the seeds.
    groups : (n,) int array or None
        Index of the group of each image.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    lower, upper : float
    """
    members = seeds[0].y_true == metric.share_of
    n_images = int(members.sum())
    n_units = n_images if groups is None else len(np.unique(groups[members]))
    share = float(np.mean([metric(p) for p in seeds]))
    variance = float(np.nanvar(resample_metric(metric, seeds, groups), ddof=1))
    n = share * (1 - share) / variance if variance > 0 and 0 < share < 1 else n_units
    return wilson_interval(share, min(n, n_images), float(-ndtri(alpha / 2)))


def bootstrap_test(difference: Floats, effect: float, alpha: float) -> tuple[float, float, float]:
    """Normal test of a difference with the standard error of its resampled values.

    Returns
    -------
    p_value, lower, upper : float
        NaN if the difference is the same in all samples.
    """
    error = float(np.nanstd(difference, ddof=1))
    if not error > 0:
        return np.nan, np.nan, np.nan
    half = float(-ndtri(alpha / 2)) * error
    return float(2 * ndtr(-abs(effect) / error)), effect - half, effect + half


def resample_metric(
    metric: Metric, seeds: Sequence[Predictions], groups: NDArray[np.int64] | None
) -> Floats:
    """Mean of a metric over the seeds in each of ``N_SAMPLES`` bootstrap samples.

    The samples of test sets with the same classes and groups are the same, so that values of two
    configurations can be compared sample by sample. Images are drawn within each class, groups
    among all groups.
    """
    random, n = np.random.default_rng(0), len(seeds[0].y_true)
    step = max(1, AT_ONCE // n)
    values = []
    for start in range(0, N_SAMPLES, step):
        n_samples = min(step, N_SAMPLES - start)
        weights = draw_weights(random, seeds[0], groups, n_samples)
        scores = [metric.resampled(p, weights) for p in seeds]  # type: ignore[misc]
        values.append(np.mean(scores, axis=0))
    return np.concatenate(values)


def draw_weights(
    random: np.random.Generator, p: Predictions, groups: NDArray[np.int64] | None, n_samples: int
) -> Floats:
    """How often each image is in each sample, (n_samples, n)."""
    if groups is not None:
        n_groups = int(groups.max()) + 1
        counts = random.multinomial(n_groups, np.full(n_groups, 1 / n_groups), n_samples)
        return counts[:, groups].astype(float)
    weights = np.empty((n_samples, len(p.y_true)))
    for members in class_membership(p).T:
        n = int(members.sum())
        if n:
            weights[:, members] = random.multinomial(n, np.full(n, 1 / n), n_samples)
    return weights
