"""What a view of the rows is: how tables are made of them, and what stands below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pandas as pd

Table = tuple[str, pd.DataFrame]  # title, and values with every digit


class TableView(Protocol):
    """One way to tabulate rows; ``text_tables.VIEWS`` holds them by name, and writers know no other."""

    def make_tables(self, rows: pd.DataFrame, metric: str) -> Iterator[Table]:
        """Yield a title and a table for each group of rows that can be compared.

        Parameters
        ----------
        rows : DataFrame
            As ``load_results`` gives them.
        metric : str

        Raises
        ------
        UserError
            There is no such metric, or the rows do not allow this view.
        """

    def format_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Turn a table into texts for people."""

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """List what the reader of the tables must know: the caption first, then a line each."""
