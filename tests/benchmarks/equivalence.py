"""Type-I errors and power of the tests of a margin, and coverage of the effect sizes.

``python tests/benchmarks/equivalence.py`` takes about 4 minutes on one core and writes
``results/equivalence.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from result_pages import wrap
from scipy import stats

from benchmark.scoring.effect_sizes import EffectSize, compute_effect_size
from benchmark.scoring.equivalence import (
    MarginTest,
    compare_datasets_with_margin,
    compare_with_margin,
)
from benchmark.scoring.intervals import compare_predictions
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.rank_tests import adjust_by_holm
from benchmark.scoring.significance import Result, corrected_t_test
from benchmark.utils.environment import collect_environment

REPEATS = 1000
SHARED = 0.7  # of the noise of the scores, by both classifiers
ICC, PER_PATIENT = 0.5, 5  # share of the noise that a patient's images share, and their mean number
# classes, and standard deviations by which the two classifiers raise the score of the true class
TASKS = {"2 classes": (2, 1.3, 1.5), "4 classes": (4, 1.6, 1.8)}
SAMPLES = (
    *(("images", n) for n in (100, 200, 400, 1000)),
    *(("patients", n) for n in (50, 100, 200)),
)
METRIC_NAMES = ("accuracy", "f1", "auc", "log_loss")
POPULATION = 400_000  # images that true values are computed from
DISCORDANT = (0.0, 0.002, 0.01, 0.05, 0.1, 0.2, 0.3)  # besides those of the margin
Row = list[str]


def draw(
    random: np.random.Generator, task: str, kind: str, size: int
) -> tuple[Predictions, Predictions]:
    """Draw a test set and the predictions of two classifiers, the second being the better one."""
    n_classes, *strengths = TASKS[task]
    sizes = np.ones(size, int) if kind == "images" else 1 + random.poisson(PER_PATIENT - 1, size)
    patient = np.repeat(np.arange(size), sizes)
    n = len(patient)
    y = random.integers(0, n_classes, n)

    def draw_noise() -> NDArray[np.float64]:
        own = random.normal(size=(n, n_classes))
        if kind == "images":
            return own
        of_patients = random.normal(size=(size, n_classes))[patient]
        return np.sqrt(ICC) * of_patients + np.sqrt(1 - ICC) * own

    common, pair = draw_noise(), []
    for strength in strengths:
        scores = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * draw_noise()
        scores[np.arange(n), y] += strength
        proba = np.exp(strength * scores)
        proba /= proba.sum(axis=1, keepdims=True)
        groups = None if kind == "images" else patient.astype(str)
        names = tuple("abcd"[:n_classes])
        pair.append(Predictions(y, proba, names, np.arange(n), groups=groups))
    return pair[0], pair[1]


def share(outcomes: list[bool]) -> str:
    """Share of the samples, with its Monte Carlo error; '-' below 50 samples."""
    if len(outcomes) < 50:
        return "-"
    mean = np.mean(outcomes)
    error = max(np.sqrt(mean * (1 - mean) / len(outcomes)), 1 / len(outcomes))
    return f"{mean:.3f} ±{error:.3f}"


def covers(size: EffectSize, true: float) -> bool:
    """Whether the interval of an effect size contains the true value."""
    return size.lower <= true <= size.upper


def simulate_images() -> Iterator[Row]:
    """Yield the rows of a table of tests on one test set."""
    for task in TASKS:
        random = np.random.default_rng(0)
        truth = {
            name: {kind: _true_values(random, task, kind, name) for kind in ("images", "patients")}
            for name in METRIC_NAMES
        }
        for kind, n in SAMPLES:
            samples = [draw(random, task, kind, n) for _ in range(REPEATS)]
            for name in METRIC_NAMES:
                margin, true_size = truth[name][kind]
                yield [task, name, f"{n} {kind}", *_summarize(samples, name, margin, true_size)]


def _true_values(
    random: np.random.Generator, task: str, kind: str, metric: str
) -> tuple[float, dict[str, float]]:
    """Difference of the metric, and the effect sizes, in the population."""
    a, b = draw(random, task, kind, POPULATION // (1 if kind == "images" else PER_PATIENT))
    result = compare_predictions(metric, [a], [b])
    sizes = {"d_z": result.effect / result.deviation}
    if result.discordant is not None:
        sizes = {"odds ratio": result.discordant[0] / result.discordant[1]}
    return abs(METRICS[metric](a) - METRICS[metric](b)), sizes


def _summarize(
    samples: list[tuple[Predictions, Predictions]],
    metric: str,
    margin: float,
    true_sizes: dict[str, float],
) -> Row:
    better = METRICS[metric].greater_is_better
    noninferior, equivalent, covered = [], [], []
    for a, b in samples:
        result = compare_predictions(metric, [a], [b])
        test = compare_with_margin(result, margin, better)
        if not test.refusal:
            noninferior.append(test.noninferior)
            equivalent.append(test.equivalent)
        size = compute_effect_size(result)
        if size is not None:
            covered.append(covers(size, true_sizes[size.name]))
    tested = f"{len(noninferior) / len(samples):.0%}"
    return [
        f"{margin:.4f}",
        tested,
        share(noninferior),
        share(equivalent),
        share(covered),
    ]


def compute_exact_errors() -> Iterator[Row]:
    """Yield the rows of a table of exact type-I errors of Tango's test of non-inferiority."""
    for margin in (0.01, 0.02, 0.05, 0.1):
        for n in (50, 100, 156, 200, 400, 1000):
            if compare_with_margin(_discordant(0, 0, n), margin).refusal:
                continue
            errors = [_exact_error(n, margin, extra) for extra in DISCORDANT]
            yield [f"{margin:g}", str(n), *(f"{error:.3f}" for error in errors)]


