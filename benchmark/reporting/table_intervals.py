"""Confidence intervals of the means in a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.plugins.registry import BASELINE
from benchmark.scoring.class_intervals import class_interval_over_images
from benchmark.scoring.intervals import compute_interval, interval_over_folds
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import PredictionReader, Predictions, read_cell_predictions
from benchmark.scoring.significance import Result
from benchmark.utils.text import format_count

NO_PREDICTIONS = "an interval of a single test set needs its predictions, which are not available"
INCOMPLETE = "cells are missing"
NONE = "none: "  # in place of a method, before the reason
NARROW = 0.02  # width up to which the bounds of an interval are shown with a third decimal
BOUNDS = ("", "_lower", "_upper")  # suffixes of a mean and its interval
MOST_SEEDS = 100  # of a single split, whose predictions are in memory at once


def add_intervals(
    table: pd.DataFrame,
    cells_by_line: Sequence[pd.DataFrame | None],
    metrics: Sequence[str],
    read_predictions: PredictionReader | None,
) -> None:
    """Add 95% confidence intervals to a leaderboard.

    Parameters
    ----------
    table : DataFrame
        One line per configuration; the columns ``<metric>_lower``, ``<metric>_upper`` and
        ``<metric>_interval`` are inserted. The last one is a text: method and number of
        observations, or 'none: ' and the reason.
    cells_by_line : sequence of DataFrame or None
        The cells of each configuration; None if some are missing.
    metrics : sequence of str
    read_predictions : callable or None
        None if there are no predictions; intervals over several folds do not need them.
    """
    results: dict[str, list[Result]] = {name: [] for name in metrics}
    for cells in cells_by_line:
        read = lru_cache(read_predictions) if read_predictions else refuse_reading
        for name in metrics:
            results[name].append(
                Result("", 0, np.nan, refusal=INCOMPLETE)
                if cells is None or name not in cells
                else estimate_interval(read, cells, name)
            )
    for name in metrics:
        place = table.columns.get_loc(f"{name}_std")
        columns = {
            "lower": [result.lower for result in results[name]],
            "upper": [result.upper for result in results[name]],
            "interval": [describe_interval(result) for result in results[name]],
        }
        for suffix, values in columns.items():
            table.insert(place, f"{name}_{suffix}", values)
            place += 1


def estimate_interval(read: PredictionReader, cells: pd.DataFrame, metric: str) -> Result:
    """Interval of one configuration; refused if its predictions cannot be read, or are too many."""
    return _refuse_on_error(cells, lambda: compute_interval(read, cells, metric))


def estimate_class_interval(
    read: PredictionReader, cells: pd.DataFrame, values: pd.Series, metric: str
) -> Result:
    """Interval of a metric of one class, for one configuration; refused as ``estimate_interval``.

    Parameters
    ----------
    read : callable (key, digest) -> Predictions
    cells : DataFrame
        Completed rows of the configuration.
    values : Series
        The metric of the class in each cell, NaN where there are no test images of it; its name is
        that of the class.
    metric : str
    """
    means = values.groupby(cells["fold"]).mean().dropna()
    counted = cells[cells["fold"].isin(means.index)]
    if len(means) > 1:
        return interval_over_folds(means, counted, METRICS[metric].bounds)
    return _refuse_on_error(
        counted,
        lambda: class_interval_over_images(
            metric, read_cell_predictions(read, counted), str(values.name)
        ),
    )


def _refuse_on_error(cells: pd.DataFrame, compute: Callable[[], Result]) -> Result:
    """Compute an interval; refuse it if predictions cannot be read, or are too many."""
    if cells["fold"].nunique() == 1 and len(cells) > MOST_SEEDS:
        reason = f"{len(cells)} seeds of one split; at most {MOST_SEEDS} are read"
        return Result("", 0, np.nan, refusal=reason)
    try:
        return compute()
    except UserError as error:  # a file of predictions is missing or damaged
        return Result("", 0, np.nan, refusal=str(error))


def refuse_reading(key: str, digest: str | None) -> Predictions:
    """Raise a UserError, where there is nothing to read predictions from."""
    raise UserError(NO_PREDICTIONS)


def describe_interval(result: Result) -> str:
    """Method and number of observations of an interval, or 'none: ' and the reason."""
    if result.refusal or np.isnan(result.lower):
        return f"{NONE}{result.refusal or 'all values are equal'}"
    return f"{result.test}, {result.n} {result.unit}"


def format_mean(
    mean: float, lower: float = np.nan, upper: float = np.nan, std_of_seeds: float = np.nan
) -> str:
    """Format a mean with its interval and the spread over seeds, as far as they are given.

    Examples
    --------
    >>> format_mean(0.567, 0.521, 0.608)
    '0.567 (0.52 to 0.61)'
    """
    if pd.isna(mean):
        return "-"
    interval = f" ({_format_interval(lower, upper)})" if pd.notna(lower) else ""
    return f"{mean:.3f}" + interval + (f" ±{std_of_seeds:.3f}" if pd.notna(std_of_seeds) else "")


def format_bounds(table: pd.DataFrame, name: str) -> list[str]:
    """Format the intervals of a column of means, such as '0.81 to 0.93'; '-' if there is none."""
    bounds = zip(table[f"{name}_lower"], table[f"{name}_upper"], strict=True)
    return [_format_interval(low, high) if pd.notna(low) else "-" for low, high in bounds]


def _format_interval(lower: float, upper: float) -> str:
    digits = 2 if upper - lower > NARROW else 3
    return f"{lower:.{digits}f} to {upper:.{digits}f}"


def format_means(
    table: pd.DataFrame, name: str, with_intervals: bool = True, plus: str = ""
) -> list[str]:
    """Format a column of means with its intervals.

    Parameters
    ----------
    table : DataFrame
        With the columns ``name``, ``name_lower`` and ``name_upper``.
    name : str
    with_intervals : bool
    plus : str
        What positive values begin with.
    """
    columns = [table[name + bound] for bound in (BOUNDS if with_intervals else BOUNDS[:1])]
    return [
        (plus if values[0] > 0 else "") + format_mean(*values)
        for values in zip(*columns, strict=True)
    ]


def name_bounds(name: str, value: float, result: Result) -> dict[str, object]:
    """Name a mean, its bounds and the method of its interval, as columns of a table."""
    return {
        name: value,
        f"{name}_lower": result.lower,
        f"{name}_upper": result.upper,
        f"{name}_interval": describe_interval(result),
    }


def list_refusals(tables: Sequence[pd.DataFrame]) -> Iterator[str]:
    """Yield one line per reason for which configurations have no interval, with the metrics.

    The baseline, whose values may be the same in all folds, and configurations that lack cells are
    not counted.
    """
    metrics: defaultdict[str, list[str]] = defaultdict(list)
    lines: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    for k, table in enumerate(tables):
        shown = table[table["model"] != BASELINE]
        for column in [name for name in table if str(name).endswith("_interval")]:
            for line, text in shown[column].items():
                if text.startswith(NONE) and INCOMPLETE not in text:
                    metrics[text].append(column.removesuffix("_interval"))
                    lines[text].add((k, line))
    for text, names in metrics.items():
        shared = ", ".join(dict.fromkeys(names))
        n = format_count(len(lines[text]), "configuration")
        yield f"no interval of {shared} for {n}: {text.removeprefix(NONE)}"
