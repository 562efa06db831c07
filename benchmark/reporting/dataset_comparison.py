"""Comparison of pairs of configurations across datasets."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from benchmark.reporting.adjustment import Question, add_margin_tests, adjust_p_values
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    Configuration,
    configuration_name,
)
from benchmark.reporting.comparison import Comparison, ConfigurationPair
from benchmark.reporting.dataset_scores import list_some
from benchmark.scoring.equivalence import MarginTest, compare_datasets_with_margin
from benchmark.scoring.hodges_lehmann import hodges_lehmann_interval
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.rank_tests import wilcoxon_test
from benchmark.scoring.significance import ALPHA, Result
from benchmark.utils.status import Status
from benchmark.utils.text import format_count


def compare_across_datasets(
    comparisons: list[tuple[ConfigurationPair, Comparison]], rows: pd.DataFrame, question: Question
) -> dict[ConfigurationPair, Comparison]:
    """Compare pairs across datasets by Wilcoxon's test.

    Each dataset contributes one pair of means. A dataset on which a pair is incomplete is left out,
    and the note of the comparison names it. Pairs with fewer than two datasets are left out.

    Parameters
    ----------
    comparisons : list of (pair, Comparison)
        Comparisons within each group of comparable rows.
    rows : DataFrame
        All rows.
    question : Question
    """
    gaps = {pair: _describe_gaps(pair, rows) for pair in question.pairs}
    means = {pair: _average_datasets(pair, comparisons, gaps[pair]) for pair in question.pairs}
    means = {pair: of_pair for pair, of_pair in means.items() if len(of_pair) > 1}
    differences = {pair: of_pair["a"] - of_pair["b"] for pair, of_pair in means.items()}
    first_of_pair = dict(reversed(comparisons))
    tested = {
        pair: _compare_means(first_of_pair[pair], of_pair, gaps[pair])
        for pair, of_pair in means.items()
    }
    n_choices = question.count_choices(rows, n_datasets=2)
    p_values = {pair: comparison.result.p_value for pair, comparison in tested.items()}
    for pair, (n, adjusted) in adjust_p_values(p_values, n_choices).items():
        result = replace(tested[pair].result, family=n, adjusted=adjusted)
        result = _add_median_interval(result, differences[pair], ALPHA / n)
        tested[pair] = replace(tested[pair], result=result)

    def test_margin(pair: ConfigurationPair, n: int, margin: float) -> MarginTest:
        better = find_metric(question.metric).greater_is_better
        return compare_datasets_with_margin(differences[pair], margin, better, n)

    return add_margin_tests(tested, question.margin, n_choices, test_margin)


def _describe_gaps(pair: ConfigurationPair, rows: pd.DataFrame) -> dict[str, str]:
    """What a pair lacks, by dataset: cells that are not completed, or a configuration."""
    is_done = {
        configuration: rows[(rows[CONFIGURATION_AXES] == list(configuration)).all(axis=1)]
        .set_index("dataset")["status"]
        .eq(Status.OK)
        for configuration in pair
    }
    datasets = pd.concat(is_done.values()).index.unique()
    gaps = {
        str(dataset): [
            gap
            for configuration, done in is_done.items()
            if (gap := _describe_gap(configuration, done[done.index == dataset]))
        ]
        for dataset in datasets
    }
    return {dataset: "; ".join(of_dataset) for dataset, of_dataset in gaps.items() if of_dataset}


def _describe_gap(configuration: Configuration, is_done: pd.Series) -> str:
    """What a configuration lacks on a dataset; empty if it is complete."""
    if is_done.all() and len(is_done):
        return ""
    name = configuration_name(configuration)
    if is_done.empty:
        return f"{name} is not evaluated"
    return f"{name} has {is_done.sum()} of {format_count(len(is_done), 'cell')}"


def _average_datasets(
    pair: ConfigurationPair,
    comparisons: list[tuple[ConfigurationPair, Comparison]],
    gaps: dict[str, str],
) -> pd.DataFrame:
    """Means of both configurations of a pair, the columns a and b, on each complete dataset.

    Datasets on which the metric is undefined are added to ``gaps``.
    """
    values = [
        (comparison.dataset, comparison.mean_a, comparison.mean_b)
        for candidate, comparison in comparisons
        if candidate == pair and comparison.dataset not in gaps
    ]
    means = pd.DataFrame(values, columns=["dataset", "a", "b"])
    for dataset in means.loc[means.isna().any(axis=1), "dataset"]:
        gaps[dataset] = "undefined"
    means = means[~means["dataset"].isin(gaps)]
    return means.groupby("dataset")[["a", "b"]].mean()


def _compare_means(comparison: Comparison, means: pd.DataFrame, gaps: dict[str, str]) -> Comparison:
    """Make the comparison of a pair across datasets from its comparison on one of them."""
    mean_a, mean_b = means.mean()
    result = wilcoxon_test(means["a"], means["b"])
    left_out = list_some([f"{dataset} ({gap})" for dataset, gap in gaps.items()], ", ")
    return replace(
        comparison,
        title=f"across {len(means)} datasets, by the Hodges-Lehmann estimate",
        dataset="",
        note=f"Left out as incomplete: {left_out}." if gaps else "",
        mean_a=float(mean_a),
        mean_b=float(mean_b),
        result=_add_median_interval(result, means["a"] - means["b"], ALPHA),
        margin_test=None,
    )


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
