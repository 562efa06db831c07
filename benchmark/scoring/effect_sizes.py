"""Effect sizes of a comparison of two classifiers, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from benchmark.scoring.paired_shares import odds_ratio_interval
from benchmark.scoring.significance import Result

ODDS_RATIO, STANDARDIZED = "odds ratio", "d_z"
MIN_UNITS = 4  # with fewer, the variance of d_z is infinite


@dataclass(frozen=True)
class EffectSize:
    """Size of a difference on a scale that does not depend on the metric.

    Parameters
    ----------
    name : str
        'odds ratio' or 'd_z'.
    value : float
        For 'odds ratio' the number of images that only the first classifier predicts correctly,
        divided by the number of those that only the second does. For 'd_z' the difference divided
        by the standard deviation of the paired differences of the observations (Cohen 1988;
        Lakens 2013).
    lower, upper : float
        Confidence interval, at the level of that of the difference.
    refusal : str
        Why there is no value; empty otherwise.
    """

    name: str
    value: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    refusal: str = ""


def compute_effect_size(result: Result) -> EffectSize | None:
    """Compute the effect size that belongs to a test.

    Parameters
    ----------
    result : Result

    Returns
    -------
    EffectSize or None
        For McNemar's test the odds ratio of the discordant images, with its mid-p interval. For a
        t-test and DeLong's test d_z, with the interval of the noncentral t distribution (Cumming &
        Finch 2001); over folds, it allows for the overlap of the training sets as the corrected
        t-test does, under whose assumptions it is exact. Both intervals exclude no effect where the
        p-value is below 1 minus their level. None where the test is refused, the difference has no
        variance, or the test has no such effect size.

    Examples
    --------
    >>> from benchmark.scoring.significance import corrected_t_test
    >>> result = corrected_t_test([0.01, 0.02, 0.03, 0.04], n_train=75, n_test=25)
    >>> size = compute_effect_size(result)
    >>> print(f"{size.name} {size.value:.2f} ({size.lower:.2f} to {size.upper:.2f})")
    d_z 1.94 (-0.23 to 3.97)
    """
    if result.refusal:
        return None
    if result.discordant is not None:
        only_a, only_b = result.discordant
        value = only_a / only_b if only_b else np.inf
        return EffectSize(
            ODDS_RATIO, value, *odds_ratio_interval(only_a, only_b, alpha=result.alpha)
        )
    if not result.error > 0:
        return None
    if result.df < MIN_UNITS - 1:
        why = f"{result.n} {result.unit}; at least {MIN_UNITS} are required for a finite variance"
        return EffectSize(STANDARDIZED, refusal=why)
    # d_z is the statistic times this factor, so that its interval is that of the noncentrality
    factor = result.error / result.deviation
    lower, upper = _noncentrality_interval(result.statistic, result.df, result.alpha)
    return EffectSize(
        STANDARDIZED, result.effect / result.deviation, factor * lower, factor * upper
    )


def _noncentrality_interval(statistic: float, df: float, alpha: float) -> tuple[float, float]:
    """Confidence interval of the noncentrality of a t statistic; normal for infinite df."""
    if np.isinf(df):
        half = float(-special.ndtri(alpha / 2))
        return statistic - half, statistic + half
    return (
        float(special.nctdtrinc(df, 1 - alpha / 2, statistic)),
        float(special.nctdtrinc(df, alpha / 2, statistic)),
    )
