"""The table of classes: how each configuration does on each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmark.errors import unknown_name_error
from benchmark.reporting.leaderboard import CONFIGURATION_AXES, group_comparable_rows
from benchmark.reporting.table_view import Table
from benchmark.utils.status import Status

METRICS = ("recall", "precision", "f1", "average_precision")  # that are of one class


class ClassTable:
    """A column for each class instead of one for each metric."""

    def make_tables(self, rows: pd.DataFrame, metric: str) -> Iterator[Table]:
        """Yield a title and a table for each group of rows that can be compared.

        Parameters
        ----------
        rows : DataFrame
            As ``load_results`` gives them.
        metric : str
            One of ``METRICS``.

        Yields
        ------
        title : str
        table : DataFrame
            extractor, strategy, model, then a column for each class, the one with the most training
            images first, with the mean of the metric over folds and seeds, and ``worst class``, the
            name of the class where it is least; a first line holds the mean number of training images.
            A configuration without a cell that is 'ok' is left out.

        Raises
        ------
        UserError
            No such metric of a class.
        """
        if metric not in METRICS:
            raise unknown_name_error("metric of a class", metric, METRICS)
        for title, group in group_comparable_rows(rows):
            done = group[group["status"] == Status.OK]
            if len(done):
                yield title, _make_class_table(done, metric)

    def format_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Render a table of classes for people: three digits, and whole training images."""
        text = table.astype(object)
        for name in table.columns.drop([*CONFIGURATION_AXES, "worst class"]):
            text[name] = [
                f"{table[name][0]:.0f}",
                *(f"{value:.3f}" if np.isfinite(value) else "-" for value in table[name][1:]),
            ]
        return text

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """What the reader of the tables must know."""
        return [
            f"Mean {metric} of each class over the folds and seeds that have test images of it; "
            "classes by their training images, "
            "configurations by their worst class."
        ]


def _make_class_table(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    sizes = _average_by_class(rows, "train").sort_values(ascending=False, kind="stable")
    first = {
        **dict.fromkeys(CONFIGURATION_AXES, ""),
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
    """Mean of one value of every class over the cells that have test images of it, by the name of its column."""
    tested = [
        {
            _class_column_name(cls): of[name] if of["support"] or name == "train" else np.nan
            for cls, of in each.items()
        }
        for each in rows["per_class"]
    ]
    return pd.DataFrame(tested).mean()


def _class_column_name(cls: str) -> str:
    """Column of a class, told apart from those that every table has."""
    return f"class '{cls}'" if cls in (*CONFIGURATION_AXES, "worst class", "table") else cls
