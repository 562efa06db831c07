"""Uploaded files: moved to a private folder, unpacked if they are zip files, and deleted."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmark.datasets.tree import is_hidden, is_system
from benchmark.errors import UserError
from benchmark.utils.text import one_line

ZIP = ".zip"
MAX_FILES = 2_000  # in one upload
MAX_UNPACKED_BYTES = 500 * 2**20  # of the zip files in one upload
MAX_READ_BYTES = 2**22  # at once from a zip file, such as its list of files
READABLE_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks others unbounded
ENCRYPTED = 1  # flag of a file in a zip file
SYSTEM_FILES = ("thumbs.db", "desktop.ini")
OUTSIDE = re.compile(r"^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)")
TOO_MANY = f"more than {MAX_FILES:,} files: upload fewer at once"


@dataclass(frozen=True)
class UploadedFile:
    """A file that was uploaded, alone, in a folder or in a zip file.

    Parameters
    ----------
    name : str
        Its name as the sender wrote it, with the folders above it.
    path : Path
        Where it is now.
    problem : str
        Why it could not be unpacked; empty if it could.
    """

    name: str
    path: Path
    problem: str = ""

    def delete(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


@contextmanager
def take_uploads(
    paths: Sequence[Path], uploads: Path, names: MutableMapping[str, str]
) -> Iterator[list[UploadedFile]]:
    """Take uploaded files out of the folder of uploads, and delete them at the end.

    They are moved, so that they are not deleted for their age while others are read.

    Parameters
    ----------
    paths : sequence of Path
        Each file is alone in a folder in ``uploads``.
    uploads : Path
    names : mutable mapping of str to str
        Names of files as the sender wrote them, by the name of the folder; they are removed.

    Yields
    ------
    list of UploadedFile
        In the order of the upload, a folder sorted by name. Without the files that operating
        systems add; the files of a zip file instead of it.

    Raises
    ------
    UserError
        A file was not uploaded, there are too many files or none, or a zip file is refused.
    """
    with tempfile.TemporaryDirectory(dir=uploads, prefix="reading-") as folder:
        received = [
            _take_upload(path, uploads, Path(folder) / str(k), names)
            for k, path in enumerate(paths)
        ]
        if any("/" in file.name for file in received):  # browsers list a folder in no order
            received.sort(key=lambda file: file.name)
        yield _list_files(received, Path(folder))


def is_single_image(files: Sequence[UploadedFile], paths: Sequence[Path]) -> bool:
    """Whether one image was uploaded, not a folder or a zip file that holds one."""
    return len(files) == len(paths) == 1 and "/" not in files[0].name and not _is_zip(paths[0])


def _take_upload(
    path: Path, uploads: Path, folder: Path, names: MutableMapping[str, str]
) -> UploadedFile:
    name = names.pop(path.parent.name, path.name)
    if path.parent.parent != uploads:
        raise UserError("this file was not uploaded here")
    folder.mkdir()
    target = folder / path.name
    try:
        path.rename(target)
    except OSError:
        raise UserError(f"{name} is missing: upload it again") from None
    shutil.rmtree(path.parent, ignore_errors=True)
    return UploadedFile(name, target)


def _list_files(received: Sequence[UploadedFile], folder: Path) -> list[UploadedFile]:
    files: list[UploadedFile] = []
    n_unpacked = 0
    for k, file in enumerate(received):
        if _is_ignored(file.name):
            continue
        if not _is_zip(file.path) or "/" in file.name:  # a zip file in a folder is not unpacked
            files.append(file)
            continue
        prefix = f"{file.name}/" if len(received) > 1 else ""
        unpacked = list(_unpack(file, folder / f"unpacked-{k}", MAX_UNPACKED_BYTES - n_unpacked))
        n_unpacked += sum(each.path.stat().st_size for each in unpacked if not each.problem)
        files += [UploadedFile(prefix + each.name, each.path, each.problem) for each in unpacked]
        file.delete()
    if len(files) > MAX_FILES:
        raise UserError(TOO_MANY)
    if not files:
        raise UserError("there are no files in this upload")
    return _number_repeated_names(files)


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ZIP


def _is_ignored(name: str) -> bool:
    """Whether a file is hidden, or of an operating or storage system, such as __MACOSX."""
    parts = re.split(r"[/\\]", name)
    return parts[-1].casefold() in SYSTEM_FILES or any(
        is_hidden(part) or is_system(part) for part in parts
    )


def _number_repeated_names(files: Sequence[UploadedFile]) -> list[UploadedFile]:
    """Append ' (2)' and so on to a name that an earlier file has."""
    counts: dict[str, int] = {}
    numbered = []
    for file in files:
        counts[file.name] = n = counts.get(file.name, 0) + 1
        name = f"{file.name} ({n})" if n > 1 else file.name
        numbered.append(UploadedFile(name, file.path, file.problem))
    return numbered


def _unpack(file: UploadedFile, folder: Path, max_bytes: int) -> Iterator[UploadedFile]:
    """Unpack a zip file into files that are named by their numbers."""
    folder.mkdir()
    with _BoundedFile(file.path) as content, _open_zip(content, file.name) as archive:
        members = [each for each in archive.infolist() if not each.is_dir()]
        _check_members(file.name, members, max_bytes)
        for k, member in enumerate(each for each in members if not _is_ignored(each.filename)):
            path = folder / f"{k}{Path(member.filename).suffix[:20]}"
            yield UploadedFile(member.filename, path, _unpack_member(archive, member, path))


def _open_zip(content: _BoundedFile, name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(content)
    except UserError:
        raise
    except Exception as error:  # zipfile raises errors of many types
        raise UserError(f"cannot read {name}: {one_line(str(error), 200)}") from None


def _check_members(name: str, members: Sequence[zipfile.ZipInfo], max_bytes: int) -> None:
    if len(members) > MAX_FILES:
        raise UserError(f"{name} holds {TOO_MANY}")
    size = sum(member.file_size for member in members)
    if size > max_bytes:
        raise UserError(
            f"{name} is refused: its files take {size / 2**20:,.0f} MB when unpacked, and at most "
            f"{max_bytes >> 20:,} MB are unpacked at once"
        )
    for member in members:
        if OUTSIDE.search(member.filename):
            raise UserError(
                f"{name} is refused: its file {member.filename!r} would be written outside of it"
            )
        if member.flag_bits & ENCRYPTED:
            raise UserError(f"{name} is encrypted: unpack it, and upload the images")


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> str:
    """Unpack a file, and return the problem, if there is one."""
    if member.compress_type not in READABLE_METHODS:
        return "it is compressed by another method than deflate, which zip files usually have"
    try:
        # no more is read than the size that was checked: zipfile stops there
        with archive.open(member) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 2**20)
    except Exception as error:  # zipfile and zlib raise errors of many types
        path.unlink(missing_ok=True)
        return f"it cannot be unpacked: {one_line(str(error) or type(error).__name__, 200)}"
    return ""


class _BoundedFile(io.FileIO):
    """File that is never read into memory as a whole, as zipfile reads the list of its files."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read bytes; refuse to read very many."""
        bounded = size is not None and 0 <= size <= MAX_READ_BYTES
        content = super().read(size if bounded else MAX_READ_BYTES + 1)
        if len(content) > MAX_READ_BYTES:
            raise UserError(f"the zip file holds {TOO_MANY}")
        return content
