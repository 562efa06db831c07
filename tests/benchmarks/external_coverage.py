"""Simulate the coverage of the interval of the loss on an external dataset.

``python tests/benchmarks/external_coverage.py`` (about ten minutes on one core) counts how often
the interval of ``benchmark.scoring.external_loss`` contains the true loss, and writes
``results/external_coverage.md``. First a classifier predicts one internal and one external test
set, drawn as in ``interval_coverage.py``, with other shares of the classes and weaker evidence at
the external hospital. Then classifiers are trained in a cross-validation, and all of them predict
the external dataset. ``--samples N`` sets the number of draws per setting, ``--out FILE`` the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from interval_coverage import HIGH, LEVEL, LOW, draw
from numpy.typing import NDArray
from result_pages import wrap
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold

from benchmark.scoring.external_loss import estimate_loss
from benchmark.scoring.intervals import interval_over_folds, interval_over_images
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import Result

METRIC_NAMES = (
    *("accuracy", "f1", "auc", "average_precision", "log_loss", "brier"),
    *("sensitivity", "specificity", "ppv", "npv"),
)
INTERNAL = {"50/50": np.array([0.5, 0.5]), "80/20": np.array([0.8, 0.2])}
EXTERNAL = {"70/30": np.array([0.7, 0.3]), "95/5": np.array([0.95, 0.05])}
SAMPLES = [("images", 100), ("images", 400), ("patients", 50), ("patients", 200)]
INSIDE, OUTSIDE = 3.0, 1.5  # distance of the classes here and there
FOLDS, N_FEATURES = 5, 10
N_TRUE = 400_000  # images that the true values of one classifier are computed from
N_TRAININGS = 400  # that the true values of a cross-validation are averaged over


@dataclass
class Tally:
    """Outcomes over the draws of one setting, for one metric."""

    drawn: int = 0
    covered: list[bool] = field(default_factory=list)

    def add(self, metric: str, internal: Result, external: Result, true: float) -> None:
        """Count one draw; a loss without an interval is drawn and not covered."""
        self.drawn += 1
        loss = estimate_loss(metric, internal, external)
        if np.isfinite(loss.lower):
            self.covered.append(loss.lower <= true <= loss.upper)

    def __str__(self) -> str:
        if len(self.covered) < self.drawn / 20:
            return "-"
        n, share = len(self.covered), np.mean(self.covered)
        return f"{share:.3f} ±{self.error:.3f} ({n / self.drawn:.0%})"

    @property
    def error(self) -> float:
        """Monte Carlo standard error, by the nominal coverage."""
        return float(np.sqrt(LEVEL * (1 - LEVEL) / max(1, len(self.covered))))

    def is_too_low(self) -> bool:
        """Whether the coverage is below the nominal one."""
        return bool(np.mean(self.covered) < LEVEL)

    def is_outside(self) -> bool:
        """Whether the coverage is outside 93 to 97 % by more than two Monte Carlo errors."""
        if len(self.covered) < self.drawn / 2:
            return False
        share = np.mean(self.covered)
        return not LOW - 2 * self.error <= share <= HIGH + 2 * self.error


def loss_of(metric: str, internal: float, external: float) -> float:
    """Loss of a metric, positive if the external value is worse."""
    sign = 1 if find_metric(metric).greater_is_better else -1
    return sign * (internal - external)


Setting = dict[str, Tally]  # by metric


def simulate_test_sets(n_samples: int, seed: int = 0) -> Iterator[tuple[str, Setting]]:
    """Yield each setting of one classifier on two test sets, with its outcomes."""
    rng = np.random.default_rng(seed)
    for inside, shares in INTERNAL.items():
        for outside, others in EXTERNAL.items():
            many = draw(rng, shares, INSIDE, "images", N_TRUE)[0]
            far = draw(rng, others, OUTSIDE, "images", N_TRUE)[0]
            declared = {name: find_metric(name) for name in METRIC_NAMES}
            true = {name: loss_of(name, m(many), m(far)) for name, m in declared.items()}
            for kind, size in SAMPLES:
                tallies = {name: Tally() for name in METRIC_NAMES}
                for _ in range(n_samples):
                    here = draw(rng, shares, INSIDE, kind, size)[0]
                    there = draw(rng, others, OUTSIDE, kind, size)[0]
                    for name, tally in tallies.items():
                        results = (interval_over_images(name, [p]) for p in (here, there))
                        tally.add(name, *results, true[name])
                yield f"{inside} | {outside} | {size} {kind}", tallies


def simulate_folds(n_samples: int, seed: int = 1) -> Iterator[tuple[str, Setting]]:
    """Yield each setting of a cross-validation, with its outcomes."""
    rng = np.random.default_rng(seed)
    for inside, shares in INTERNAL.items():
        for size in (200, 500):
            true = _average_losses(rng, shares, size)
            tallies = {name: Tally() for name in METRIC_NAMES}
            for _ in range(n_samples):
                folds, external = _cross_validate(rng, shares, size)
                cells = pd.DataFrame({"n_images": size, "n_test": [len(p.y_true) for p in folds]})
                for name, tally in tallies.items():
                    metric = find_metric(name)
                    means = pd.Series([metric(p) for p in folds])
                    here = interval_over_folds(means, cells, metric.bounds)
                    tally.add(name, here, interval_over_images(name, external), true[name])
            yield f"{inside} | 70/30 | {size} images", tallies


def _draw_features(
    rng: np.random.Generator, shares: NDArray, n: int, separation: float
) -> tuple[NDArray, NDArray]:
    y = rng.choice(2, n, p=shares)
    X = rng.normal(size=(n, N_FEATURES))
    X[:, :2] += np.outer(y - 0.5, np.full(2, separation))
    return X, y


def _predict(model: LinearDiscriminantAnalysis, X: NDArray, y: NDArray) -> Predictions:
    return Predictions(y.astype(np.int64), model.predict_proba(X), ("a", "b"), np.arange(len(y)))


def _cross_validate(
    rng: np.random.Generator, shares: NDArray, n: int, n_external: int = 0
) -> tuple[list[Predictions], list[Predictions]]:
    """Predictions of each test set, and of the external images by each model."""
    X, y = _draw_features(rng, shares, n, 1.5)
    others = _draw_features(rng, EXTERNAL["70/30"], n_external or n, 0.8)
    folds, external = [], []
    shuffle = StratifiedKFold(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    for train, test in shuffle.split(X, y):
        model = LinearDiscriminantAnalysis().fit(X[train], y[train])
        folds.append(_predict(model, X[test], y[test]))
        external.append(_predict(model, *others))
    return folds, external


def _average_losses(rng: np.random.Generator, shares: NDArray, n: int) -> dict[str, float]:
    """Mean losses of many trained models, each on many images."""
    n_train = round(n * (1 - 1 / FOLDS))
    sums = dict.fromkeys(METRIC_NAMES, 0.0)
    for _ in range(N_TRAININGS):
        model = LinearDiscriminantAnalysis().fit(*_draw_features(rng, shares, n_train, 1.5))
        here = _predict(model, *_draw_features(rng, shares, 10_000, 1.5))
        there = _predict(model, *_draw_features(rng, EXTERNAL["70/30"], 10_000, 0.8))
        for name in METRIC_NAMES:
            metric = find_metric(name)
            sums[name] += loss_of(name, metric(here), metric(there)) / N_TRAININGS
    return sums


def report(test_sets: dict[str, Setting], folds: dict[str, Setting], n_samples: int) -> str:
    """Write the page as Markdown."""
    every = [
        (f"{name}, {setting.replace(' | ', ' to ', 1).replace(' | ', ', ')}", tally)
        for part in (test_sets, folds)
        for setting, tallies in part.items()
        for name, tally in tallies.items()
    ]
    shown = [(name, tally) for name, tally in every if len(tally.covered) >= tally.drawn / 2]
    outside = [(name, tally) for name, tally in shown if tally.is_outside()]
    n_low = sum(tally.is_too_low() for _, tally in outside)
    wrong = [f"- {name}: {tally}" for name, tally in outside]
    coverage = np.mean([np.mean(tally.covered) for _, tally in shown])
    page = [
        "# Coverage of the interval of the loss on an external dataset",
        "",
        wrap(
            f"`python tests/benchmarks/external_coverage.py` draws {n_samples} pairs of an "
            "internal and an external dataset per setting. The shares are those of the two classes "
            "at home and at the external hospital, where the evidence for the classes is also "
            "weaker. In each cell: coverage of the true loss, Monte Carlo standard error, and "
            "share of the draws in which there is an interval ('-': less than 5 %). The nominal "
            "coverage is 0.95."
        ),
        "",
        wrap(
            f"Over the {len(shown)} values with an interval in at least half of the draws, the "
            f"intervals cover the true loss in {coverage:.3f} of the cases. {len(wrong)} values "
            "are outside 0.93 to 0.97 by more than two Monte Carlo errors; "
            f"{n_low or 'none'} of them cover too little:"
        ),
        "",
        *(wrong or ["- none"]),
        "",
        "## One classifier, one internal and one external test set",
        "",
        *_table(test_sets, "sample of each"),
        "",
        "## Five folds, whose models all predict the external dataset",
        "",
        wrap(
            "A linear discriminant analysis of ten features is trained in each fold. The true loss "
            "is that of an average training: the intervals of the external dataset are those of "
            "the trained models, and do not know how models of other training sets would differ."
        ),
        "",
        *_table(folds, "images of each"),
    ]
    return "\n".join(page) + "\n"


def _table(settings: dict[str, Setting], sample: str) -> list[str]:
    head = ["classes at home", "classes there", sample, *METRIC_NAMES]
    lines = [
        f"| {setting} | {' | '.join(map(str, t.values()))} |" for setting, t in settings.items()
    ]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]


def main() -> None:
    """Run the simulation and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("results/external_coverage.md"))
    chosen = parser.parse_args()
    test_sets = dict(simulate_test_sets(chosen.samples))
    folds = dict(simulate_folds(chosen.samples))
    chosen.out.write_text(report(test_sets, folds, chosen.samples), encoding="utf-8")


if __name__ == "__main__":
    main()
