"""Simulate the coverage of the intervals and the type-I error of the tests.

``python tests/benchmarks/interval_coverage.py`` (about 20 minutes on one core) draws test sets with
known class shares and the predictions of two equally good classifiers. It counts how often the
interval of the first contains the true value, and how often the paired test rejects, and writes
``results/coverage.md``. ``--samples N`` sets the number of test sets per setting, ``--out FILE``
the page. ``--no-rules`` also applies each method where the rules of
``benchmark/scoring/interval_rules.py`` refuse it; those rules were derived in this way.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from result_pages import wrap

from benchmark.scoring.interval_rules import RULES, Rule, find_interval_method
from benchmark.scoring.intervals import compare_predictions, interval_over_images
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import corrected_t_test

HAM10000 = np.array([6705, 1113, 1099, 514, 327, 142, 115]) / 10015
SHARES = {
    "50/50": np.array([0.5, 0.5]),
    "90/10": np.array([0.9, 0.1]),
    "97/3": np.array([0.97, 0.03]),
    "33/33/33": np.ones(3) / 3,
    "60/37/3": np.array([0.6, 0.37, 0.03]),
    "HAM10000": HAM10000,
}
LABELS = {"labels 50, 20, 5": np.array([0.5, 0.2, 0.05])}  # multi-label: prevalences
SAMPLES = [("images", n) for n in (50, 100, 200, 500, 2000)]
SAMPLES += [
    (kind, n) for kind in ("patients", "patients of one class") for n in (10, 20, 50, 100, 200)
]
# distance of the classes, in standard deviations of the noise
SEPARATIONS = {"moderate": 1.5, "strong": 3.0}
PER_PATIENT = 5  # mean number of images
ICC = 0.5  # share of the noise that is common to the images of a patient
SHARED = 0.7  # share of the noise that is common to both classifiers
METRIC_NAMES = (
    *("accuracy", "recall", "precision", "f1", "geometric_mean", "mcc", "kappa"),
    *("precision_weighted", "f1_weighted", "auc", "average_precision", "log_loss", "brier"),
)
MULTILABEL_NAMES = (
    *("subset_accuracy", "accuracy", "recall", "precision", "f1", "f1_micro", "hamming_loss"),
    *("auc", "average_precision", "label_ranking_average_precision"),
)
FREE = dict.fromkeys(RULES, Rule(n_groups=2, effective=0, uneven=np.inf))
LEVEL, LOW, HIGH, TOO_LOW, TOO_HIGH = 0.95, 0.93, 0.97, 0.03, 0.07


@dataclass
class Tally:
    """Outcomes over the samples of one setting, for one metric."""

    drawn: int = 0
    covered: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    rejected: list[bool] = field(default_factory=list)

    def add(self, interval: tuple[float, float], p_value: float, true: float) -> None:
        """Count one sample; NaN stands for an interval or a p-value that was refused."""
        self.drawn += 1
        if np.isfinite(interval[0]):
            self.covered.append(interval[0] <= true <= interval[1])
            self.widths.append(interval[1] - interval[0])
        if np.isfinite(p_value):
            self.rejected.append(p_value < 1 - LEVEL)


# class shares, kind of sample, size, classifiers, metric
Key = tuple[str, str, int, str, str]


def draw(
    rng: np.random.Generator,
    shares: NDArray,
    separation: float,
    kind: str,
    size: int,
    multilabel: bool = False,
) -> tuple[Predictions, Predictions]:
    """Draw a test set and the predictions of two equally good classifiers.

    A classifier predicts the posterior probabilities, given noisy evidence for each class.
    """
    k = len(shares)
    sizes = np.ones(size, int) if kind == "images" else 1 + rng.poisson(PER_PATIENT - 1, size)
    patient = np.repeat(np.arange(size), sizes)
    n = len(patient)
    drawn = rng.random((size, k)) < shares if multilabel else rng.choice(k, size, p=shares)
    truth = drawn[patient] if kind == "patients of one class" or kind == "images" else None
    if truth is None:
        truth = rng.random((n, k)) < shares if multilabel else rng.choice(k, n, p=shares)
    groups = None if kind == "images" else patient.astype(str)
    common = _noise(rng, patient, size, k)
    positive = truth if multilabel else truth[:, None] == np.arange(k)
    pair = []
    for _ in range(2):
        evidence = (
            separation * positive
            + np.sqrt(SHARED) * common
            + np.sqrt(1 - SHARED) * _noise(rng, patient, size, k)
        )
        proba = _posterior(evidence, shares, separation, multilabel)
        names = tuple("abcdefg"[:k])
        pair.append(Predictions(truth.astype(np.int64), proba, names, np.arange(n), groups=groups))
    return pair[0], pair[1]


def _noise(rng: np.random.Generator, patient: NDArray, n_patients: int, k: int) -> NDArray:
    own = rng.normal(size=(len(patient), k))
    if n_patients == len(patient):
        return own
    return np.sqrt(ICC) * rng.normal(size=(n_patients, k))[patient] + np.sqrt(1 - ICC) * own


def _posterior(evidence: NDArray, shares: NDArray, separation: float, multilabel: bool) -> NDArray:
    if multilabel:
        return 1 / (
            1 + np.exp(-(separation * (evidence - separation / 2) + np.log(shares / (1 - shares))))
        )
    score = separation * evidence + np.log(shares)
    score = np.exp(score - score.max(axis=1, keepdims=True))
    return score / score.sum(axis=1, keepdims=True)


def simulate(n_samples: int, rules: dict[str, Rule], seed: int = 0) -> dict[Key, Tally]:
    """Count the outcomes of every setting and metric."""
    rng = np.random.default_rng(seed)
    tallies: dict[Key, Tally] = defaultdict(Tally)
    for name, shares in {**SHARES, **LABELS}.items():
        multilabel = name in LABELS
        names = MULTILABEL_NAMES if multilabel else METRIC_NAMES
        for classifiers, separation in SEPARATIONS.items():
            true = _true_values(rng, shares, separation, multilabel, names)
            for kind, size in SAMPLES:
                start = time.perf_counter()
                for _ in range(n_samples):
                    a, b = draw(rng, shares, separation, kind, size, multilabel)
                    for metric in names:
                        _tally(
                            tallies[name, kind, size, classifiers, metric],
                            metric,
                            a,
                            b,
                            true[metric],
                            rules,
                        )
                print(  # noqa: T201
                    name,
                    classifiers,
                    kind,
                    size,
                    f"{time.perf_counter() - start:.1f} s",
                    file=sys.stderr,
                    flush=True,
                )
    return tallies


def _true_values(
    rng: np.random.Generator,
    shares: NDArray,
    separation: float,
    multilabel: bool,
    names: tuple[str, ...],
) -> dict[str, float]:
    many = [draw(rng, shares, separation, "images", 200_000, multilabel) for _ in range(2)]
    return {
        name: float(np.mean([METRICS[name](p) for pair in many for p in pair])) for name in names
    }


def _tally(
    tally: Tally, metric: str, a: Predictions, b: Predictions, true: float, rules: dict[str, Rule]
) -> None:
    if a.absent_classes:  # without one of the classes, the true value is another
        tally.drawn += 1
        return
    interval = interval_over_images(metric, [a], rules=rules)
    test = compare_predictions(metric, [a], [b], rules=rules)
    tally.add((interval.lower, interval.upper), test.p_value, true)


def simulate_folds(n_samples: int, seed: int = 1) -> Iterator[str]:
    """Yield the lines of a table of the corrected t-test over folds.

    It compares two nearest-centroid classifiers on equally informative features.
    """
    rng = np.random.default_rng(seed)
    yield "| images | folds | repeats | coverage | mean width | type-I error |"
    yield "|---|---|---|---|---|---|"
    for n in (60, 200, 1000):
        for folds, repeats in ((3, 1), (5, 1), (10, 1), (5, 3)):
            # (samples, folds, 2)
            scores = np.array([_cross_validated(rng, n, folds, repeats) for _ in range(n_samples)])
            size = n / folds
            true = scores.mean()
            intervals = [corrected_t_test(values[:, 0], n - size, size) for values in scores]
            tests = [
                corrected_t_test(values[:, 0] - values[:, 1], n - size, size) for values in scores
            ]
            covered = np.array([result.lower <= true <= result.upper for result in intervals])
            width = np.nanmean([result.upper - result.lower for result in intervals])
            rejected = np.array([result.p_value < 1 - LEVEL for result in tests])
            yield (
                f"| {n} | {folds} | {repeats} | {_share(covered)} | {width:.3f} | "
                f"{_share(rejected)} |"
            )


def _cross_validated(rng: np.random.Generator, n: int, folds: int, repeats: int) -> NDArray:
    """Compute the accuracy of both classifiers on each fold, (folds * repeats, 2)."""
    y = np.arange(n) % 2
    X = rng.normal(size=(n, 10)) + 0.6 * y[:, None]
    accuracies = []
    for _ in range(repeats):
        fold = np.empty(n, int)
        for cls in (0, 1):
            fold[y == cls] = rng.permutation(np.arange((y == cls).sum()) % folds)
        for k in range(folds):
            train = fold != k
            centroids = np.stack([X[train & (y == cls)].mean(axis=0) for cls in (0, 1)])
            squared = (X[~train][:, None] - centroids) ** 2
            accuracies.append(
                [
                    (squared[..., features].sum(axis=2).argmin(axis=1) == y[~train]).mean()
                    for features in (slice(5), slice(5, 10))
                ]
            )
    return np.array(accuracies)


def _share(values: list[bool] | NDArray) -> str:
    p = float(np.mean(values))
    return f"{p:.3f} ±{_error(values):.3f}"


def _error(values: list[bool] | NDArray) -> float:
    """Compute the Monte Carlo standard error, at least that of the nominal share."""
    p = float(np.mean(values))
    return float(np.sqrt(max(p * (1 - p), 0.05 * LEVEL) / len(values)))


def table(
    tallies: dict[Key, Tally],
    metric: str,
    names: list[str],
    samples: list[tuple[str, int]] = SAMPLES,
) -> Iterator[str]:
    """Yield the lines of the Markdown table of one metric."""
    heads = [
        f"{word} ({name})"
        for name in SEPARATIONS
        for word in ("printed", "coverage", "width", "tested", "type-I error")
    ]
    yield "| class shares | test set | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 2) + "|"
    for name in names:
        for kind, size in samples:
            cells = [
                cell
                for classifiers in SEPARATIONS
                for cell in _cells(tallies[name, kind, size, classifiers, metric])
            ]
            if any(cell != "-" for cell in cells):
                yield f"| {name} | {size} {kind} | {' | '.join(cells)} |"


def _cells(tally: Tally) -> list[str]:
    cells = []
    if len(tally.covered) >= 0.05 * tally.drawn:
        cells += [
            f"{100 * len(tally.covered) / tally.drawn:.0f} %",
            _share(tally.covered),
            f"{np.mean(tally.widths):.3f}",
        ]
    else:
        cells += ["-"] * 3
    if len(tally.rejected) >= 0.05 * tally.drawn:
        return [*cells, f"{100 * len(tally.rejected) / tally.drawn:.0f} %", _share(tally.rejected)]
    return [*cells, "-", "-"]


def outside(tallies: dict[Key, Tally]) -> Iterator[tuple[bool, str]]:
    """Yield the settings whose coverage or type-I error is outside its range.

    Only values that the rules allow in at least half of the samples count, and only differences of
    more than two Monte Carlo errors.

    Yields
    ------
    is_too_sure : bool
        Whether the interval covers too little, or the test rejects too often; otherwise it is
        conservative.
    line : str
    """
    for (name, kind, size, classifiers, metric), tally in tallies.items():
        for word, values, low, high in (
            ("coverage", tally.covered, LOW, HIGH),
            ("type-I error", tally.rejected, TOO_LOW, TOO_HIGH),
        ):
            if len(values) < 0.5 * tally.drawn:
                continue
            error = 2 * np.sqrt(
                max(np.mean(values) * (1 - np.mean(values)), 0.05 * LEVEL) / len(values)
            )
            if not low - error <= np.mean(values) <= high + error:
                is_too_sure = (np.mean(values) < low) == (word == "coverage")
                yield (
                    is_too_sure,
                    f"- {metric}, {word} {_share(values)}: {name}, {size} {kind}, {classifiers} "
                    "classifiers",
                )


def summarize(tallies: dict[Key, Tally]) -> tuple[int, float, float]:
    """Number of values computed in at least half of the samples, coverage and type-I error."""
    n_values = sum(
        (len(t.covered) >= 0.5 * t.drawn) + (len(t.rejected) >= 0.5 * t.drawn)
        for t in tallies.values()
    )
    coverage = np.mean([covers for t in tallies.values() for covers in t.covered])
    error = np.mean([rejects for t in tallies.values() for rejects in t.rejected])
    return n_values, float(coverage), float(error)


def report(tallies: dict[Key, Tally], folds: list[str], n_samples: int, with_rules: bool) -> str:
    """Write the page as Markdown."""
    lines_outside = list(outside(tallies))
    too_sure = [line for is_too_sure, line in lines_outside if is_too_sure]
    conservative = [line for is_too_sure, line in lines_outside if not is_too_sure]
    n_values, coverage, error = summarize(tallies)
    rules = "with its rules" if with_rules else "**also where its rules refuse**"
    lines = [
        "# Coverage of the intervals, type-I error of the tests",
        "",
        wrap(
            f"`python tests/benchmarks/interval_coverage.py` draws {n_samples} test sets per "
            "setting, with known classes, and the predictions of two equally good classifiers, and "
            f"applies the code of the library to them, {rules}. The classes are "
            f"{SEPARATIONS['moderate']} (moderate) or {SEPARATIONS['strong']} (strong) standard "
            f"deviations apart. A patient has {PER_PATIENT} images on average, which share half of "
            "the noise ('of one class': all of one class); the two classifiers share "
            f"{SHARED:.0%} of the noise. The nominal coverage is 0.95, the nominal type-I error "
            "0.05; ± is the Monte Carlo standard error. 'printed' and 'tested' are the shares of "
            "the samples in which the rules allow an interval and a p-value; '-' stands for less "
            "than 5 %."
        ),
        "",
        wrap(
            f"Over all settings, the intervals cover the true value in {coverage:.3f} of the "
            f"cases, and the tests reject in {error:.3f}. Of {n_values} values that are computed "
            f"in at least half of the samples, {len(lines_outside)} are outside 0.93 to 0.97, or "
            f"0.03 to 0.07, by more than two Monte Carlo errors. {len(too_sure)} of them cover too "
            "little or reject too often:"
        ),
        "",
        *too_sure,
        "",
        f"The other {len(conservative)} are conservative:",
        "",
        *conservative,
        "",
        "## Rules",
        "",
        "| method | metrics | images of the rarest class | groups of the rarest class | images | "
        "groups | deciding units (tests) |",
        "|---|---|---|---|---|---|---|",
        *_rules(),
        "",
        "## Folds: the corrected resampled t-test (Nadeau & Bengio 2003)",
        "",
        wrap(
            "These are not counted above. The correction is meant for models that change with the "
            "training set. These two classifiers hardly change, so that the test is conservative: "
            "its intervals are wider, and it rejects less often, than the nominal 0.95 and 0.05 "
            "require."
        ),
        "",
        *folds,
        "",
    ]
    for names, metrics in ((list(SHARES), METRIC_NAMES), (list(LABELS), MULTILABEL_NAMES)):
        for metric in metrics:
            title = f"{metric}, multi-label" if metrics is MULTILABEL_NAMES else metric
            lines += [f"## {title}", "", *table(tallies, metric, names), ""]
    return "\n".join(lines)


def _rules() -> Iterator[str]:
    for kind, rule in RULES.items():
        metrics = ", ".join(name for name in METRICS if find_interval_method(name) == kind)
        cells = (rule.images, rule.groups, rule.n_images, rule.n_groups, f"{rule.effective:g}")
        if metrics:
            yield f"| {kind} | {metrics} | {' | '.join(map(str, cells))} |"


def main() -> None:
    """Run the simulation and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--no-rules", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results/coverage.md"))
    chosen = parser.parse_args()
    tallies = simulate(chosen.samples, FREE if chosen.no_rules else dict(RULES))
    folds = list(simulate_folds(chosen.samples))
    chosen.out.write_text(
        report(tallies, folds, chosen.samples, not chosen.no_rules), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
