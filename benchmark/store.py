"""The results database: one row a cell, committed as it ends. Nobody else writes SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import pandas as pd

from benchmark.cell import Cell
from benchmark.errors import StorageError, UserError

NESTED = ("params", "environment", "matrices", "per_class", "history", "notes")  # stored as JSON
_FIRST = ("key", "status", "reason")
_PATIENCE = 60  # seconds to wait while another runner writes
APPLICATION_ID = 0x43564431  # marks the file as ours: another program's database is never written into
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL, ended TEXT);
CREATE TABLE IF NOT EXISTS planned (identity TEXT PRIMARY KEY, key TEXT NOT NULL);
"""


class DuplicateKeyError(Exception):
    """There is a row with this key already."""


class Store:
    """Rows of one results folder.

    ``rows`` holds every outcome ever computed there, by key. ``planned`` holds which key stands for which labels now:
    when code or parameters behind a label change, the label points to the new key and the old row stays as history.

    A context manager, to be left when the folder is done with.

    Parameters
    ----------
    folder : Path
        Made when it does not exist.

    Raises
    ------
    UserError
        The folder cannot be made, or its ``results.sqlite`` is something else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "results.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the results folder {folder} ({error.strerror}); name another with --out") from None
        if self.path.exists():
            _check_ours(self.path)
        try:
            self._connection = sqlite3.connect(self.path, timeout=_PATIENCE)
            self._connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise UserError(f"cannot write {self.path} ({error}); name another folder with --out") from None
        self._known: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; another runner's transaction is waited for."""
        try:
            with self._connection:
                yield self._connection
        except sqlite3.OperationalError as error:
            raise StorageError(f"cannot write {self.path} ({error}); mend that and run again: what is done is kept") from error

    def plan(self, cells: Iterable[Cell]) -> None:
        """Record what is meant to be run; cells planned earlier stay planned."""
        values = ((json.dumps(cell.identity), cell.key) for cell in cells)
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO planned VALUES (?, ?)", values)

    def statuses(self) -> dict[str, str]:
        """Key and status of all stored rows."""
        with self._transaction() as connection:
            return dict(connection.execute("SELECT key, status FROM rows"))

    def ending(self, key: str) -> tuple[str, str] | None:
        """Status of a row, and when it ended; None when there is none."""
        with self._transaction() as connection:
            return connection.execute("SELECT status, ended FROM rows WHERE key = ?", (key,)).fetchone()

    def planned(self) -> Iterator[tuple[str, str]]:
        """Labels of every planned cell, as JSON, and its key."""
        yield from self._connection.execute("SELECT identity, key FROM planned")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every row, as ``add`` took it."""
        found = self._connection.execute("SELECT * FROM rows")
        names = [name for name, *_ in found.description]
        for values in found:
            row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            yield row | {name: _parsed(row[name]) for name in NESTED if name in row}

    def adopt(self, other: Store) -> None:
        """Plan what another folder has planned; a label that is run in one of the two folders stands for what was run."""
        mine, done = dict(self.planned()), self.statuses()
        news = [(label, key) for label, key in other.planned() if label not in mine or (key in done and mine[label] not in done)]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO planned VALUES (?, ?)", news)

    def add(self, row: dict[str, Any], *, replace: bool = False) -> None:
        """Commit one row.

        Raises
        ------
        DuplicateKeyError
            There is a row with this key, and it is not to be replaced.
        StorageError
            The database is full, read-only, or locked for more than a minute.
        """
        values = {name: json.dumps(value) if name in NESTED else value for name, value in row.items()}
        columns, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        with self._transaction() as connection:
            if not self._known.issuperset(values):
                self._add_columns(connection, values)
            if replace:
                connection.execute("DELETE FROM rows WHERE key = ?", (row["key"],))
            try:
                connection.execute(f"INSERT INTO rows ({columns}) VALUES ({marks})", list(values.values()))  # noqa: S608  # own names
            except sqlite3.IntegrityError:
                raise DuplicateKeyError(row["key"]) from None

    def _add_columns(self, connection: sqlite3.Connection, names: Iterable[str]) -> None:
        connection.execute("BEGIN IMMEDIATE")  # nobody adds the same column between the look and the change
        self._known = {column[1] for column in connection.execute("PRAGMA table_info(rows)")}
        for name in names:
            if name not in self._known:
                connection.execute(f'ALTER TABLE rows ADD COLUMN "{name}"')
        self._known.update(names)


def _check_ours(path: Path) -> None:
    """Refuse a file that this program did not make, by the header of SQLite's file format; reading it changes nothing."""
    with path.open("rb") as file:
        head = file.read(72)
    if head and head[68:] != APPLICATION_ID.to_bytes(4):
        raise UserError(f"{path} is not a results database of this program; name another folder with --out")


def load_results(folder: str | Path, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Rows of a results folder, one a planned cell; those not yet run have the status 'planned'.

    Parameters
    ----------
    folder : str or Path
        What ``run`` wrote to.
    columns : iterable of str, optional
        Read these of the columns, and the labels of the cells; all when not given.

    Returns
    -------
    DataFrame
        Columns as in ``results.sqlite``; what is nested (params, environment, per_class, ...) is read from its JSON.

    Raises
    ------
    UserError
        There are no results in the folder.
    """
    path = Path(folder) / "results.sqlite"
    if not path.is_file():
        raise UserError(f"no results in {folder}: {path} does not exist; run a study with --out {folder} first")
    _check_ours(path)
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE)) as connection:
            names = [name for _, name, *_ in connection.execute("PRAGMA table_info(rows)")]
            names = [name for name in names if name not in _FIRST and (columns is None or name in columns)]
            quoted = "".join(f', rows."{name}"' for name in names)
            found = connection.execute(
                "SELECT identity, planned.key, COALESCE(status, 'planned'), COALESCE(reason, '')"  # noqa: S608  # own names
                f"{quoted} FROM planned LEFT JOIN rows USING (key)"
            )
            parts = [_frame(["identity", *_FIRST, *names], part) for part in iter(lambda: found.fetchmany(1000), [])]
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    columns = dict.fromkeys(name for part in parts for name in part)
    rows = pd.concat([part.dropna(axis=1, how="all") for part in parts] or [pd.DataFrame(columns=list(_FIRST))], ignore_index=True)
    return rows.reindex(columns=list(columns or _FIRST))


def _frame(names: list[str], found: list[tuple[Any, ...]]) -> pd.DataFrame:
    values = dict(zip(names, zip(*found, strict=True), strict=True))
    read = {name: [_parsed(text) for text in column] if name in NESTED else column for name, column in values.items()}
    labels = pd.DataFrame([{"occlusion": "none", **json.loads(text)} for text in read.pop("identity")])  # older folders lack that axis
    return pd.DataFrame(read | labels.to_dict("series"))


@lru_cache(maxsize=256)
def _parsed(text: str | None) -> Any:
    """What a text of JSON says; equal texts, as those of an environment, share one answer."""
    return json.loads(text) if text else None
