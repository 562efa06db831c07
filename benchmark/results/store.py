"""The results database: one row per cell, committed as it ends. Nobody else writes SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Self

import pandas as pd

from benchmark.errors import UserError
from benchmark.results.columns import REQUIRED, Labels
from benchmark.results.database import (
    REMEDY,
    explain_sqlite_errors,
    open_for_writing,
    opened_for_reading,
)
from benchmark.results.folder import ResultsFolder
from benchmark.results.stored_values import StoredValueError, encode_value, read_values
from benchmark.utils.status import Status

_FIRST = ("key", "status", "reason")
EDITED = f"it was edited, or written by another version: {REMEDY}"


class DuplicateKeyError(Exception):
    """There is a row with this key already."""


class StoredRows:
    """Rows of a results folder, to be read only: nothing in the folder is changed.

    ``rows`` holds every outcome ever computed there, by key. ``planned_cells`` holds which key stands for
    which labels now: when code or parameters behind a label change, the label points to the new key
    and the old row stays as history.

    A context manager, to be left when the folder is done with.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UserError
        There are no results in the folder, or its ``results.sqlite`` is something else, corrupted,
        or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = ResultsFolder(folder)
        self.path = self.folder.database
        self._held = ExitStack()
        self._connection = self._open_database()

    def _open_database(self) -> sqlite3.Connection:
        if not self.path.exists() or (self.path.is_file() and not self.path.stat().st_size):
            raise UserError(
                f"no results in {self.folder}: {self.path} does not exist; run a study with --out "
                f"{self.folder} first"
            )
        return self._held.enter_context(opened_for_reading(self.path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    @contextmanager
    def _execute_query(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[sqlite3.Cursor]:
        """Rows of a query, which is over in the end: one that is not read to its end would keep the file locked."""
        with (
            explain_sqlite_errors(self.path),
            closing(self._connection.execute(sql, values)) as cursor,
        ):
            yield cursor

    def statuses_by_key(self) -> dict[str, str]:
        """Key and status of all stored rows."""
        with self._execute_query("SELECT key, status FROM rows") as cursor:
            rows = cursor.fetchall()
        keys = [key for key, _ in rows]
        return dict(
            zip(
                self._decode_values("key", keys, keys),
                self._decode_values("status", [status for _, status in rows], keys),
                strict=True,
            )
        )

    def digests_by_key(self) -> dict[str, str | None]:
        """Key of every row that is 'ok', and the digest of its predictions; None in rows of versions that stored none."""
        column = "predictions" if "predictions" in self._list_columns() else "NULL"
        with self._execute_query(f"SELECT key, {column} FROM rows WHERE status = 'ok'") as cursor:  # noqa: S608  # own names
            rows = cursor.fetchall()
        keys = [key for key, _ in rows]
        return dict(
            zip(
                keys,
                self._decode_values("predictions", [digest for _, digest in rows], keys),
                strict=True,
            )
        )

    def _list_columns(self) -> list[str]:
        with self._execute_query("PRAGMA table_info(rows)") as cursor:
            return [name for _, name, *_ in cursor]

    def read_status_and_end(self, key: str) -> tuple[str, str] | None:
        """Status of a row, and when it ended; None when there is none."""
        with self._execute_query("SELECT status, ended FROM rows WHERE key = ?", (key,)) as cursor:
            return cursor.fetchone()

    def planned_cells(self) -> Iterator[tuple[str, str]]:
        """Labels of every planned cell, as JSON, and its key."""
        with self._execute_query("SELECT identity, key FROM planned") as cursor:
            for text, key in cursor:
                self._decode_values("labels", [text], [key])
                self._decode_values("key", [key], [key])
                yield text, key

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every row, as ``add_row`` took it."""
        with self._execute_query("SELECT * FROM rows") as cursor:
            names = [name for name, *_ in cursor.description]
            for stored in cursor:
                row = dict(zip(names, stored, strict=True))
                values = {
                    name: self._decode_values(name, [value], [row["key"]])[0]
                    for name, value in row.items()
                }
                self._check_required_values(values)
                yield {name: value for name, value in values.items() if value is not None}

    def check_has_planned_cells(self) -> None:
        """Refuse a folder in which no cell is planned: its rows belong to nothing."""
        with self._execute_query("SELECT 1 FROM planned LIMIT 1") as cursor:
            if cursor.fetchone() is None:
                raise UserError(
                    f"{self.path} lists no planned cells; run its study again with --out "
                    f"{self.folder}"
                )

    def to_dataframe(self, columns: Collection[str] | None) -> pd.DataFrame:
        """Rows as ``load_results`` gives them."""
        names = [
            name
            for name in self._list_columns()
            if name not in _FIRST and (columns is None or name in columns)
        ]
        quoted = "".join(f', rows."{name}"' for name in names)
        query = (
            "SELECT identity, planned.key, "  # noqa: S608  # own names
            f"COALESCE(status, 'planned'), COALESCE(reason, ''){quoted} "
            "FROM planned LEFT JOIN rows USING (key)"
        )
        with self._execute_query(query) as cursor:
            chunks = iter(lambda: cursor.fetchmany(1000), [])
            parts = [
                self._chunk_to_dataframe(["labels", *_FIRST, *names], chunk, columns)
                for chunk in chunks
            ]
        if not parts:  # as when a run has just begun
            return pd.DataFrame(columns=[*_FIRST, *Labels.model_fields])
        kept = dict.fromkeys(name for part in parts for name in part)
        filled = [part.dropna(axis=1, how="all") for part in parts]
        return pd.concat(filled, ignore_index=True).reindex(columns=list(kept))

    def _chunk_to_dataframe(
        self, names: list[str], stored: list[tuple[Any, ...]], wanted: Collection[str] | None
    ) -> pd.DataFrame:
        columns = dict(zip(names, zip(*stored, strict=True), strict=True))
        values = {
            name: self._decode_values(name, column, columns["key"])
            for name, column in columns.items()
        }
        labels = pd.DataFrame(values.pop("labels"))
        for name in REQUIRED if wanted is None else set(REQUIRED).intersection(wanted):
            column = values.get(name, [None] * len(stored))
            for row in [k for k, value in enumerate(column) if value is None]:
                self._check_required_values(
                    {"key": values["key"][row], "status": values["status"][row]}, [name]
                )
        return pd.DataFrame(values | labels.to_dict("series"))

    def _decode_values(
        self, name: str, values: Sequence[Any], keys: Sequence[Any]
    ) -> Sequence[Any]:
        try:
            return read_values(name, values)
        except StoredValueError as problem:
            raise UserError(
                f"{self.path}: row {keys[problem.index]!r:.60}: {problem.text}; {EDITED}"
            ) from None

    def _check_required_values(
        self, row: dict[str, Any], required: Iterable[str] = REQUIRED
    ) -> None:
        """Refuse a row that is 'ok' and lacks what such rows have."""
        for name in required if row["status"] == Status.OK else ():
            if row.get(name) is None:
                raise UserError(
                    f"{self.path}: row {row['key']!r:.60} is 'ok' but has no value in column "
                    f"'{name}'; {EDITED}"
                )


class Store(StoredRows):
    """Rows of one results folder, to be added to.

    Parameters
    ----------
    folder : Path
        Made when it does not exist.

    Raises
    ------
    UserError
        The folder cannot be made, or its ``results.sqlite`` is something else, corrupted, or of
        another version.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot make the results folder {folder} ({error.strerror}); name another with "
                "--out"
            ) from None
        super().__init__(folder)
        self._known: set[str] = set()

    def _open_database(self) -> sqlite3.Connection:
        return self._held.enter_context(closing(open_for_writing(self.path)))

    @contextmanager
    def _open_transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; another runner's transaction is waited for."""
        with explain_sqlite_errors(self.path), self._connection:
            yield self._connection

    def record_planned_cells(self, cells: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Record the labels and keys of the cells that are to be run; cells planned earlier stay planned."""
        values = ((json.dumps(identity), key) for identity, key in cells)
        with self._open_transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO planned VALUES (?, ?)", values)

    def merge_planned_cells(self, other: StoredRows) -> None:
        """Plan what another folder has planned; a label that is run in one of the two folders stands for what was run."""
        mine, done = dict(self.planned_cells()), self.statuses_by_key()
        news = [
            (label, key)
            for label, key in other.planned_cells()
            if label not in mine or (key in done and mine[label] not in done)
        ]
        with self._open_transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO planned VALUES (?, ?)", news)

    def add_row(self, row: dict[str, Any], *, replace: bool = False) -> None:
        """Commit one row.

        Raises
        ------
        DuplicateKeyError
            There is a row with this key, and it is not to be replaced.
        StorageError
            The database is full, read-only, or locked for more than a minute.
        """
        values = {name: encode_value(name, value) for name, value in row.items()}
        columns, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        with self._open_transaction() as connection:
            if not self._known.issuperset(values):
                self._add_columns(connection, values)
            if replace:
                connection.execute("DELETE FROM rows WHERE key = ?", (row["key"],))
            try:
                insert = f"INSERT INTO rows ({columns}) VALUES ({marks})"  # noqa: S608  # own names
                connection.execute(insert, list(values.values()))
            except sqlite3.IntegrityError:
                raise DuplicateKeyError(row["key"]) from None

    def _add_columns(self, connection: sqlite3.Connection, names: Iterable[str]) -> None:
        connection.execute(
            "BEGIN IMMEDIATE"
        )  # nobody adds the same column between the look and the change
        self._known = {column[1] for column in connection.execute("PRAGMA table_info(rows)")}
        for name in names:
            if name not in self._known:
                connection.execute(f'ALTER TABLE rows ADD COLUMN "{name}"')
        self._known.update(names)


def load_results(folder: str | Path, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Rows of a results folder, one per planned cell; those not yet run have the status 'planned'.

    Parameters
    ----------
    folder : str or Path
        What ``run`` wrote to.
    columns : iterable of str, optional
        Read these of the columns, and the labels of the cells; all when not given.

    Returns
    -------
    DataFrame
        Columns as in ``results.sqlite``; what is nested (params, environment, per_class, ...) is
        read from its JSON.

    Raises
    ------
    UserError
        There are no results in the folder, or they are corrupted, edited, or of another version.
    """
    with StoredRows(Path(folder)) as stored:
        return stored.to_dataframe(None if columns is None else frozenset(columns))
