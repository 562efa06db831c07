"""Build a dataset from labelled image files, as listed by the folder and the CSV loader."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.attributes import Attributes, parse_attribute
from benchmark.datasets.base import Dataset
from benchmark.datasets.duplicates import check_duplicates
from benchmark.datasets.images.load import Loaded, load_images
from benchmark.datasets.images.options import Options
from benchmark.errors import UserError
from benchmark.utils.files import PathFinder, user_path
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.text import escape_controls, format_count, join_names

_NAME_PATIENTS = "list the patients in the column 'group' of a CSV"


@dataclass(frozen=True)
class Listing:
    """Image files and what is known of each; every list has one item per file.

    Parameters
    ----------
    paths : list of Path
    names : list of str
        Names of the files in messages.
    labels : list of tuple of str
        Classes of each file; exactly one if not multilabel.
    multilabel : bool
    groups, subset : list of str or None
    group_source : str or None
        What the groups were made of.
    ids : list of str
        What each image is called; see `benchmark.datasets.base.Dataset`.
    attributes : mapping of str to list of str
        Cells of further columns; see `benchmark.datasets.attributes.parse_attribute`.
    notes : tuple of str
    """

    paths: list[Path]
    names: list[str]
    labels: list[tuple[str, ...]]
    ids: list[str]
    multilabel: bool = False
    groups: list[str] | None = None
    group_source: str | None = None
    subset: list[str] | None = None
    attributes: Mapping[str, list[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def select_files(self, kept: Sequence[int]) -> Listing:
        """Return the files with these indices."""
        return replace(
            self,
            paths=[self.paths[i] for i in kept],
            names=[self.names[i] for i in kept],
            labels=[self.labels[i] for i in kept],
            ids=[self.ids[i] for i in kept],
            groups=None if self.groups is None else [self.groups[i] for i in kept],
            subset=None if self.subset is None else [self.subset[i] for i in kept],
            attributes={name: [cells[i] for i in kept] for name, cells in self.attributes.items()},
        )


def parse_dataset_path(name: str, data: Path) -> Path:
    """Return the path in the name of a dataset, resolved as in `find_path`.

    Raises
    ------
    UserError
        There is no path, or it cannot be one.

    Examples
    --------
    >>> parse_dataset_path("folder:images/skin", Path("data")).as_posix()
    'images/skin'
    """
    kind, _, path = name.partition(":")
    if not path:
        raise UserError(f"dataset '{name}' names no path; write {kind}:PATH")
    return find_path(path, data)


def find_path(path: str, data: Path) -> Path:
    """Resolve a path against the current folder, or the data folder if it exists only there.

    Raises
    ------
    UserError
        The text cannot be a path: it is too long, names the home folder of an unknown user, or
        leads through a folder without permission.
    """
    try:
        here = user_path(path)
        candidates = (here, PathFinder().find(data / Path(path)))
        return next((candidate for candidate in candidates if candidate.exists()), here)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot search for '{escape_controls(path[:200])}': {reason}") from None


def sort_class_names(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort class names, as numbers if all are integers.

    Examples
    --------
    >>> sort_class_names(["10", "9", "0"])
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
    """Read the listed files, and add notes on duplicates and on names that differ in form only.

    Parameters
    ----------
    name : str
    listing : Listing
    options : Options
    drop_duplicates : bool
        See `benchmark.datasets.duplicates.drop_copies`.
    licence, citation : str or None

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        Files are unreadable, there is only one class, an official split has no training or no test
        images, or all images of a class were left out.
    """
    classes = sort_class_names(label for labels in listing.labels for label in labels)
    _check_listing(name, listing, classes)
    try:
        loaded = load_images(listing.paths, listing.names, options)
    except UserError as error:
        raise UserError(f"dataset '{name}': {error}") from None
    listing = listing.select_files(loaded.kept)
    _check_listing(name, listing, classes)
    groups, group_source, group_notes = _resolve_groups(listing, loaded)
    dataset = Dataset(
        name=name,
        images=loaded.images,
        targets=_encode_targets(listing, classes),
        classes=classes,
        multilabel=listing.multilabel,
        groups=None if groups is None else np.array(groups),
        group_source=group_source,
        subset=None if listing.subset is None else np.array(listing.subset),
        ids=np.array(listing.ids),
        paths=np.array([str(path.absolute()) for path in listing.paths]),
        attributes=_read_attributes(name, listing, loaded),
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
    return check_duplicates(dataset, drop_duplicates)


def relative_paths(paths: Sequence[Path], folder: Path) -> list[str]:
    """Name files by their paths from a folder, with forward slashes."""
    return [Path(os.path.relpath(path, folder)).as_posix() for path in paths]


def _read_attributes(name: str, listing: Listing, loaded: Loaded) -> Attributes:
    """Convert the listed attributes, and those of DICOM files that are not listed."""
    cells = {**_list_dicom_attributes(loaded), **listing.attributes}
    return {
        attribute: parse_attribute(f"dataset '{name}'", attribute, values)
        for attribute, values in cells.items()
    }


def _list_dicom_attributes(loaded: Loaded) -> dict[str, list[str]]:
    """List the attributes that DICOM files have, with an empty cell where a file has none."""
    cases = [case or {} for case in loaded.cases]
    names = dict.fromkeys(name for case in cases for name, value in case.items() if value)
    return {name: [case.get(name, "") for case in cases] for name in names if name != "patient"}


def _describe_similar_names(what: str, names: Iterable[str]) -> list[str]:
    """Return a note on names that differ only in case, spaces or the format of a number."""
    spellings = defaultdict(list)
    for name in dict.fromkeys(names):
        spellings[_normalize_name(name)].append(name)
    similar = [
        " and ".join(f"'{name}'" for name in same) for same in spellings.values() if len(same) > 1
    ]
    listed = join_names(similar, "; ")
    text = f"{what} that differ only in case, spaces or the format of a number: {listed}"
    return [Note(text, NoteKind.SPELLING)] if similar else []


def _normalize_name(name: str) -> str | Decimal:
    """Return the name as a number if it is one, else in lower case without spaces."""
    core = "".join(unicodedata.normalize("NFKC", name).split()).casefold()
    try:
        number = Decimal(core.replace(",", "."))
    except InvalidOperation:
        return core
    return number if number.is_finite() else core


def _check_listing(name: str, listing: Listing, classes: tuple[str, ...]) -> None:
    not_utf8 = [
        escape_controls(label)
        for label in classes
        if any("\ud800" <= letter <= "\udfff" for letter in label)
    ]
    if not_utf8:
        raise UserError(
            f"dataset '{name}': the name of class '{not_utf8[0]}' is not UTF-8; rename it"
        )
    if len(classes) < 2:
        raise UserError(
            f"dataset '{name}': one class ({', '.join(classes)}); classification needs two"
        )
    lost = set(classes).difference(*listing.labels)
    if lost:
        remedy = "fix the files" + (" or remove the class" if len(classes) - len(lost) > 1 else "")
        raise UserError(
            f"dataset '{name}': no readable image of {', '.join(sorted(lost))}; {remedy}"
        )
    missing = [
        subset
        for subset in ("train", "test")
        if listing.subset is not None and subset not in listing.subset
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


def _resolve_groups(
    listing: Listing, loaded: Loaded
) -> tuple[list[str] | None, str | None, list[str]]:
    """Return groups, their source and notes.

    The groups are those listed, else the patients of DICOM files if every file has one.
    """
    if listing.groups is not None:
        return listing.groups, listing.group_source, []
    patients = [case["patient"] for case in loaded.cases if case is not None]
    refusal = _refuse_patients(patients, len(loaded.cases))
    if refusal is not None:
        return None, None, refusal
    return patients, "the PatientID of the DICOM files", []


def _refuse_patients(patients: list[str], n_files: int) -> list[str] | None:
    """Return None if the patients of DICOM files can be groups, else a note that says why not.

    There is no note if no file names a patient.
    """
    n_dicom = len(patients)
    n_other, n_without = n_files - n_dicom, patients.count("")
    n_patients = len(set(patients) - {""})
    if n_other:
        if not n_patients:
            return []
        verb = "is" if n_other == 1 else "are"
        return [
            f"no groups: {n_other} of {n_files} files {verb} not DICOM, so the PatientID of the "
            f"others ({format_count(n_patients, 'patient')}) is not used; {_NAME_PATIENTS}"
        ]
    if n_without:
        return [
            f"no groups: {n_without} of {n_dicom} DICOM files have no PatientID; {_NAME_PATIENTS}"
        ]
    (_, n_most), *rest = Counter(patients).most_common()
    if not rest or (n_most == n_dicom - 1 and n_most > 2):
        all_but = "all" if not rest else "all but 1 of the"
        return [
            f"no groups: {all_but} {n_dicom} DICOM files have the same PatientID; {_NAME_PATIENTS}"
        ]
    return None
