"""Simulate the coverage of the intervals of the metrics of a positive class, and their tests.

``python tests/benchmarks/clinical_coverage.py`` (about an hour on one core) draws test sets of two
classes as ``interval_coverage.py`` does, counts how often the interval of each metric contains the
true value and how often the test of two equally good classifiers rejects, and writes
``results/clinical_coverage.md``. ``--samples N`` sets the number of test sets per setting, ``--out
FILE`` the page. ``--no-rules`` also applies each method where the rules of
``benchmark/scoring/interval_rules.py`` refuse it; those rules were derived in this way.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from interval_coverage import (
    FREE,
    SEPARATIONS,
    Key,
    Tally,
    _tally,
    draw,
    outside,
    summarize,
    table,
)
from result_pages import wrap

from benchmark.scoring.interval_rules import RULES, Rule
from benchmark.scoring.metric_lookup import find_metric

SHARES = {
    "50/50": np.array([0.5, 0.5]),
    "75/25": np.array([0.75, 0.25]),
    "90/10": np.array([0.9, 0.1]),
    "97/3": np.array([0.97, 0.03]),
}
SAMPLES = [("images", n) for n in (50, 100, 200, 500, 2000)]
SAMPLES += [(kind, n) for kind in ("patients", "patients of one class") for n in (50, 100, 200)]
METRIC_NAMES = (
    *("sensitivity", "specificity", "ppv", "npv", "ppv(0.05)", "npv(0.05)", "youden"),
    *("lr_positive", "lr_negative", "sensitivity_at_specificity(0.9)"),
    *("specificity_at_sensitivity(0.9)", "net_benefit(0.1)", "net_benefit(0.5)"),
    *("calibration_slope", "calibration_intercept", "observed_expected"),
)
N_TRUE = 400_000  # images that the true values are computed from


def simulate(n_samples: int, rules: dict[str, Rule], seed: int = 0) -> dict[Key, Tally]:
    """Count the outcomes of every setting and metric."""
    rng = np.random.default_rng(seed)
    tallies: dict[Key, Tally] = defaultdict(Tally)
    for name, shares in SHARES.items():
        for classifiers, separation in SEPARATIONS.items():
            many = draw(rng, shares, separation, "images", N_TRUE)
            true = {m: float(np.mean([find_metric(m)(p) for p in many])) for m in METRIC_NAMES}
            for kind, size in SAMPLES:
                for _ in range(n_samples):
                    a, b = draw(rng, shares, separation, kind, size)
                    for metric in METRIC_NAMES:
                        tally = tallies[name, kind, size, classifiers, metric]
                        _tally(tally, metric, a, b, true[metric], rules)
    return tallies


def report(tallies: dict[Key, Tally], n_samples: int, with_rules: bool) -> str:
    """Write the page as Markdown."""
    lines = list(outside(tallies))
    too_sure = [line for is_too_sure, line in lines if is_too_sure]
    n_values, coverage, error = summarize(tallies)
    rules = "with its rules" if with_rules else "**also where its rules refuse**"
    page = [
        "# Coverage of the intervals of the metrics of a positive class",
        "",
        wrap(
            f"`python tests/benchmarks/clinical_coverage.py` draws {n_samples} test sets per "
            "setting as described in [coverage.md](coverage.md), and applies the code of the "
            f"library to them, {rules}. The second share is that of the positive class. The "
            "probabilities are calibrated. The nominal coverage is 0.95, the nominal type-I error "
            "0.05; ± is the Monte Carlo standard error; '-' stands for less than 5 % of the "
            "samples."
        ),
        "",
        wrap(
            f"Over all settings, the intervals cover the true value in {coverage:.3f} of the "
            f"cases, and the tests reject in {error:.3f}. Of {n_values} values that are computed "
            f"in at least half of the samples, {len(lines)} are outside 0.93 to 0.97, or 0.03 to "
            f"0.07, by more than two Monte Carlo errors. {len(too_sure)} of them cover too little "
            "or reject too often:"
        ),
        "",
        *(too_sure or ["- none"]),
        "",
    ]
    for metric in METRIC_NAMES:
        page += [f"## {metric}", "", *table(tallies, metric, list(SHARES), SAMPLES), ""]
    return "\n".join(page)


def main() -> None:
    """Run the simulation and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--no-rules", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results/clinical_coverage.md"))
    chosen = parser.parse_args()
    tallies = simulate(chosen.samples, FREE if chosen.no_rules else dict(RULES))
    page = report(tallies, chosen.samples, not chosen.no_rules)
    chosen.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
