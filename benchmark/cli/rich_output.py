"""Tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.evaluation.plan import Plan
from benchmark.reporting import leaderboard
from benchmark.reporting.comparable_rows import NAME_COLUMNS
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.comparison_table import make_comparison_tables
from benchmark.reporting.row_problems import list_group_notes
from benchmark.reporting.short_labels import shorten_labels
from benchmark.reporting.table_view import TableView
from benchmark.scoring.predictions import PredictionReader

if TYPE_CHECKING:
    from benchmark.pipelines.card import Card
    from benchmark.pipelines.reading import InputImage

# columns of text, aligned to the left
LEFT = (
    *NAME_COLUMNS,
    *("axis", "value", "stage", "image", "class", "then", "with", "verdict", "characteristic"),
)
WRAPPED = 26  # characters of a line of an extractor's name, in a narrow terminal
OTHER_INTERVALS = "the other intervals"  # than that of the metric that tables are ranked by
# columns of a view that summarize those of single values
SUMMARIES = ("mean", "mean rank", "wins", "worst class", "done")


def print_leaderboards(
    console: Console,
    rows: pd.DataFrame,
    metric: str = "f1",
    read_predictions: PredictionReader | None = None,
    view: TableView | None = None,
) -> None:
    """Print every leaderboard of the rows, its caption, and the cells that did not succeed."""
    # the file has the columns of a default leaderboard only
    hint = "see leaderboard.md" if view is None else "see table --format md"
    view = view or leaderboard.Leaderboard()
    tables = list(view.make_tables(rows, metric, read_predictions))
    _print_ranked_tables(console, tables, metric, hint=hint)
    caption, *lines = view.describe_tables(rows, tables, metric)
    console.print(caption, style="dim", highlight=False)
    for line in (*lines, *list_group_notes(rows)):
        console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)


def print_preliminary_leaderboards(
    console: Console, rows: pd.DataFrame, plan: Plan, time_left: str, metric: str = "f1"
) -> None:
    """Print the leaderboards of the first round, marked as preliminary.

    Parameters
    ----------
    console : Console
    rows : DataFrame
        Those of the first round of the plan.
    plan : Plan
    time_left : str
    metric : str
    """
    console.print()
    for label, own in rows.groupby("dataset", sort=False):
        prefix = f"preliminary: {plan.describe_first_round(label)} · "
        tables = leaderboard.make_leaderboards(own, metric)
        _print_ranked_tables(console, tables, metric, prefix)
    console.print(
        f"Preliminary: ranked by {metric} of the first results; {time_left}.\n",
        style="dim",
        highlight=False,
    )


def _print_ranked_tables(
    console: Console,
    tables: Iterable[tuple[str, pd.DataFrame]],
    metric: str,
    prefix: str = "",
    hint: str = "",
) -> None:
    """Print leaderboards, each with the parameters that are equal in all of its lines."""
    for title, configurations in tables:
        configurations, parameters = _shorten_configurations(configurations)
        table, left_out = _build_widest_table(console, prefix + title, configurations, metric)
        console.print(table)
        if "strategy" in left_out:  # it is equal in all lines
            left_out.remove("strategy")
            parameters.append(f"strategy {configurations['strategy'].iloc[0]}")
        if parameters:
            line = f"Equal in all lines: {'; '.join(parameters)}."
            console.print(line, style="dim", highlight=False, markup=False)
        if left_out:
            where = f": {hint}" if hint else ""
            console.print(
                f"This terminal is too narrow for {', '.join(left_out)}{where}.", style="yellow"
            )
        console.print()


def _shorten_configurations(configurations: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out the parameters that are equal in all lines; return them, too."""
    columns, parameters = {}, []
    shown = [axis for axis in NAME_COLUMNS if axis in configurations]
    # the table by class has a line of numbers of images
    named = (configurations[shown] != "").all(axis=1)
    for axis in shown:
        short, left_out = shorten_labels(configurations.loc[named, axis].unique())
        columns[axis] = configurations[axis].map(lambda label, short=short: short.get(label, label))
        parameters += left_out
    return configurations.assign(**columns), parameters


def print_view(
    console: Console,
    rows: pd.DataFrame,
    metric: str,
    view: TableView,
    read: PredictionReader | None = None,
) -> None:
    """Print every table of a view, as wide as the terminal allows, and the lines below them."""
    tables = list(view.make_tables(rows, metric, read))
    for title, table in tables:
        shortened, parameters = _shorten_configurations(table)
        texts = [view.format_table(shortened, with_intervals) for with_intervals in (True, False)]
        wide = _natural_width(console, _build_table(title, texts[0])) > console.width
        text = texts[wide]
        kept = (*NAME_COLUMNS, *SUMMARIES)
        droppable = [name for name in text.columns if name not in kept]
        printed, dropped = _drop_columns(console, title, text, droppable)
        if wide:
            dropped.insert(0, "most intervals")
        console.print(printed)
        if parameters:
            line = f"Equal in all lines: {'; '.join(parameters)}."
            console.print(line, style="dim", highlight=False, markup=False)
        if dropped:
            line = f"This terminal is too narrow for {', '.join(dropped)}: see table --format md."
            console.print(line, style="yellow", highlight=False, markup=False)
        console.print()
    for line in (*view.describe_tables(rows, tables, metric), *list_group_notes(rows)):
        console.print(line, style="dim", highlight=False, markup=False)


