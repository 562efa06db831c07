"""What a terminal shows of a run: the progress bar and the leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmark import leaderboard
from benchmark.cell import Cell
from benchmark.runner import Plan
from benchmark.runner import Progress as Report


@contextmanager
def bar(console: Console) -> Iterator[Callable[[Plan, list[Cell]], Report]]:
    """Show a bar while a study runs; yields what ``runner.run`` takes as ``progress``."""
    failed = TextColumn("{task.fields[failed]} failed")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), failed, TimeRemainingColumn(), console=console
    ) as shown:

        def begin(plan: Plan, waiting: list[Cell]) -> Report:
            stored = len(plan.cells) - len(waiting)
            console.print(f"study {plan.study.name}: {len(plan.cells)} cells, {stored} stored", highlight=False)
            task = shown.add_task("cells", total=len(waiting), failed=0)
            failures = 0

            def done(cell: Cell, row: dict[str, Any]) -> None:
                nonlocal failures
                failures += row["status"] == "failed"
                shown.update(task, advance=1, failed=failures)

            return done

        yield begin


def print_leaderboards(console: Console, rows: pd.DataFrame, metric: str = "f1") -> None:
    """Print every leaderboard of the rows, its caption, and what did not end well."""
    for title, entries in leaderboard.leaderboards(rows, metric):
        table, left_out = _fitting(console, title, entries)
        console.print(table)
        if left_out:
            console.print(f"This terminal is too narrow for {', '.join(left_out)}: see leaderboard.md.", style="yellow")
        console.print()
    console.print(leaderboard.caption(metric), style="dim", highlight=False)
    for line in leaderboard.problems(rows):
        console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)


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
        table.add_column(name, justify="left" if name in leaderboard.ENTRY else "right", no_wrap=name not in leaderboard.ENTRY)
    for cells in shown.itertuples(index=False):
        table.add_row(*map(escape, cells))
    return table


def _natural_width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=1000)).maximum