def _discordant(only_a: int, only_b: int, n: int) -> Result:
    return Result("McNemar", n, (only_a - only_b) / n, discordant=(only_a, only_b))


def _exact_error(n: int, margin: float, extra: float) -> float:
    """Probability that a classifier that is worse by the margin is found non-inferior."""
    share_a, share_b = extra / 2, extra / 2 + margin
    error = 0.0
    for only_a in range(int(stats.binom.isf(1e-6, n, share_a)) + 1):
        given = stats.binom(n - only_a, share_b / (1 - share_a))
        # the verdict can only change from non-inferior to not shown as only_b grows
        first, last = 0, n - only_a + 1
        while first < last:
            middle = (first + last) // 2
            test = compare_with_margin(_discordant(only_a, middle, n), margin)
            first, last = (middle + 1, last) if test.noninferior else (first, middle)
        error += stats.binom.pmf(only_a, n, share_a) * given.cdf(first - 1)
    return float(error)


def compute_power() -> Iterator[Row]:
    """Yield the rows of a table of how often two equally good classifiers are shown to be so."""
    random = np.random.default_rng(0)
    for discordant in (0.02, 0.05, 0.1):
        for margin in (0.02, 0.05):
            row = [f"{discordant:g}", f"{margin:g}"]
            for n in (156, 400, 1000, 3000, 10_000):
                counts = random.multinomial(
                    n, [discordant / 2, discordant / 2, 1 - discordant], REPEATS
                )
                tests = [
                    compare_with_margin(_discordant(int(a), int(b), n), margin)
                    for a, b, _ in counts
                ]
                refused = tests[0].refusal
                row.append(
                    "refused"
                    if refused
                    else " / ".join(
                        f"{np.mean([getattr(test, name) for test in tests]):.2f}"
                        for name in ("noninferior", "equivalent")
                    )
                )
            yield row


