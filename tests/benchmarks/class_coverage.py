"""Simulate the coverage of the intervals of single classes.

``python tests/benchmarks/class_coverage.py`` (about five minutes on one core) draws test sets as
``interval_coverage.py`` does, counts how often the interval of the recall, precision, F1 or average
precision of the rarest and of the most frequent class contains the true value, and writes
``results/class_coverage.md``. ``--samples N`` sets the number of test sets per setting.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from interval_coverage import LABELS, LOW, SEPARATIONS, SHARES, Tally, _error, _share, draw
from numpy.typing import NDArray
from result_pages import wrap

from benchmark.scoring.class_intervals import STORED, class_interval_over_images

SAMPLES = [("images", n) for n in (50, 200, 500, 2000)]
SAMPLES += [("patients", n) for n in (50, 200)] + [("patients of one class", 200)]
N_TRUE = 400_000  # images that the true values are computed from

Key = tuple[str, str, int, str, str, str]  # shares, kind, size, class, metric, classifiers


def simulate(n_samples: int, seed: int = 0) -> dict[Key, Tally]:
    """Count how often the intervals of every setting contain the true value."""
    rng = np.random.default_rng(seed)
    tallies: dict[Key, Tally] = defaultdict(Tally)
    for name, shares in {**SHARES, **LABELS}.items():
        multilabel = name in LABELS
        classes = {"rarest": int(shares.argmin()), "most frequent": int(shares.argmax())}
        for classifiers, separation in SEPARATIONS.items():
            true = _true_values(rng, shares, separation, multilabel)
            for kind, size in SAMPLES:
                for _ in range(n_samples):
                    p, _ = draw(rng, shares, separation, kind, size, multilabel)
                    for which, cls in classes.items():
                        for metric in STORED:
                            tally = tallies[name, kind, size, which, metric, classifiers]
                            interval = class_interval_over_images(metric, [p], p.classes[cls])
                            tally.add((interval.lower, interval.upper), np.nan, true[metric, cls])
    return tallies


def _true_values(
    rng: np.random.Generator, shares: NDArray, separation: float, multilabel: bool
) -> dict[tuple[str, int], float]:
    p, _ = draw(rng, shares, separation, "images", N_TRUE, multilabel)
    return {
        (metric, cls): class_interval_over_images(metric, [p], p.classes[cls]).effect
        for metric in STORED
        for cls in (int(shares.argmin()), int(shares.argmax()))
    }


def make_table(tallies: dict[Key, Tally], metric: str) -> Iterator[str]:
    """Yield the lines of the Markdown table of one metric."""
    heads = [
        f"{word} ({name})" for name in SEPARATIONS for word in ("printed", "coverage", "width")
    ]
    yield "| class shares | test set | class | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 3) + "|"
    for name, kind, size, which in dict.fromkeys(key[:4] for key in tallies):
        cells = [
            cell
            for classifiers in SEPARATIONS
            for cell in _cells(tallies[name, kind, size, which, metric, classifiers])
        ]
        if any(cell != "-" for cell in cells):
            yield f"| {name} | {size} {kind} | {which} | {' | '.join(cells)} |"


def _cells(tally: Tally) -> list[str]:
    if len(tally.covered) < 0.05 * tally.drawn:
        return ["-"] * 3
    printed = f"{100 * len(tally.covered) / tally.drawn:.0f} %"
    return [printed, _share(tally.covered), f"{np.mean(tally.widths):.3f}"]


def report(tallies: dict[Key, Tally], n_samples: int) -> str:
    """Write the page as Markdown."""
    often = {key: t for key, t in tallies.items() if len(t.covered) >= 0.5 * t.drawn}
    short = {key: t for key, t in often.items() if np.mean(t.covered) < LOW - 2 * _error(t.covered)}
    lines = [
        f"- {metric} of the {which} class, {_share(t.covered)}: {name}, {size} {kind}, "
        f"{classifiers} classifiers"
        for (name, kind, size, which, metric, classifiers), t in short.items()
    ]
    coverage = np.mean([covers for t in tallies.values() for covers in t.covered])
    page = [
        "# Coverage of the intervals of single classes",
        "",
        wrap(
            f"`python tests/benchmarks/class_coverage.py` draws {n_samples} test sets per setting, "
            "as described in [coverage.md](coverage.md), and computes the intervals of the rarest "
            "and of the most frequent class that `table --by class` prints, where their rules "
            "allow it. The nominal coverage is 0.95; ± is the Monte Carlo standard error; "
            "'printed' is the share of the samples that have an interval; '-' stands for less "
            "than 5 %."
        ),
        "",
        wrap(
            f"Over all settings, {coverage:.3f} of the intervals contain the true value. Of "
            f"{len(often)} settings with an interval in at least half of the samples, {len(short)} "
            f"cover less than {LOW} by more than two Monte Carlo errors:"
        ),
        "",
        *(lines or ["- none"]),
        "",
    ]
    for metric in STORED:
        page += [f"## {metric}", "", *make_table(tallies, metric), ""]
    return "\n".join(page)


def main() -> None:
    """Run the simulation and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("results/class_coverage.md"))
    chosen = parser.parse_args()
    chosen.out.write_text(report(simulate(chosen.samples), chosen.samples), encoding="utf-8")


if __name__ == "__main__":
    main()
