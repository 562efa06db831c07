"""Comparison of families of pairs of configurations, adjusted for the number of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.reporting.comparable_rows import COMPARABLE, Configuration, make_group_title
from benchmark.reporting.comparison import Comparison, ConfigurationPair
from benchmark.reporting.configuration_lookup import unique_configurations
from benchmark.reporting.pair_comparison import (
    NO_COUNTERPART,
    UNPAIRED,
    compare_pair,
    pair_cells,
    refuse_comparison,
)
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.equivalence import (
    MarginTest,
    compare_datasets_with_margin,
    compare_with_margin,
)
from benchmark.scoring.hodges_lehmann import hodges_lehmann_interval
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import PredictionReader
from benchmark.scoring.rank_tests import adjust_by_holm, wilcoxon_test
from benchmark.scoring.significance import ALPHA, Result

Families = list[list[ConfigurationPair]]  # pairs that are compared together


@dataclass(frozen=True)
class Question:
    """What is asked about each pair.

    Parameters
    ----------
    metric : str
    margin : float or None
        Largest difference that does not matter; None if it is not asked for.
    families : list of lists of pairs
        p-values are adjusted for the number of pairs of a family. The pairs that are in all
        families are the ones that are asked for.
    """

    metric: str
    margin: float | None
    families: Families

    @property
    def pairs(self) -> list[ConfigurationPair]:
        """All pairs of all families."""
        return list(dict.fromkeys(pair for family in self.families for pair in family))

    @property
    def requested(self) -> set[ConfigurationPair]:
        """The pairs that are in all families."""
        return set(self.families[0]).intersection(*self.families)


def compare_families(folder: Path, rows: pd.DataFrame, question: Question) -> Iterator[Comparison]:
    """Compare the requested pairs, within each group of comparable rows and across datasets."""
    read_predictions = lru_cache(maxsize=64)(ResultsFolder(folder).read_predictions)
    known, requested = set(unique_configurations(rows)), question.requested
    comparisons: list[tuple[ConfigurationPair, Comparison]] = []
    for labels, group in rows.groupby(COMPARABLE, sort=False, dropna=False):
        title = make_group_title(dict(zip(COMPARABLE, labels, strict=True)), rows)
        compared = _compare_group(title, group, question, read_predictions)
        comparisons += compared.items()
        comparisons += [
            (pair, refuse_comparison(title, group, *pair, question.metric, refusal))
            for pair in question.families[0]
            if pair in requested and pair not in compared
            if (refusal := _explain_missing(pair, set(unique_configurations(group)), known))
        ]
    yield from (comparison for pair, comparison in comparisons if pair in requested)
    across = _compare_across_datasets(comparisons, question)
    yield from (comparison for pair, comparison in across.items() if pair in requested)


def _explain_missing(
    pair: ConfigurationPair, in_group: set[Configuration], known: set[Configuration]
) -> str:
    """Why a pair has no common cell; empty if it is not planned here."""
    if in_group.issuperset(pair):
        return UNPAIRED
    return NO_COUNTERPART if pair[0] in in_group and pair[1] not in known else ""


def _compare_group(
    title: str, group: pd.DataFrame, question: Question, read_predictions: PredictionReader
) -> dict[ConfigurationPair, Comparison]:
    """Compare the pairs that have common cells in a group of comparable rows."""
    metric, families = question.metric, question.families
    cells = {pair: pair_cells(group, *pair, metric) for pair in question.pairs}
    paired = {pair: of_pair for pair, of_pair in cells.items() if of_pair is not None}

    def compare_at_level(pair: ConfigurationPair, alpha: float) -> Comparison:
        return compare_pair(title, paired[pair], *pair, metric, read_predictions, alpha)

    def test_margin(pair: ConfigurationPair, n: int, margin: float) -> MarginTest:
        better = METRICS[metric].greater_is_better
        return compare_with_margin(compared[pair].result, margin, better, n)

    compared = {pair: compare_at_level(pair, ALPHA) for pair in paired}
    for pair, (n, adjusted) in _adjust_p_values(_p_values(compared), families).items():
        if pair in question.requested:
            comparison = compare_at_level(pair, ALPHA / n)
            result = replace(comparison.result, family=n, adjusted=adjusted)
            compared[pair] = replace(comparison, result=result)
    return _add_margin_tests(compared, question, test_margin)


def _p_values(comparisons: dict[ConfigurationPair, Comparison]) -> dict[ConfigurationPair, float]:
    return {pair: comparison.result.p_value for pair, comparison in comparisons.items()}


def _adjust_p_values(
    p_values: dict[ConfigurationPair, float], families: Families
) -> dict[ConfigurationPair, tuple[int, float]]:
    """Number of comparisons and adjusted p-value (Holm 1979) of each pair.

    Both are the largest of those of its families. Families with a single tested pair are ignored.
    """
    largest: dict[ConfigurationPair, tuple[int, float]] = {}
    for family in families:
        tested = [pair for pair in family if not np.isnan(p_values.get(pair, np.nan))]
        if len(tested) > 1:
            adjusted_p_values = adjust_by_holm([p_values[pair] for pair in tested])
            for pair, p_value in zip(tested, adjusted_p_values, strict=True):
                n, adjusted = largest.get(pair, (0, 0.0))
                largest[pair] = max(n, len(tested)), max(adjusted, float(p_value))
    return largest


def _add_margin_tests(
    comparisons: dict[ConfigurationPair, Comparison],
    question: Question,
    test_margin: Callable[[ConfigurationPair, int, float], MarginTest],
) -> dict[ConfigurationPair, Comparison]:
    """Add the tests of the margin, if there is one, adjusted by Holm.

    ``test_margin`` takes a pair, the number of comparisons and the margin.
    """
    margin, families = question.margin, question.families
    if margin is None:
        return comparisons
    tests = {pair: test_margin(pair, 1, margin) for pair in comparisons}
    noninferior = {pair: test.p_noninferior for pair, test in tests.items()}
    equivalent = {pair: test.p_equivalent for pair, test in tests.items()}
    adjusted_equivalent = _adjust_p_values(equivalent, families)
    for pair, (n, adjusted) in _adjust_p_values(noninferior, families).items():
        tests[pair] = replace(
            test_margin(pair, n, margin),
            p_noninferior=adjusted,
            p_equivalent=adjusted_equivalent[pair][1],
        )
    return {
        pair: replace(comparison, margin_test=tests[pair])
        for pair, comparison in comparisons.items()
    }


def _compare_across_datasets(
    comparisons: list[tuple[ConfigurationPair, Comparison]], question: Question
) -> dict[ConfigurationPair, Comparison]:
    """Compare pairs across datasets by Wilcoxon's test, adjusted by Holm.

    Each dataset contributes one pair of means. Pairs with a single dataset are left out.
    """
    first_of_pair = dict(reversed(comparisons))
    tested: dict[ConfigurationPair, Comparison] = {}
    differences: dict[ConfigurationPair, pd.Series] = {}
    for pair in dict.fromkeys(pair for pair, _ in comparisons):
        values = [
            (comparison.dataset, comparison.mean_a, comparison.mean_b)
            for candidate, comparison in comparisons
            if candidate == pair
        ]
        means = (
            pd.DataFrame(values, columns=["dataset", "a", "b"])
            .dropna()
            .groupby("dataset")[["a", "b"]]
            .mean()
        )
        if len(means) > 1:
            mean_a, mean_b = means.mean()
            differences[pair] = means["a"] - means["b"]
            tested[pair] = replace(
                first_of_pair[pair],
                title=f"across {len(means)} datasets, by the Hodges-Lehmann estimate",
                dataset="",
                note="",
                mean_a=float(mean_a),
                mean_b=float(mean_b),
                result=_add_median_interval(
                    wilcoxon_test(means["a"], means["b"]), differences[pair], ALPHA
                ),
                margin_test=None,
            )
    for pair, (n, adjusted) in _adjust_p_values(_p_values(tested), question.families).items():
        result = replace(tested[pair].result, family=n, adjusted=adjusted)
        result = _add_median_interval(result, differences[pair], ALPHA / n)
        tested[pair] = replace(tested[pair], result=result)

    def test_margin(pair: ConfigurationPair, n: int, margin: float) -> MarginTest:
        better = METRICS[question.metric].greater_is_better
        return compare_datasets_with_margin(differences[pair], margin, better, n)

    return _add_margin_tests(tested, question, test_margin)


def _add_median_interval(result: Result, differences: pd.Series, alpha: float) -> Result:
    """Replace the median of the differences by Hodges and Lehmann's estimate, with its interval."""
    estimate = hodges_lehmann_interval(differences, alpha)
    return replace(
        result,
        effect=estimate.effect,
        lower=estimate.lower,
        upper=estimate.upper,
        alpha=alpha,
    )
