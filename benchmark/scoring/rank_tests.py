"""Rank tests across datasets, as recommended by Demsar (2006).

Two configurations are compared by Wilcoxon's test, adjusted by Holm; more than two by Friedman's
test followed by Nemenyi's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from benchmark.scoring.significance import ALPHA, MIN_PAIRS, Result
from benchmark.utils.text import format_count

UNIT = "datasets"


def wilcoxon_test(a: ArrayLike, b: ArrayLike) -> Result:
    """Wilcoxon's signed-rank test (1945) of two configurations.

    The ranks of zero differences are split evenly (Demsar 2006). The p-value is exact where SciPy
    computes it so: up to 50 datasets, or 13 with ties or zeros.

    Parameters
    ----------
    a, b : arrays of shape (n,), float
        Scores of the two configurations, one pair per dataset.

    Returns
    -------
    Result
        ``effect`` is the median difference, ``statistic`` the smaller sum of ranks. Refused below 6
        differences that are not zero.

    See Also
    --------
    friedman_test : Test of more than two configurations.

    Examples
    --------
    >>> result = wilcoxon_test([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.8, 0.6, 0.6, 0.5, 0.3, 0.1])
    >>> result.p_value
    0.03125
    """
    # rounded, so that differences of equal decimal numbers tie
    differences = np.round(np.asarray(a, dtype=float) - np.asarray(b, dtype=float), 12)
    differences = differences[~np.isnan(differences)]
    n, n_different, test = (
        len(differences),
        int(np.count_nonzero(differences)),
        "Wilcoxon's signed-rank test",
    )
    effect = float(np.median(differences)) if n else np.nan
    if n_different < MIN_PAIRS:
        why = (
            f"{format_count(n, 'dataset')}, {n_different} of them with a difference; at least "
            f"{MIN_PAIRS} with a difference are required for a two-sided p < {ALPHA} (with "
            f"{n_different} the smallest p is {min(1.0, 2.0 ** (1 - n_different)):.3g})"
        )
        return Result(test, n, effect, refusal=why, unit=UNIT)
    outcome = stats.wilcoxon(differences, zero_method="zsplit")
    return Result(test, n, effect, float(outcome.pvalue), float(outcome.statistic), unit=UNIT)


def adjust_by_holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values for multiple comparisons (Holm 1979).

    Examples
    --------
    >>> adjust_by_holm([0.01, 0.04]).tolist()
    [0.02, 0.04]
    """
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="holm")[1]


def wilcoxon_holm_tests(scores: pd.DataFrame, control: str) -> dict[str, Result]:
    """Wilcoxon's test of one configuration against each of the others, adjusted by Holm.

    Parameters
    ----------
    scores : DataFrame
        One row per dataset, one column per configuration.
    control : str
        The column that is compared with the others.

    Returns
    -------
    dict of str to Result
        By name of the other configuration. The p-values are adjusted for the number of tests that
        are not refused.
    """
    results = {
        name: wilcoxon_test(scores[control], scores[name]) for name in scores.columns.drop(control)
    }
    tested = [name for name, result in results.items() if not result.refusal]
    adjusted = adjust_by_holm([results[name].p_value for name in tested]) if tested else np.empty(0)
    return results | {
        name: replace(results[name], p_value=float(p))
        for name, p in zip(tested, adjusted, strict=True)
    }


@dataclass(frozen=True)
class Friedman(Result):
    """Result of Friedman's test.

    ``statistic`` is F, ``chi2`` Friedman's statistic, and ``ranks`` the mean rank of each
    configuration, 1 being the best.
    """

    chi2: float = np.nan
    ranks: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))


def friedman_test(scores: pd.DataFrame, greater_is_better: bool = True) -> Friedman:
    """Friedman's test (1937) of whether all configurations have the same mean rank.

    The p-value is that of the F statistic of Iman & Davenport (1980).

    Parameters
    ----------
    scores : DataFrame
        One row per dataset, one column per configuration.
    greater_is_better : bool

    Returns
    -------
    Friedman
        ``effect`` is Kendall's W: 0 if the mean ranks are equal, 1 if all datasets have the
        same ranking. ``chi2`` is not corrected for ties, as in Demsar (2006). Refused below 3
        configurations, and if there are too few datasets for full agreement to reach p < 0.05.

    See Also
    --------
    nemenyi_test : Test of all pairs of configurations.
    """
    n, k = scores.shape
    refusal = _explain_too_few(scores)
    if refusal:
        return Friedman("Friedman's test", n, np.nan, refusal=refusal, unit=UNIT)
    ranks = rank_within_datasets(scores, greater_is_better)
    ties = np.mean([stats.tiecorrect(row) for row in ranks])
    # SciPy divides by the correction for ties
    chi2 = float(stats.friedmanchisquare(*ranks.T).statistic * ties) if ties else 0.0
    with np.errstate(divide="ignore"):
        f = float(np.divide((n - 1) * chi2, max(0.0, n * (k - 1) - chi2)))
    # smallest possible p-value: in k! of the k! ** n possible rankings all datasets agree
    least = np.exp((1 - n) * special.gammaln(k + 1))
    p_value = max(float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))), float(least))
    means = pd.Series(ranks.mean(axis=0), index=scores.columns)
    return Friedman(
        "Friedman's test", n, chi2 / (n * (k - 1)), p_value, f, unit=UNIT, chi2=chi2, ranks=means
    )


