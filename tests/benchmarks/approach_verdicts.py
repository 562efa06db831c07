"""Simulate the sentence that compares the best classical configuration with the best deep one.

``python tests/benchmarks/approach_verdicts.py`` (about 15 minutes on one core) draws tables of
equally good configurations, and tables whose deep configurations are better, counts what the
sentence says, and writes ``results/approach_verdicts.md``. ``--tables N`` sets the number of tables
per line.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from leader_bias import SHARED, TASKS
from result_pages import wrap

from benchmark.reporting.approaches import APPROACHES, Verdict, compare_approaches
from benchmark.reporting.comparable_rows import COMPARABLE, CONFIGURATION_AXES
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import Predictions
from benchmark.utils.environment import collect_environment
from benchmark.utils.status import Status

N_MEMBERS = {"classical": 12, "deep": 3}
SIZES = ((78, 1), (156, 1), (400, 1), (400, 5))  # images, folds
METRIC_NAMES = ("accuracy", "f1")
ADVANTAGES = (0.0, 0.5)  # by which the score of the true class is raised further for deep ones


def draw_results(
    random: np.random.Generator, task: str, n: int, n_folds: int, metric: str, advantage: float
) -> tuple[pd.DataFrame, dict[str, Predictions]]:
    """Draw rows and predictions of configurations that are equally good within an approach."""
    n_classes, strength = TASKS[task]
    names = tuple(map(str, range(n_classes)))
    rows, predictions = [], {}
    for fold in range(n_folds):
        n_test = n // n_folds
        y = random.integers(0, n_classes, n_test)
        common = random.normal(size=(n_test, n_classes))
        for approach, n_members in N_MEMBERS.items():
            for member in range(n_members):
                own = random.normal(size=(n_test, n_classes))
                scores = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own
                scores[np.arange(n_test), y] += strength + advantage * (approach == "deep")
                proba = np.exp(scores)
                proba /= proba.sum(axis=1, keepdims=True)
                p = Predictions(y, proba, names, np.arange(n_test) + fold * n_test)
                key = f"{approach}-{member}-{fold}"
                predictions[key] = p
                rows.append(
                    dict.fromkeys([*COMPARABLE, *CONFIGURATION_AXES], "none")
                    | {"size": None, "train_size": 1.0, "fold": fold, "seed": 0, "key": key}
                    | {"n_images": 2 * n if n_folds == 1 else n, "n_test": n_test}
                    | {"model": f"{approach} {member}", "approach": approach, "predictions": None}
                    | {"status": Status.OK, "fit_s": 0.0, metric: METRICS[metric](p)}
                )
    return pd.DataFrame(rows), predictions


def rank_models(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Rank the configurations as a leaderboard does; it has the columns that are read."""
    means = rows.groupby(CONFIGURATION_AXES, sort=False)[metric].mean()
    table = means.sort_values(ascending=False, kind="stable").reset_index()
    return table.assign(rank=table[metric].rank(method="min", ascending=False))


def count_verdicts(
    task: str, n: int, n_folds: int, metric: str, advantage: float, n_tables: int
) -> Counter[str]:
    """Count the answers, and the intervals that contain the true difference of zero."""
    random = np.random.default_rng(0)
    counts: Counter[str] = Counter()
    for _ in range(n_tables):
        rows, predictions = draw_results(random, task, n, n_folds, metric, advantage)
        verdict = compare_approaches(
            rank_models(rows, metric), rows, metric, lambda key, _, own=predictions: own[key]
        )
        counts[describe_verdict(verdict)] += 1
        result = verdict.difference
        counts["interval"] += np.isfinite(result.lower)
        counts["contains zero"] += result.lower <= 0 <= result.upper
    return counts


def describe_verdict(verdict: Verdict) -> str:
    """Return the approach that is called better, or 'refused' or 'not told apart'."""
    if verdict.difference.refusal:
        return "refused"
    return verdict.better if verdict.is_distinct else "not told apart"


def make_lines(advantage: float, n_tables: int) -> list[str]:
    """Lines of the table for one advantage of the deep configurations."""
    lines = []
    for task in TASKS:
        for metric in METRIC_NAMES:
            for n, n_folds in SIZES:
                counts = count_verdicts(task, n, n_folds, metric, advantage, n_tables)
                shares = [
                    f"{counts[answer] / n_tables:.3f}"
                    for answer in (*APPROACHES, "not told apart", "refused")
                ]
                n_intervals = counts["interval"]
                cover = f"{counts['contains zero'] / n_intervals:.3f}" if n_intervals else "-"
                lines.append(
                    f"| {task} | {metric} | {n} | {n_folds} | {' | '.join(shares)} "
                    f"| {'-' if advantage else cover} |"
                )
    return lines


def main() -> None:
    """Simulate everything, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=300)
    n_tables = parser.parse_args().tables
    where = collect_environment()
    head = (
        "| task | metric | images | folds | 'classical is better' | 'deep is better' "
        "| not told apart | refused | interval contains 0 |"
    )
    counts = " and ".join(f"{n} {approach}" for approach, n in N_MEMBERS.items())
    lines = [
        "# What the sentence 'Classical against deep' says",
        "",
        wrap(
            "Written by `python tests/benchmarks/approach_verdicts.py`: tables of "
            f"{counts} configurations that share half of their noise, {n_tables} tables per line. "
            "Given are the shares of the tables in which the sentence calls an approach better. "
            f"Python {where['python']}, commit {where['git_commit'][:12]}."
        ),
        "",
    ]
    for advantage in ADVANTAGES:
        title = "Deep configurations are better" if advantage else "All are equally good"
        promise = (
            f"The score of the true class is {advantage} standard deviations higher than that of "
            "the classical ones. 'Classical is better' is wrong."
            if advantage
            else "Both answers together, which are wrong, must be at most 0.05; at least 0.95 of "
            "the intervals of the difference must contain 0."
        )
        lines += [f"## {title}", "", wrap(promise), "", head, "|---" * 9 + "|"]
        lines += [*make_lines(advantage, n_tables), ""]
    page = Path(__file__).parents[2] / "results" / "approach_verdicts.md"
    page.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
