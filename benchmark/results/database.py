"""Open and check the SQLite file of a results folder, and describe its errors."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import StorageError, UserError

# identifies files of this program: another program's database is never written to
APPLICATION_ID = 0x43564431
# to be increased when the meaning of a column changes, or rows that are 'ok' require another column
SCHEMA_VERSION = 3
PATIENCE = 60  # seconds to wait while another runner writes
REMEDY = "restore it from a copy, or run its study again with another --out"
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS rows (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL, ended TEXT
);
CREATE TABLE IF NOT EXISTS planned (identity TEXT PRIMARY KEY, key TEXT NOT NULL);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open a results database, which is created if it does not exist.

    Raises
    ------
    UserError
        The file cannot be created or written, is another program's, of another version, or
        corrupted.
    """
    is_new = not path.exists() or (path.is_file() and path.stat().st_size == 0)
    if not is_new:
        _check_header(path)
    with explain_sqlite_errors(path):
        connection = sqlite3.connect(path, timeout=PATIENCE)
        try:
            if is_new:
                connection.executescript(_SCHEMA)
            _check_version_and_integrity(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def opened_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a results database without changing anything in its folder, which may be read-only.

    An incomplete transaction of a killed runner is rolled back in a copy of the file.

    Raises
    ------
    UserError
        There is no such file, or it is another program's, of another version, or corrupted.
    """
    _check_header(path)
    with explain_sqlite_errors(path), tempfile.TemporaryDirectory(prefix="results-") as folder:
        connection = _open_connection(path)
        try:
            try:
                connection.execute("SELECT 1 FROM sqlite_master").close()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (
                    sqlite3.SQLITE_READONLY,
                    sqlite3.SQLITE_CANTOPEN,
                ):
                    raise
                connection.close()
                for file in path.parent.glob(f"{path.name}*"):
                    shutil.copy(file, folder)
                connection = _open_connection(Path(folder, path.name), "rw")
            _check_version_and_integrity(connection, path)
            yield connection
        finally:
            connection.close()


def _open_connection(path: Path, mode: str = "ro") -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", timeout=PATIENCE, uri=True)


def _check_header(path: Path) -> None:
    """Refuse a file that is not of this program, judged by the header of SQLite's file format."""
    if path.is_dir():
        raise UserError(
            f"{path} is a folder, not a results database; name another folder with --out"
        )
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror})") from None
    if head and head[68:] != APPLICATION_ID.to_bytes(4):
        raise UserError(
            f"{path} is not a results database of this program; name another folder with --out"
        )


def _check_version_and_integrity(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse another version, and a corrupted file; this takes 30 ms for 10,000 rows."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        is_newer = version > SCHEMA_VERSION
        age, advice = (
            ("a newer", "update it")
            if is_newer
            else ("an older", "run its study again with another --out")
        )
        schemas = f"schema {version}, this one reads {SCHEMA_VERSION}"
        raise UserError(
            f"{path} was written by {age} version of this program ({schemas}); {advice}"
        )
    (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise UserError(f"{path} is corrupted ({' '.join(problem.split())}); {REMEDY}")


@contextmanager
def explain_sqlite_errors(path: Path) -> Iterator[None]:
    """Turn the exceptions of SQLite into one-line messages.

    Raises
    ------
    StorageError
        The file is locked, read-only, or the disk is full.
    UserError
        It is corrupted, truncated, or lacks a table or a column.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if _is_storage_problem(error):
            advice = "fix the problem and run the same command again: completed cells are kept"
            raise StorageError(f"cannot write {path} ({error}); {advice}") from error
        raise UserError(
            f"cannot read {path} ({error}): it is corrupted or was edited; {REMEDY}"
        ) from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter from column names
        raise UserError(f"{path} is corrupted or truncated ({error}); {REMEDY}") from None


def _is_storage_problem(error: sqlite3.OperationalError) -> bool:
    codes = ("BUSY", "LOCKED", "READONLY", "FULL", "IOERR", "CANTOPEN", "PERM", "NOMEM")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # errors of the Python module have none
    return code in {getattr(sqlite3, f"SQLITE_{name}") for name in codes}
