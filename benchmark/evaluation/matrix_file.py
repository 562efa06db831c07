"""The file of a feature matrix, of which some rows may be computed and others not.

It holds three NumPy arrays, one after the other: the matrix, with zeros in rows that are not
computed; which rows are computed; and a description as JSON. ``np.load(path)`` reads the matrix.
A file is completed under a temporary name, and never changed afterwards: who computes further rows
writes a new file with the old rows in it, so that a matrix that is in use stays as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.utils.files import create_temporary, translate_storage_errors

Rows = NDArray[np.bool_]  # (n_images,), whether the features of each image are meant
DESCRIBED = {"key", "extractor", "seconds", "n_images", "mb", "notes", "tally"}
COPIED_AT_ONCE = 2**26  # bytes


class StoredMatrix(NamedTuple):
    """A feature matrix as read from its file.

    Parameters
    ----------
    values : (n, d) float32
        One row per image of the dataset; a memory map.
    computed : (n,) bool
        Whether each row is computed; the other rows are zero.
    description : dict
        At least the entries of ``DESCRIBED``.
    """

    values: NDArray[np.float32]
    computed: Rows
    description: dict[str, Any]

    def covers(self, rows: Rows) -> bool:
        """Whether all of these rows are computed."""
        return bool(self.computed[rows].all())


def read_matrix(path: Path, n_images: int) -> StoredMatrix | None:
    """Read a matrix; None if its file is missing or corrupted, or is that of other images."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        if values.ndim != 2 or len(values) != n_images:
            return None
        with path.open("rb") as file:
            file.seek(_data_offset(values.shape) + values.nbytes)
            computed = np.load(file, allow_pickle=False)
            description = json.loads(np.load(file, allow_pickle=False).tobytes())
        is_whole = (
            values.dtype == np.float32
            and computed.dtype == np.bool_
            and computed.shape == (n_images,)
            and description["key"] == path.stem
            and description.keys() >= DESCRIBED
        )
    except Exception:  # NumPy raises errors of many types on a corrupted file
        return None
    return StoredMatrix(values, computed, description) if is_whole else None


def create_matrix(path: Path, shape: tuple[int, int]) -> Path:
    """Create a file for a matrix without computed rows, and return its temporary path.

    Rows that are never written take no space, except on file systems without sparse files.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    with translate_storage_errors(path):
        temporary = create_temporary(path)
        with temporary.open("wb") as file:
            _write_header(file, shape)
            file.truncate(file.tell() + shape[0] * shape[1] * np.float32().itemsize)
    return temporary


def write_rows(
    temporary: Path, n_images: int, indices: NDArray[np.int64], rows: NDArray[np.float32]
) -> None:
    """Write rows of a matrix into its temporary file.

    Several processes may write different rows at the same time.

    Parameters
    ----------
    temporary : Path
        From ``create_matrix``.
    n_images : int
        Number of rows of the matrix.
    indices : (m,) int64
    rows : (m, d) float32

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    start, width = _data_offset((n_images, rows.shape[1])), rows.shape[1] * rows.itemsize
    # images that follow each other are written at once
    runs = np.split(np.arange(len(indices)), np.flatnonzero(np.diff(indices) != 1) + 1)
    with translate_storage_errors(temporary), temporary.open("r+b") as file:
        for run in runs:
            file.seek(start + int(indices[run[0]]) * width)
            file.write(np.ascontiguousarray(rows[run[0] : run[-1] + 1]).data)


def copy_rows(stored: StoredMatrix, temporary: Path) -> None:
    """Copy the computed rows of a matrix into the temporary file of another one."""
    n, d = stored.values.shape
    indices = np.flatnonzero(stored.computed)
    at_once = max(1, COPIED_AT_ONCE // (d * stored.values.itemsize))
    for first in range(0, len(indices), at_once):
        chunk = indices[first : first + at_once]
        write_rows(temporary, n, chunk, stored.values[chunk])


def publish_matrix(
    temporary: Path, path: Path, computed: Rows, description: dict[str, Any]
) -> None:
    """Complete a matrix, which replaces the file at ``path``.

    Parameters
    ----------
    temporary : Path
        From ``create_matrix``.
    path : Path
        Its name is the content key of the matrix.
    computed : (n,) bool
        Whether each row has been written.
    description : dict
        See ``StoredMatrix``; the key is added.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    text = json.dumps({"key": path.stem, **description})
    with translate_storage_errors(path):
        with temporary.open("ab") as file:
            np.save(file, computed)
            np.save(file, np.frombuffer(text.encode(), np.uint8))
        temporary.replace(path)


def _write_header(file: Any, shape: tuple[int, int]) -> None:
    np.lib.format.write_array_header_1_0(
        file,
        {
            "descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)),
            "fortran_order": False,
            "shape": shape,
        },
    )


def _data_offset(shape: tuple[int, ...]) -> int:
    """Position of the first row in the file of a matrix of this shape."""
    from io import BytesIO

    header = BytesIO()
    _write_header(header, (shape[0], shape[1]))
    return header.tell()
