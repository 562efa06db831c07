"""What the sections of a report are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from benchmark.errors import UserError
from benchmark.reporting.leaderboard import Leaderboard
from benchmark.reporting.report.blocks import TableBlock, make_table_block
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.table_view import Table, TableView
from benchmark.results.dataset_record import DatasetRecord
from benchmark.utils.files import read_text
from benchmark.utils.yaml_files import MAX_CHARACTERS, read_yaml


@dataclass(frozen=True, eq=False)
class ReportSource:
    """A results folder, and the metric that its configurations are ranked by.

    Parameters
    ----------
    view : ResultsView
    metric : str
    """

    view: ResultsView
    metric: str

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All rows, with all columns."""
        return self.view.load_rows(metrics=[self.metric])

    @cached_property
    def records(self) -> dict[str, DatasetRecord]:
        """Record of each dataset, by its name in tables."""
        return self.view.records(self.rows)

    @cached_property
    def leaderboards(self) -> list[Table]:
        """Title and ranked table of each group of comparable rows."""
        view = Leaderboard()
        return list(view.make_tables(self.rows, self.metric, self.view.read_predictions))

    @property
    def only_title(self) -> str:
        """Title of the group of comparable rows if there is one group; empty otherwise."""
        titles = [title for title, _ in self.leaderboards]
        return titles[0] if len(titles) == 1 else ""

    @cached_property
    def study(self) -> dict[str, Any]:
        """Content of the study of the last run; empty if it cannot be read."""
        path = self.view.folder.study
        try:
            content = read_yaml(read_text(path, MAX_CHARACTERS, "study"), str(path))
        except UserError:
            return {}
        return content if isinstance(content, dict) else {}

    def list_leaks(self, rows: pd.DataFrame) -> list[str]:
        """List the leaks that some rows note, without repeats."""
        listed = [notes for notes in rows.get("notes", ()) if isinstance(notes, list)]
        leaks = (str(note) for notes in listed for note in notes if note.is_leak)
        return list(dict.fromkeys(leaks))

    def tabulate(self, view: TableView) -> Iterator[TableBlock]:
        """Make the tables of a view; the texts below them are at the last one."""
        if isinstance(view, Leaderboard):
            tables = self.leaderboards
        else:
            tables = list(view.make_tables(self.rows, self.metric, self.view.read_predictions))
        lines = view.describe_tables(self.rows, tables, self.metric) if tables else []
        for k, (title, table) in enumerate(tables, start=1):
            notes = lines if k == len(tables) else []
            text = view.format_table(table)
            if isinstance(view, Leaderboard):
                text = _move_behind(text, "rank", self.metric)
            yield make_table_block(title, text, notes, sortable=len(table) > 2)


def _move_behind(text: pd.DataFrame, first: str, metric: str) -> pd.DataFrame:
    """Move the metric of the ranks behind them, so that a narrow window shows it."""
    if metric not in text:  # its column names the class that it is of
        return text
    others = [name for name in text if name not in (first, metric)]
    return text[[first, metric, *others]]
