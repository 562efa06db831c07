"""Data sets from folders: a sub-folder per class, below train/ and test/ if there is a split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmark.datasets.base import PARTS, Dataset
from benchmark.datasets.hidden_subsets import refuse_hidden_subsets
from benchmark.datasets.images.decoded import MAX_PIXELS
from benchmark.datasets.images.options import Options
from benchmark.datasets.images.picture import SUFFIXES
from benchmark.datasets.listing import Listing, build_dataset, parse_dataset_path
from benchmark.datasets.subsets import parse_subset_name
from benchmark.datasets.tree import Tree, list_folder, list_tree
from benchmark.errors import UserError
from benchmark.utils.text import escape_controls, format_count, normalize_unicode

ClassFolder = tuple[Path, str | None]  # with the part of the official split that it is in


def load_folder(
    name: str,
    data: Path,
    size: int | None,
    *,
    percentiles: tuple[float, float] = (1, 99),
    on_error: str = "raise",
    max_pixels: int = MAX_PIXELS,
    drop_duplicates: bool = False,
    licence: str | None = None,
    citation: str | None = None,
) -> Dataset:
    """Load images that lie in class folders.

    ``PATH/CLASS/**/image`` or ``PATH/train/CLASS/**/image`` with ``PATH/test`` and, if wanted,
    ``PATH/val``; the parts may be called ``Training``, ``valid``, ``Test_Set``, ... (see
    `benchmark.datasets.subsets.parse_subset_name`). A class may be absent from a part, but has an image
    somewhere. Links are followed. Hidden files, other suffixes, and folders of the storage system
    (``@eaDir``, ``__MACOSX``) are left out, and counted in a note.

    Parameters
    ----------
    name : str
        "folder:PATH", relative to the current folder, or to the data folder if it is only there.
    data : Path
        The data folder; nothing is downloaded.
    size, percentiles, on_error, max_pixels
        See `benchmark.datasets.images.options.Options`.
    drop_duplicates : bool
        Keep one of each set of exact copies; see `benchmark.datasets.duplicates.drop_copies`.
    licence, citation : str or None
        Of the images, for the rows.

    Raises
    ------
    UserError
        No such folder, no images, an empty class, one class, half a split, top folders that look
        like parts, unreadable images.
    """
    options = Options(size, percentiles, on_error, max_pixels)
    root = parse_dataset_path(name, data)
    try:
        listing = _list(name, root)
    except OSError as error:
        raise UserError(f"dataset '{name}': {error.strerror}: '{error.filename}'") from None
    return build_dataset(name, listing, options, drop_duplicates, licence, citation)


def _list(name: str, root: Path) -> Listing:
    _refuse_missing_folder(name, root)
    folders, ignored = _list_class_folders(name, root)
    trees = [(folder, part, list_tree(folder)) for folder, part in folders]
    rows = [
        (path, normalize_unicode(folder.name), part)
        for folder, part, tree in trees
        for path in tree.images
    ]
    for _, _, tree in trees:
        ignored.add_counts(tree)
    if not rows:
        raise UserError(
            f"dataset '{name}': no image in any class folder{_describe_other_files(ignored)}; put {_format_suffixes()} files "
            f"into {_describe_expected_folders(folders)}"
        )
    _refuse_one_folder(name, folders, trees[0][2])
    for level in {part for _, part in folders}:
        refuse_hidden_subsets(
            name, [(folder, tree.images) for folder, part, tree in trees if part == level]
        )
    _refuse_empty_classes(name, trees, {label for _, label, _ in rows})
    paths = [path for path, _, _ in rows]
    return Listing(
        paths,
        [escape_controls(str(path)) for path in paths],
        [(label,) for _, label, _ in rows],
        subset=[part for _, _, part in rows if part] or None,
        notes=_describe_ignored_files(root, ignored),
    )


def _refuse_empty_classes(
    name: str, trees: Sequence[tuple[Path, str | None, Tree]], labels: set[str]
) -> None:
    seen = Tree()
    for folder, _, tree in trees:
        if normalize_unicode(folder.name) not in labels:
            seen.add_counts(tree)
    empty = sorted({normalize_unicode(folder.name) for folder, _, _ in trees} - labels)
    if empty:
        remedy = "fill or remove it" if len(labels) > 1 else "fill it"
        raise UserError(
            f"dataset '{name}': class folder without an image ({_format_suffixes()}): "
            f"{', '.join(empty)}{_describe_other_files(seen)}; {remedy}"
        )


def _refuse_missing_folder(name: str, root: Path) -> None:
    if not root.exists():
        raise UserError(f"dataset '{name}': no folder '{root}' (looked from {Path.cwd()})")
    if not root.is_dir():
        hint = f"; a table is named csv:{root}" if root.suffix.lower() == ".csv" else ""
        raise UserError(f"dataset '{name}': '{root}' is a file, not a folder{hint}")


def _list_class_folders(name: str, root: Path) -> tuple[list[ClassFolder], Tree]:
    """List the class folders, and what lies beside them."""
    top, beside = list_folder(root)
    named = {folder: part for folder in top if (part := parse_subset_name(folder.name))}
    others = [folder.name for folder in top if folder not in named]
    if not ({"train", "test"} <= set(named.values()) or (named and not others)):
        return [(folder, None) for folder in top], beside
    _refuse_incomplete_split(name, named, others)
    folders: list[ClassFolder] = []
    for part in PARTS:
        for top_folder in (folder for folder, its_part in named.items() if its_part == part):
            classes, strays = list_folder(top_folder)
            _refuse_missing_classes(name, top_folder, classes, strays)
            beside.images += strays.images
            beside.add_counts(strays)
            folders += [(folder, part) for folder in classes]
    _refuse_disjoint_classes(name, folders)
    return folders, beside


def _refuse_incomplete_split(name: str, named: dict[Path, str], others: Sequence[str]) -> None:
    if others:
        raise UserError(
            f"dataset '{name}': beside train and test there is {', '.join(others)}; put classes "
            "inside them, or remove it"
        )
    for part in PARTS:
        same = [folder.name for folder, its_part in named.items() if its_part == part]
        if len(same) > 1:
            raise UserError(
                f"dataset '{name}': {' and '.join(same)} are both read as {part}; join or rename "
                "them"
            )
    missing = {"train", "test"} - set(named.values())
    if missing:
        present = ", ".join(_describe_subset_folder(folder, part) for folder, part in named.items())
        absent = " and no ".join(sorted(missing))
        raise UserError(
            f"dataset '{name}': has {present} but no {absent}; a split needs train and test: "
            f"rename the folder that is to be tested on, or put all images into PATH/CLASS/"
        )


def _describe_subset_folder(folder: Path, part: str) -> str:
    return part if folder.name.casefold() == part else f"{folder.name} (read as {part})"


def _refuse_missing_classes(name: str, folder: Path, classes: Sequence[Path], strays: Tree) -> None:
    if strays.images and not classes:
        raise UserError(
            f"dataset '{name}': {folder.name} holds {len(strays.images)} images and no class "
            "folders; "
            f"put them into {folder.name}/CLASS/, or name their classes in a CSV"
        )


def _refuse_disjoint_classes(name: str, folders: Sequence[ClassFolder]) -> None:
    train, test = (
        {normalize_unicode(folder.name) for folder, part in folders if part == wanted}
        for wanted in ("train", "test")
    )
    if train and test and not train & test:
        raise UserError(
            f"dataset '{name}': train has {', '.join(sorted(train))} and test has "
            f"{', '.join(sorted(test))}, with no class in both; "
            "put the same class folders right into train and test"
        )


def _refuse_one_folder(name: str, folders: Sequence[ClassFolder], tree: Tree) -> None:
    folder, part = folders[0]
    if (
        len(folders) == 1
        and part is None
        and len({path.parent for path in tree.images} - {folder}) > 1
    ):
        raise UserError(
            f"dataset '{name}': '{folder.name}' is its only folder; if the classes are inside, "
            f"name it: folder:{folder}"
        )


def _format_names(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _format_suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))


def _describe_other_files(tree: Tree) -> str:
    """Say which files there are instead of images."""
    seen = [f"{_format_file_count(len(tree.images), 'image')} outside them"] if tree.images else []
    seen += [
        f"{format_count(n, 'file')} {escape_controls(kind)}"
        for kind, n in tree.others.most_common(5)
    ]
    hint = "; DICOM is read from files named .dcm or .dicom" if tree.others else ""
    return f" (but {', '.join(seen)}{hint})" if seen else ""


def _describe_expected_folders(folders: Sequence[ClassFolder]) -> str:
    parts = list(dict.fromkeys((folder.parent.name, part) for folder, part in folders if part))
    return ", ".join(f"{top}/CLASS/ ({part})" for top, part in parts) or "PATH/CLASS/"


def _describe_ignored_files(root: Path, ignored: Tree) -> tuple[str, ...]:
    """Say which files are left out."""
    notes = (
        [f"{_format_file_count(len(ignored.images), 'image')} outside the class folders ignored"]
        if ignored.images
        else []
    )
    if ignored.others:
        kinds = ", ".join(escape_controls(kind) for kind, _ in ignored.others.most_common(5))
        notes.append(f"{_format_file_count(ignored.others.total(), 'other')} ignored ({kinds})")
    if ignored.system:
        notes.append(
            f"{_format_file_count(ignored.system.total(), 'system')} ignored (in folders named "
            f"{', '.join(ignored.system)})"
        )
    if ignored.broken:
        links = _format_names(
            [escape_controls(os.path.relpath(path, root)) for path in ignored.broken]
        )
        notes.append(
            f"{len(ignored.broken)} links that lead nowhere or to a folder above ignored ({links})"
        )
    return tuple(notes)


def _format_file_count(count: int, kind: str) -> str:
    return f"{count} {kind} file{'s' * (count != 1)}"
