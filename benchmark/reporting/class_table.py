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
from benchmark.reporting.table_view import Table
from benchmark.scoring.predictions import PredictionReader
from benchmark.study.axes import NONE
from benchmark.utils.status import Status

METRICS = ("recall", "precision", "f1", "average_precision")  # those that have a value per class


class ClassTable:
    """View with one column per class instead of one per metric.

    See Also
    --------
    benchmark.reporting.leaderboard.Leaderboard : View with one column per metric.
    """

    shows_intervals = False

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a table for each group of comparable rows.

        Parameters
        ----------
        rows : DataFrame
            As returned by ``load_results``.
        metric : str
            One of ``METRICS``.

        Yields
        ------
        title : str
        table : DataFrame
            The columns are extractor, strategy, model, one column per class with the mean of the
            metric over folds and seeds, and ``worst class``, the class with the lowest mean.
            Classes are sorted by decreasing number of training images, the mean of which is in the
            first row. Configurations without a completed cell are left out.

        Raises
        ------
        UserError
            The metric is unknown or has no value per class.
        """
        if metric not in METRICS:
            raise unknown_name_error("metric of a class", metric, METRICS)
        for title, group in group_comparable_rows(rows):
            done = group[group["status"] == Status.OK]
            if len(done):
                yield title, _make_class_table(done, metric)

    def format_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Format values with three decimals, and numbers of training images as integers."""
        text = name_columns(table.astype(object))
        for name in table.columns.drop([*CONFIGURATION_AXES, "worst class"]):
            text[name] = [
                f"{table[name][0]:.0f}",
                *(f"{value:.3f}" if np.isfinite(value) else "-" for value in table[name][1:]),
            ]
        return text

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption of the tables."""
        return [
            f"Mean {metric} of each class over the folds and seeds with test images of it. Classes "
            "are sorted by their number of training images, configurations by their worst class."
        ]


def _make_class_table(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    sizes = _average_by_class(rows, "train").sort_values(ascending=False, kind="stable")
    first = {
        **dict.fromkeys(CONFIGURATION_AXES, ""),
        "tuning": NONE,
        CONFIGURATION_AXES[0]: "(training images)",
        **sizes,
    }
    configurations = [
        {**dict(zip(CONFIGURATION_AXES, labels, strict=True)), **_average_by_class(group, metric)}
        for labels, group in rows.groupby(CONFIGURATION_AXES, sort=False)
    ]
    table = pd.DataFrame([first, *configurations], columns=[*CONFIGURATION_AXES, *sizes.index])
    classes = table[list(sizes.index)]
    table["worst class"] = [
        "",
        *classes[1:].T.apply(lambda values: values.idxmin() if values.notna().any() else ""),
    ]
    order = classes[1:].min(axis=1).sort_values(ascending=False, kind="stable").index
    return table.loc[[0, *order]].reset_index(drop=True)


def _average_by_class(rows: pd.DataFrame, name: str) -> pd.Series:
    """Mean of a value of each class over the cells with test images of it, by column name."""
    by_cell = [
        {
            _class_column_name(cls): values[name]
            if values["support"] or name == "train"
            else np.nan
            for cls, values in per_class.items()
        }
        for per_class in rows["per_class"]
    ]
    return pd.DataFrame(by_cell).mean()


def _class_column_name(cls: str) -> str:
    """Column name of a class, different from the columns that every table has."""
    return f"class '{cls}'" if cls in (*CONFIGURATION_AXES, "worst class", "table") else cls
