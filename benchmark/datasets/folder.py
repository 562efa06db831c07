"""Datasets from folders with one sub-folder per class, below train/ and test/ if split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmark.datasets.base import SUBSETS, Dataset
from benchmark.datasets.groups import compile_group_pattern, find_groups
from benchmark.datasets.hidden_subsets import refuse_hidden_subsets
from benchmark.datasets.images.decoded import MAX_PIXELS
from benchmark.datasets.images.options import Options
from benchmark.datasets.images.picture import SUFFIXES
from benchmark.datasets.listing import (
    Listing,
    build_dataset,
    parse_dataset_path,
    relative_paths,
)
from benchmark.datasets.subsets import parse_subset_name
from benchmark.datasets.tree import Tree, list_folder, list_tree
from benchmark.errors import UserError
from benchmark.utils.text import (
    escape_controls,
    format_count,
    join_names,
    normalize_unicode,
    short_repr,
)

ClassFolder = tuple[Path, str | None]  # with the subset of the official split that it is in


def load_folder(
    name: str,
    data: Path,
    size: int | None,
    *,
    group: str | None = None,
    percentiles: tuple[float, float] = (1, 99),
    on_error: str = "raise",
    max_pixels: int = MAX_PIXELS,
    drop_duplicates: bool = False,
    licence: str | None = None,
    citation: str | None = None,
) -> Dataset:
    r"""Load images from a folder per class.

    The images are ``PATH/CLASS/**/image``; or, with an official split,
    ``PATH/train/CLASS/**/image``, likewise in ``PATH/test`` and optionally in ``PATH/val``. Subset
    folders may also be named ``Training``, ``valid``, ``Test_Set`` and the like (see
    `benchmark.datasets.subsets.parse_subset_name`). A class may be missing from a subset, but not
    from all of them. Links are followed. Hidden files, files with other suffixes, and folders of
    the storage system (``@eaDir``, ``__MACOSX``) are ignored and counted in a note.

    Parameters
    ----------
    name : str
        "folder:PATH", relative to the current folder, or to the data folder if it exists only
        there.
    data : Path
        The data folder. Nothing is downloaded.
    group : str or None
        Regular expression that finds the patient in the path of an image below its class folder,
        with one pair of parentheses around what names the patient, such as ``(person\d+)_``.
    size, percentiles, on_error, max_pixels
        See `benchmark.datasets.images.options.Options`.
    drop_duplicates : bool
        Whether to keep one of each set of exact copies; see
        `benchmark.datasets.duplicates.drop_copies`.
    licence, citation : str or None
        Licence and citation of the images, stored in the rows.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        There is no such folder, no image, no second class, or a class without images; train or test
        is missing from a split; the class folders look like subsets; the expression finds no
        patient in a path; or an image is unreadable.

    See Also
    --------
    benchmark.datasets.csv_file.load_csv : Load the images that a CSV file lists.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     for label in ("cat", "dog"):
    ...         Path(folder, label).mkdir()
    ...         Image.new("L", (8, 8)).save(Path(folder, label, "1.png"))
    ...     dataset = load_folder(f"folder:{folder}", Path(folder), None)
    >>> dataset.classes, dataset.images.shape
    (('cat', 'dog'), (2, 8, 8, 1))
    """
    options = Options(size, percentiles, on_error, max_pixels)
    root = parse_dataset_path(name, data)
    try:
        listing = _list(name, root, group)
    except OSError as error:
        raise UserError(f"dataset '{name}': {error.strerror}: '{error.filename}'") from None
    return build_dataset(name, listing, options, drop_duplicates, licence, citation)


def _list(name: str, root: Path, group: str | None) -> Listing:
    _refuse_missing_folder(name, root)
    pattern = None if group is None else compile_group_pattern(f"dataset '{name}'", group)
    folders, ignored = _list_class_folders(name, root)
    trees = [(folder, subset, list_tree(folder)) for folder, subset in folders]
    rows = [(path, folder, subset) for folder, subset, tree in trees for path in tree.images]
    labels = [normalize_unicode(folder.name) for _, folder, _ in rows]
    for _, _, tree in trees:
        ignored.add_counts(tree)
    if not rows:
        raise UserError(
            f"dataset '{name}': no image in any class folder{_describe_other_files(ignored)}; "
            f"put {_format_suffixes()} files into {_describe_expected_folders(folders)}"
        )
    _refuse_one_folder(name, folders, trees[0][2])
    for level in {subset for _, subset in folders}:
        refuse_hidden_subsets(
            name, [(folder, tree.images) for folder, subset, tree in trees if subset == level]
        )
    _refuse_empty_classes(name, trees, set(labels))
    paths = [path for path, _, _ in rows]
    within_class = [path.relative_to(folder).as_posix() for path, folder, _ in rows]
    return Listing(
        paths,
        [escape_controls(str(path)) for path in paths],
        [(label,) for label in labels],
        relative_paths(paths, root),
        groups=None if pattern is None else find_groups(f"dataset '{name}'", pattern, within_class),
        group_source=f"the file names, by {short_repr(group)}",
        subset=[subset for _, _, subset in rows if subset] or None,
        notes=_describe_ignored_files(root, ignored),
    )


def _refuse_empty_classes(
    name: str, trees: Sequence[tuple[Path, str | None, Tree]], labels: set[str]
) -> None:
    ignored = Tree()
    for folder, _, tree in trees:
        if normalize_unicode(folder.name) not in labels:
            ignored.add_counts(tree)
    empty = sorted({normalize_unicode(folder.name) for folder, _, _ in trees} - labels)
    if empty:
        remedy = "fill or remove it" if len(labels) > 1 else "fill it"
        raise UserError(
            f"dataset '{name}': class folder without an image ({_format_suffixes()}): "
            f"{', '.join(empty)}{_describe_other_files(ignored)}; {remedy}"
        )


def _refuse_missing_folder(name: str, root: Path) -> None:
    if not root.exists():
        raise UserError(f"dataset '{name}': no folder '{root}' (current folder: {Path.cwd()})")
    if not root.is_dir():
        hint = f"; write csv:{root} to load a table" if root.suffix.lower() == ".csv" else ""
        raise UserError(f"dataset '{name}': '{root}' is a file, not a folder{hint}")


def _list_class_folders(name: str, root: Path) -> tuple[list[ClassFolder], Tree]:
    """List the class folders, and the files outside them."""
    top_folders, ignored = list_folder(root)
    subsets = {
        folder: subset for folder in top_folders if (subset := parse_subset_name(folder.name))
    }
    others = [folder.name for folder in top_folders if folder not in subsets]
    if not ({"train", "test"} <= set(subsets.values()) or (subsets and not others)):
        return [(folder, None) for folder in top_folders], ignored
    _refuse_incomplete_split(name, subsets, others)
    folders: list[ClassFolder] = []
    for subset in SUBSETS:
        for top_folder in (
            folder for folder, its_subset in subsets.items() if its_subset == subset
        ):
            classes, strays = list_folder(top_folder)
            _refuse_missing_classes(name, top_folder, classes, strays)
            ignored.images += strays.images
            ignored.add_counts(strays)
            folders += [(folder, subset) for folder in classes]
    _refuse_disjoint_classes(name, folders)
    return folders, ignored


def _refuse_incomplete_split(name: str, subsets: dict[Path, str], others: Sequence[str]) -> None:
    if others:
        raise UserError(
            f"dataset '{name}': beside train and test there is {', '.join(others)}; move it into "
            "train and test if it is a class, or remove it"
        )
    for subset in SUBSETS:
        same = [folder.name for folder, its_subset in subsets.items() if its_subset == subset]
        if len(same) > 1:
            raise UserError(
                f"dataset '{name}': {' and '.join(same)} are both read as {subset}; merge or "
                "rename them"
            )
    missing = {"train", "test"} - set(subsets.values())
    if missing:
        present = ", ".join(
            _describe_subset_folder(folder, subset) for folder, subset in subsets.items()
        )
        absent = " and no ".join(sorted(missing))
        raise UserError(
            f"dataset '{name}': has {present} but no {absent}; a split needs train and test: "
            "rename the folder of test images, or put all images into PATH/CLASS/"
        )


def _describe_subset_folder(folder: Path, subset: str) -> str:
    return subset if folder.name.casefold() == subset else f"{folder.name} (read as {subset})"


def _refuse_missing_classes(name: str, folder: Path, classes: Sequence[Path], strays: Tree) -> None:
    if strays.images and not classes:
        raise UserError(
            f"dataset '{name}': {folder.name} holds {len(strays.images)} images and no class "
            f"folders; put them into {folder.name}/CLASS/, or list their classes in a CSV"
        )


def _refuse_disjoint_classes(name: str, folders: Sequence[ClassFolder]) -> None:
    train, test = (
        {normalize_unicode(folder.name) for folder, subset in folders if subset == wanted}
        for wanted in ("train", "test")
    )
    if train and test and not train & test:
        raise UserError(
            f"dataset '{name}': train has {', '.join(sorted(train))} and test has "
            f"{', '.join(sorted(test))}, with no class in both; put the same class folders "
            "directly into train and test"
        )


def _refuse_one_folder(name: str, folders: Sequence[ClassFolder], tree: Tree) -> None:
    folder, subset = folders[0]
    if (
        len(folders) == 1
        and subset is None
        and len({path.parent for path in tree.images} - {folder}) > 1
    ):
        raise UserError(
            f"dataset '{name}': '{folder.name}' is its only folder; if the classes are inside, "
            f"write folder:{folder}"
        )


def _format_suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))


def _describe_other_files(tree: Tree) -> str:
    """Describe the files that are there instead of images in class folders."""
    files = [f"{_format_file_count(len(tree.images), 'image')} outside them"] if tree.images else []
    files += [
        f"{format_count(n, 'file')} {escape_controls(kind)}"
        for kind, n in tree.others.most_common(5)
    ]
    hint = "; DICOM is read from files named .dcm or .dicom" if tree.others else ""
    return f" (but {', '.join(files)}{hint})" if files else ""


def _describe_expected_folders(folders: Sequence[ClassFolder]) -> str:
    tops = dict.fromkeys((folder.parent.name, subset) for folder, subset in folders if subset)
    return ", ".join(f"{top}/CLASS/ ({subset})" for top, subset in tops) or "PATH/CLASS/"


def _describe_ignored_files(root: Path, ignored: Tree) -> tuple[str, ...]:
    """Return notes on the files that are ignored."""
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
        links = join_names(
            [escape_controls(os.path.relpath(path, root)) for path in ignored.broken]
        )
        notes.append(
            f"{len(ignored.broken)} links to a missing target or a parent folder ignored ({links})"
        )
    return tuple(notes)


def _format_file_count(count: int, kind: str) -> str:
    return f"{count} {kind} file{'s' * (count != 1)}"
