"""Difference and odds ratio of two shares that are observed on the same images.

They are computed from the discordant images, those that only one of two classifiers predicts
correctly.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, special


def tango_score(only_a: int, only_b: int, n: int, difference: float) -> float:
    """Score statistic of a difference of two paired shares (Tango 1998).

    It is approximately standard normal if ``difference`` is the true one. At 0 it is the statistic
    of McNemar.

    Parameters
    ----------
    only_a, only_b : int
        Number of images that only the first, and only the second classifier predicts correctly.
    n : int
        Number of images.
    difference : float
        Hypothesis, between -1 and 1: share of the first minus share of the second.

    Examples
    --------
    >>> print(f"{tango_score(18, 8, 100, 0.0):.3f}, {tango_score(18, 8, 100, 0.2):.3f}")
    1.961, -1.921
    """
    b = -only_a - only_b + (2 * n - only_a + only_b) * difference
    c = -only_b * difference * (1 - difference)
    share = (np.sqrt(max(b**2 - 8 * n * c, 0)) - b) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    return float((only_a - only_b - n * difference) / np.sqrt(max(variance, 1e-12)))


def tango_interval(only_a: int, only_b: int, n: int, alpha: float) -> tuple[float, float]:
    """Score interval of the difference of two paired shares (Tango 1998).

    Parameters
    ----------
    only_a, only_b, n : int
        As for ``tango_score``.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    lower, upper : float

    Examples
    --------
    The example of Tango (1998):

    >>> lower, upper = tango_interval(0, 1, 44, alpha=0.1)
    >>> print(f"{lower:.3f} to {upper:.3f}")
    -0.096 to 0.037
    """
    critical = float(-special.ndtri(alpha / 2))

    def score(difference: float) -> float:
        return tango_score(only_a, only_b, n, difference)

    middle, edge = (only_a - only_b) / n, 1 - 1e-9
    lower = (
        optimize.brentq(lambda d: score(d) - critical, -edge, middle)
        if score(-edge) > critical
        else -1.0
    )
    upper = (
        optimize.brentq(lambda d: score(d) + critical, middle, edge)
        if score(edge) < -critical
        else 1.0
    )
    return float(lower), float(upper)


def odds_ratio_interval(only_a: int, only_b: int, alpha: float) -> tuple[float, float]:
    """Mid-p interval of the conditional odds ratio of two paired shares.

    It is the Clopper-Pearson mid-p interval of the share of ``only_a`` among the discordant images,
    transformed (Fagerland, Lydersen & Laake 2014). It excludes 1 where the mid-p test of McNemar
    has p < alpha.

    Parameters
    ----------
    only_a, only_b : int
        As for ``tango_score``; not both may be 0.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    lower, upper : float
        Of the odds ratio only_a / only_b; from 0 to infinity.

    Examples
    --------
    The example of Fagerland, Lydersen & Laake (2014):

    >>> lower, upper = odds_ratio_interval(1, 7, alpha=0.05)
    >>> print(f"{lower:.3f} to {upper:.3f}")
    0.006 to 0.924
    """
    n = only_a + only_b

    def probability_of_fewer(share: float) -> float:
        """Probability of fewer than only_a, plus half of that of only_a (mid-p)."""
        fewer = special.bdtr(only_a - 1, n, share) if only_a else 0.0
        return float(fewer + special.bdtr(only_a, n, share)) / 2

    def solve(tail: float) -> float:
        share = optimize.brentq(lambda p: probability_of_fewer(p) - tail, 0, 1, xtol=1e-14)
        return float(share / (1 - share))

    lower = solve(1 - alpha / 2) if only_a else 0.0
    upper = solve(alpha / 2) if only_b else np.inf
    return lower, float(upper)
