"""The results database: one row a cell, committed as it ends. Nobody else writes SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.cell import Cell
from benchmark.errors import UserError

NESTED = ("params", "environment", "per_class", "history", "notes")  # stored as JSON
APPLICATION_ID = 0x43564431  # marks the file as ours: another program's database is never written into
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS planned (identity TEXT PRIMARY KEY, key TEXT NOT NULL);
"""


class DuplicateKeyError(Exception):
    """There is a row with this key already."""


class Store:
    """Rows of one results folder.

    ``rows`` holds every outcome ever computed there, by key. ``planned`` holds which key stands for which labels now:
    when code or parameters behind a label change, the label points to the new key and the old row stays as history.

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
            with self._connection() as connection:
                connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise UserError(f"cannot write {self.path} ({error}); name another folder with --out") from None

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
            yield connection

    def plan(self, cells: Iterable[Cell]) -> None:
        """Record what is meant to be run; cells planned earlier stay planned."""
        values = [(json.dumps(cell.identity), cell.key) for cell in cells]
        with self._connection() as connection:
            connection.executemany("INSERT OR REPLACE INTO planned VALUES (?, ?)", values)

    def statuses(self) -> dict[str, str]:
        """Key and status of all stored rows."""
        with self._connection() as connection:
            return dict(connection.execute("SELECT key, status FROM rows").fetchall())

    def add(self, row: dict[str, Any], *, replace: bool = False) -> None:
        """Commit one row.

        Raises
        ------
        DuplicateKeyError
            There is a row with this key, and it is not to be replaced.
        """
        values = {name: json.dumps(value) if name in NESTED else value for name, value in row.items()}
        columns, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
        with self._connection() as connection:
            known = {column[1] for column in connection.execute("PRAGMA table_info(rows)")}
            for name in [name for name in values if name not in known]:
                connection.execute(f'ALTER TABLE rows ADD COLUMN "{name}"')
            if replace:
                connection.execute("DELETE FROM rows WHERE key = ?", (row["key"],))
            try:
                connection.execute(f"INSERT INTO rows ({columns}) VALUES ({marks})", list(values.values()))  # noqa: S608  # own names
            except sqlite3.IntegrityError:
                raise DuplicateKeyError(row["key"]) from None


def _check_ours(path: Path) -> None:
    """Refuse a file that this program did not make; reading it changes nothing."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            ours = connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    except sqlite3.DatabaseError:
        ours = False
    if not ours and path.stat().st_size:
        raise UserError(f"{path} is not a results database of this program; name another folder with --out")


def load_results(folder: str | Path) -> pd.DataFrame:
    """Rows of a results folder, one a planned cell; those not yet run have the status 'planned'.

    Parameters
    ----------
    folder : str or Path
        What ``run`` wrote to.

    Returns
    -------
    DataFrame
        Columns as in ``results.sqlite``; params, environment, per_class, history and notes are read from their JSON.

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
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            connection.row_factory = sqlite3.Row
            planned = [(json.loads(identity), key) for identity, key in connection.execute("SELECT identity, key FROM planned")]
            rows = {row["key"]: dict(row) for row in connection.execute("SELECT * FROM rows")}
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} is not a results database of this program: {error}") from None
    unknown = {"status": "planned", "reason": ""}
    return pd.DataFrame([{"key": key, **unknown, **_read(rows.get(key, {})), **identity} for identity, key in planned])


def _read(row: dict[str, Any]) -> dict[str, Any]:
    return {name: json.loads(value) if name in NESTED and value else value for name, value in row.items()}
