"""Read arrays of an npz file whose shapes are known, and no more memory than they take."""

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
        The arrays wanted, and the shape of each.

    Raises
    ------
    ValueError
        The file is no npz file, is damaged, or an array is absent or has another type or shape.
    """
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(file) as archive:
            warnings.simplefilter("error")
            return {name: _read_array(archive, name, shape) for name, shape in shapes.items()}
    except Exception as error:  # zipfile, zlib and NumPy raise whatever they like on a damaged file
        raise ValueError(str(error) or type(error).__name__) from None


def _read_array(archive: zipfile.ZipFile, name: str, expected: tuple[int, ...]) -> NDArray:
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed by another method than deflate")
    with archive.open(entry) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"{name} is no array of the format 1.0")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if shape != expected or dtype.kind not in "bui":
            raise ValueError(f"{name} is {shape} {dtype}, not {expected} of integers")
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        data = stream.read(size)
        if len(data) != size or stream.read(1):
            raise ValueError(f"{name} does not hold the {size} bytes that it announces")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
