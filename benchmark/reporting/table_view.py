"""Interface of a view, which makes tables of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pandas as pd

from benchmark.scoring.predictions import PredictionReader

Table = tuple[str, pd.DataFrame]  # title and values, at full precision


class TableView(Protocol):
    """One way to tabulate rows; ``text_tables.VIEWS`` is the registry of views."""

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a table for each group of comparable rows.

        Parameters
        ----------
        rows : DataFrame
            As returned by ``load_results``.
        metric : str
        read_predictions : callable (key, digest) -> Predictions, or None
            ``ResultsFolder.read_predictions``; without it, intervals may be missing.

        Raises
        ------
        UserError
            The metric is unknown, or the rows do not allow this view.
        """

    def format_table(self, table: pd.DataFrame, with_intervals: bool = True) -> pd.DataFrame:
        """Format the values of a table as texts, with or without their intervals."""

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """List the texts below the tables: the caption, then one line per footnote."""
