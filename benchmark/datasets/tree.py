"""List the image files below a folder, in one pass that follows links."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.datasets.images.picture import SUFFIXES
from benchmark.utils.text import normalize_unicode

# folders that operating systems, network storage and tools create for previews, recycle bins and
# snapshots; on network storage, names that begin with @ are used too (@eaDir, @sharesnap)
SYSTEM_FOLDERS = frozenset(
    {
        "#recycle", "#snapshot", "~snapshot",
        "__macosx", "__pycache__", "lost+found", "$recycle.bin", "recycler", "recycled",
        "system volume information", "network trash folder", "temporary items", "found.000",
        "thumbnails",
    }
)  # fmt: skip


@dataclass
class Tree:
    """The files below a folder.

    Parameters
    ----------
    images : list of Path
        Image files sorted by path, including links to missing images, which are unreadable.
    others : Counter
        Number of other and of hidden files, by suffix.
    system : Counter
        Number of files in folders of the operating or storage system, by name of the folder.
    broken : list of Path
        Links to a missing target or to a parent folder.
    """

    images: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    system: Counter[str] = field(default_factory=Counter)
    broken: list[Path] = field(default_factory=list)

    def add_counts(self, tree: Tree) -> None:
        """Add the ignored files of another tree."""
        self.others += tree.others
        self.system += tree.system
        self.broken += tree.broken


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden by its name."""
    return name.startswith(".")


def is_system(name: str) -> bool:
    """Whether a folder belongs to the operating or storage system, by its name."""
    return name.startswith("@") or name.casefold() in SYSTEM_FOLDERS


def list_tree(folder: Path) -> Tree:
    """List all files below a folder.

    Links to folders are followed, but each folder is listed only once. Images in hidden folders and
    in those of the storage system are not listed.

    Raises
    ------
    OSError
        A folder cannot be read.
    """
    tree = Tree()
    above = _identify_ancestors(folder)
    visited: set[tuple[int, int]] = set()
    pending, links = [str(folder)], list[str]()
    while pending or links:
        here = pending.pop() if pending else links.pop()
        identity = _identify_folder(here)
        if identity in above:  # it contains the images of other classes
            tree.broken.append(Path(here))
        if identity in above or identity in visited:
            continue
        visited.add(identity)
        for entry in _scan_visible_entries(here, tree):
            if not _is_folder(entry):
                _add_file(tree, entry)
            else:
                (links if entry.is_symlink() else pending).append(entry.path)
    tree.images.sort(key=lambda path: normalize_unicode(path.as_posix()))
    return tree


def _identify_ancestors(folder: Path) -> set[tuple[int, int]]:
    """Identify the parents of a folder, and those of its target if it is a link."""
    listed_in = folder.parent.resolve()
    return {
        _identify_folder(parent)
        for parent in (listed_in, *listed_in.parents, *folder.resolve().parents)
    }


def _identify_folder(folder: str | Path) -> tuple[int, int]:
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def list_folder(folder: Path) -> tuple[list[Path], Tree]:
    """List the sub-folders of a folder and the files directly inside it.

    Links to the folder itself or to a parent do not count as sub-folders.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    tree, folders = Tree(), list[Path]()
    above = {_identify_folder(folder), *_identify_ancestors(folder)}
    for entry in _scan_visible_entries(str(folder), tree):
        if _is_folder(entry):
            kind = tree.broken if _identify_folder(entry.path) in above else folders
            kind.append(Path(entry.path))
        else:
            _add_file(tree, entry)
    return sorted(folders, key=lambda path: normalize_unicode(path.name)), tree


def _scan_visible_entries(folder: str, tree: Tree) -> Iterator[os.DirEntry[str]]:
    """Yield the visible entries of a folder; count hidden files and those in system folders."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        counter = None
        if _is_folder(entry) and is_system(entry.name):
            counter = tree.system
        elif is_hidden(entry.name):
            counter = tree.others
        if counter is None:
            yield entry
        elif entry.is_dir(follow_symlinks=False):
            for _, _, files in os.walk(entry.path):
                counter.update(
                    [entry.name] * len(files)
                    if counter is tree.system
                    else map(_describe_suffix, files)
                )
        elif counter is tree.others:
            counter[_describe_suffix(entry.name)] += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # DirEntry raises an error on circular links
    return Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()


def _add_file(tree: Tree, entry: os.DirEntry[str]) -> None:
    path = Path(entry.path)
    is_image = path.suffix.lower() in SUFFIXES
    if path.is_file() or (is_image and entry.is_symlink()):
        if is_image:
            tree.images.append(path)
            return
    elif entry.is_symlink():
        tree.broken.append(path)
        return
    tree.others[_describe_suffix(entry.name)] += 1


def _describe_suffix(name: str) -> str:
    return Path(name).suffix.lower() or (name if is_hidden(name) else "without a suffix")
