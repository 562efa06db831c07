"""From a list of labelled image files to a data set; the loaders for folders and for CSV files make the list."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.duplicates import check_duplicates
from benchmark.datasets.images.load import Loaded, load_images
from benchmark.datasets.images.options import Options
from benchmark.errors import UserError
from benchmark.utils.files import PathFinder, user_path
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.text import escape_controls, format_count

_NAME_PATIENTS = "name the patients in the column 'group' of a CSV"


@dataclass(frozen=True)
class Listing:
    """Image files and what is known of them, one entry a file.

    Parameters
    ----------
    paths : list of Path
    names : list of str
        How a message calls each file.
    labels : list of tuple of str
        The classes of each; exactly one if not multilabel.
    multilabel : bool
    groups, subset : list of str or None
    notes : tuple of str
    """

    paths: list[Path]
    names: list[str]
    labels: list[tuple[str, ...]]
    multilabel: bool = False
    groups: list[str] | None = None
    subset: list[str] | None = None
    notes: tuple[str, ...] = ()

    def select_files(self, kept: Sequence[int]) -> Listing:
        """Return the entries with these indices."""
        groups = None if self.groups is None else [self.groups[i] for i in kept]
        subset = None if self.subset is None else [self.subset[i] for i in kept]
        paths, names, labels = (
            [column[i] for i in kept] for column in (self.paths, self.names, self.labels)
        )
        return Listing(paths, names, labels, self.multilabel, groups, subset, self.notes)  # type: ignore[arg-type]


def parse_dataset_path(name: str, data: Path) -> Path:
    """Return the path in a data set's name, relative to the current folder, or to the data folder if it is only there.

    Examples
    --------
    >>> path_of("folder:pictures/skin", Path("data")).as_posix()
    'pictures/skin'
    """
    kind, _, path = name.partition(":")
    if not path:
        raise UserError(f"dataset '{name}' names no path; write {kind}:PATH")
    return find_path(path, data)


def find_path(path: str, data: Path) -> Path:
    """Return a path relative to the current folder, or to the data folder if it is only there.

    Raises
    ------
    UserError
        It cannot be a path: too long, a home folder that nobody has, a folder that may not be
        entered.
    """
    try:
        here = user_path(path)
        candidates = (here, PathFinder().find(data / Path(path)))
        return next((candidate for candidate in candidates if candidate.exists()), here)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot look for '{escape_controls(path[:200])}': {reason}") from None


def sort_class_names(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort class names, as numbers if all are integers.

    Examples
    --------
    >>> class_order(["10", "9", "0"])
    ('0', '9', '10')
    """
    names = sorted(set(labels))
    try:
        return tuple(sorted(names, key=int))
    except ValueError:
        return tuple(names)


def build_dataset(
    name: str,
    listing: Listing,
    options: Options,
    drop_duplicates: bool = False,
    licence: str | None = None,
    citation: str | None = None,
) -> Dataset:
    """Read the files of a listing, and note what is in it more than once.

    Raises
    ------
    UserError
        Files are unreadable; one class; an official split without train or test; a class all of
        whose images are left out.
    """
    classes = sort_class_names(label for labels in listing.labels for label in labels)
    _check_listing(name, listing, classes)
    try:
        loaded = load_images(listing.paths, listing.names, options)
    except UserError as error:
        raise UserError(f"dataset '{name}': {error}") from None
    listing = listing.select_files(loaded.kept)
    _check_listing(name, listing, classes)
    groups, group_notes = _resolve_groups(listing, loaded)
    dataset = Dataset(
        name=name,
        images=loaded.images,
        targets=_encode_targets(listing, classes),
        classes=classes,
        multilabel=listing.multilabel,
        groups=None if groups is None else np.array(groups),
        subset=None if listing.subset is None else np.array(listing.subset),
        notes=(
            *listing.notes,
            *loaded.notes,
            *group_notes,
            *_describe_similar_names("classes", classes),
            *_describe_similar_names("groups", groups or ()),
        ),
        licence=licence,
        citation=citation,
    )
    return check_duplicates(dataset, _shorten_paths(listing.paths), drop_duplicates)


