"""Output for the terminal: progress bars and tables."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmark.engine.schedule import MatrixTask, Outcome, Schedule, Task
from benchmark.engine.task_loop import Report
from benchmark.engine.worker_process import EPOCH_LOGGER, MessageForwarder
from benchmark.evaluation.plan import Plan
from benchmark.reporting import leaderboard
from benchmark.reporting.comparison import Comparison, make_comparison_tables
from benchmark.reporting.text_tables import find_view
from benchmark.utils.status import BAD
from benchmark.utils.text import escape_controls, format_count

if TYPE_CHECKING:
    from benchmark.pipelines.card import Card
    from benchmark.pipelines.reading import InputImage

# columns of text, aligned to the left
LEFT = (
    *leaderboard.CONFIGURATION_AXES,
    *("axis", "value", "stage", "image", "class", "then", "with", "verdict"),
)


@contextmanager
def _report_epochs(report: Callable[[str], object]) -> Iterator[None]:
    """Call a function with a line of text after every epoch of a network's training."""
    handler, level = MessageForwarder(report), EPOCH_LOGGER.level
    EPOCH_LOGGER.addHandler(handler)
    EPOCH_LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        EPOCH_LOGGER.removeHandler(handler)
        EPOCH_LOGGER.setLevel(level)


@contextmanager
def show_training_status(console: Console) -> Iterator[None]:
    """Show a spinner while one model is trained, with the epochs of a network."""
    with (
        console.status("training") as status,
        _report_epochs(lambda text: status.update(f"training: {escape(escape_controls(text))}")),
    ):
        yield


@contextmanager
def show_progress_bar(console: Console) -> Iterator[Callable[[Plan, Schedule], Report]]:
    """Show a progress bar while a study runs; yields the ``progress`` of ``evaluate_study``."""
    features, ended = TextColumn("{task.fields[features]}"), TextColumn("{task.fields[ended]}")
    epochs = TextColumn("{task.fields[epochs]}", style="dim", markup=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        ended,
        features,
        TimeRemainingColumn(),
        epochs,
    )
    bar = Progress(*columns, console=console)
    with (
        ExitStack() as stack,
        _report_epochs(lambda text: _update_all(bar, epochs=escape_controls(text)[:200])),
    ):

        def start_bar(plan: Plan, schedule: Schedule) -> Report:
            stack.enter_context(bar)  # not earlier, so that an error is printed without a bar
            console.print(
                f"study {plan.study.name}: {format_count(plan.n_cells, 'cell')}, "
                f"{plan.n_cells - schedule.n_cells} stored",
                highlight=False,
            )
            counts: Counter[str] = Counter()
            task = bar.add_task("cells", total=schedule.n_cells, features="", ended="", epochs="")

            def count_outcome(piece: Task, outcome: Outcome) -> None:
                if isinstance(piece, MatrixTask):
                    counts["features"] += 1
                    bar.update(
                        task, features=f"features {counts['features']}/{schedule.n_matrices}"
                    )
                else:
                    counts[outcome["status"]] += 1
                    ended = ", ".join(
                        f"{counts[status]} {status}" for status in BAD if counts[status]
                    )
                    bar.update(task, advance=1, ended=ended, epochs="")

            return count_outcome

        yield start_bar


def _update_all(bar: Progress, **fields: str) -> None:
    for task in bar.task_ids:
        bar.update(task, **fields)  # type: ignore[arg-type]


def print_leaderboards(console: Console, rows: pd.DataFrame, metric: str = "f1") -> None:
    """Print every leaderboard of the rows, its caption, and the cells that did not succeed."""
    marked = False
    for title, configurations in leaderboard.make_leaderboards(rows, metric):
        marked = marked or bool(configurations["no_better"].any())
        table, left_out = _build_widest_table(console, title, configurations)
        console.print(table)
        if left_out:
            console.print(
                f"This terminal is too narrow for {', '.join(left_out)}: see leaderboard.md.",
                style="yellow",
            )
        console.print()
    console.print(
        leaderboard.make_leaderboard_caption(metric, marked), style="dim", highlight=False
    )
    for line in leaderboard.list_problems(rows):
        console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)


def print_view(console: Console, rows: pd.DataFrame, metric: str, name: str) -> None:
    """Print every table of a view, and the lines below them."""
    view = find_view(name)
    tables = list(view.make_tables(rows, metric))
    for title, table in tables:
        console.print(_build_table(title, view.format_table(table)))
        console.print()
    for line in view.describe_tables(rows, tables, metric):
        console.print(line, style="dim", highlight=False)


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
    for note in dict.fromkeys(note for image in queries for note in image.notes):
        console.print(note, style="dim", highlight=False, markup=False, soft_wrap=True)


def print_comparisons(console: Console, comparisons: list[Comparison]) -> None:
    """Print every table of comparisons, each with the lines below it."""
    for title, table, lines in make_comparison_tables(comparisons):
        console.print(_build_table(title, table))
        console.print()
        for line in lines:
            console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)


def print_table(console: Console, title: str, frame: pd.DataFrame) -> None:
    """Print a table with a title."""
    console.print(_build_table(title, frame.map(str)))
    console.print()


def _build_widest_table(
    console: Console, title: str, configurations: pd.DataFrame
) -> tuple[Table, list[str]]:
    """Build the widest leaderboard that fits, leaving out the spreads first, then single columns.

    Returns
    -------
    table : Table
    dropped : list of str
        What was left out.
    """
    dropped: list[str] = []
    for column in (None, "spread", "predict_s", "fit_s", "precision", "recall", "log_loss"):
        if column:
            dropped.append(column)
        table = _build_table(
            title,
            leaderboard.format_leaderboard(configurations, spread="spread" not in dropped).drop(
                columns=dropped, errors="ignore"
            ),
        )
        if _natural_width(console, table) <= console.width:
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
            justify="left" if name in LEFT else "right",
            no_wrap=name not in leaderboard.CONFIGURATION_AXES,
        )
    for cells in frame.itertuples(index=False):
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _natural_width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=1000)).maximum
