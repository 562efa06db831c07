"""Reading and writing files: atomic writes, bounded reads, paths in any Unicode form."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from benchmark.errors import StorageError, UserError
from benchmark.utils.text import normalize_unicode, shorten_text

OURS = r"([0-9a-f]{16,20}|study|environment|leaderboard|[\w.-]+-[0-9a-f]{16}|probe)"
TEMPORARY = re.compile(rf"\.{OURS}\.\w+\.\w+\.part")  # .<name>.<suffix>.<random>.part


_may_write = True


def forbid_writing() -> None:
    """Forbid this process to write files, because a plug-in has forked it from its worker."""
    global _may_write
    _may_write = False


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file atomically: to a temporary file that then replaces it.

    On an error, the temporary file is removed and an existing file is kept. Only a process that is
    killed leaves its temporary file behind; ``Claims.remove_leftovers`` removes it.

    Parameters
    ----------
    path : Path
        Its folder is created if it is missing.
    write : callable (file)
        Writes the content to a binary file.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    with translate_storage_errors(path):
        temporary = create_temporary(path)
        try:
            with temporary.open("wb") as file:
                write(file)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def create_temporary(path: Path) -> Path:
    """Create an empty temporary file that can replace ``path`` when it is complete.

    If its process is killed, ``Claims.remove_leftovers`` removes it. The folder is created if it
    is missing.
    """
    if not _may_write:
        os._exit(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    Path(temporary).chmod(0o644)
    return Path(temporary)


@contextmanager
def translate_storage_errors(path: Path) -> Iterator[None]:
    """Raise an ``OSError`` of this block, in which ``path`` is written, as a ``StorageError``."""
    try:
        yield
    except OSError as error:
        why = "the disk is full" if _is_full(path.parent) else error.strerror or error
        raise StorageError(
            f"cannot write {path} ({why}); fix the problem and run the same command again: "
            "completed cells are kept"
        ) from error


def check_output_path(path: Path, suffix: str, begins: str) -> None:
    """Refuse a path that a file must not be written to, before the work for it is done.

    Parameters
    ----------
    path : Path
    suffix : str
        What its name must end in, such as ``.html``.
    begins : str
        What an existing file must begin with, so that no file of another kind is lost.

    Raises
    ------
    UserError
        The name has another suffix, there is a folder, a device or a file of another kind, or the
        folder above cannot be written to.
    """
    if path.suffix.lower() != suffix:
        raise UserError(f"cannot write {path}: its name must end in {suffix}")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    if path.exists() and (not path.is_file() or not _begins_with(path, begins)):
        raise UserError(
            f"cannot write {path}: there is a file of another kind, which would be lost; name "
            "another, or remove it"
        )
    if problem := find_folder_problem(path):
        raise UserError(f"cannot write {path}: {problem}")


def find_folder_problem(path: Path) -> str:
    """Say why a file cannot be created at a path, because of a folder above; empty if it can."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if folder.is_dir() and os.access(folder, os.W_OK):
        return ""
    reason = "a folder that cannot be written to" if folder.is_dir() else "a file, not a folder"
    return f"{folder} is {reason}"


def _begins_with(path: Path, text: str) -> bool:
    expected = text.encode()
    with path.open("rb") as file:
        return file.read(len(expected)).lower() == expected.lower()


def check_writable(folder: Path) -> None:
    """Check that 1 MB can be written into a folder, with a file that is removed again.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    path = folder / "probe.tmp"
    write_atomic(path, lambda file: file.write(bytes(2**20)))
    path.unlink(missing_ok=True)


def _is_full(folder: Path) -> bool:
    return (
        folder.is_dir()
        and shutil.disk_usage(folder).total > 0
        and shutil.disk_usage(folder).free < 2**20
    )


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_atomic(path, lambda file: file.write(text.encode()))


class PathFinder:
    """Find files whose names have another Unicode form on disk than in a text.

    The listings of folders are cached.

    Examples
    --------
    >>> PathFinder().find(Path("no/such/file.png")).as_posix()
    'no/such/file.png'
    """

    def __init__(self) -> None:
        self._listings: dict[str, dict[str, str]] = {}

    def find(self, path: Path) -> Path:
        """Return the existing path of this name, or the path with those folders that exist."""
        if os.path.lexists(path) or str(path).isascii():
            return path
        here = Path(path.anchor)
        for step in path.parts[len(here.parts) :]:
            if not os.path.lexists(here / step):
                step = self._list_folder(here).get(normalize_unicode(step), step)
            here = here / step
        return here

    def _list_folder(self, folder: Path) -> dict[str, str]:
        """Return the names in a folder by their composed form."""
        key = str(folder)
        if key not in self._listings:
            try:
                self._listings[key] = {
                    normalize_unicode(path.name): path.name for path in sorted(folder.iterdir())
                }
            except (OSError, ValueError):
                self._listings[key] = {}
        return self._listings[key]


def user_path(path: str | Path) -> Path:
    """Expand ``~`` in a path that a user wrote, and return it in the Unicode form on disk.

    Raises
    ------
    UserError
        The user in ``~name`` does not exist, the name is not valid for a file, or a folder of the
        path cannot be read.
    """
    try:
        whole = Path(path).expanduser()
        whole.exists()
        return PathFinder().find(whole)
    except RuntimeError:
        raise UserError(f"{path}: there is no user of this name; write the whole path") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot use the path {shorten_text(str(path), 300)}: {why}") from None


def read_bytes(path: Path, most: int, what: str) -> bytes:
    """Read a file of at most ``most`` bytes; no more is read of a larger or endless one.

    Parameters
    ----------
    path : Path
    most : int
    what : str
        Role of the file in messages, such as 'study'.

    Raises
    ------
    UserError
        The file does not exist, cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read the {what} {path}: {why}") from None
    if len(content) > most:
        raise UserError(f"the {what} {path} is larger than {most:,} bytes")
    return content


def read_text(path: Path, most: int, what: str) -> str:
    """Read a UTF-8 text file of at most ``most`` bytes; see ``read_bytes``.

    Raises
    ------
    UserError
        As in ``read_bytes``, or the file is not UTF-8.
    """
    try:
        return read_bytes(path, most, what).decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"cannot read the {what} {path}: byte {error.start} is not UTF-8 text"
        ) from None
