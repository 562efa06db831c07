"""Simulate leaderboards: what their leader prints, who is excluded, and what ``compare`` finds.

In most tables all configurations are equally good; in some, one is better than the others.

``python tests/benchmarks/leader_bias.py`` takes about 15 minutes on one core and writes
``results/leader_bias.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from pathlib import Path

import numpy as np
from result_pages import wrap

from benchmark.scoring.intervals import compare_predictions
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.rank_tests import adjust_by_holm
from benchmark.scoring.selection import correct_for_selection
from benchmark.scoring.significance import ALPHA
from benchmark.utils.environment import collect_environment

N_CONFIGURATIONS = 37
SHARED = 0.5  # of the noise of the scores, by all configurations
# classes, and standard deviations that the score of the true class is raised by
TASKS = {"2 classes": (2, 0.66), "4 classes": (4, 1.2)}
SIZES = ((78, 1), (156, 1), (400, 1), (156, 3), (400, 5))  # images, folds
METRIC_NAMES = ("accuracy", "f1", "auc")
REPEATS = 150
REPEATS_OF_TESTS = 300
REPEATS_OF_LEADS = 300
# the strength of one configuration, and that of the 11 others
LEADS = ((0.5, 0.5), (0.6, 0.5), (0.7, 0.5), (0.9, 0.5))


def draw_table(
    random: np.random.Generator, n: int, n_classes: int, strengths: Sequence[float]
) -> list[Predictions]:
    """Draw the predictions of configurations of given strengths for n images."""
    y = random.integers(0, n_classes, n)
    common = random.normal(size=(n, n_classes))
    own = random.normal(size=(len(strengths), n, n_classes))
    scores = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own
    scores[:, np.arange(n), y] += np.reshape(strengths, (-1, 1))
    proba = np.exp(scores)
    proba /= proba.sum(axis=2, keepdims=True)
    names, index = tuple(map(str, range(n_classes))), random.integers(0, 2**40, n)
    return [Predictions(y, each, names, index) for each in proba]


def draw_equal_table(random: np.random.Generator, n: int, task: str) -> list[Predictions]:
    """Draw the predictions of equally good configurations for n images."""
    n_classes, strength = TASKS[task]
    return draw_table(random, n, n_classes, [strength] * N_CONFIGURATIONS)


def measure_truth(metric: str, n_classes: int, strength: float) -> float:
    """Value of a configuration on 200,000 images."""
    return METRICS[metric](draw_table(np.random.default_rng(0), 200_000, n_classes, [strength])[0])


def correct_leader(
    metric: str, configurations: Sequence[Sequence[Predictions]]
) -> tuple[int, float, float]:
    """Number of the leader, its value and its corrected value, in a table of any order."""
    means = [np.mean([METRICS[metric](p) for p in cells]) for cells in configurations]
    ranked = [configurations[k] for k in np.argsort(means)[::-1]]  # as in a table
    return int(np.argmax(means)), float(max(means)), correct_for_selection(metric, ranked)


def measure_bias(task: str, metric: str, n: int, n_folds: int) -> str:
    """Row of the table of leaders: their mean, and that of their corrected values."""
    random = np.random.default_rng(0)
    truth = measure_truth(metric, *TASKS[task])
    leaders, corrected = [], []
    for _ in range(REPEATS):
        folds = [draw_equal_table(random, n // n_folds, task) for _ in range(n_folds)]
        _, leader, value = correct_leader(metric, [*zip(*folds, strict=True)])
        leaders.append(leader)
        corrected.append(value)
    return (
        f"| {task} | {metric} | {n} | {n_folds} | {truth:.3f} | {np.mean(leaders):.3f} "
        f"| {np.mean(corrected):.3f} | {format_mean(np.subtract(corrected, truth))} |"
    )


def measure_lead(metric: str, n: int, best: float, others: float) -> str:
    """Row of the table in which one of 12 configurations is better than the others."""
    random = np.random.default_rng(0)
    truths = [measure_truth(metric, 2, strength) for strength in (best, others)]
    leaders, corrected, is_best = [], [], []
    for _ in range(REPEATS_OF_LEADS):
        table = draw_table(random, n, 2, [best, *[others] * 11])
        k, leader, value = correct_leader(metric, [[p] for p in table])
        truth = truths[min(k, 1)]
        leaders.append(leader - truth)
        corrected.append(value - truth)
        is_best.append(k == 0)
    return (
        f"| {metric} | {n} | {truths[0]:.3f} | {truths[1]:.3f} | {np.mean(is_best):.2f} "
        f"| {format_mean(leaders)} | {format_mean(corrected)} |"
    )


def format_mean(values: Sequence[float]) -> str:
    """Mean of some differences with its Monte Carlo error."""
    return f"{np.mean(values):+.3f} ±{np.std(values) / np.sqrt(len(values)):.3f}"


def format_share(share: float, n: int) -> str:
    """Share of n tables with its Monte Carlo error, in which at least one table differs."""
    clipped = np.clip(share, 1 / n, 1 - 1 / n)
    return f"{share:.3f} ±{np.sqrt(clipped * (1 - clipped) / n):.3f}"


def measure_exclusions(task: str, n: int) -> str:
    """Row of the table of tests against the leader, on one test set."""
    random = np.random.default_rng(0)
    repeats = REPEATS_OF_TESTS
    outcomes = [_test_table(random, draw_equal_table(random, n, task)) for _ in range(repeats)]
    cells = (format_share(share, repeats) for share in np.mean(outcomes, axis=0))
    return f"| {task} | {n} | {' | '.join(cells)} |"


def _test_table(random: np.random.Generator, table: list[Predictions]) -> list[bool]:
    """What is found in one table of equal configurations, as the columns of the page."""
    given = table[random.integers(len(table))]  # any one of them may be the best
    best, *others = sorted(table, key=METRICS["accuracy"], reverse=True)
    p_values = np.array(
        [compare_predictions("accuracy", [best], [other]).p_value for other in others]
    )
    excluded = p_values / 2 * len(others) < ALPHA
    tested = p_values[~np.isnan(p_values)]
    return [
        p_values[-1] < ALPHA,
        p_values[-1] * comb(len(table), 2) < ALPHA,  # as compare DIR 1 37
        bool((adjust_by_holm(tested) < ALPHA).any()),  # as compare DIR --against 1
        bool(excluded.any()),
        any(other is given and found for other, found in zip(others, excluded, strict=True)),
    ]


def main() -> None:
    """Simulate everything, and write the page."""
    where = collect_environment()
    settings = [(t, m, n, folds) for t in TASKS for m in METRIC_NAMES for n, folds in SIZES]
    lines = [
        "# The leader of a table",
        "",
        wrap(
            "Written by `python tests/benchmarks/leader_bias.py`: tables of configurations that "
            "share half of their noise. In the first and the last section, "
            f"{N_CONFIGURATIONS} configurations are equally good. ± is the Monte Carlo error. "
            f"Python {where['python']}, commit {where['git_commit'][:12]}."
        ),
        "",
        "## The value of the leader",
        "",
        wrap(
            "'true' is the value of every configuration on 200,000 images, 'leader' the mean of "
            "what the first line of a table prints, 'corrected' the mean of its corrected value, "
            f"with the difference to the true value. {REPEATS} tables per line."
        ),
        "",
        "| task | metric | images | folds | true | leader | corrected | bias |",
        "|---|---|---|---|---|---|---|---|",
        *(measure_bias(*setting) for setting in settings),
        "",
        "## Where one configuration is better than the others",
        "",
        wrap(
            "One configuration of 12 has the first true value, the others the second. 'best leads' "
            "is the share of the tables that it leads. 'leader' and 'corrected' are the mean "
            "differences of the value of the leader, and of its corrected value, to the true value "
            "of the configuration that leads. Two classes, one test set, "
            f"{REPEATS_OF_LEADS} tables per line. The corrected value is too low where one "
            "configuration is better: the bootstrap, which sees fewer different images, chooses "
            "another one more often than the table does."
        ),
        "",
        "| metric | images | true, best | true, others | best leads | leader | corrected |",
        "|---|---|---|---|---|---|---|",
        *(
            measure_lead("accuracy", n, *strengths)
            for strengths in LEADS
            for n, folds in SIZES
            if folds == 1
        ),
        "",
        "## Who shares the first place",
        "",
        wrap(
            "Shares of the tables, by accuracy on one test set: McNemar's test of the first "
            "against the last is significant without a correction, and adjusted for all pairs "
            "(`compare DIR 1 37`); any configuration is significantly worse than the first, "
            "adjusted for the comparisons with it but not for its choice (`compare DIR --against "
            "1`, which says so); any configuration is excluded from the first place; one given "
            "configuration is excluded, chosen before the table is sorted. The second share must "
            "be at most 0.05, and so must the last for the set to hold the best configuration in "
            f"95% of the tables, but for the Monte Carlo error. {REPEATS_OF_TESTS} tables per line."
        ),
        "",
        "| task | images | first against last | adjusted for all pairs | any worse than the first "
        "| any excluded | one excluded |",
        "|---|---|---|---|---|---|---|",
        *(measure_exclusions(task, n) for task in TASKS for n, folds in SIZES if folds == 1),
    ]
    page = Path(__file__).parents[2] / "results" / "leader_bias.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