def simulate_folds() -> Iterator[Row]:
    """Yield the rows of a table of tests over folds."""
    random = np.random.default_rng(0)
    for folds, repeats in ((3, 1), (5, 1), (10, 1), (5, 3)):
        n_units, n_test = folds * repeats, 1 / folds
        common = random.normal(size=(REPEATS, 1)) * np.sqrt(n_test)
        own = random.normal(size=(REPEATS, n_units)) * np.sqrt(1 - n_test)
        effect = 0.8
        samples = common + own - effect * np.sqrt(1 - n_test)
        yield [
            "as assumed",
            f"{folds} x {repeats}",
            *_summarize_folds(samples, effect * np.sqrt(1 - n_test), folds, -effect),
        ]
    for n in (100, 300):
        for folds, repeats in ((3, 1), (5, 1), (10, 1)):
            samples = np.array(
                [_cross_validate(random, n, folds, repeats) for _ in range(REPEATS // 2)]
            )
            yield [
                f"{n} images",
                f"{folds} x {repeats}",
                *_summarize_folds(samples, -float(samples.mean()), folds, None),
            ]


def _summarize_folds(
    samples: NDArray[np.float64], margin: float, folds: int, true_size: float | None
) -> Row:
    results = [corrected_t_test(values, 1 - 1 / folds, 1 / folds) for values in samples]
    tests = [compare_with_margin(result, margin) for result in results]
    tests = [test for test in tests if not test.refusal]
    sizes = [size for size in map(compute_effect_size, results) if size and not size.refusal]
    coverage = "-" if true_size is None else share([covers(size, true_size) for size in sizes])
    return [
        f"{margin:.3f}",
        share([test.noninferior for test in tests]),
        share([test.equivalent for test in tests]),
        coverage,
    ]


def _cross_validate(
    random: np.random.Generator, n: int, folds: int, repeats: int
) -> NDArray[np.float64]:
    """Differences of accuracy, per fold, of a k-nearest-neighbour classifier on worse features."""
    from sklearn.model_selection import RepeatedStratifiedKFold
    from sklearn.neighbors import KNeighborsClassifier

    y = np.arange(n) % 2
    better = random.normal(size=(n, 3)) + 0.9 * y[:, None]
    worse = better + random.normal(size=(n, 3)) * 0.7
    split = RepeatedStratifiedKFold(
        n_splits=folds, n_repeats=repeats, random_state=int(random.integers(2**31))
    )
    model = KNeighborsClassifier(3)
    differences = []
    for train, test in split.split(better, y):
        of_worse, of_better = (
            model.fit(x[train], y[train]).score(x[test], y[test]) for x in (worse, better)
        )
        differences.append(of_worse - of_better)
    return np.array(differences)


def simulate_datasets() -> Iterator[Row]:
    """Yield the rows of a table of tests across datasets."""
    random = np.random.default_rng(0)
    for n in (5, 6, 8, 12, 20):
        tests = [
            compare_datasets_with_margin(random.normal(-0.02, 0.02, n), 0.02)
            for _ in range(2 * REPEATS)
        ]
        equal = [
            compare_datasets_with_margin(random.normal(0, 0.02, n), 0.02)
            for _ in range(2 * REPEATS)
        ]
        yield [
            str(n),
            share([test.noninferior for test in tests]),
            share([test.equivalent for test in tests]),
            share([test.noninferior for test in equal]),
        ]


def simulate_families() -> Iterator[Row]:
    """Yield the rows of a table of several configurations that are all worse by the margin."""
    random = np.random.default_rng(0)
    for n_configurations in (2, 10, 30):
        families: list[list[MarginTest]] = []
        for _ in range(REPEATS // 2):
            n, margin, right = 400, 0.05, 0.85
            reference = random.random(n) < right
            # each configuration is wrong where the reference is, and on further images
            others = random.random((n_configurations, n)) < (right - margin - 0.1) / right
            others = (others & reference) | (random.random((n_configurations, n)) < 0.1)
            extra = 0.1 * (1 - (right - margin - 0.1))
            true = right - (right - margin - 0.1 + extra)
            families.append(
                [
                    compare_with_margin(
                        _discordant(
                            int((other & ~reference).sum()), int((reference & ~other).sum()), n
                        ),
                        true,
                    )
                    for other in others
                ]
            )
        any_single = [any(test.noninferior for test in family) for family in families]
        any_adjusted = [
            bool((adjust_by_holm([test.p_noninferior for test in family]) < 0.05).any())
            for family in families
        ]
        yield [str(n_configurations), share(any_single), share(any_adjusted)]


def table(header: Row, rows: Iterator[Row]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def main() -> None:
    """Simulate everything, and write the page."""
    where = collect_environment()
    lines = [
        "# Tests of a margin, and effect sizes",
        "",
        wrap(
            "Written by `python tests/benchmarks/equivalence.py`. Type-I errors are shares of "
            "samples in which the first classifier is found to be no more than the margin worse "
            "(non-inferior), or equivalent, while its true value is worse by exactly the margin; "
            "the nominal level is 0.05. ± is the Monte Carlo error. "
            f"Python {where['python']}, commit {where['git_commit'][:12]}."
        ),
        "",
        "## Accuracy on one test set: Tango's score test",
        "",
        wrap(
            "Exact type-I errors of non-inferiority, by enumeration of the discordant images. The "
            "columns are the shares of images on which one classifier alone is correct, besides "
            "those that make the difference. Sizes below those that the test requires are left out."
        ),
        "",
        *table(
            ["margin", "images", *(f"{extra:g}" for extra in DISCORDANT)], compute_exact_errors()
        ),
        "",
        "## Any metric on one test set",
        "",
        wrap(
            f"{REPEATS} samples per line, with the rules of the library. Two classifiers share "
            f"{SHARED:.0%} of their noise; a patient has {PER_PATIENT} images on average, which "
            f"share {ICC:.0%} of it. 'tested' is the share of the samples in which the rules allow "
            "a test, the last column the share of the 95% intervals of the effect size (odds ratio "
            "for the accuracy on images, else d_z) that contain the value of the population."
        ),
        "",
        *table(
            [
                "task",
                "metric",
                "test set",
                "margin",
                "tested",
                "non-inferior",
                "equivalent",
                "coverage of effect size",
            ],
            simulate_images(),
        ),
        "",
        "## Folds: the corrected resampled t-test",
        "",
        wrap(
            "'as assumed' are normal differences with the correlation that the correction assumes; "
            "otherwise 3-nearest-neighbour classifiers are cross-validated, one of them on noisier "
            "features. Folds x repeats. d_z needs at least 4 folds."
        ),
        "",
        *table(
            ["differences", "folds", "margin", "non-inferior", "equivalent", "coverage of d_z"],
            simulate_folds(),
        ),
        "",
        "## Datasets: Wilcoxon's signed-rank test",
        "",
        wrap(
            "Normal differences with a standard deviation of 0.02, for a margin of 0.02. 'power' "
            "is the share in which two equally good classifiers are found non-inferior."
        ),
        "",
        *table(["datasets", "non-inferior", "equivalent", "power"], simulate_datasets()),
        "",
        "## Several configurations",
        "",
        wrap(
            "All are worse than the reference by exactly the margin, on 400 images. Shares of the "
            "samples in which any is found non-inferior, without and with Holm's adjustment."
        ),
        "",
        *table(["configurations", "unadjusted", "adjusted"], simulate_families()),
        "",
        "## Power on one test set",
        "",
        wrap(
            "How often two equally accurate classifiers are shown to be non-inferior / equivalent, "
            "by the share of images that only one of them predicts correctly."
        ),
        "",
        *table(
            ["discordant", "margin", "156 images", "400", "1,000", "3,000", "10,000"],
            compute_power(),
        ),
    ]
    page = Path(__file__).parents[2] / "results" / "equivalence.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
