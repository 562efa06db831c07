"""Simulate tables of equally good configurations: what their leader prints, and who is excluded.

``python tests/benchmarks/leader_bias.py`` takes about 15 minutes on one core and writes
``results/leader_bias.md``.
"""

from __future__ import annotations

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
REPEATS = {"accuracy": 300, "f1": 300, "auc": 20}


def draw_table(
    random: np.random.Generator, n: int, task: str, n_configurations: int = N_CONFIGURATIONS
) -> list[Predictions]:
    """Draw the predictions of equally good configurations for n images."""
    n_classes, strength = TASKS[task]
    y = random.integers(0, n_classes, n)
    common = random.normal(size=(n, n_classes))
    own = random.normal(size=(n_configurations, n, n_classes))
    scores = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own
    scores[:, np.arange(n), y] += strength
    proba = np.exp(scores)
    proba /= proba.sum(axis=2, keepdims=True)
    names, index = tuple(map(str, range(n_classes))), random.integers(0, 2**40, n)
    return [Predictions(y, each, names, index) for each in proba]


def measure_bias(task: str, metric: str, n: int, n_folds: int) -> str:
    """Row of the table of leaders: their mean, and that of their corrected values."""
    random = np.random.default_rng(0)
    truth = METRICS[metric](draw_table(random, 200_000, task, 1)[0])
    leaders, corrected = [], []
    for _ in range(REPEATS[metric]):
        folds = [draw_table(random, n // n_folds, task) for _ in range(n_folds)]
        configurations = [*zip(*folds, strict=True)]
        means = [np.mean([METRICS[metric](p) for p in cells]) for cells in configurations]
        configurations = [configurations[k] for k in np.argsort(means)[::-1]]  # as in a table
        leaders.append(max(means))
        corrected.append(correct_for_selection(metric, configurations))
    bias, error = np.mean(corrected) - truth, np.std(corrected) / np.sqrt(len(corrected))
    return (
        f"| {task} | {metric} | {n} | {n_folds} | {truth:.3f} | {np.mean(leaders):.3f} "
        f"| {np.mean(corrected):.3f} | {bias:+.3f} ±{error:.3f} |"
    )


def measure_exclusions(task: str, n: int, metric: str = "accuracy") -> str:
    """Row of the table of tests against the leader, on one test set."""
    random = np.random.default_rng(0)
    repeats = REPEATS[metric]
    shares = np.mean([_test_table(random, draw_table(random, n, task)) for _ in range(repeats)], 0)
    return f"| {task} | {n} | {' | '.join(f'{share:.3f}' for share in shares)} |"


def _test_table(random: np.random.Generator, table: list[Predictions]) -> list[bool]:
    """What is found in one table of equal configurations, as the columns of the page."""
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
        bool(excluded[random.integers(len(others))]),  # any one of them may be the best
    ]


def main() -> None:
    """Simulate everything, and write the page."""
    where = collect_environment()
    settings = [(t, m, n, folds) for t in TASKS for m in REPEATS for n, folds in SIZES]
    lines = [
        "# The leader of a table of equal configurations",
        "",
        wrap(
            "Written by `python tests/benchmarks/leader_bias.py`: tables of "
            f"{N_CONFIGURATIONS} configurations that are equally good, and share half of their "
            f"noise. {REPEATS['f1']} tables per line, {REPEATS['auc']} for auc. Python "
            f"{where['python']}, commit {where['git_commit'][:12]}."
        ),
        "",
        "## The value of the leader",
        "",
        wrap(
            "'true' is the value of every configuration on 200,000 images, 'leader' the mean of "
            "what the first line of a table prints, 'corrected' the mean of its corrected value, "
            "with the difference to the true value and its Monte Carlo error."
        ),
        "",
        "| task | metric | images | folds | true | leader | corrected | bias |",
        "|---|---|---|---|---|---|---|---|",
        *(measure_bias(*setting) for setting in settings),
        "",
        "## Who shares the first place",
        "",
        wrap(
            "Shares of the tables, by accuracy on one test set: McNemar's test of the first "
            "against the last is significant without a correction, and adjusted for all pairs "
            "(`compare DIR 1 37`); any configuration is significantly worse than the first, "
            "adjusted for the comparisons with it but not for its choice (`compare DIR --against "
            "1`, which says so); any configuration is excluded from the first place; one given "
            "configuration is excluded. The second share must be at most 0.05, and so must the "
            "last for the set to hold the best configuration in 95% of the tables."
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
