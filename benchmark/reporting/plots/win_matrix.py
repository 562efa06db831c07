"""Heat map of how often each configuration is better than each other one, over datasets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from benchmark.reporting.plots.common_scores import select_common_scores
from benchmark.reporting.plots.plot import (
    NARROWEST,
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
    measure_names,
)
from benchmark.reporting.plots.recalls import shorten_middle
from benchmark.reporting.plots.rows import Results
from benchmark.scoring.mean_ranks import count_pairwise_wins
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.significance import ALPHA

NAME = "win_matrix"
SQUARE = 0.3  # inches


def draw_win_matrix(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot of the configurations that all datasets have in common."""
    scores = select_common_scores(results, NAME, metric)
    if isinstance(scores, Missing):
        yield scores
        return
    wins = count_pairwise_wins(scores.values, find_metric(metric).greater_is_better)
    n_datasets, n = scores.values.shape
    names_width = measure_names(shorten_middle(str(name)) for name in wins) + 0.6
    n_places = max(n, (NARROWEST - names_width) / SQUARE)
    with create_panels(1, names_width + SQUARE * n, 0.4 + SQUARE * n) as (figure, (ax,)):
        _draw_squares(ax, wins, n_datasets)
        ax.set_xlim(-0.5, n_places - 0.5)
        title = f"Wins by {metric} on {n_datasets} datasets"
        add_title(figure, title)
    caption = (
        "Number of datasets on which the configuration of the row is better than that of the "
        f"column with the same number, out of {n_datasets}; a tie counts half for each. Blue is "
        "more than half of them, red is less. Sorted by mean rank. "
        f"{_describe_sign_test(n_datasets)} {scores.note}"
    )
    yield Plot(make_file_stem(NAME, metric), title, figure, caption)


def _draw_squares(ax: Axes, wins: pd.DataFrame, n_datasets: int) -> None:
    n = len(wins)
    shares = wins.to_numpy() / n_datasets
    np.fill_diagonal(shares, np.nan)
    ax.imshow(shares, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    ax.grid(visible=False)
    for (row, column), share in np.ndenumerate(shares):
        if row != column:
            ax.text(
                column,
                row,
                f"{wins.iloc[row, column]:g}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if abs(share - 0.5) > 0.3 else "black",
            )
    ax.set_xticks(range(n), [str(k) for k in range(1, n + 1)], fontsize=8)
    ax.xaxis.tick_top()
    names = [f"{shorten_middle(str(name))}  {k}" for k, name in enumerate(wins.index, start=1)]
    ax.set_yticks(range(n), names, fontsize=8)
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
