"""Read arrays of known shapes from an npz file, without using more memory than they need."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.image_array import iterate_chunks


def read_arrays(
    file: Path,
    shapes: Mapping[str, tuple[int, ...]],
    targets: Mapping[str, NDArray[np.uint8]] = MappingProxyType({}),
) -> dict[str, NDArray]:
    """Read arrays of integers.

    Parameters
    ----------
    file : Path
    shapes : mapping of str to tuple of int
        Names of the arrays to read, with the expected shape of each.
    targets : mapping of str to (n, ...) uint8 array
        Arrays that some of them are read into, piece by piece.

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
            return {
                name: _read_array(archive, name, shape, targets.get(name))
                for name, shape in shapes.items()
            }
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many types
        raise ValueError(str(error) or type(error).__name__) from None


def _read_array(
    archive: zipfile.ZipFile, name: str, expected: tuple[int, ...], target: NDArray | None
) -> NDArray:
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed by a method other than deflate")
    with archive.open(entry) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"{name} is not an array of format version 1.0")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if shape != expected or dtype.kind not in "bui":
            raise ValueError(f"{name} is {shape} {dtype}, not {expected} integers")
        if target is None:
            target = np.empty(shape[::-1] if is_fortran else shape, dtype)
        elif is_fortran or dtype != np.uint8:
            raise ValueError(f"{name} is not an array of uint8 in C order")
        for chunk in iterate_chunks(target):
            part = target[chunk]
            data = stream.read(part.nbytes)
            if len(data) != part.nbytes:
                raise ValueError(f"{name} has fewer bytes than its header states")
            target[chunk] = np.frombuffer(data, dtype).reshape(part.shape)
        if stream.read(1):
            raise ValueError(f"{name} has more bytes than its header states")
    return target.T if is_fortran else target
