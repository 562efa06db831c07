"""Means of metrics over the cells of each configuration, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmark.reporting.comparable_rows import CONFIGURATION_AXES
from benchmark.reporting.table_intervals import add_intervals
from benchmark.scoring.averages import rows_for_mean
from benchmark.scoring.predictions import PredictionReader
from benchmark.utils.status import Status

TIMES = ("fit_s", "predict_s")
SPREADS = ("std", "std_of_seeds")


def average_configurations(
    rows: pd.DataFrame, metrics: Sequence[str], read_predictions: PredictionReader | None = None
) -> pd.DataFrame:
    """Average metrics over the cells of each configuration.

    Parameters
    ----------
    rows : DataFrame
        Comparable rows.
    metrics : sequence of str
    read_predictions : callable (key, digest) -> Predictions, or None
        ``ResultsFolder.read_predictions``. The intervals of a single test set need it.

    Returns
    -------
    DataFrame
        One row per configuration, in the order of the rows. The columns are the labels of the
        configuration; for each metric its mean, interval, spreads and number of cells, as
        ``leaderboard.make_leaderboards`` documents; mean times in seconds; n_done and n_planned.
    """
    means = {name: _summarize_metric(rows, name) for name in metrics}
    by_configuration = list(rows.groupby(CONFIGURATION_AXES, sort=False))
    table = pd.DataFrame([_make_line(labels, group, means) for labels, group in by_configuration])
    complete_cells = [
        group if (group["status"] == Status.OK).all() else None for _, group in by_configuration
    ]
    add_intervals(table, complete_cells, metrics, read_predictions)
    return table


def _summarize_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean, spreads and number of the values that count, for each configuration."""
    counted = rows_for_mean(rows, metric)
    values = counted[metric] if metric in counted else pd.Series(np.nan, counted.index)
    configuration = [counted[axis] for axis in CONFIGURATION_AXES]
    summary = pd.to_numeric(values).groupby(configuration).agg(["mean", "std", "count"])
    if "seed" in counted and counted["seed"].nunique() > 1:
        of_seeds = pd.to_numeric(values).groupby([*configuration, counted["seed"]]).mean()
        summary["std_of_seeds"] = of_seeds.groupby(CONFIGURATION_AXES).std()
    return summary


def _make_line(
    labels: tuple[str, ...], rows: pd.DataFrame, means: dict[str, pd.DataFrame]
) -> dict[str, object]:
    done = rows[rows["status"] == Status.OK]
    line: dict[str, object] = dict(zip(CONFIGURATION_AXES, labels, strict=True))
    for name, summary in means.items():
        values = summary.loc[labels] if labels in summary.index else pd.Series(dtype=float)
        line[name] = values.get("mean", np.nan)
        for spread in SPREADS:
            if spread in summary:
                line[f"{name}_{spread}"] = values.get(spread, np.nan)
        line[f"{name}_n"] = int(values.get("count", 0))
    for name in TIMES:
        line[name] = pd.to_numeric(done[name]).mean() if len(done) else np.nan
    return line | {"n_done": len(done), "n_planned": len(rows)}
