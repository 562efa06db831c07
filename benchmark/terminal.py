"""What a terminal shows of a run: the progress bar and the leaderboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmark import class_table, leaderboard
from benchmark.plan import Plan
from benchmark.runner import BAD, Report
from benchmark.schedule import Outcome, Schedule, Task

LEFT = (*leaderboard.ENTRY, "axis", "value", "part")  # columns of text


@contextmanager
def bar(console: Console) -> Iterator[Callable[[Plan, Schedule], Report]]:
    """Show a bar while a study runs; yields what ``runner.run`` takes as ``progress``."""
    features, ended = TextColumn("{task.fields[features]}"), TextColumn("{task.fields[ended]}")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), ended, features, TimeRemainingColumn(), console=console
    ) as shown:

        def begin(plan: Plan, schedule: Schedule) -> Report:
            console.print(f"study {plan.study.name}: {plan.n_cells} cells, {plan.n_cells - schedule.n_cells} stored", highlight=False)
            counts: Counter[str] = Counter()
            task = shown.add_task("cells", total=schedule.n_cells, features="", ended="")

            def done(piece: Task, outcome: Outcome) -> None:
                if piece.part is not None:
                    counts["features"] += 1
                    shown.update(task, features=f"features {counts['features']}/{schedule.n_matrices}")
                else:
                    counts[outcome["status"]] += 1
                    ended = ", ".join(f"{counts[status]} {status}" for status in BAD if counts[status])
                    shown.update(task, advance=1, ended=ended)

            return done

        yield begin


def print_leaderboards(console: Console, rows: pd.DataFrame, metric: str = "f1") -> None:
    """Print every leaderboard of the rows, its caption, and what did not end well."""
    marked = False
    for title, entries in leaderboard.leaderboards(rows, metric):
        marked = marked or bool(entries["no_better"].any())
        table, left_out = _fitting(console, title, entries)
        console.print(table)
        if left_out:
            console.print(f"This terminal is too narrow for {', '.join(left_out)}: see leaderboard.md.", style="yellow")
        console.print()
    console.print(leaderboard.caption(metric, marked), style="dim", highlight=False)
    for line in leaderboard.problems(rows):
        console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)


def print_class_tables(console: Console, rows: pd.DataFrame, metric: str) -> None:
    """Print every table of classes of the rows, and their caption."""
    for title, table in class_table.class_tables(rows, metric):
        console.print(_table(title, class_table.shown(table)))
        console.print()
    console.print(class_table.caption(metric), style="dim", highlight=False)


def print_table(console: Console, title: str, frame: pd.DataFrame) -> None:
    """Print a table of texts and counts."""
    console.print(_table(title, frame.map(str)))
    console.print()


def _fitting(console: Console, title: str, entries: pd.DataFrame) -> tuple[Table, list[str]]:
    """Build the widest table that fits: without spreads if need be, then without single columns."""
    dropped: list[str] = []
    for column in (None, "spread", "predict_s", "fit_s", "precision", "recall", "log_loss"):
        if column:
            dropped.append(column)
        table = _table(title, leaderboard.shown(entries, spread="spread" not in dropped).drop(columns=dropped, errors="ignore"))
        if _natural_width(console, table) <= console.width:
            return table, dropped
    return table, dropped


def _table(title: str, shown: pd.DataFrame) -> Table:
    table = Table(title=escape(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in shown.columns:
        table.add_column(name, justify="left" if name in LEFT else "right", no_wrap=name not in leaderboard.ENTRY)
    for cells in shown.itertuples(index=False):
        table.add_row(*map(escape, cells))
    return table


def _natural_width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=1000)).maximum
