"""Table of a metric by class: one row per configuration, one column per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmark.errors import unknown_name_error
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    group_comparable_rows,
    name_columns,
)
from benchmark.reporting.table_intervals import (
    BOUNDS,
    SPREAD,
    STD_OF_SEEDS,
    estimate_class_interval,
    format_column,
    format_done,
    format_mean,
    list_refusals,
    name_bounds,
    read_each_once,
    refuse_interval,
    sort_complete_first,
    spread_over_seeds,
)
from benchmark.reporting.table_view import Table
from benchmark.scoring.class_intervals import (
    ALIASES,
    CLASS_METRICS,
    COMPUTED,
    compute_class_value,
)
from benchmark.scoring.predictions import PredictionReader, read_cell_predictions
from benchmark.study.axes import NONE
from benchmark.utils.status import Status

WORST = "worst class"


class ClassTable:
    """View with one column per class instead of one per metric.

    See Also
    --------
    benchmark.reporting.leaderboard.Leaderboard : View with one column per metric.
    """

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a table for each group of comparable rows.

        Parameters
        ----------
        rows : DataFrame
            As returned by ``load_results``.
        metric : str
            One of ``CLASS_METRICS``.
        read_predictions : callable (key, digest) -> Predictions, or None
            ``ResultsFolder.read_predictions``. The intervals of a single test set need it.

        Yields
        ------
        title : str
        table : DataFrame
            The columns are extractor, strategy, model, tuning; for each class the mean of the
            metric over folds and seeds and its 95% confidence interval (suffixes ``_lower``,
            ``_upper`` and ``_interval``, the method); and ``worst class``, the class with the
            lowest mean; and n_done and n_planned, numbers of cells. Classes are sorted by
            decreasing number of training images, the mean of which over the untuned cells is in the
            first row. Configurations that lack cells are last, those without any are left out.

        Raises
        ------
        UserError
            The metric is unknown or has no value per class.
        """
        if metric not in CLASS_METRICS:
            raise unknown_name_error("metric of a class", metric, CLASS_METRICS)
        for title, group in group_comparable_rows(rows):
            if (group["status"] == Status.OK).any():
                yield title, _make_class_table(group, metric, read_predictions)

    def format_table(self, table: pd.DataFrame, with_intervals: bool = True) -> pd.DataFrame:
        """Format values with three decimals, and numbers of training images as integers.

        Without the intervals of all classes, the column of the worst class has its value.
        """
        text = name_columns(table.astype(object)[[*CONFIGURATION_AXES]])
        for name in [name for name in table if f"{name}_interval" in table]:
            means = format_column(table[1:], name, with_intervals)
            text[name] = [f"{table[name].iloc[0]:.0f}", *means]
        text[WORST] = table[WORST] if with_intervals else _describe_worst_classes(table)
        return text.assign(done=["", *format_done(table[1:])])

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption of the tables, and one line per reason for missing intervals."""
        return [
            f"Mean {metric} of each class over the folds and seeds with test images of it; 95% "
            f"confidence intervals are in parentheses{SPREAD}; done is the number of completed "
            "cells out of those planned. Classes are sorted by their number of training images, "
            "configurations by their worst class, those that lack cells last.",
            *list_refusals([table for _, table in tables], lambda name: f"class '{name}'"),
        ]


def _make_class_table(
    rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None
) -> pd.DataFrame:
    sizes = _average_sizes(rows[rows["status"] == Status.OK])
    columns = {cls: _name_column(cls) for cls in sizes.index}
    lines = [
        dict(zip(CONFIGURATION_AXES, labels, strict=True))
        | _describe_classes(cells, metric, columns, read_predictions)
        for labels, cells in rows.groupby(CONFIGURATION_AXES, sort=False)
        if (cells["status"] == Status.OK).any()
    ]
    table = pd.DataFrame([_make_line_of_sizes(sizes, columns), *lines])
    suffixes = (*BOUNDS, "_interval", STD_OF_SEEDS)
    values = [column + suffix for column in columns.values() for suffix in suffixes]
    shown = [*CONFIGURATION_AXES, *values, WORST, "n_done", "n_planned"]
    table = table[[name for name in shown if name in table]]
    lowest = table.loc[1:, list(columns.values())].min(axis=1)
    return pd.concat([table[:1], sort_complete_first(table[1:], -lowest)], ignore_index=True)


def _average_sizes(rows: pd.DataFrame) -> pd.Series:
    """Mean number of training images of each class, the most frequent first."""
    untuned = rows[rows["tuning"] == NONE]  # tuned ones may be trained on validation images, too
    sizes = _values_by_class(untuned if len(untuned) else rows, "train").mean()
    return sizes.sort_values(ascending=False, kind="stable")


def _make_line_of_sizes(sizes: pd.Series, columns: dict[str, str]) -> dict[str, object]:
    names = columns.values()
    return {
        **dict.fromkeys(CONFIGURATION_AXES, ""),
        "tuning": NONE,
        CONFIGURATION_AXES[0]: "(training images)",
        **{columns[cls]: size for cls, size in sizes.items()},
        **{f"{name}{bound}": np.nan for name in names for bound in BOUNDS[1:]},
        **{f"{name}_interval": "" for name in names},
        WORST: "",
        "n_done": 0,
        "n_planned": 0,
    }


def _describe_classes(
    cells: pd.DataFrame,
    metric: str,
    columns: dict[str, str],
    read_predictions: PredictionReader | None,
) -> dict[str, object]:
    """Mean and interval of each class for one configuration, by column name."""
    done = cells[cells["status"] == Status.OK]
    read = read_each_once(read_predictions)
    values = _values_by_class(done, ALIASES.get(metric, metric), read)
    line: dict[str, object] = {}
    for cls, column in columns.items():
        result = (
            estimate_class_interval(read, done, values[cls], metric)
            if len(done) == len(cells)
            else refuse_interval()
        )
        spread = spread_over_seeds(values[cls], done["seed"])
        line |= name_bounds(column, values[cls].mean(), result, spread)
    means = values.mean()
    worst = columns[str(means.idxmin())] if means.notna().any() else ""
    return line | {WORST: worst, "n_done": len(done), "n_planned": len(cells)}


def _describe_worst_classes(table: pd.DataFrame) -> list[str]:
    """Name and value of the worst class in each line, such as '8: 0.757 (0.65 to 0.84)'."""
    return [
        f"{name}: {format_mean(*(table[name + bound][line] for bound in BOUNDS))}" if name else ""
        for line, name in table[WORST].items()
    ]


def _values_by_class(
    rows: pd.DataFrame, name: str, read: PredictionReader | None = None
) -> pd.DataFrame:
    """One row per cell, one column per class; NaN without test images, except for sizes."""
    if name in COMPUTED and read is not None:
        computed = [
            {cls: compute_class_value(name, p, cls) for cls in p.classes}
            for p in read_cell_predictions(read, rows)
        ]
        return pd.DataFrame(computed, index=rows.index, dtype=float)
    by_cell = [
        {
            cls: values[name] if values["support"] or name == "train" else np.nan
            for cls, values in per_class.items()
        }
        for per_class in rows["per_class"]
    ]
    return pd.DataFrame(by_cell, index=rows.index, dtype=float)


def _name_column(cls: str) -> str:
    """Column name of a class, different from the columns that every table has."""
    reserved = cls in (*CONFIGURATION_AXES, WORST, "table", "n_done", "n_planned", "done")
    return (
        f"class '{cls}'"
        if reserved or cls.endswith((*BOUNDS[1:], "_interval", STD_OF_SEEDS))
        else cls
    )
