"""Tests by ranks across data sets, as Demsar (2006) recommends: Wilcoxon with Holm for two configurations, Friedman with Nemenyi for more."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from benchmark.scoring.significance import ALPHA, MIN_PAIRS, Result
from benchmark.utils.text import format_count

UNIT = "data sets"


def wilcoxon_test(a: ArrayLike, b: ArrayLike) -> Result:
    """Wilcoxon's signed-rank test (1945) of two configurations, one pair of scores a data set.

    Ranks of zero differences are split evenly (Demsar 2006). Exact where SciPy has it: up to 50
    data sets, 13 with ties or zeros.

    Parameters
    ----------
    a, b : (n,)

    Returns
    -------
    Result
        ``effect`` is the median difference, ``statistic`` the smaller sum of ranks. Refused below 6
        differences that are not zero.
    """
    differences = np.round(
        np.asarray(a, dtype=float) - np.asarray(b, dtype=float), 12
    )  # what is equal on paper ties
    differences = differences[~np.isnan(differences)]
    n, n_different, test = (
        len(differences),
        int(np.count_nonzero(differences)),
        "Wilcoxon's signed-rank test",
    )
    effect = float(np.median(differences)) if n else np.nan
    if n_different < MIN_PAIRS:
        why = (
            f"{format_count(n, 'data set')}, {n_different} of them with a difference, and the two-sided test "
            f"cannot reach p < {ALPHA} "
            f"below {MIN_PAIRS} of these (the least p of {n_different} is "
            f"{min(1.0, 2.0 ** (1 - n_different)):.3g})"
        )
        return Result(test, n, effect, refusal=why, unit=UNIT)
    found = stats.wilcoxon(differences, zero_method="zsplit")
    return Result(test, n, effect, float(found.pvalue), float(found.statistic), unit=UNIT)


def adjust_by_holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values adjusted for being several (Holm 1979): compare each with the level of the whole family."""
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="holm")[1]


def wilcoxon_holm_tests(scores: pd.DataFrame, control: str) -> dict[str, Result]:
    """Wilcoxon's test of one configuration against each of the others, adjusted by Holm over those that are not refused.

    Parameters
    ----------
    scores : DataFrame
        A row a data set, a column a configuration.
    control : str
        The column that is compared with the others.
    """
    found = {
        name: wilcoxon_test(scores[control], scores[name]) for name in scores.columns.drop(control)
    }
    tested = [name for name, result in found.items() if not result.refusal]
    adjusted = adjust_by_holm([found[name].p_value for name in tested]) if tested else np.empty(0)
    return found | {
        name: replace(found[name], p_value=float(p))
        for name, p in zip(tested, adjusted, strict=True)
    }


@dataclass(frozen=True)
class Friedman(Result):
    """What Friedman's test found: ``statistic`` is F; ``ranks`` are average ranks by configuration, 1 the best."""

    chi2: float = np.nan
    ranks: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))


def friedman_test(scores: pd.DataFrame, greater_is_better: bool = True) -> Friedman:
    """Friedman's test (1937) that all configurations rank alike, by the F statistic of Iman & Davenport (1980).

    Parameters
    ----------
    scores : DataFrame
        A row a data set, a column a configuration.
    greater_is_better : bool

    Returns
    -------
    Friedman
        ``effect`` is Kendall's W: 0 when the average ranks are equal, 1 when all data sets have the
        same ranking. ``chi2`` is not corrected for ties, as in Demsar (2006). Refused below 3
        configurations, or data sets too few to reach p < 0.05 by full agreement.
    """
    n, k = scores.shape
    refusal = _explain_too_few(scores)
    if refusal:
        return Friedman("Friedman's test", n, np.nan, refusal=refusal, unit=UNIT)
    ranks = _rank_within_datasets(scores, greater_is_better)
    ties = np.mean([stats.tiecorrect(row) for row in ranks])
    chi2 = (
        float(stats.friedmanchisquare(*ranks.T).statistic * ties) if ties else 0.0
    )  # SciPy divides by the correction for ties
    with np.errstate(divide="ignore"):
        f = float(np.divide((n - 1) * chi2, max(0.0, n * (k - 1) - chi2)))
    least = np.exp(
        (1 - n) * special.gammaln(k + 1)
    )  # of all k! ** n ways to rank, the k! in which the data sets agree
    p_value = max(float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))), float(least))
    means = pd.Series(ranks.mean(axis=0), index=scores.columns)
    return Friedman(
        "Friedman's test", n, chi2 / (n * (k - 1)), p_value, f, unit=UNIT, chi2=chi2, ranks=means
    )


@dataclass(frozen=True)
class Nemenyi(Friedman):
    """What Nemenyi's test found: configurations whose ranks differ by ``critical_difference`` differ; ``p_values`` by pair of configurations."""

    critical_difference: float = np.nan
    p_values: pd.DataFrame = field(default_factory=pd.DataFrame)


def nemenyi_test(
    scores: pd.DataFrame, greater_is_better: bool = True, alpha: float = ALPHA
) -> Nemenyi:
    """Nemenyi's test (1963) of all pairs of configurations after Friedman's, and its critical difference.

    Parameters
    ----------
    scores : DataFrame
        A row a data set, a column a configuration.
    greater_is_better : bool
    alpha : float
        Level of the critical difference.

    Returns
    -------
    Nemenyi
        ``effect`` is the largest difference of average ranks, ``p_value`` is its. Refused when
        ``friedman_test`` is, and when no average ranks could differ by the critical difference.
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
            f"{format_count(n, 'data set')}, and {k} configurations need at least {needed}: average ranks differ by at "
            f"most {k - 1}, "
            f"and the critical difference is {difference:.2f}"
        )
        return Nemenyi("Nemenyi's test", n, np.nan, refusal=why, unit=UNIT)
    ranks = _rank_within_datasets(scores, greater_is_better)
    means = pd.Series(ranks.mean(axis=0), index=scores.columns)
    p_values = pd.DataFrame(
        posthoc_nemenyi_friedman(ranks).to_numpy(), index=scores.columns, columns=scores.columns
    )
    found = {
        "chi2": friedman_test(scores, greater_is_better).chi2,
        "ranks": means,
        "p_values": p_values,
    }
    effect, p_value = float(np.ptp(means)), float(p_values.to_numpy().min())
    return Nemenyi(
        "Nemenyi's test",
        n,
        effect,
        p_value,
        unit=UNIT,
        critical_difference=float(difference),
        **found,
    )


def _rank_within_datasets(scores: pd.DataFrame, greater_is_better: bool) -> NDArray[np.float64]:
    """Ranks within each data set, 1 the best, ties shared; what is equal on paper ties."""
    return stats.rankdata(
        np.round(scores.to_numpy(float), 12) * (-1 if greater_is_better else 1), axis=1
    )


def _explain_too_few(scores: pd.DataFrame) -> str:
    n, k = scores.shape
    if k < 3:
        return f"{k} configurations, and ranks of several need at least 3: compare two by Wilcoxon's test"
    if scores.isna().any(axis=None):
        return f"{int(scores.isna().any(axis=1).sum())} of {n} data sets lack the score of a configuration, and all are needed"
    needed = ceil(stats.chi2.isf(ALPHA, k - 1) / (k - 1))
    return (
        f"{format_count(n, 'data set')}, and {k} configurations need at least {needed}: with fewer, full agreement has p "
        f"> {ALPHA} by chi-square"
        if n < needed
        else ""
    )
