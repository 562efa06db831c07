"""The `Dataset` class and helpers shared by all loaders."""

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

from benchmark.datasets.attributes import Attributes
from benchmark.datasets.image_array import allocate_images, iterate_chunks, select_images
from benchmark.errors import UserError
from benchmark.utils.files import user_path
from benchmark.utils.memory import release_memory
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.text import format_count, normalize_unicode

Task = Literal["binary", "multiclass", "multilabel"]
SUBSETS = ("train", "val", "test")
NO_GROUP = ""  # of images of a dataset without groups, beside external images with groups


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their targets and what is known about their origin.

    Parameters
    ----------
    name : str
        Name shown in tables.
    images : (n, h, w, c) uint8 array
        c is 1 (gray) or 3 (RGB). A memory map if they are many.
    targets : (n,) or (n, n_classes) int64 array
        Class indices, or an indicator matrix of 0 and 1 for a multi-label task.
    classes : tuple of str
        Class names in the order of the indices. Class names and groups are normalized to Unicode's
        composed form.
    positive : str or None
        The second of two classes, if sensitivity and specificity are about it; see
        `benchmark.datasets.positive.with_positive_class`.
    multilabel : bool
        Whether an image may have any number of classes.
    ordinal : bool
        Whether the classes are ordered, as grades are; kappa is then weighted quadratically.
    groups : (n,) array or None
        Patient or lesion, for example. Images of the same group are never on both sides of a split.
    group_source : str or None
        What the groups were made of, such as "the column 'patient_id'".
    subset : (n,) array of 'train', 'val' and 'test', or None
        The official split.
    ids : (n,) array of str or None
        Name of each image, by which a reader finds it again; None: its index. All are different.
    attributes : mapping of str to (n,) float64 or str array
        What else is known of each image, such as sex, age or hospital; a missing value is NaN or
        the empty text. Only extractors and splits that name an attribute use it.
    external : (n,) array of str or None
        Name of the external dataset that an image belongs to, such as that of another hospital;
        empty for the dataset's own images, which come first. External images are predicted, and
        never trained on; see `benchmark.datasets.external.add_external`.
    paths : (n,) array of str or None
        File of each image, as long as the dataset is not stored for workers.
    notes : tuple of str
        What the loader did to the images (resized, rescaled, left out), and leaks of the official
        split, or of folds if there is none. They are stored in the rows.
    loader_notes : tuple of str
        Those of `notes` that are not on copies, near copies and groups.
    split_notes : callable (str) -> tuple of str, or None
        For a dataset with an official split: returns the notes on copies and shared groups that
        apply to the split with the given name. Those for 'official' are already in `notes`.
    licence, citation : str or None
        None if unknown.

    Raises
    ------
    UserError
        Lengths differ, there is only one class, two classes have the same name, or an array does
        not have the shape and type above.

    See Also
    --------
    benchmark.sampling.splits : Functions that split a dataset into training and test sets.

    Examples
    --------
    >>> images = np.zeros((4, 8, 8, 1), np.uint8)
    >>> dataset = Dataset("demo", images, np.array([0, 1, 0, 1]), ("cat", "dog"))
    >>> dataset.task, format_image_shape(dataset)
    ('binary', '8x8x1')
    """

    name: str
    images: NDArray[np.uint8]
    targets: NDArray[np.int64]
    classes: tuple[str, ...]
    positive: str | None = None
    multilabel: bool = False
    ordinal: bool = False
    groups: NDArray | None = None
    group_source: str | None = None
    subset: NDArray[np.str_] | None = None
    ids: NDArray[np.str_] | None = None
    attributes: Attributes = field(default_factory=dict)
    external: NDArray[np.str_] | None = None
    paths: NDArray[np.str_] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    loader_notes: tuple[str, ...] = field(default=(), repr=False)
    split_notes: Callable[[str], tuple[str, ...]] | None = field(default=None, repr=False)
    licence: str | None = None
    citation: str | None = field(default=None, repr=False)

    def select(self, indices: NDArray[np.int64]) -> Dataset:
        """Return the images with these indices, and what belongs to each of them."""
        return self._take(select_images(self.images, indices), indices)

    def _take(self, images: NDArray[np.uint8], which: slice | NDArray[np.int64]) -> Dataset:
        groups, subset, ids, external, paths = (
            None if values is None else values[which]
            for values in (self.groups, self.subset, self.ids, self.external, self.paths)
        )
        return replace(
            self,
            images=images,
            targets=self.targets[which],
            groups=groups,
            subset=subset,
            ids=ids,
            attributes={name: values[which] for name, values in self.attributes.items()},
            external=external,
            paths=paths,
        )

    @property
    def own(self) -> Dataset:
        """The dataset without external images; it shares the memory of the others."""
        return self if self.external is None else self._own

    @cached_property
    def _own(self) -> Dataset:
        assert self.external is not None
        which = slice(int((self.external == "").sum()))
        own = self._take(self.images[which], which)
        groups = own.groups
        if groups is not None and (groups == NO_GROUP).all():  # only external images have some
            groups = None
        return replace(own, groups=groups, external=None)

    def with_split_notes(self, split: str) -> Dataset:
        """Return the dataset with the notes that apply to the split with this name."""
        if self.split_notes is None:
            return self
        official_notes = self.split_notes("official")
        general_notes = (note for note in self.notes if note not in official_notes)
        return replace(self, notes=(*general_notes, *self.split_notes(split)), split_notes=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(normalize_unicode(name) for name in self.classes))
        object.__setattr__(self, "groups", _normalize_groups(self.groups))
        if self.groups is None:
            object.__setattr__(self, "group_source", None)
        object.__setattr__(self, "licence", self.licence or None)
        object.__setattr__(self, "citation", self.citation or None)
        n = len(self.images)
        for name, values in (
            ("targets", self.targets),
            ("groups", self.groups),
            ("subset", self.subset),
            ("ids", self.ids),
            ("names of external datasets", self.external),
            ("paths", self.paths),
            *((f"values of '{name}'", values) for name, values in self.attributes.items()),
        ):
            if values is not None and len(values) != n:
                raise UserError(f"dataset '{self.name}': {n} images and {len(values)} {name}")
        self._check_ids()
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
        repeated = [name for name, count in Counter(self.classes).items() if count > 1]
        if repeated:
            raise UserError(
                f"dataset '{self.name}': two classes are named '{repeated[0]}'; rename one"
            )
        self._check_targets()
        self._check_positive()
        # all cells share these arrays: a plug-in that writes into them must fail, not affect others
        for array in (self.images, self.targets):
            array.setflags(write=False)

    def _check_ids(self) -> None:
        if self.ids is None:
            return
        unique, counts = np.unique(self.ids, return_counts=True)
        if len(unique) < len(self.ids):
            raise UserError(
                f"dataset '{self.name}': {counts.max()} images have the id "
                f"'{unique[counts.argmax()]}'; every image needs an id of its own"
            )

    def _check_positive(self) -> None:
        if self.positive is not None and (
            self.task != "binary" or self.positive != self.classes[1]
        ):
            raise UserError(
                f"dataset '{self.name}': positive must be the second of two classes, not "
                f"'{self.positive}'; with_positive_class swaps them"
            )

    def _check_targets(self) -> None:
        k = len(self.classes)
        has_right_shape = self.targets.shape[1:] == ((k,) if self.multilabel else ())
        limit = 2 if self.multilabel else k
        if (
            not has_right_shape
            or self.targets.min(initial=0) < 0
            or self.targets.max(initial=0) >= limit
        ):
            raise UserError(f"dataset '{self.name}': targets do not fit its {k} classes")

    @property
    def task(self) -> Task:
        """Type of the task: 'binary', 'multiclass' or 'multilabel'."""
        if self.multilabel:
            return "multilabel"
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def image_ids(self) -> NDArray[np.str_]:
        """Name of each image, (n,) str: its id, or its index if there are no ids."""
        return np.arange(len(self.images)).astype(np.str_) if self.ids is None else self.ids

    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that can change a result, 16 hexadecimal digits.

        It covers images, targets, classes, groups, the official split and which images are
        external, but neither ids nor attributes: what uses an attribute has its values in the key
        of the cell.
        """
        digest = hashlib.sha256(
            repr((self.images.shape, self.classes, self.multilabel, self.ordinal)).encode()
        )
        for chunk in iterate_chunks(self.images):
            digest.update(np.ascontiguousarray(self.images[chunk]).data)
        digest.update(np.ascontiguousarray(self.targets, dtype=np.int64).data)
        known = () if self.external is None else (self.external,)
        for extra in (self.groups, self.subset, *known):
            digest.update(repr(None if extra is None else [str(value) for value in extra]).encode())
        return digest.hexdigest()[:16]


