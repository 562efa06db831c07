"""Add rows to a results folder, and load them; each row is committed as soon as its cell ends."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.errors import UserError
from benchmark.results.database import explain_sqlite_errors, open_for_writing
from benchmark.results.stored_rows import StoredRows
from benchmark.results.stored_values import encode_value


class DuplicateKeyError(Exception):
    """A row with this key is stored already."""


class Store(StoredRows):
    """Rows of a results folder, which can be added to.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.

    Raises
    ------
    UserError
        The folder cannot be created, or its ``results.sqlite`` is another program's file,
        corrupted, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot create the results folder {folder} ({error.strerror}); name another one "
                "with --out"
            ) from None
        super().__init__(folder)
        self._known_columns: set[str] = set()

    def _open_database(self) -> sqlite3.Connection:
        return self._resources.enter_context(closing(open_for_writing(self.path)))

    @contextmanager
    def _open_transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all statements of this block or none; wait for transactions of other runners."""
        with explain_sqlite_errors(self.path), self._connection:
            yield self._connection

    def record_planned_cells(self, cells: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Record the labels and keys of planned cells; cells planned earlier remain planned."""
        values = ((json.dumps(identity), key) for identity, key in cells)
        with self._open_transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO planned VALUES (?, ?)", values)

    def merge_planned_cells(self, other: StoredRows) -> None:
        """Record the planned cells of another folder, too.

        Where both folders have planned a label with different keys, the key that has a row is used.
        """
        planned, stored = dict(self.planned_cells()), self.statuses_by_key()
        added = [
            (label, key)
            for label, key in other.planned_cells()
            if label not in planned or (key in stored and planned[label] not in stored)
        ]
        with self._open_transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO planned VALUES (?, ?)", added)

    def add_row(self, row: dict[str, Any], *, replace: bool = False) -> None:
        """Commit one row.

        Parameters
        ----------
        row : dict
            Values by column; see ``benchmark.results.columns``.
        replace : bool
            Whether to replace a row with the same key.

        Raises
        ------
        DuplicateKeyError
            There is a row with this key, and ``replace`` is False.
        StorageError
            The database is full, read-only, or locked for more than a minute.
        """
        values = {name: encode_value(name, value) for name, value in row.items()}
        columns, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        with self._open_transaction() as connection:
            if not self._known_columns.issuperset(values):
                self._add_columns(connection, values)
            if replace:
                connection.execute("DELETE FROM rows WHERE key = ?", (row["key"],))
            try:
                insert = f"INSERT INTO rows ({columns}) VALUES ({marks})"  # noqa: S608  # own names
                connection.execute(insert, list(values.values()))
            except sqlite3.IntegrityError:
                raise DuplicateKeyError(row["key"]) from None

    def _add_columns(self, connection: sqlite3.Connection, names: Iterable[str]) -> None:
        # lock first, so that no other runner adds the same column after it was found missing
        connection.execute("BEGIN IMMEDIATE")
        table = connection.execute("PRAGMA table_info(rows)")
        self._known_columns = {column[1] for column in table}
        for name in names:
            if name not in self._known_columns:
                connection.execute(f'ALTER TABLE rows ADD COLUMN "{name}"')
        self._known_columns.update(names)


def load_results(folder: str | Path, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Load the rows of a results folder, one per planned cell.

    Cells that have not been run have the status 'planned'.

    Parameters
    ----------
    folder : str or Path
        Results folder that ``run`` has written.
    columns : iterable of str, optional
        Columns to load in addition to the labels of the cells; all by default.

    Returns
    -------
    DataFrame
        Columns as in ``results.sqlite``; nested values (params, environment, per_class, ...) are
        decoded from JSON. ``python -m benchmark list columns`` describes them.

    Raises
    ------
    UserError
        There are no results in the folder, or they are corrupted, edited, or of another version.

    See Also
    --------
    benchmark.run : Evaluate a study, and return its rows.

    Examples
    --------
    >>> import tempfile
    >>> from benchmark import load_results, load_study, run
    >>> study = load_study("digits", extractors=["pixels"], models=["majority"], split="holdout")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run(study, out=folder)
    ...     rows = load_results(folder, columns=["accuracy"])
    >>> list(rows["status"])
    ['ok']
    """
    with StoredRows(Path(folder)) as stored:
        return stored.to_dataframe(None if columns is None else frozenset(columns))