def _shorten_paths(paths: Sequence[Path]) -> list[str]:
    """Name files by what their paths do not share."""
    try:
        above = os.path.commonpath([path.parent for path in paths])
    except ValueError:  # on several drives
        return [escape_controls(path.name) for path in paths]
    return [escape_controls(Path(os.path.relpath(path, above)).as_posix()) for path in paths]


def _describe_similar_names(what: str, names: Iterable[str]) -> list[str]:
    """Name classes or groups that differ in case, spaces or the form of a number only: rarely meant."""
    spellings = defaultdict(list)
    for name in dict.fromkeys(names):
        spellings[_normalize_name(name)].append(name)
    alike = [
        " and ".join(f"'{name}'" for name in several)
        for several in spellings.values()
        if len(several) > 1
    ]
    listed = "; ".join(alike[:5]) + ("; ..." if len(alike) > 5 else "")
    text = f"{what} that differ in case, spaces or the form of a number only: {listed}"
    return [Note(text, NoteKind.SPELLING)] if alike else []


def _normalize_name(name: str) -> str | Decimal:
    """Return the number that a name is, else the name without case and spaces."""
    core = "".join(unicodedata.normalize("NFKC", name).split()).casefold()
    try:
        number = Decimal(core.replace(",", "."))
    except InvalidOperation:
        return core
    return number if number.is_finite() else core


def _check_listing(name: str, listing: Listing, classes: tuple[str, ...]) -> None:
    strange = [
        escape_controls(label)
        for label in classes
        if any("\ud800" <= letter <= "\udfff" for letter in label)
    ]
    if strange:
        raise UserError(
            f"dataset '{name}': the name of class '{strange[0]}' is not UTF-8; rename it"
        )
    if len(classes) < 2:
        raise UserError(
            f"dataset '{name}': one class ({', '.join(classes)}); classification needs two"
        )
    lost = set(classes).difference(*listing.labels)
    if lost:
        remedy = "fix the files" + (" or remove the class" if len(classes) - len(lost) > 1 else "")
        raise UserError(
            f"dataset '{name}': no readable image is left of {', '.join(sorted(lost))}; {remedy}"
        )
    missing = [
        part
        for part in ("train", "test")
        if listing.subset is not None and part not in listing.subset
    ]
    if missing:
        raise UserError(
            f"dataset '{name}': its split has no {' and no '.join(missing)} images; a split needs "
            "train and test"
        )


def _encode_targets(listing: Listing, classes: tuple[str, ...]) -> NDArray[np.int64]:
    if listing.multilabel:
        return np.array(
            [[name in labels for name in classes] for labels in listing.labels], dtype=np.int64
        )
    index = {name: i for i, name in enumerate(classes)}
    return np.array([index[label] for (label,) in listing.labels], dtype=np.int64)


def _resolve_groups(listing: Listing, loaded: Loaded) -> tuple[list[str] | None, list[str]]:
    """Return the listed groups, or else the patients of DICOM files if every file names one."""
    if listing.groups is not None:
        return listing.groups, []
    dicom = [patient for patient in loaded.patients if patient is not None]
    n_other, without = len(loaded.patients) - len(dicom), dicom.count("")
    if len(set(dicom) - {""}) == 0 and n_other:
        return None, []
    if n_other:
        n_patients = len(set(dicom) - {""})
        are = (
            f"{n_other} of {len(loaded.patients)} files {'is' if n_other == 1 else 'are'} not DICOM"
        )
        others = f"the PatientID of the others ({format_count(n_patients, 'patient')}) is not used"
        return None, [f"no groups: {are}, so that {others}; {_NAME_PATIENTS}"]
    if without:
        return None, [
            f"no groups: {without} of {len(dicom)} DICOM files have no PatientID; {_NAME_PATIENTS}"
        ]
    (_, n_most), *rest = Counter(dicom).most_common()
    if not rest or (n_most == len(dicom) - 1 and n_most > 2):
        all_but = "all" if not rest else "all but 1 of the"
        return None, [
            f"no groups: {all_but} {len(dicom)} DICOM files have the same PatientID; "
            f"{_NAME_PATIENTS}"
        ]
    return dicom, [f"groups: PatientID of the DICOM files, {1 + len(rest)} patients"]
