"""Heat map of how often each configuration is better than each other one, over datasets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from benchmark.reporting.plots.common_scores import select_common_scores
from benchmark.reporting.plots.heat_map import draw_squares, write_in_square
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    create_panels,
    fit_beside,
    make_file_stem,
)
from benchmark.reporting.plots.rows import Results, explain_metric
from benchmark.reporting.plots.texts import measure_text
from benchmark.scoring.mean_ranks import count_pairwise_wins
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.significance import ALPHA

NAME = "win_matrix"
SQUARE = 0.24  # inches
MOST_OF_FIGURE = 4.8  # inches for the squares


def draw_win_matrix(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot of the configurations that all datasets have in common."""
    scores = select_common_scores(results, NAME, metric)
    if isinstance(scores, Missing):
        yield scores
        return
    wins = count_pairwise_wins(scores.values, find_metric(metric).greater_is_better)
    n_datasets = len(scores.values)
    n_rows = len(wins)
    names, width = fit_beside(
        list(map(str, wins.index)), min(MOST_OF_FIGURE, SQUARE * n_rows) + 0.4
    )
    room = width - max(map(measure_text, names)) - 0.4
    square = min(SQUARE, room / n_rows)
    with create_panels(1, 0.3 + square * n_rows, width=width) as (figure, (ax,)):
        _draw_wins(ax, wins, names, n_datasets)
        ax.set_xlim(-0.5, max(n_rows, room / square) - 0.5)
    caption = (
        "Number of datasets on which the configuration of the row is better than that of the "
        f"column with the same number, out of {n_datasets}; a tie counts half for each. The "
        f"darker, the more. Sorted by mean rank. {explain_metric(metric)} "
        f"{_describe_sign_test(n_datasets)} {scores.note}"
    )
    title = f"Wins by {metric} on {n_datasets} datasets"
    stem = make_file_stem(NAME, results.file_unit, metric)
    yield Plot(stem, title, figure, caption)


def _draw_wins(ax: Axes, wins: pd.DataFrame, names: list[str], n_datasets: int) -> None:
    shares = wins.to_numpy() / n_datasets
    np.fill_diagonal(shares, np.nan)
    draw_squares(ax, shares, annotated=False)
    for (row, column), share in np.ndenumerate(shares):
        if row != column:
            write_in_square(ax, row, column, f"{wins.iloc[row, column]:g}", share)
    ax.set_xticks(range(len(wins)), [str(k) for k in range(1, len(wins) + 1)])
    ax.xaxis.tick_top()
    ax.set_yticks(range(len(wins)), [f"{name}  {k}" for k, name in enumerate(names, start=1)])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _describe_sign_test(n_datasets: int) -> str:
    """How many wins are significant for a single pair."""
    needed = int(stats.binom.isf(ALPHA / 2, n_datasets, 0.5)) + 1
    if needed > n_datasets:
        return f"No number of wins on {n_datasets} datasets is significant (sign test)."
    return (
        f"For one pair that was chosen beforehand, at least {needed} wins are needed for "
        f"significance at the level {ALPHA} (sign test)."
    )