def _normalize_groups(groups: NDArray | None) -> NDArray | None:
    """Normalize group names to Unicode's composed form."""
    if groups is None or np.asarray(groups).dtype.kind not in "UO":
        return groups
    return np.array(
        [
            normalize_unicode(value) if isinstance(value, str) else value
            for value in groups.tolist()
        ],
        dtype=groups.dtype,
    )


def number_within_subsets(subset: NDArray[np.str_]) -> NDArray[np.str_]:
    """Name images by their subset and their index within it.

    Examples
    --------
    >>> number_within_subsets(np.array(["train", "train", "test"])).tolist()
    ['train/0', 'train/1', 'test/0']
    """
    index = np.empty(len(subset), np.int64)
    for name in np.unique(subset):
        members = np.flatnonzero(subset == name)
        index[members] = np.arange(len(members))
    return np.array([f"{name}/{i}" for name, i in zip(subset, index, strict=True)], np.str_)


def format_image_shape(dataset: Dataset) -> str:
    """Format height, width and channels of the images, such as '28x28x1'."""
    return "x".join(map(str, dataset.images.shape[1:]))


def describe_dataset(dataset: Dataset) -> str:
    """Describe number, shape and classes of the images in one line.

    Examples
    --------
    >>> images = np.zeros((4, 8, 8, 1), np.uint8)
    >>> describe_dataset(Dataset("demo", images, np.array([0, 1, 0, 1]), ("cat", "dog")))
    'demo: 4 images 8x8x1, binary, 2 classes'
    """
    images = format_count(len(dataset.images), "image")
    classes = format_count(len(dataset.classes), "class", "classes")
    shape = format_image_shape(dataset)
    return f"{dataset.name}: {images} {shape}, {dataset.task}, {classes}"


