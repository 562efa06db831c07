"""What a data set is."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import platformdirs
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.utils.files import user_path
from benchmark.utils.text import normalize_unicode

Task = Literal["binary", "multiclass", "multilabel"]
PARTS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their targets, and all that is known of where they came from.

    Parameters
    ----------
    name : str
        As it is shown in tables.
    images : (n, h, w, c) uint8
        c is 1 (gray) or 3 (RGB).
    targets : (n,) int64 class indices, or (n, n_classes) 0/1 int64 for a multi-label task
    classes : tuple of str
        Class names in the order of the indices; like groups, in Unicode's composed form, however
        they were spelled.
    multilabel : bool
        An image may have any number of classes.
    ordinal : bool
        The order of the classes means something (a grade): kappa is weighted quadratically.
    groups : (n,) array or None
        Patient, lesion, ...: images of one group are never on both sides of a split.
    subset : (n,) array of 'train', 'val', 'test', or None
        The official split.
    notes : tuple of str
        What was done to the images on the way in (resized, rescaled, left out), and what is known
        of the official split, or of folds where there is none; for the row.
    split_notes : callable (str) -> tuple of str, or None
        Of a data set with an official split: copies and shared groups as a split of some name has
        them. Those of 'official' are among the notes; see ``with_split_notes``.
    licence, citation : str or None
        None: not known.

    Raises
    ------
    UserError
        Lengths differ, there is a single class, two classes have one name, or shapes and types are
        not as above.
    """

    name: str
    images: NDArray[np.uint8]
    targets: NDArray[np.int64]
    classes: tuple[str, ...]
    multilabel: bool = False
    ordinal: bool = False
    groups: NDArray | None = None
    subset: NDArray[np.str_] | None = None
    notes: tuple[str, ...] = ()
    split_notes: Callable[[str], tuple[str, ...]] | None = field(default=None, repr=False)
    licence: str | None = None
    citation: str | None = field(default=None, repr=False)

    def with_split_notes(self, split: str) -> Dataset:
        """Data set with the notes that hold where a split of this name is run."""
        if self.split_notes is None:
            return self
        of_official = self.split_notes("official")
        kept = (note for note in self.notes if note not in of_official)
        return replace(self, notes=(*kept, *self.split_notes(split)), split_notes=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(normalize_unicode(name) for name in self.classes))
        object.__setattr__(self, "groups", _normalize_groups(self.groups))
        object.__setattr__(self, "licence", self.licence or None)
        object.__setattr__(self, "citation", self.citation or None)
        n = len(self.images)
        for name, values in (
            ("targets", self.targets),
            ("groups", self.groups),
            ("subset", self.subset),
        ):
            if values is not None and len(values) != n:
                raise UserError(f"dataset '{self.name}': {n} images and {len(values)} {name}")
        if (
            self.images.ndim != 4
            or self.images.dtype != np.uint8
            or self.images.shape[-1] not in (1, 3)
        ):
            raise UserError(
                f"dataset '{self.name}': images must be (n, h, w, 1 or 3) uint8, not "
                f"{self.images.shape} {self.images.dtype}"
            )
        if len(self.classes) < 2:
            raise UserError(
                f"dataset '{self.name}': one class ({', '.join(self.classes)}); classification "
                "needs two"
            )
        twice = [name for name, count in Counter(self.classes).items() if count > 1]
        if twice:
            raise UserError(
                f"dataset '{self.name}': two classes are named '{twice[0]}'; rename one"
            )
        self._check_targets()
        for array in (
            self.images,
            self.targets,
        ):  # shared by all cells: a plug-in that writes into it fails, and alone
            array.setflags(write=False)

    def _check_targets(self) -> None:
        k = len(self.classes)
        good = self.targets.shape[1:] == ((k,) if self.multilabel else ())
        limit = 2 if self.multilabel else k
        if not good or self.targets.min(initial=0) < 0 or self.targets.max(initial=0) >= limit:
            raise UserError(f"dataset '{self.name}': targets do not fit its {k} classes")

    @property
    def task(self) -> Task:
        """The kind of question: 'binary', 'multiclass' or 'multilabel'."""
        if self.multilabel:
            return "multilabel"
        return "binary" if len(self.classes) == 2 else "multiclass"

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything that can change a result: images, targets, classes, groups, official split."""
        digest = hashlib.sha256(
            repr((self.images.shape, self.classes, self.multilabel, self.ordinal)).encode()
        )
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.targets, dtype=np.int64).data)
        for extra in (self.groups, self.subset):
            digest.update(repr(None if extra is None else [str(value) for value in extra]).encode())
        return digest.hexdigest()[:16]


def _normalize_groups(groups: NDArray | None) -> NDArray | None:
    """Spell the same group the same way."""
    if groups is None or np.asarray(groups).dtype.kind not in "UO":
        return groups
    return np.array(
        [
            normalize_unicode(value) if isinstance(value, str) else value
            for value in groups.tolist()
        ],
        dtype=groups.dtype,
    )


def format_image_shape(dataset: Dataset) -> str:
    """Height, width and channels of its images, such as '28x28x1'."""
    return "x".join(map(str, dataset.images.shape[1:]))


def data_folder(data: str | Path | None = None) -> Path:
    """Folder that holds the data sets: the one given, else ``$BENCHMARK_DATA``, else the platform's cache folder.

    Raises
    ------
    UserError
        A folder was named and does not exist.
    """
    named = data or os.environ.get("BENCHMARK_DATA")
    if not named:
        return platformdirs.user_cache_path("classical-vs-deep") / "data"
    folder = user_path(named)
    if not folder.is_dir():
        raise UserError(
            f"no data folder {folder}; make it, or name another with --data or $BENCHMARK_DATA"
        )
    return folder


def resize_images(
    images: NDArray[np.uint8], size: int | None
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Images of (size, size) pixels, and a note of what was done; unchanged when size is None or already theirs."""
    height, width = images.shape[1:3]
    if size is None or height == width == size:
        return images, ()
    from benchmark.datasets.images.load import resize_image

    return np.stack([resize_image(image, (size, size)) for image in images]), (
        f"resized to {size}x{size} from {height}x{width}",
    )