@dataclass(frozen=True)
class Nemenyi(Friedman):
    """Result of Nemenyi's test.

    Two configurations differ significantly if their mean ranks differ by at least
    ``critical_difference``. ``p_values`` has one row and one column per configuration.
    """

    critical_difference: float = np.nan
    p_values: pd.DataFrame = field(default_factory=pd.DataFrame)


def nemenyi_test(
    scores: pd.DataFrame, greater_is_better: bool = True, alpha: float = ALPHA
) -> Nemenyi:
    """Nemenyi's test (1963) of all pairs of configurations, following Friedman's test.

    Parameters
    ----------
    scores : DataFrame
        One row per dataset, one column per configuration.
    greater_is_better : bool
    alpha : float
        Level of the critical difference.

    Returns
    -------
    Nemenyi
        ``effect`` is the largest difference of mean ranks, and ``p_value`` its p-value. Refused
        where ``friedman_test`` is, and if no mean ranks could differ by the critical difference.

    See Also
    --------
    friedman_test : Test of whether all mean ranks are equal.

    Examples
    --------
    >>> import pandas as pd
    >>> result = nemenyi_test(pd.DataFrame([[0.7, 0.8, 0.9]] * 6, columns=["a", "b", "c"]))
    >>> result.ranks.to_dict(), round(result.critical_difference, 2)
    ({'a': 3.0, 'b': 2.0, 'c': 1.0}, 1.35)
    """
    from scikit_posthocs import posthoc_nemenyi_friedman

    n, k = scores.shape
    refusal = _explain_too_few(scores)
    if refusal:
        return Nemenyi("Nemenyi's test", n, np.nan, refusal=refusal, unit=UNIT)
    difference = (
        stats.studentized_range.ppf(1 - alpha, k, np.inf)
        / np.sqrt(2)
        * np.sqrt(k * (k + 1) / (6 * n))
    )
    if difference > k - 1:
        needed = ceil(n * (difference / (k - 1)) ** 2)
        why = (
            f"{format_count(n, 'dataset')}; {k} configurations require at least {needed}: mean "
            f"ranks differ by at most {k - 1}, and the critical difference is {difference:.2f}"
        )
        return Nemenyi("Nemenyi's test", n, np.nan, refusal=why, unit=UNIT)
    ranks = rank_within_datasets(scores, greater_is_better)
    means = pd.Series(ranks.mean(axis=0), index=scores.columns)
    p_values = pd.DataFrame(
        posthoc_nemenyi_friedman(ranks).to_numpy(), index=scores.columns, columns=scores.columns
    )
    effect, p_value = float(np.ptp(means)), float(p_values.to_numpy().min())
    return Nemenyi(
        "Nemenyi's test",
        n,
        effect,
        p_value,
        unit=UNIT,
        chi2=friedman_test(scores, greater_is_better).chi2,
        ranks=means,
        critical_difference=float(difference),
        p_values=p_values,
    )


def rank_within_datasets(scores: pd.DataFrame, greater_is_better: bool) -> NDArray[np.float64]:
    """Ranks within each dataset, 1 being the best.

    Scores equal to 12 decimals share the average of their ranks.

    Parameters
    ----------
    scores : DataFrame of shape (n_datasets, n_configurations)
    greater_is_better : bool

    Returns
    -------
    array of shape (n_datasets, n_configurations), float

    Examples
    --------
    >>> rank_within_datasets(pd.DataFrame([[0.9, 0.8, 0.9]]), True).tolist()
    [[1.5, 3.0, 1.5]]
    """
    return stats.rankdata(
        np.round(scores.to_numpy(float), 12) * (-1 if greater_is_better else 1), axis=1
    )


def _explain_too_few(scores: pd.DataFrame) -> str:
    n, k = scores.shape
    if k < 3:
        return (
            f"{format_count(k, 'configuration')}; at least 3 are required (two are compared by "
            "Wilcoxon's test)"
        )
    if scores.isna().any(axis=None):
        return (
            f"{int(scores.isna().any(axis=1).sum())} of {n} datasets lack the score of a "
            "configuration; all scores are required"
        )
    needed = ceil(stats.chi2.isf(ALPHA, k - 1) / (k - 1))
    if n >= needed:
        return ""
    return (
        f"{format_count(n, 'dataset')}; {k} configurations require at least {needed}: with fewer, "
        f"even full agreement has p > {ALPHA} by the chi-square test"
    )