def data_folder(data: str | Path | None = None) -> Path:
    """Return the folder that holds the datasets.

    It is the given one, else ``$BENCHMARK_DATA``, else a sub-folder of the platform's cache folder.

    Raises
    ------
    UserError
        A folder was given, or set in the environment, that does not exist.
    """
    named = data or os.environ.get("BENCHMARK_DATA")
    if not named:
        return platformdirs.user_cache_path("classical-vs-deep") / "data"
    folder = user_path(named)
    if not folder.is_dir():
        raise UserError(
            f"no data folder {folder}; create it, or set another with --data or $BENCHMARK_DATA"
        )
    return folder


def resize_images(
    images: NDArray[np.uint8], size: int | None
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Resize images to (size, size) pixels.

    Parameters
    ----------
    images : (n, h, w, c) uint8 array
    size : int or None
        None keeps the images as they are.

    Returns
    -------
    images : (n, size, size, c) uint8 array
    notes : tuple of str
        One note if the images were resized, else empty.
    """
    height, width = images.shape[1:3]
    if size is None or height == width == size:
        return images, ()
    from benchmark.datasets.images.load import resize_image

    resized = allocate_images((len(images), size, size, images.shape[3]))
    for chunk in iterate_chunks(images):
        for i in range(chunk.start, chunk.stop):
            resized[i] = resize_image(images[i], (size, size))
        release_memory(resized)
    return resized, (Note(f"resized to {size}x{size} from {height}x{width}", NoteKind.SIZE),)
