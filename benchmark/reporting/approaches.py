"""The answer to the question of this project: the best classical configuration or a deep one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmark.plugins.registry import BASELINE
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    TUNING,
    configuration_name,
)
from benchmark.reporting.comparison import Comparison, capitalize_first_letter
from benchmark.reporting.leader import COMPARED
from benchmark.reporting.pair_comparison import try_comparison
from benchmark.reporting.table_intervals import read_each_once
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import PredictionReader
from benchmark.scoring.significance import ALPHA
from benchmark.study.axes import NONE, describe_tuning
from benchmark.utils.status import Status
from benchmark.utils.text import format_duration

APPROACHES = ("classical", "deep")
SECONDS = ("extract_s", "tune_s", "resample_s", "fit_s", "predict_s")


class Verdict(NamedTuple):
    """The best configurations of two approaches, and how they compare.

    Parameters
    ----------
    better, worse : str
        Approach with the better and the worse best configuration, by the mean of the metric.
    comparison : Comparison
        Of the best configuration of ``better`` with that of ``worse``. Its interval holds at 95%
        for all pairs of configurations that these could have been (Bonferroni).
    is_distinct : bool
        Whether the best configuration of ``better`` is significantly better than every
        configuration of ``worse``.
    n : dict of str to int
        Number of configurations of each approach.
    seconds : dict of str to float
        Mean seconds per cell of the best configuration of each approach: extraction, tuning,
        resampling, fit and prediction.
    tunings : dict of str to set of str
        Labels of the tunings that configurations of each approach have.
    """

    better: str
    worse: str
    comparison: Comparison
    is_distinct: bool
    n: dict[str, int]
    seconds: dict[str, float]
    tunings: dict[str, set[str]]


def compare_approaches(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    metric: str,
    read_predictions: PredictionReader | None = None,
) -> Verdict | None:
    """Compare the best classical configuration with the best deep one.

    The better of the two was chosen as the best of its approach on the same test images. Its
    approach counts as better if that one is significantly better than each configuration of the
    other approach, at a level that is divided by the number of configurations that it was chosen
    from: with a probability of at least 95%, no approach is called better that is not.

    Parameters
    ----------
    table : DataFrame
        Ranked table of comparable rows, as made by ``rank_configurations``.
    rows : DataFrame
        The rows that the table was made of.
    metric : str
        That the table is ranked by.
    read_predictions : callable or None
        Differences on a single test set need it.

    Returns
    -------
    Verdict or None
        None if one of the approaches has no ranked configuration, or if predictions are missing.
    """
    done = rows[rows["status"] == Status.OK]
    members = _group_by_approach(table, done)
    if not all(members.values()):
        return None
    best_rank = {
        approach: list(table[CONFIGURATION_AXES].itertuples(index=False, name=None)).index(first)
        for approach, (first, *_) in members.items()
    }
    better, worse = sorted(APPROACHES, key=best_rank.__getitem__)
    read = read_each_once(read_predictions)
    compared = done.loc[:, done.columns.isin([*COMPARED, metric])]
    n_pairs = len(members[better]) * len(members[worse])
    comparisons = [
        try_comparison(compared, members[better][0], other, metric, read, ALPHA / n_pairs)
        for other in members[worse]
    ]
    if comparisons[0] is None:
        return None
    level = ALPHA / len(members[better])
    return Verdict(
        better,
        worse,
        comparisons[0],
        all(_is_better(comparison, level) for comparison in comparisons),
        {approach: len(configurations) for approach, configurations in members.items()},
        {approach: _mean_seconds(done, first) for approach, (first, *_) in members.items()},
        {
            approach: {configuration[TUNING] for configuration in configurations}
            for approach, configurations in members.items()
        },
    )


def _group_by_approach(table: pd.DataFrame, done: pd.DataFrame) -> dict[str, list[tuple[str, ...]]]:
    """Return the ranked configurations of each approach, the best first."""
    members: dict[str, list[tuple[str, ...]]] = {approach: [] for approach in APPROACHES}
    if "approach" not in done:
        return members
    labels = done[CONFIGURATION_AXES].itertuples(index=False, name=None)
    approach_of = dict(zip(labels, done["approach"], strict=True))
    ranked = table[table["rank"].notna() & (table["model"] != BASELINE)]
    for configuration in ranked[CONFIGURATION_AXES].itertuples(index=False, name=None):
        if approach_of.get(configuration) in members:
            members[approach_of[configuration]].append(configuration)
    return members


def _is_better(comparison: Comparison | None, alpha: float) -> bool:
    if comparison is None or comparison.result.refusal:
        return False
    return comparison.a_is_better and bool(comparison.result.p_value < alpha)


def _mean_seconds(rows: pd.DataFrame, configuration: Sequence[str]) -> float:
    own = rows[(rows[CONFIGURATION_AXES] == list(configuration)).all(axis=1)]
    present: list[Any] = [pd.to_numeric(own[name]).fillna(0) for name in SECONDS if name in own]
    return float(np.sum(present, axis=0).mean())


def describe_approaches(verdict: Verdict, metric: str) -> str:
    """State in sentences which approach is better, by how much, and at what cost.

    Parameters
    ----------
    verdict : Verdict
    metric : str
    """
    result = verdict.comparison.result
    sides = _describe_sides(verdict, metric)
    counts = " and ".join(f"{verdict.n[approach]} {approach}" for approach in APPROACHES)
    cost = ", ".join(
        f"{format_duration(verdict.seconds[approach])} for {approach}" for approach in APPROACHES
    )
    if result.refusal:
        answer = f"{sides[0]} and {sides[1]} cannot be compared: {result.refusal}."
    else:
        answer = f"{sides[0]} {_describe_relation(verdict)} {sides[1]}. "
        answer += (
            f"{capitalize_first_letter(verdict.better)} is better by "
            f"{_describe_difference(verdict, metric)}, corrected for the choice among {counts} "
            "configurations."
        )
    sentences = [f"Classical against deep: {answer}", f"Time per cell: {cost}."]
    if len({frozenset(tunings) for tunings in verdict.tunings.values()}) > 1:
        efforts = ", ".join(
            f"{approach} {' and '.join(sorted(map(_describe_effort, verdict.tunings[approach])))}"
            for approach in APPROACHES
        )
        sentences.append(f"The two approaches were not tuned with equal effort: {efforts}.")
    return " ".join(sentences)


def _describe_sides(verdict: Verdict, metric: str) -> list[str]:
    comparison = verdict.comparison
    names = {verdict.better: comparison.a, verdict.worse: comparison.b}
    means = {verdict.better: comparison.mean_a, verdict.worse: comparison.mean_b}
    return [
        f"the best {approach} configuration ({configuration_name(names[approach])}: {metric} "
        f"{means[approach]:.3f})"
        for approach in APPROACHES
    ]


def _describe_relation(verdict: Verdict) -> str:
    if not verdict.is_distinct:
        return "cannot be told apart from"
    return "is better than" if verdict.better == APPROACHES[0] else "is worse than"


def _describe_difference(verdict: Verdict, metric: str) -> str:
    """Return the difference, positive, with its interval."""
    result = verdict.comparison.result
    sign = 1 if METRICS[metric].greater_is_better else -1
    low, high = sorted(sign * bound for bound in (result.lower, result.upper))
    interval = "" if np.isnan(low) else f" ({low:.3f} to {high:.3f})"
    return f"{sign * result.effect:.3f}{interval}"


def _describe_effort(tuning: str) -> str:
    return "as listed" if tuning == NONE else describe_tuning(tuning)
