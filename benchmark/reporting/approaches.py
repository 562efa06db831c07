"""The answer to the question of this project: the best classical configuration or a deep one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmark.plugins.registry import BASELINE
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    TUNING,
    configuration_name,
)
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.leader import COMPARED
from benchmark.reporting.pair_comparison import as_improvement, try_comparison
from benchmark.reporting.table_intervals import read_each_once
from benchmark.scoring.predictions import PredictionReader
from benchmark.scoring.significance import ALPHA, Result
from benchmark.study.axes import NONE, describe_tuning
from benchmark.utils.status import Status
from benchmark.utils.text import format_count, format_duration

APPROACHES = ("classical", "deep")
SECONDS = ("extract_s", "tune_s", "resample_s", "fit_s", "predict_s")


class Verdict(NamedTuple):
    """The best configurations of two approaches, and how they compare.

    Parameters
    ----------
    better, worse : str
        Approach with the better and the worse best configuration, by the mean of the metric.
    comparison : Comparison
        Of the best configuration of ``better`` with that of ``worse``.
    difference : Result
        By how much the best configuration of ``better`` is better than that of ``worse``, with a
        95% interval for any choice of the two. Refused, with the reason, where a test that decides
        is refused.
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
    difference: Result
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
    from: the probability of wrongly calling an approach better is at most 5%.

    The lower bound of the difference is the lowest one of these comparisons, since any
    configuration of the other approach may be its best. Its upper bound is that of the two best, at
    a level that is divided by the number of pairs.

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
    ranks = list(table[CONFIGURATION_AXES].itertuples(index=False, name=None))
    better, worse = sorted(APPROACHES, key=lambda approach: ranks.index(members[approach][0]))
    best, level = members[better][0], ALPHA / len(members[better])
    read = read_each_once(read_predictions)
    compared = done.loc[:, done.columns.isin([*COMPARED, metric])]
    comparisons = [
        try_comparison(compared, best, other, metric, read, level) for other in members[worse]
    ]
    widest = try_comparison(
        compared, best, members[worse][0], metric, read, level / len(members[worse])
    )
    known = [comparison for comparison in comparisons if not isinstance(comparison, str)]
    if isinstance(widest, str) or len(known) < len(comparisons):
        return None
    improvements = [as_improvement(comparison.result, metric) for comparison in known]
    is_distinct = all(_is_better(result, level) for result in improvements)
    upper = as_improvement(widest.result, metric).upper
    return Verdict(
        better,
        worse,
        known[0],
        _combine_improvements(improvements, level, upper),
        is_distinct,
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


def _is_better(improvement: Result, level: float) -> bool:
    return (
        not improvement.refusal
        and improvement.effect > 0
        and bool(improvement.p_value < level)
        and not improvement.lower <= 0
    )


def _combine_improvements(improvements: Sequence[Result], level: float, upper: float) -> Result:
    """Combine the comparisons of one configuration with all of the other approach.

    Parameters
    ----------
    improvements : sequence of Result
        The first one is over the best of the other approach.
    level : float
        Of the tests.
    upper : float
        Upper bound of the first one.
    """
    tested = [result for result in improvements if not result.refusal]
    decides = any(not _is_better(result, level) for result in tested)
    refused = [result for result in improvements if result.refusal]
    if improvements[0].refusal or (refused and not decides):
        reason = improvements[0].refusal or refused[0].refusal
        return replace(improvements[0], refusal=reason, lower=np.nan, upper=np.nan)
    if refused:  # which may be the best of its approach
        return replace(improvements[0], lower=np.nan, upper=np.nan)
    lower = min(result.lower for result in tested)
    # McNemar's exact test may not reject where its interval excludes zero
    lower = min(lower, 0.0) if decides else lower
    return replace(improvements[0], lower=lower, upper=max(upper, improvements[0].effect))


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
    sides, difference = _describe_sides(verdict, metric), verdict.difference
    if difference.refusal:
        answer = f"{sides[0]} and {sides[1]} cannot be compared: {difference.refusal}."
    else:
        answer = (
            f"{sides[0]} {_describe_relation(verdict)} {sides[1]}. {_describe_difference(verdict)}."
        )
    cost = ", ".join(
        f"{_format_cost(verdict.seconds[approach])} for {approach}" for approach in APPROACHES
    )
    sentences = [f"Classical against deep: {answer}", f"Time per cell: {cost}."]
    efforts = {
        approach: sorted(set(map(_describe_effort, verdict.tunings[approach])))
        for approach in APPROACHES
    }
    if efforts["classical"] != efforts["deep"]:
        texts = [f"{approach} {' and '.join(words)}" for approach, words in efforts.items()]
        sentences.append(
            f"The two approaches were not tuned with equal effort: {texts[0]}, {texts[1]}."
        )
    return " ".join(sentences)


def _format_cost(seconds: float) -> str:
    """Format seconds per cell, with two digits where they are fewer than ten."""
    return f"{seconds:.2g} s" if seconds < 9.95 else format_duration(seconds)


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


def _describe_difference(verdict: Verdict) -> str:
    """State the difference with its interval, and whom it favours."""
    value, lower, upper = (
        round(number, 3) + 0.0  # not -0
        for number in (
            verdict.difference.effect,
            verdict.difference.lower,
            verdict.difference.upper,
        )
    )
    favour = f" in favour of {verdict.better}" if value > 0 else ""
    if np.isnan(lower):
        return f"The difference is {value:.3f}{favour}"
    choice = _describe_choice(verdict.n)
    return f"The difference is {value:.3f} ({lower:.3f} to {upper:.3f}){favour}{choice}"


def _describe_choice(n: dict[str, int]) -> str:
    """State what the interval is corrected for; empty if there was no choice."""
    if all(count == 1 for count in n.values()):
        return ""
    chosen = " and ".join(
        format_count(n[approach], f"{approach} configuration") for approach in APPROACHES
    )
    return f", corrected for the choice among {chosen}"


def _describe_effort(tuning: str) -> str:
    return "as listed" if tuning == NONE else describe_tuning(tuning)
