"""Datasets from NumPy arrays on disk, which may be larger than memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset, resize_images
from benchmark.datasets.duplicates import check_duplicates
from benchmark.datasets.listing import parse_dataset_path, sort_class_names
from benchmark.datasets.subsets import parse_subset_name
from benchmark.errors import UserError
from benchmark.utils.files import read_text
from benchmark.utils.text import escape_controls, normalize_unicode

MAX_CLASSES_BYTES = 1_000_000


def load_arrays(
    name: str,
    data: Path,
    size: int | None,
    *,
    drop_duplicates: bool = False,
    licence: str | None = None,
    citation: str | None = None,
) -> Dataset:
    """Load the arrays in a folder; images are read from disk when they are used.

    The files are written by ``np.save``:

    - ``images.npy``, (n, h, w, c) or (n, h, w) uint8;
    - ``labels.npy``, (n,) whole numbers or text;
    - ``split.npy``, (n,) text, optional: the subset of each image, such as train or test;
    - ``groups.npy``, (n,) whole numbers or text, optional: the patient or lesion of each image;
    - ``ids.npy``, (n,) whole numbers or text, optional: a name of each image;
    - ``classes.txt``, optional: names of the classes 0, 1, ..., one per line.

    Parameters
    ----------
    name : str
        "arrays:PATH", relative to the current folder, or to the data folder if it exists only
        there.
    data : Path
        The data folder. Nothing is downloaded.
    size : int or None
        Side of the images in pixels; None keeps their original size.
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
        A file is missing or corrupted, or is an array of another shape or type.

    See Also
    --------
    benchmark.datasets.folder.load_folder : Load image files.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "images.npy"), np.zeros((4, 8, 8, 3), np.uint8))
    ...     np.save(Path(folder, "labels.npy"), np.array(["cat", "dog", "cat", "dog"]))
    ...     dataset = load_arrays(f"arrays:{folder}", Path(folder), None)
    >>> dataset.classes, dataset.targets.tolist()
    (('cat', 'dog'), [0, 1, 0, 1])
    """
    where, folder = f"dataset '{name}'", parse_dataset_path(name, data)
    if not folder.is_dir():
        raise UserError(f"{where}: no folder '{folder}' (current folder: {Path.cwd()})")
    images = _read_array(where, folder / "images.npy", "u1", (3, 4))
    images = images[..., None] if images.ndim == 3 else images
    labels = _read_array(where, folder / "labels.npy", "iuU", (1,))
    targets, classes = _encode_labels(where, labels, folder / "classes.txt")
    images, notes = resize_images(images, size)
    dataset = Dataset(
        name,
        images,
        targets,
        classes,
        groups=_read_optional_array(where, folder / "groups.npy", "iuU"),
        group_source="groups.npy",
        ids=_read_ids(where, folder / "ids.npy"),
        subset=_parse_subsets(where, _read_optional_array(where, folder / "split.npy", "U")),
        notes=notes,
        licence=licence,
        citation=citation,
    )
    return check_duplicates(dataset, drop_duplicates)


def _read_array(where: str, path: Path, kinds: str, n_axes: tuple[int, ...]) -> NDArray:
    """Read an array as a memory map.

    Parameters
    ----------
    where : str
        Beginning of the messages.
    path : Path
    kinds : str
        Allowed types: 'u1' is uint8; i, u and U are NumPy's kinds of integers and text.
    n_axes : tuple of int
        Allowed numbers of axes.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{where}: {path} is missing; write it with np.save") from None
    except Exception as error:  # NumPy raises errors of many types on a corrupted file
        if "Python objects" in str(error) or "allow_pickle" in str(error):
            raise UserError(
                f"{where}: {path} holds Python objects, which are not read; save numbers or text, "
                "such as np.save(file, values.astype(str))"
            ) from None
        reason = escape_controls(" ".join(str(error).split()))
        raise UserError(f"{where}: {path} is not an array that np.save wrote: {reason}") from None
    fits = isinstance(array, np.ndarray) and (
        array.dtype == np.uint8 if kinds == "u1" else array.dtype.kind in kinds
    )
    if not fits or array.ndim not in n_axes or 0 in array.shape:
        given = f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else "an archive"
        expected = "(n, h, w, 1 or 3) uint8" if kinds == "u1" else "(n,) whole numbers or text"
        raise UserError(f"{where}: {path} must be {expected}, not {given}")
    if not array.flags.c_contiguous:
        raise UserError(
            f"{where}: {path} is in Fortran order, which cannot be read image by image; write it "
            "with np.save(file, np.ascontiguousarray(images))"
        )
    return array


def _read_optional_array(where: str, path: Path, kinds: str) -> NDArray | None:
    return np.array(_read_array(where, path, kinds, (1,))) if path.exists() else None


def _read_ids(where: str, path: Path) -> NDArray[np.str_] | None:
    ids = _read_optional_array(where, path, "iuU")
    return None if ids is None else ids.astype(np.str_)


def _encode_labels(
    where: str, labels: NDArray, classes_file: Path
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return targets and the names of the classes."""
    if not classes_file.is_file():
        values, inverse = np.unique(labels, return_inverse=True)
        names = [str(value) for value in values]
        classes = sort_class_names(names)
        place = {name: k for k, name in enumerate(classes)}
        index = np.array([place[name] for name in names], np.int64)
        return index[inverse], tuple(map(normalize_unicode, classes))
    lines = read_text(classes_file, MAX_CLASSES_BYTES, "file of class names").splitlines()
    classes = tuple(line.strip() for line in lines if line.strip())
    if labels.dtype.kind == "U" or labels.min() < 0 or labels.max() >= len(classes):
        raise UserError(
            f"{where}: labels must be whole numbers from 0 to {len(classes) - 1}, since "
            f"{classes_file} names {len(classes)} classes"
        )
    return labels.astype(np.int64), classes


def _parse_subsets(where: str, names: NDArray | None) -> NDArray[np.str_] | None:
    if names is None:
        return None
    values, inverse = np.unique(names, return_inverse=True)
    subsets = [parse_subset_name(value) for value in values.tolist()]
    if None in subsets:
        unknown = escape_controls(str(values[subsets.index(None)]))
        raise UserError(f"{where}: split.npy: '{unknown}' is none of train, val, test")
    return np.array(subsets)[inverse]
