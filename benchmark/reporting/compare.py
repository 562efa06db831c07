"""Statistical comparison of configurations, computed from the predictions in a results folder.

The test is chosen by what the data allow.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.reporting.adjustment import Question
from benchmark.reporting.comparable_rows import Configuration, configuration_name
from benchmark.reporting.comparison import Comparison, ConfigurationPair, is_baseline
from benchmark.reporting.configuration_lookup import (
    find_configuration,
    pair_with_counterparts,
    pair_with_reference,
    unique_configurations,
)
from benchmark.reporting.family_comparison import compare_families
from benchmark.reporting.pair_comparison import NO_COUNTERPART, UNPAIRED
from benchmark.reporting.rank_lookup import find_ranked_configuration
from benchmark.reporting.results_view import ResultsView, as_view
from benchmark.scoring.metric_lookup import check_ranking_metric, find_metric

CHOSEN_REFERENCE = (
    "The reference was chosen on the same test images, and the adjustment does not account for "
    "that choice."
)


def compare_configurations(
    folder: str | Path | ResultsView,
    a: str,
    b: str,
    metric: str = "f1",
    margin: float | None = None,
) -> list[Comparison]:
    """Compare two configurations on all datasets and splits of a results folder.

    On a single split, the images are the observations. The test is McNemar's for the accuracy and
    DeLong's for the AUC of two classes. For all other metrics, and whenever images have groups or
    the predictions of the seeds differ, it is a t-test of paired influences. With several folds,
    the corrected resampled t-test is used; seeds are averaged within a fold first, since they share
    its test set. With several datasets, Wilcoxon's test is computed as well, of the means on the
    datasets on which both configurations are complete; the effect is then the pseudomedian of the
    differences (Hodges & Lehmann 1963).

    The pair is assumed to be selected from a table, both its members by what the table says. If
    there are further configurations, the p-value is therefore adjusted by Bonferroni for all pairs
    of the k configurations that have completed cells, k (k - 1) / 2, not counting the baseline. If
    the baseline is a member, only the other one was selected, and the p-value is adjusted for k
    comparisons. The interval has the level 1 - 0.05 / n for n comparisons.

    With a margin, it is also tested whether ``a`` is non-inferior to ``b`` (no more than the margin
    worse, one-sided) and whether they are equivalent (two one-sided tests, Schuirmann 1987), each
    at the level 0.05. The p-values are adjusted in the same way.

    Parameters
    ----------
    folder : str, Path or ResultsView
        Results folder, as written by ``run``; or a view of it, for predictions per group.
    a, b : str
        ``extractor / strategy / model``, or any part of it that identifies one configuration; or
        its rank in the leaderboard of the metric, such as '1'.
    metric : str
    margin : float or None
        Largest difference that does not matter, in the units of the metric.

    Returns
    -------
    list of Comparison
        One per group of comparable rows (dataset, split), followed by one across datasets if
        there are several.

    Raises
    ------
    UserError
        The metric is unknown, a configuration is unknown or ambiguous, the margin is not a
        difference of the metric, no cell is completed for both, or predictions are missing.

    See Also
    --------
    compare_all_configurations : Compare every configuration with one.
    """
    folder = as_view(folder)
    rows = _load_metric_rows(folder, metric, margin)
    first, second = (find_named_configuration(name, rows, folder, metric) for name in (a, b))
    if first == second:
        raise UserError(
            f"'{a}' and '{b}' both name {configuration_name(first)}: give two different "
            "configurations"
        )
    question = Question(metric, margin, [(first, second)], _list_choices(first, second, rows))
    comparisons = list(compare_families(folder, rows, question))
    if all(comparison.result.refusal == UNPAIRED for comparison in comparisons):
        raise UserError(
            f"no fold and seed in {folder} is completed for both {configuration_name(first)} and "
            f"{configuration_name(second)}; run both on the same split"
        )
    return comparisons


def compare_all_configurations(
    folder: str | Path | ResultsView,
    against: str,
    metric: str = "f1",
    margin: float | None = None,
) -> list[Comparison]:
    """Compare every configuration of a results folder with one.

    The tests are those of ``compare_configurations``. p-values are adjusted by Holm (1979) for the
    number of comparisons; intervals are Bonferroni's, at the level 1 - 0.05 / n, so that all n hold
    simultaneously. Holm's procedure rejects slightly more often, so that a difference may be
    significant although its interval contains zero.

    Neither accounts for the choice of ``against``. If that is a rank, or leads a group, it was
    chosen on the test images that it is tested on, and "worse" is found too often; a note says so.

    Parameters
    ----------
    folder : str, Path or ResultsView
        Results folder, as written by ``run``; or a view of it, for predictions per group.
    against : str
        The configuration that the others are compared with, named as for
        ``compare_configurations``. It may also be a strategy that several configurations have: each
        configuration is then compared with the one that has it and is equal otherwise.
    metric : str
    margin : float or None
        As for ``compare_configurations``.

    Returns
    -------
    list of Comparison
        Sorted by group of comparable rows, and within each by the difference, the largest
        improvement first.

    Raises
    ------
    UserError
        As for ``compare_configurations``.

    See Also
    --------
    compare_configurations : Compare two configurations.
    benchmark.reporting.comparison_table.make_comparison_tables : Tables of these comparisons.
    """
    folder = as_view(folder)
    rows = _load_metric_rows(folder, metric, margin)
    pairs = pair_with_counterparts(against, rows) or pair_with_reference(
        find_named_configuration(against, rows, folder, metric), rows
    )
    comparisons = list(compare_families(folder, rows, Question(metric, margin, pairs)))
    if all(c.result.refusal in (UNPAIRED, NO_COUNTERPART) for c in comparisons):
        raise UserError(
            f"no fold and seed in {folder} is completed for a configuration and the one to compare "
            f"it with ('{against}'); run them on the same split"
        )
    comparisons = _note_chosen_reference(comparisons, is_rank=against.strip().isdecimal())
    sign = -1 if find_metric(metric).greater_is_better else 1
    titles = list(dict.fromkeys(comparison.title for comparison in comparisons))

    def rank(comparison: Comparison) -> tuple[int, float]:
        effect = np.nan_to_num(sign * comparison.result.effect, nan=np.inf)
        return titles.index(comparison.title), float(effect)

    return sorted(comparisons, key=rank)


def _list_choices(
    first: Configuration, second: Configuration, rows: pd.DataFrame
) -> list[ConfigurationPair]:
    """List the pairs that a pair may have been chosen from; the baseline is never chosen."""
    candidates = [each for each in unique_configurations(rows) if not is_baseline(each)]
    baselines = [each for each in (first, second) if is_baseline(each)]
    if baselines:
        return [(candidate, baselines[0]) for candidate in candidates]
    return list(combinations(candidates, 2))


def _note_chosen_reference(comparisons: list[Comparison], is_rank: bool) -> list[Comparison]:
    """Add a note where several configurations are compared with one that was chosen by rank."""
    by_title: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_title.setdefault(comparison.title, []).append(comparison)
    chosen = {
        title
        for title, group in by_title.items()
        if any(comparison.result.family > 1 for comparison in group)
        and len({comparison.b for comparison in group}) == 1
        and not is_baseline(group[0].b)
        and (is_rank or not any(comparison.a_is_better for comparison in group))
    }
    return [
        replace(comparison, note=f"{comparison.note} {CHOSEN_REFERENCE}".strip())
        if comparison.title in chosen
        else comparison
        for comparison in comparisons
    ]


def _load_metric_rows(folder: ResultsView, metric: str, margin: float | None) -> pd.DataFrame:
    check_ranking_metric(metric)
    least, most = find_metric(metric).bounds
    if margin is not None and not 0 < margin < min(most - least, np.inf):
        largest = "" if np.isinf(most - least) else f" and below {most - least:g}"
        raise UserError(
            f"the margin is {margin:g}; a difference in {metric} that does not matter is above 0"
            f"{largest}, such as 0.02"
        )
    rows = folder.load_rows(["subset_accuracy"], [metric])
    if metric not in rows:
        raise UserError(
            f"no row in {folder} has the metric {metric}; choose another one (python -m benchmark "
            "list metrics), or evaluate the cells again with run --force"
        )
    return rows


def find_named_configuration(
    name: str, rows: pd.DataFrame, folder: ResultsView, metric: str
) -> Configuration:
    """Find a configuration by its rank, if the name is a number, or else by its name."""
    if name.strip().isdecimal():
        return find_ranked_configuration(int(name), folder, metric)
    return find_configuration(name, rows, folder.folder.path)
