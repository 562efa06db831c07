"""Comparison of pairs of configurations, adjusted for the number of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from benchmark.reporting.adjustment import Question, add_margin_tests, adjust_p_values
from benchmark.reporting.comparable_rows import COMPARABLE, Configuration, make_group_title
from benchmark.reporting.comparison import Comparison, ConfigurationPair
from benchmark.reporting.configuration_lookup import unique_configurations
from benchmark.reporting.dataset_comparison import compare_across_datasets
from benchmark.reporting.pair_comparison import (
    NO_COUNTERPART,
    UNPAIRED,
    compare_pair,
    pair_cells,
    refuse_comparison,
)
from benchmark.reporting.results_view import ResultsView
from benchmark.scoring.equivalence import MarginTest, compare_with_margin
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import PredictionReader
from benchmark.scoring.significance import ALPHA


def compare_families(
    folder: ResultsView, rows: pd.DataFrame, question: Question
) -> Iterator[Comparison]:
    """Compare pairs within each group of comparable rows, and across datasets."""
    read_predictions = folder.read_predictions
    known = set(unique_configurations(rows))
    comparisons: list[tuple[ConfigurationPair, Comparison]] = []
    for labels, group in rows.groupby(COMPARABLE, sort=False, dropna=False):
        title = make_group_title(dict(zip(COMPARABLE, labels, strict=True)), rows)
        compared = _compare_group(title, group, question, read_predictions)
        comparisons += compared.items()
        comparisons += [
            (pair, refuse_comparison(title, group, *pair, question.metric, refusal))
            for pair in question.pairs
            if pair not in compared
            if (refusal := _explain_missing(pair, set(unique_configurations(group)), known))
        ]
    across = compare_across_datasets(comparisons, rows, question)
    for comparison in (*(comparison for _, comparison in comparisons), *across.values()):
        yield replace(comparison, adjustment=question.adjustment)


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
    metric = question.metric
    cells = {pair: pair_cells(group, *pair, metric) for pair in question.pairs}
    paired = {pair: of_pair for pair, of_pair in cells.items() if of_pair is not None}

    def compare_at_level(pair: ConfigurationPair, alpha: float) -> Comparison:
        return compare_pair(title, paired[pair], *pair, metric, read_predictions, alpha)

    def test_margin(pair: ConfigurationPair, n: int, margin: float) -> MarginTest:
        better = find_metric(metric).greater_is_better
        return compare_with_margin(compared[pair].result, margin, better, n)

    compared = {pair: compare_at_level(pair, ALPHA) for pair in paired}
    n_choices = question.count_choices(group)
    p_values = {pair: comparison.result.p_value for pair, comparison in compared.items()}
    for pair, (n, adjusted) in adjust_p_values(p_values, n_choices).items():
        comparison = compare_at_level(pair, ALPHA / n)
        result = replace(comparison.result, family=n, adjusted=adjusted)
        compared[pair] = replace(comparison, result=result)
    return add_margin_tests(compared, question.margin, n_choices, test_margin)
