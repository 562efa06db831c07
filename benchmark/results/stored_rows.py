"""Read the rows of a results folder; only this module and ``store`` contain SQL statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Self

import pandas as pd

from benchmark.errors import UserError
from benchmark.results.columns import REQUIRED, Labels
from benchmark.results.database import REMEDY, explain_sqlite_errors, opened_for_reading
from benchmark.results.folder import ResultsFolder
from benchmark.results.stored_values import StoredValueError, read_values
from benchmark.utils.status import Status

_FIRST = ("key", "status", "reason")
EDITED = f"it was edited, or written by another version: {REMEDY}"


class StoredRows:
    """Read-only access to the rows of a results folder; a context manager that closes the database.

    The table ``rows`` holds every outcome that was ever computed in the folder, by key. The table
    ``planned`` holds the current key of every cell's labels: when the code or the parameters behind
    a label change, the label gets the new key, and the old row remains as history.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UserError
        There are no results in the folder, or its ``results.sqlite`` is another program's file,
        corrupted, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = ResultsFolder(folder)
        self.path = self.folder.database
        self._resources = ExitStack()
        self._connection = self._open_database()

    def _open_database(self) -> sqlite3.Connection:
        if not self.path.exists() or (self.path.is_file() and not self.path.stat().st_size):
            raise UserError(
                f"no results in {self.folder}: {self.path} does not exist; run a study with --out "
                f"{self.folder} first"
            )
        return self._resources.enter_context(opened_for_reading(self.path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @contextmanager
    def _execute_query(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[sqlite3.Cursor]:
        """Execute a query, and close its cursor: an unfinished query would keep the file locked."""
        with (
            explain_sqlite_errors(self.path),
            closing(self._connection.execute(sql, values)) as cursor,
        ):
            yield cursor

    def statuses_by_key(self) -> dict[str, str]:
        """Return the status of every stored row by its key."""
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
        """Return the digest of the predictions of every row with the status 'ok' by its key.

        The digest is None in rows of versions that did not store it.
        """
        column = "predictions" if "predictions" in self._list_columns() else "NULL"
        query = f"SELECT key, {column} FROM rows WHERE status = 'ok'"  # noqa: S608  # own names
        with self._execute_query(query) as cursor:
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
        """Return the status of a row and when its cell ended; None when there is no such row."""
        with self._execute_query("SELECT status, ended FROM rows WHERE key = ?", (key,)) as cursor:
            return cursor.fetchone()

    def planned_cells(self) -> Iterator[tuple[str, str]]:
        """Yield the labels of every planned cell, as JSON, and its key."""
        with self._execute_query("SELECT identity, key FROM planned") as cursor:
            for text, key in cursor:
                self._decode_values("labels", [text], [key])
                self._decode_values("key", [key], [key])
                yield text, key

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every row as a dict, as it was given to ``Store.add_row``."""
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
        """Check that cells are planned in this folder; otherwise its rows belong to no cell.

        Raises
        ------
        UserError
            No cell is planned.
        """
        with self._execute_query("SELECT 1 FROM planned LIMIT 1") as cursor:
            if cursor.fetchone() is None:
                raise UserError(
                    f"{self.path} lists no planned cells; run its study again with --out "
                    f"{self.folder}"
                )

    def to_dataframe(self, columns: Collection[str] | None) -> pd.DataFrame:
        """Return one row per planned cell; see ``load_results``."""
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
            frames = [
                self._chunk_to_dataframe(["labels", *_FIRST, *names], chunk, columns)
                for chunk in chunks
            ]
        if not frames:  # as when a run has just begun
            return pd.DataFrame(columns=[*_FIRST, *Labels.model_fields])
        all_columns = dict.fromkeys(name for frame in frames for name in frame)
        filled = [frame.dropna(axis=1, how="all") for frame in frames]
        return pd.concat(filled, ignore_index=True).reindex(columns=list(all_columns))

    def _chunk_to_dataframe(
        self, names: list[str], stored: list[tuple[Any, ...]], wanted: Collection[str] | None
    ) -> pd.DataFrame:
        """Decode rows of ``to_dataframe``'s query, and check that required values are present."""
        columns = dict(zip(names, zip(*stored, strict=True), strict=True))
        values = {
            name: self._decode_values(name, column, columns["key"])
            for name, column in columns.items()
        }
        labels = pd.DataFrame(values.pop("labels"))
        for name in REQUIRED if wanted is None else set(REQUIRED).intersection(wanted):
            column = values.get(name, [None] * len(stored))
            for k in [k for k, value in enumerate(column) if value is None]:
                self._check_required_values(
                    {"key": values["key"][k], "status": values["status"][k]}, [name]
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
        """Refuse a row with the status 'ok' that lacks a value that such rows must have."""
        for name in required if row["status"] == Status.OK else ():
            if row.get(name) is None:
                raise UserError(
                    f"{self.path}: row {row['key']!r:.60} is 'ok' but has no value in column "
                    f"'{name}'; {EDITED}"
                )
