"""Tests of whether one classifier is no worse than another, or equivalent, within a margin."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from benchmark.scoring.hodges_lehmann import hodges_lehmann_interval
from benchmark.scoring.paired_shares import tango_interval, tango_score
from benchmark.scoring.significance import ALPHA, Result, Spread, student_t_interval
from benchmark.utils.text import format_count

MIN_DATASETS = 5  # with 4, the most extreme outcome has the one-sided p-value 1 / 2**4 > 0.05


@dataclass(frozen=True)
class MarginTest:
    """One-sided tests of a difference against a margin.

    Parameters
    ----------
    test : str
        Display name of the test.
    margin : float
        Largest difference that does not matter, in the units of the metric.
    p_noninferior : float
        p-value of the test that the first classifier is worse than the second by ``margin`` or
        more. If it is below 0.05, the first is no more than ``margin`` worse: non-inferior.
    p_equivalent : float
        The larger of the p-values of two one-sided tests (Schuirmann 1987), that the first is worse
        and that it is better by ``margin`` or more. If it is below 0.05, they are equivalent.
    lower, upper : float
        Interval of the difference at the level 1 - 0.1 / ``family``. At 90% it lies within the
        margin on both sides where the two classifiers are equivalent, and on the side of the worse
        values where the first is non-inferior.
    refusal : str
        Why there are no p-values: the given and the required number of observations. Empty
        otherwise.
    family : int
        Number of comparisons that this one was selected from, for which the p-values are adjusted
        (Holm 1979, or Bonferroni).

    See Also
    --------
    compare_with_margin : Make these tests from the result of a test of the difference.
    """

    test: str
    margin: float
    p_noninferior: float = np.nan
    p_equivalent: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    refusal: str = ""
    family: int = 1

    @property
    def noninferior(self) -> bool:
        """Whether the first classifier is shown to be no more than the margin worse."""
        return self.p_noninferior < ALPHA

    @property
    def equivalent(self) -> bool:
        """Whether the classifiers are shown to differ by no more than the margin."""
        return self.p_equivalent < ALPHA


def compare_with_margin(
    result: Result, margin: float, greater_is_better: bool = True, family: int = 1
) -> MarginTest:
    """Test whether the first of two classifiers is non-inferior or equivalent to the second.

    The tests are those of the difference, shifted by the margin: the score test of Tango (1998)
    for the accuracy on one test set, else Student's t or DeLong's z.

    Parameters
    ----------
    result : Result
        Test of the difference.
    margin : float
        Positive.
    greater_is_better : bool
        Of the metric.
    family : int
        Number of comparisons that the interval is for. The p-values are not adjusted.

    Returns
    -------
    MarginTest
        Refused where the test of the difference is, and where the difference has no variance.
        Tango's test needs no discordant images. It is refused where there are so few test images
        that even two classifiers that predict the same would not be shown to be equivalent.

    Examples
    --------
    >>> from benchmark.scoring.significance import mcnemar
    >>> truth = [0] * 400
    >>> result = mcnemar(truth, [1] * 6 + [0] * 394, [0] * 395 + [1] * 5)
    >>> test = compare_with_margin(result, margin=0.02)
    >>> print(f"{test.p_noninferior:.3f}, {test.lower:.3f} to {test.upper:.3f}")
    0.033, -0.018 to 0.012
    """
    alpha = 2 * ALPHA / family
    if result.discordant is not None:
        name = "Tango's score test"
        critical = float(-special.ndtri(ALPHA))
        # two classifiers that predict the same have the score sqrt(n * margin / (1 - margin))
        needed = floor(critical**2 * (1 - margin) / margin) + 1
        if result.n < needed:
            why = (
                f"{format_count(result.n, 'test image')}; a margin of {margin:g} requires at least "
                f"{needed}, with which two configurations that predict the same are equivalent"
            )
            return MarginTest(name, margin, refusal=why, family=family)
        counts = (*result.discordant, result.n)
        p_lower = float(special.ndtr(-tango_score(*counts, -margin)))
        p_upper = float(special.ndtr(tango_score(*counts, margin)))
        lower, upper = tango_interval(*counts, alpha)
    elif result.error > 0:
        name = result.test
        p_lower = _student_t_tail((result.effect + margin) / result.error, result.df)
        p_upper = _student_t_tail((margin - result.effect) / result.error, result.df)
        spread = Spread(result.error, result.df, result.n)
        lower, upper = student_t_interval(result.effect, spread, alpha=alpha)
    else:
        why = result.refusal or (
            f"the difference is zero for all {result.unit}, so that its variance cannot be "
            "estimated"
        )
        return MarginTest(result.test, margin, refusal=why, family=family)
    return MarginTest(
        name,
        margin,
        p_lower if greater_is_better else p_upper,
        max(p_lower, p_upper),
        lower,
        upper,
        family=family,
    )


def compare_datasets_with_margin(
    differences: ArrayLike, margin: float, greater_is_better: bool = True, family: int = 1
) -> MarginTest:
    """Test non-inferiority and equivalence across datasets, by Wilcoxon's signed-rank test.

    Parameters
    ----------
    differences : array of shape (n,), float
        Differences of two configurations, one per dataset.
    margin, greater_is_better, family
        As for ``compare_with_margin``.

    Returns
    -------
    MarginTest
        The interval is that of Hodges and Lehmann. Refused below 5 datasets.

    Examples
    --------
    >>> test = compare_datasets_with_margin([0.0, 0.01, -0.01, 0.005, 0.002], margin=0.02)
    >>> test.p_noninferior
    0.03125
    """
    values = np.asarray(differences, dtype=float)
    n, name = len(values), "Wilcoxon's signed-rank test"
    if n < MIN_DATASETS:
        why = (
            f"{format_count(n, 'dataset')}; at least {MIN_DATASETS} are required for a one-sided "
            f"p < {ALPHA}"
        )
        return MarginTest(name, margin, refusal=why, family=family)
    p_lower, p_upper = (
        # rounded, so that differences of equal decimal numbers tie
        float(
            stats.wilcoxon(
                np.round(shifted + margin, 12), zero_method="zsplit", alternative="greater"
            ).pvalue
        )
        for shifted in (values, -values)
    )
    interval = hodges_lehmann_interval(values, 2 * ALPHA / family)
    return MarginTest(
        name,
        margin,
        p_lower if greater_is_better else p_upper,
        max(p_lower, p_upper),
        interval.lower,
        interval.upper,
        family=family,
    )


def _student_t_tail(statistic: float, df: float) -> float:
    """Probability that Student's t, or a normal variable for infinite df, exceeds a statistic."""
    return float(special.ndtr(-statistic) if np.isinf(df) else special.stdtr(df, -statistic))