def _drop_columns(
    console: Console, title: str, text: pd.DataFrame, droppable: Sequence[str]
) -> tuple[Table, list[str]]:
    """Build a table, without the last of the droppable columns if the terminal is too narrow."""
    remaining, dropped = list(droppable), list[str]()
    table = _build_table(title, text)
    while remaining and _natural_width(console, table) > console.width:
        dropped.insert(0, remaining.pop())
        table = _build_table(title, text.drop(columns=dropped))
    return table, dropped


def print_predictions(
    console: Console, card: Card, queries: list[InputImage], proba: NDArray[np.float64]
) -> None:
    """Print the class of each image, its probability, and the next most probable classes."""
    from benchmark.pipelines.prediction_text import (
        describe_prediction,
        most_probable_classes,
        predicted_classes,
    )

    rows = []
    for image, p in zip(queries, proba, strict=True):
        label, probability = describe_prediction(card, p)
        chosen = predicted_classes(card, p)
        others = [
            f"{name} {value:.3f}"
            for name, value in most_probable_classes(card, p)
            if name not in chosen
        ]
        rows.append((image.name, label, f"{probability:.3f}", "  ".join(others)))
    frame = pd.DataFrame(rows, columns=["image", "class", "probability", "then"])
    console.print(
        f"{card.name}, trained on {card.trained_on}",
        style="bold",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    console.print(_build_table("", frame))
    for note, n in Counter(note for image in queries for note in image.notes).items():
        text = note if n == 1 else f"{note} ({n} times)"
        console.print(text, style="dim", highlight=False, markup=False, soft_wrap=True)


def print_comparisons(console: Console, comparisons: list[Comparison]) -> None:
    """Print every table of comparisons, each with the lines below it."""
    for title, table, lines in make_comparison_tables(comparisons):
        text, parameters = _shorten_names(table)
        printed, dropped = _drop_columns(console, title, text, _order_comparison_columns(text))
        console.print(printed)
        console.print()
        if parameters:
            lines.insert(1, f"Equal in all lines: {'; '.join(parameters)}.")
        if dropped:
            hint = "see compare --format md"
            lines.append(f"This terminal is too narrow for {', '.join(dropped)}: {hint}.")
        for line in lines:
            console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)


def _shorten_names(text: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Shorten names of configurations, which may have a tuning in parentheses behind a blank."""
    columns = [column for column in NAME_COLUMNS if column in text]
    parts = {column: text[column].str.partition(" (") for column in columns}
    labels = text.assign(**{column: parts[column][0] for column in columns})
    shortened, parameters = _shorten_configurations(labels)
    names = {column: shortened[column] + parts[column][1] + parts[column][2] for column in columns}
    return text.assign(**names), parameters


def _order_comparison_columns(text: pd.DataFrame) -> list[str]:
    """Columns of comparisons that a narrow terminal may drop, the most important one first."""
    margin = [name for name in text if name.startswith("margin ")]
    first = ["verdict", "interval", "p"]
    kept = (*NAME_COLUMNS, "with", "difference", *(margin or ["verdict"]))
    return [name for name in dict.fromkeys([*first, *text]) if name not in kept]


def print_table(console: Console, title: str, frame: pd.DataFrame) -> None:
    """Print a table with a title."""
    console.print(_build_table(title, frame.map(str)))
    console.print()


def _build_widest_table(
    console: Console, title: str, configurations: pd.DataFrame, metric: str
) -> tuple[Table, list[str]]:
    """Build the widest leaderboard that fits.

    Intervals are left out first, except those of the metric that configurations are ranked by, then
    single columns.

    Returns
    -------
    table : Table
    dropped : list of str
        What was left out.
    """
    dropped: list[str] = []
    narrow = [OTHER_INTERVALS, "predict_s", "fit_s", "precision", "recall", "log_loss"]
    if configurations["strategy"].nunique() == 1:  # it distinguishes nothing
        narrow.insert(0, "strategy")
    for column in (None, *narrow, "accuracy", "auc"):
        if column and column != metric:
            dropped.append(column)
        with_interval = [metric] if OTHER_INTERVALS in dropped else None
        texts = leaderboard.format_leaderboard(configurations, with_interval)
        table = _build_table(title, texts.drop(columns=dropped, errors="ignore"))
        # the last columns are kept if extractors can be wrapped instead
        wrapped = 0 if column != narrow[-1] else texts["extractor"].str.len().max() - WRAPPED
        if _natural_width(console, table) - max(0, wrapped) <= console.width:
            return table, dropped
    return table, dropped


def _build_table(title: str, frame: pd.DataFrame) -> Table:
    table = Table(
        title=escape(title) or None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    for name in frame.columns:
        table.add_column(
            escape(name),
            justify="left" if name in LEFT or name.startswith("margin ") else "right",
            no_wrap=name not in NAME_COLUMNS,
            overflow="fold",  # the end of a name tells configurations apart
        )
    for cells in frame.itertuples(index=False):
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _natural_width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=1000)).maximum
