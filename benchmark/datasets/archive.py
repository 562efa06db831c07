"""Read arrays of known shapes from an npz file, without using more memory than they need."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_arrays(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray]:
    """Read arrays of integers.

    Parameters
    ----------
    file : Path
    shapes : mapping of str to tuple of int
        Names of the arrays to read, with the expected shape of each.

    Returns
    -------
    dict of str to array

    Raises
    ------
    ValueError
        The file is not an npz file or is corrupted, or an array is missing or has another type or
        shape.
    """
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(file) as archive:
            warnings.simplefilter("error")
            return {name: _read_array(archive, name, shape) for name, shape in shapes.items()}
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many types
        raise ValueError(str(error) or type(error).__name__) from None


def _read_array(archive: zipfile.ZipFile, name: str, expected: tuple[int, ...]) -> NDArray:
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed by a method other than deflate")
    with archive.open(entry) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"{name} is not an array of format version 1.0")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if shape != expected or dtype.kind not in "bui":
            raise ValueError(f"{name} is {shape} {dtype}, not {expected} integers")
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        data = stream.read(size)
        if len(data) != size or stream.read(1):
            raise ValueError(f"{name} does not have the {size} bytes that its header states")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
