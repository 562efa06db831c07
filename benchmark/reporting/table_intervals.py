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
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import PredictionReader, Predictions, read_cell_predictions
from benchmark.scoring.significance import Result
from benchmark.utils.text import format_count

NO_PREDICTIONS = "it requires the test predictions, which are not available"
INCOMPLETE = "cells are missing"
NO_INTERVAL = "none: "  # in place of a method, before the reason
NARROW = 0.02  # width up to which the bounds of an interval are shown with a third decimal
BOUNDS = ("", "_lower", "_upper")  # suffixes of a mean and its interval
STD_OF_SEEDS = "_std_of_seeds"
SPREAD = "; with several seeds, ± is the standard deviation of their means"  # in captions
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
        read = read_each_once(read_predictions)
        for name in metrics:
            results[name].append(
                refuse_interval()
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
    if means.empty:
        return refuse_interval(f"there are no test images of '{values.name}'")
    counted = cells[cells["fold"].isin(means.index)]
    if len(means) > 1:
        return interval_over_folds(means, counted, find_metric(metric).bounds)
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
        return refuse_interval(reason)
    try:
        return compute()
    except UserError as error:  # a file of predictions is missing or damaged
        return refuse_interval(str(error))


def refuse_interval(reason: str = INCOMPLETE) -> Result:
    """Result without an interval."""
    return Result("", 0, np.nan, refusal=reason)


def read_each_once(read_predictions: PredictionReader | None) -> PredictionReader:
    """Return a reader that keeps the last 64 predictions; without one, a UserError is raised."""
    return lru_cache(maxsize=64)(read_predictions or _refuse_reading)


def _refuse_reading(key: str, digest: str | None) -> Predictions:
    raise UserError(NO_PREDICTIONS)


def fill_missing_intervals(lines: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Make a table of lines; those that lack intervals get the reason that cells are missing."""
    table = pd.DataFrame(lines)
    missing = describe_interval(refuse_interval())
    return table.fillna({name: missing for name in table if str(name).endswith("_interval")})


def describe_interval(result: Result) -> str:
    """Method and number of observations of an interval, or 'none: ' and the reason."""
    if result.refusal or np.isnan(result.lower):
        return f"{NO_INTERVAL}{result.refusal or 'all values are equal'}"
    return f"{result.test}, {result.n} {result.unit}"


def format_mean(
    mean: float, lower: float = np.nan, upper: float = np.nan, std_of_seeds: float = np.nan
) -> str:
    """Format a mean with its interval and the spread over seeds, as far as they are given.

    See Also
    --------
    format_difference : Format a difference, with signs.

    Examples
    --------
    >>> format_mean(0.567, 0.521, 0.608)
    '0.567 (0.52 to 0.61)'
    """
    if pd.isna(mean):
        return "-"
    interval = f" ({_format_interval(lower, upper)})" if pd.notna(lower) else ""
    return f"{mean:.3f}" + interval + (f" ±{std_of_seeds:.3f}" if pd.notna(std_of_seeds) else "")


def _format_interval(lower: float, upper: float) -> str:
    digits = 2 if upper - lower > NARROW else 3
    return f"{lower:.{digits}f} to {upper:.{digits}f}"


def format_difference(value: float, lower: float = np.nan, upper: float = np.nan) -> str:
    """Format a difference with its interval, if it is given.

    Examples
    --------
    >>> format_difference(0.013, -0.004, 0.03)
    '+0.013 (-0.004 to +0.030)'
    """
    if pd.isna(value):
        return "-"
    value, lower, upper = (round(number, 3) + 0.0 for number in (value, lower, upper))  # not -0
    return f"{value:+.3f}" + (f" ({lower:+.3f} to {upper:+.3f})" if pd.notna(lower) else "")


def format_column(
    table: pd.DataFrame,
    name: str,
    with_intervals: bool = True,
    form: Callable[..., str] = format_mean,
) -> list[str]:
    """Format a column of values with their intervals.

    Parameters
    ----------
    table : DataFrame
        With the columns ``name``, ``name_lower``, ``name_upper`` and, if there are several seeds,
        ``name_std_of_seeds``.
    name : str
    with_intervals : bool
    form : callable (value[, lower, upper[, std_of_seeds]]) -> str
        `format_mean` or `format_difference`.
    """
    shown = (*BOUNDS, STD_OF_SEEDS) if with_intervals else BOUNDS[:1]
    columns = [table[name + suffix] for suffix in shown if name + suffix in table]
    return [form(*values) for values in zip(*columns, strict=True)]


def format_done(table: pd.DataFrame) -> list[str]:
    """Format the numbers of completed and of planned cells, such as '3/5'."""
    counts = zip(table["n_done"], table["n_planned"], strict=True)
    return [f"{done}/{planned}" for done, planned in counts]


def sort_complete_first(table: pd.DataFrame, key: pd.Series) -> pd.DataFrame:
    """Sort lines by a key, the lowest first, and those that lack cells last."""
    order = pd.DataFrame({"lacks": table["n_done"] < table["n_planned"], "key": key})
    return table.loc[order.sort_values(["lacks", "key"], kind="stable").index]


def spread_over_seeds(values: pd.Series, seeds: pd.Series) -> float:
    """Standard deviation of the means of the seeds; NaN if there is one seed."""
    return float(values.groupby(seeds).mean().std())


def name_bounds(
    name: str, value: float, result: Result, std_of_seeds: float = np.nan
) -> dict[str, object]:
    """Name a mean, its bounds, the method of its interval, and its spread if there is any."""
    spread = {} if np.isnan(std_of_seeds) else {name + STD_OF_SEEDS: std_of_seeds}
    return spread | {
        name: value,
        f"{name}_lower": result.lower,
        f"{name}_upper": result.upper,
        f"{name}_interval": describe_interval(result),
    }


def list_refusals(
    tables: Sequence[pd.DataFrame], describe: Callable[[str], str] = str
) -> Iterator[str]:
    """Yield one line per reason for which configurations have no interval, with the metrics.

    The baseline, whose values may be the same in all folds, and configurations that lack cells are
    not counted.

    Parameters
    ----------
    tables : sequence of DataFrame
    describe : callable (column) -> str
        Words for a column that has intervals; empty if it is left out.
    """
    metrics: defaultdict[str, list[str]] = defaultdict(list)
    lines: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    for k, table in enumerate(tables):
        shown = table[table["model"] != BASELINE]
        for column in [name for name in table if str(name).endswith("_interval")]:
            words = describe(column.removesuffix("_interval"))
            for line, text in shown[column].items():
                if words and text.startswith(NO_INTERVAL) and INCOMPLETE not in text:
                    metrics[text].append(words)
                    lines[text].add((k, line))
    for text, names in metrics.items():
        shared = ", ".join(dict.fromkeys(names))
        n = format_count(len(lines[text]), "configuration")
        yield f"no interval of {shared} for {n}: {text.removeprefix(NO_INTERVAL)}"
