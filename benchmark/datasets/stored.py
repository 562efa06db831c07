"""Datasets stored as files for the workers, which share the images as a memory map."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.image_array import iterate_chunks
from benchmark.errors import StorageError
from benchmark.utils.files import write_atomic
from benchmark.utils.hashing import digest_of
from benchmark.utils.notes import Note

_SCALARS = (
    "name",
    "classes",
    "positive",
    "multilabel",
    "ordinal",
    "group_source",
    "licence",
    "citation",
)
_OPTIONAL_ARRAYS = MappingProxyType(
    {"groups": "groups", "part": "subset", "ids": "ids", "external": "external"}
)  # key: its name


def store_dataset(dataset: Dataset, folder: Path) -> Path:
    """Write a dataset for `open_dataset`, unless it is already stored.

    Parameters
    ----------
    dataset : Dataset
    folder : Path

    Returns
    -------
    Path
        ``folder/<digest>.npz``; the images are beside it in ``<digest>.npy``.
    """
    metadata = _list_metadata(dataset)
    path = folder / stored_name(dataset)
    if not _is_whole(path, dataset):
        arrays: dict[str, Any] = {
            "targets": dataset.targets,
            "words": np.array(json.dumps(metadata)),
        }
        arrays |= {f"attribute {i}": values for i, values in enumerate(dataset.attributes.values())}
        arrays |= {
            key: _convert_object_array(value)
            for key, name in _OPTIONAL_ARRAYS.items()
            if (value := getattr(dataset, name)) is not None
        }
        write_atomic(path.with_suffix(".npy"), lambda file: _write_images(file, dataset.images))
        write_atomic(path, lambda file: np.savez(file, **arrays))
    return path


def stored_name(dataset: Dataset) -> str:
    """Name of the file that ``store_dataset`` writes."""
    described = _digest_arrays([dataset.image_ids, *dataset.attributes.values()])
    return f"{digest_of([dataset.fingerprint, described, _list_metadata(dataset)])}.npz"


def _list_metadata(dataset: Dataset) -> dict[str, Any]:
    return {name: getattr(dataset, name) for name in _SCALARS} | {
        "notes": [Note.from_text(note).to_json() for note in dataset.notes],
        "attributes": list(dataset.attributes),
    }


def _digest_arrays(arrays: Iterable[NDArray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _write_images(file: BinaryIO, images: NDArray[np.uint8]) -> None:
    """Write images as ``np.save`` does, with bounded memory."""
    header = {"descr": "|u1", "fortran_order": False, "shape": images.shape}
    np.lib.format.write_array_header_1_0(file, header)
    for chunk in iterate_chunks(images):
        file.write(np.ascontiguousarray(images[chunk]).data)


def _is_whole(path: Path, dataset: Dataset) -> bool:
    try:
        return (
            zipfile.is_zipfile(path)
            and np.load(path.with_suffix(".npy"), mmap_mode="r").shape == dataset.images.shape
        )
    except Exception:  # NumPy raises errors of many types on a corrupted file
        return False


@lru_cache(maxsize=4)
def open_dataset(path: Path) -> Dataset:
    """Open a dataset that `store_dataset` wrote; images are read from disk when they are used.

    Raises
    ------
    StorageError
        A file is missing or corrupted.
    """
    try:
        return _read_stored_dataset(path)
    except Exception as error:  # NumPy, zipfile and zlib raise errors of many types
        reason = " ".join(str(error).split())
        raise StorageError(
            f"the dataset in {path} is missing or corrupted ({reason}); run the same command "
            "again: completed cells are kept"
        ) from error


def _read_stored_dataset(path: Path) -> Dataset:
    images = np.load(path.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
    # the file is opened here, as NumPy does not close a corrupted one
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        metadata = json.loads(str(stored["words"]))
        arrays = {name: stored[key] for key, name in _OPTIONAL_ARRAYS.items() if key in stored}
        metadata |= {
            "classes": tuple(metadata["classes"]),
            "notes": tuple(map(Note.from_json, metadata["notes"])),
        }
        attributes = {
            name: stored[f"attribute {i}"] for i, name in enumerate(metadata.pop("attributes"))
        }
        return Dataset(
            images=images,
            targets=stored["targets"],
            attributes=attributes,
            **arrays,
            **metadata,
        )


def _convert_object_array(values: NDArray) -> NDArray:
    """Convert an array of Python objects, which would need a pickle, to a typed array."""
    return (
        np.array(np.asarray(values).tolist())
        if np.asarray(values).dtype == object
        else np.asarray(values)
    )
