"""Simulate how often the intervals of mean ranks over datasets cover the true mean rank.

``python tests/benchmarks/mean_rank_coverage.py`` takes about 10 minutes on one core and writes
``results/mean_rank_coverage.md``.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from result_pages import wrap

from benchmark.scoring.hodges_lehmann import hodges_lehmann_interval
from benchmark.scoring.mean_ranks import estimate_mean_ranks
from benchmark.scoring.rank_tests import rank_within_datasets
from benchmark.utils.environment import collect_environment

N_CONFIGURATIONS = (5, 10, 30)
N_DATASETS = (10, 15, 20)
SPREADS = (0.0, 1.0, 2.0)  # half the range of the true qualities, in standard deviations of noise
NOISES = ("equal", "uneven")  # standard deviations over the datasets: 1, or log-normal
REPEATS = 400
LEAST_PRINTED = 0.05  # of the tables, for the coverage of a single configuration


def draw_scores(
    random: np.random.Generator, n_datasets: int, k: int, spread: float, noise: str
) -> np.ndarray:
    """Draw the scores of k configurations on some datasets, shape (n_datasets, k)."""
    size = random.lognormal(0, 1, (n_datasets, 1)) if noise == "uneven" else 1.0
    return spread * np.linspace(1, -1, k) + size * random.normal(size=(n_datasets, k))


def measure_mean_ranks(k: int, n: int, spread: float, noise: str) -> str:
    """Row of the table of mean ranks."""
    random = np.random.default_rng(0)
    many = pd.DataFrame(draw_scores(random, 60_000, k, spread, noise))
    truth = rank_within_datasets(many, True).mean(axis=0)
    tables = [
        estimate_mean_ranks(pd.DataFrame(draw_scores(random, n, k, spread, noise))).values()
        for _ in range(REPEATS)
    ]
    lower, upper = (
        np.array([[getattr(result, name) for result in results] for results in tables])
        for name in ("lower", "upper")
    )
    printed, covered = ~np.isnan(lower), (lower <= truth) & (truth <= upper)
    lowest, highest = find_extremes(printed, covered)
    return (
        f"| {k} | {n} | {spread:g} | {noise} | {printed.mean():.2f} "
        f"| {covered.sum() / printed.sum():.3f} | {lowest} | {highest} "
        f"| {np.nanmean(upper - lower):.2f} |"
    )


def find_extremes(printed: np.ndarray, covered: np.ndarray) -> tuple[str, str]:
    """Lowest and highest coverage of a configuration, with their Monte Carlo errors.

    Parameters
    ----------
    printed, covered : (n_tables, k) bool
        Whether there is an interval, and whether it covers the true mean rank. Places that are
        equally far from the best and the worst are counted together, since they are alike.
    """
    n_printed = printed.sum(axis=0) + printed.sum(axis=0)[::-1]
    n_covered = covered.sum(axis=0) + covered.sum(axis=0)[::-1]
    counted = n_printed >= LEAST_PRINTED * 2 * len(printed)
    shares, numbers = n_covered[counted] / n_printed[counted], n_printed[counted]
    # the place in the middle of an odd number is its own counterpart: each table counts once
    middle = np.arange(printed.shape[1]) == (printed.shape[1] - 1) / 2
    errors = np.sqrt(shares * (1 - shares) / np.where(middle[counted], numbers / 2, numbers))
    lowest, highest = (
        f"{shares[place]:.3f} ±{errors[place]:.3f}" for place in (shares.argmin(), shares.argmax())
    )
    return lowest, highest


def measure_differences(n: int, tail: str, repeats: int = 10_000) -> str:
    """Row of the table of Hodges-Lehmann intervals."""
    random = np.random.default_rng(0)
    draw = {
        "normal": lambda: random.normal(size=n),
        "heavy": lambda: random.standard_t(2, size=n),
        "skewed": lambda: random.exponential(size=n) - np.log(2),  # median 0, mean 0.31
    }[tail]
    results = [hodges_lehmann_interval(draw()) for _ in range(repeats)]
    covered = np.mean([result.lower <= 0 <= result.upper for result in results])
    return f"| {n} | {tail} | {covered:.3f} |"


def main() -> None:
    """Simulate everything, and write the page."""
    where = collect_environment()
    settings = product(N_CONFIGURATIONS, N_DATASETS, SPREADS, NOISES)
    lines = [
        "# Intervals over datasets",
        "",
        wrap(
            "Written by `python tests/benchmarks/mean_rank_coverage.py`. Python "
            f"{where['python']}, commit {where['git_commit'][:12]}."
        ),
        "",
        "## Mean ranks",
        "",
        wrap(
            "How often the 95% interval of `table --by dataset` covers the true mean rank. The "
            "scores are the qualities of the configurations, evenly spaced from `spread` to "
            "-`spread`, plus normal noise, whose standard deviation is 1 on all datasets (equal) "
            "or log-normal with sigma 1 over the datasets (uneven). 'printed' is the share of the "
            "configurations that get an interval, over which the coverage is averaged; 'lowest' "
            "and 'highest' are those of single configurations, with the Monte Carlo error, among "
            f"those that get one in at least {LEAST_PRINTED:.0%} of the tables. The lowest of many "
            "is lower than its true value by chance, by up to two or three of its errors. 'width' "
            f"is the mean width in ranks. {REPEATS} tables per line."
        ),
        "",
        "| configurations | datasets | spread | noise | printed | coverage | lowest | highest "
        "| width |",
        "|---|---|---|---|---|---|---|---|---|",
        *(measure_mean_ranks(k, n, spread, noise) for k, n, spread, noise in settings),
        "",
        "## Differences of two configurations",
        "",
        wrap(
            "How often the Hodges-Lehmann interval of the forest plots, and of `compare` across "
            "datasets, covers the median difference 0, over 10,000 draws. It assumes symmetric "
            "differences: where they are skewed (exponential), their pseudomedian is not their "
            "median, and the interval covers the median less the more datasets there are."
        ),
        "",
        "| datasets | differences | coverage |",
        "|---|---|---|",
        *(
            measure_differences(n, tail)
            for n, tail in product((6, 8, 12, 20), ("normal", "heavy", "skewed"))
        ),
        "",
    ]
    path = Path(__file__).parents[2] / "results" / "mean_rank_coverage.md"
    path.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
