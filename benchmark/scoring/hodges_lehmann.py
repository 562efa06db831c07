"""Interval of the pseudomedian of the differences of two configurations over datasets."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import ArrayLike

from benchmark.scoring.rank_tests import UNIT
from benchmark.scoring.significance import ALPHA, Result
from benchmark.utils.text import format_count


def hodges_lehmann_interval(differences: ArrayLike, alpha: float = ALPHA) -> Result:
    """Hodges-Lehmann estimate of the pseudomedian, with the interval of Wilcoxon's test.

    The estimate is the median of the Walsh averages, those of all pairs of differences (Hodges &
    Lehmann 1963). It estimates the pseudomedian, which is the median if the differences are
    distributed symmetrically, and not otherwise. The bounds are the two Walsh averages between
    which Wilcoxon's exact test does not reject (Hollander & Wolfe 1999, section 3.3); without ties
    and zeros, the interval excludes 0 where ``wilcoxon_test`` has p < alpha. It covers at least
    1 - alpha for symmetric differences, and may cover less for skewed ones. Differences are rounded
    to 12 decimals, as in ``wilcoxon_test``.

    Parameters
    ----------
    differences : array of shape (n,), float
        Differences of two configurations, one per dataset.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Result
        Without a p-value. Refused below the number of differences that an interval requires: 6 at
        the level 95%.

    See Also
    --------
    benchmark.scoring.rank_tests.wilcoxon_test : Test of the same differences.

    Examples
    --------
    >>> result = hodges_lehmann_interval([0.1, 0.2, 0.1, 0.1, 0.2, 0.3])
    >>> print(f"{result.effect:.2f} ({result.lower:.2f} to {result.upper:.2f})")
    0.15 (0.10 to 0.30)
    """
    # rounded, so that differences of equal decimal numbers are zero
    values = np.round(np.asarray(differences, dtype=float), 12)
    n, test = len(values), "Hodges-Lehmann interval"
    walsh = np.sort((values[:, None] + values)[np.triu_indices(n)] / 2)
    effect = float(np.median(walsh)) if n else np.nan
    ways = np.ones(1)  # number of sign patterns by the sum of the positive ranks
    for rank in range(1, n + 1):
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    place = int((np.cumsum(ways) <= alpha / 2 * 2.0**n).sum()) - 1
    refusal = explain_too_few_datasets(n, alpha)
    if refusal:
        return Result(test, n, effect, refusal=refusal, unit=UNIT, alpha=alpha)
    lower, upper = float(walsh[place]), float(walsh[-1 - place])
    return Result(test, n, effect, lower=lower, upper=upper, unit=UNIT, alpha=alpha)


def explain_too_few_datasets(n: int, alpha: float = ALPHA) -> str:
    """Why n datasets do not allow an interval; empty if they do.

    Examples
    --------
    >>> explain_too_few_datasets(5)
    '5 datasets; at least 6 are required'
    """
    # the most extreme pattern of signs has the two-sided p-value 2 / 2**n
    needed = ceil(1 - np.log2(alpha))
    return "" if n >= needed else f"{format_count(n, 'dataset')}; at least {needed} are required"
