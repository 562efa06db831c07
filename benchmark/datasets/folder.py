"""Data sets from folders: a sub-folder a class, train/ and test/ above them if there is an official split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmark.datasets.base import PARTS, Dataset
from benchmark.datasets.listing import Listing, assemble, path_of
from benchmark.datasets.pictures.decoded import MAX_PIXELS
from benchmark.datasets.pictures.options import Options
from benchmark.datasets.pictures.picture import SUFFIXES
from benchmark.errors import UserError


def load_folder(
    name: str,
    data: Path,
    size: int | None,
    *,
    percentiles: tuple[float, float] = (1, 99),
    on_error: str = "raise",
    max_pixels: int = MAX_PIXELS,
) -> Dataset:
    """Load images that lie in class folders.

    ``PATH/CLASS/**/image`` or ``PATH/train/CLASS/**/image`` with ``PATH/test`` and, if wanted, ``PATH/val``. A class may be absent from
    a part, but has an image somewhere. Hidden files and other suffixes are left out, and counted in a note.

    Parameters
    ----------
    name : str
        "folder:PATH", relative to the current folder, or to the data folder if it is only there.
    data : Path
        The data folder; nothing is downloaded.
    size, percentiles, on_error, max_pixels
        See `benchmark.datasets.pictures.options.Options`.

    Raises
    ------
    UserError
        No such folder, no images, an empty class, one class, half a split, unreadable images.
    """
    options = Options(size, percentiles, on_error, max_pixels)
    root = path_of(name, data)
    try:
        listing = _list(name, root)
    except OSError as error:
        raise UserError(f"dataset '{name}': {error.strerror}: '{error.filename}'") from None
    return assemble(name, listing, options)


def _list(name: str, root: Path) -> Listing:
    _refuse_no_folder(name, root)
    folders = _class_folders(name, root)
    found = [(path, folder.name, part) for folder, part in folders for path in _images_below(folder)]
    if not found:
        raise UserError(f"dataset '{name}': no image in any class folder; put {_kinds()} files into PATH/CLASS/")
    paths = [path for path, _, _ in found]
    empty = sorted({folder.name for folder, _ in folders} - {label for _, label, _ in found})
    if empty:
        raise UserError(f"dataset '{name}': class folder without an image ({_kinds()}): {', '.join(empty)}; fill or remove it")
    return Listing(
        paths,
        [str(path) for path in paths],
        [(label,) for _, label, _ in found],
        part=[part for _, _, part in found if part] or None,
        notes=_ignored(root, set(paths)),
    )


def _refuse_no_folder(name: str, root: Path) -> None:
    if not root.exists():
        raise UserError(f"dataset '{name}': no folder '{root}' (looked from {Path.cwd()})")
    if not root.is_dir():
        hint = f"; a table is named csv:{root}" if root.suffix.lower() == ".csv" else ""
        raise UserError(f"dataset '{name}': '{root}' is a file, not a folder{hint}")


def _class_folders(name: str, root: Path) -> list[tuple[Path, str | None]]:
    """List the class folders, each with the part of the official split it is in."""
    top = _folders_in(root)
    parts = {folder.name.lower(): folder for folder in top if folder.name.lower() in PARTS}
    others = [folder.name for folder in top if folder not in parts.values()]
    if not ({"train", "test"} <= set(parts) or (parts and not others)):
        return [(folder, None) for folder in top]
    if others:
        raise UserError(f"dataset '{name}': beside train and test there is {', '.join(others)}; put classes inside them, or remove it")
    missing = {"train", "test"} - set(parts)
    if missing:
        raise UserError(f"dataset '{name}': has {', '.join(parts)} but no {' and no '.join(sorted(missing))}; a split needs train and test")
    return [(folder, part) for part in PARTS if part in parts for folder in _folders_in(parts[part])]


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_hidden(path: Path, below: Path) -> bool:
    return any(step.startswith(".") for step in path.relative_to(below).parts)


def _images_below(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted((path for path in files if not _is_hidden(path, folder)), key=Path.as_posix)


def _kinds() -> str:
    return ", ".join(sorted(SUFFIXES))


def _ignored(root: Path, used: set[Path]) -> tuple[str, ...]:
    """Count the files that are left out, those that look like images apart."""
    rest = [path for path in root.rglob("*") if path.is_file() and path not in used]
    astray = [path for path in rest if path.suffix.lower() in SUFFIXES and not _is_hidden(path, root)]
    suffixes = Counter(path.suffix.lower() or path.name for path in rest if path not in set(astray))
    notes = [f"{_files(len(astray), 'image')} outside the class folders ignored"] if astray else []
    if suffixes:
        notes.append(f"{_files(suffixes.total(), 'other')} ignored ({', '.join(kind for kind, _ in suffixes.most_common(5))})")
    return tuple(notes)


def _files(count: int, kind: str) -> str:
    return f"{count} {kind} file{'s' * (count != 1)}"
