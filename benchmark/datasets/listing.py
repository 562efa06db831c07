"""From a list of labelled image files to a data set; the loaders for folders and for CSV files make the list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.pictures.load import Loaded, load_images
from benchmark.datasets.pictures.options import Options
from benchmark.errors import UserError
from benchmark.files import user_path


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
    groups, part : list of str or None
    notes : tuple of str
    """

    paths: list[Path]
    names: list[str]
    labels: list[tuple[str, ...]]
    multilabel: bool = False
    groups: list[str] | None = None
    part: list[str] | None = None
    notes: tuple[str, ...] = ()

    def take(self, kept: Sequence[int]) -> Listing:
        """Return the entries with these indices."""
        groups = None if self.groups is None else [self.groups[i] for i in kept]
        part = None if self.part is None else [self.part[i] for i in kept]
        paths, names, labels = ([column[i] for i in kept] for column in (self.paths, self.names, self.labels))
        return Listing(paths, names, labels, self.multilabel, groups, part, self.notes)  # type: ignore[arg-type]


def path_of(name: str, data: Path) -> Path:
    """Return the path in a data set's name, relative to the current folder, or to the data folder if it is only there.

    Examples
    --------
    >>> path_of("folder:pictures/skin", Path("data")).as_posix()
    'pictures/skin'
    """
    kind, _, path = name.partition(":")
    if not path:
        raise UserError(f"dataset '{name}' names no path; write {kind}:PATH")
    here = user_path(path)
    return data / here if not here.exists() and (data / here).exists() else here


def class_order(labels: Iterable[str]) -> tuple[str, ...]:
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


def assemble(name: str, listing: Listing, options: Options) -> Dataset:
    """Read the files of a listing.

    Raises
    ------
    UserError
        Files are unreadable; one class; an official split without train or test; a class all of whose images are left out.
    """
    classes = class_order(label for labels in listing.labels for label in labels)
    _check(name, listing, classes)
    try:
        loaded = load_images(listing.paths, listing.names, options)
    except UserError as error:
        raise UserError(f"dataset '{name}': {error}") from None
    listing = listing.take(loaded.kept)
    _check(name, listing, classes)
    groups, group_notes = _groups(listing, loaded)
    return Dataset(
        name=name,
        images=loaded.images,
        targets=_targets(listing, classes),
        classes=classes,
        multilabel=listing.multilabel,
        groups=None if groups is None else np.array(groups),
        part=None if listing.part is None else np.array(listing.part),
        notes=(*listing.notes, *loaded.notes, *group_notes),
    )


def _check(name: str, listing: Listing, classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        raise UserError(f"dataset '{name}': one class ({', '.join(classes)}); classification needs two")
    lost = set(classes).difference(*listing.labels)
    if lost:
        raise UserError(f"dataset '{name}': no readable image is left of {', '.join(sorted(lost))}; mend the files or remove the class")
    missing = [part for part in ("train", "test") if listing.part is not None and part not in listing.part]
    if missing:
        raise UserError(f"dataset '{name}': its split has no {' and no '.join(missing)} images; a split needs train and test")


def _targets(listing: Listing, classes: tuple[str, ...]) -> NDArray[np.int64]:
    if listing.multilabel:
        return np.array([[name in labels for name in classes] for labels in listing.labels], dtype=np.int64)
    index = {name: i for i, name in enumerate(classes)}
    return np.array([index[label] for (label,) in listing.labels], dtype=np.int64)


def _groups(listing: Listing, loaded: Loaded) -> tuple[list[str] | None, list[str]]:
    """Return the listed groups, or else the patients of DICOM files if every file names one."""
    dicom = [patient for patient in loaded.patients if patient is not None]
    if listing.groups is not None or len(dicom) < len(loaded.patients):
        return listing.groups, []
    without = dicom.count("")
    if without:
        return None, [f"no groups: {without} of {len(dicom)} DICOM files have no PatientID"]
    n_patients = len(set(dicom))
    return (dicom, [f"groups: PatientID of the DICOM files, {n_patients} patients"]) if n_patients > 1 else (None, [])
