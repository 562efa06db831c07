"""Arrays of images that may be larger than memory.

A large array is a memory map of a temporary file, which is in the cache folder of the platform: the
folder for temporary files is in memory on many systems, and the results folder is not known where a
dataset is loaded. Nothing is left of the file when the process ends, however it ends.
"""

from __future__ import annotations

import errno
import math
import os
import tempfile
from collections.abc import Iterator

import numpy as np
import platformdirs
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.utils.memory import release_memory

IN_MEMORY = 2**28  # bytes of the largest array that is not in a file
AT_ONCE = 2**25  # bytes of the images that are worked on at once


def allocate_images(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Allocate an array to be filled with images, in memory if it is small, else in a file.

    Parameters
    ----------
    shape : tuple of int
        (n, h, w, c)

    Returns
    -------
    (n, h, w, c) uint8 array
        Its content is arbitrary.

    Raises
    ------
    UserError
        The file cannot be written, for instance since there is not enough space.

    Examples
    --------
    >>> allocate_images((10, 8, 8, 1)).shape
    (10, 8, 8, 1)
    """
    n_bytes = math.prod(shape)
    if n_bytes <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    folder = platformdirs.user_cache_path("classical-vs-deep")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # else a full disk would end the process later
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        raise UserError(
            f"the images take {n_bytes / 1e9:.1f} GB, which {folder} cannot hold "
            f"({error.strerror}); "
            + (
                "free some space, or set a smaller size"
                if full
                else "set XDG_CACHE_HOME to a folder that can be written"
            )
        ) from None


def iterate_chunks(images: NDArray[np.uint8]) -> Iterator[slice]:
    """Yield slices of images, one after the other, each of at most ``AT_ONCE`` bytes.

    The memory that the images of a slice took is released when the next one is drawn.

    Parameters
    ----------
    images : (n, h, w, c) uint8 array

    Yields
    ------
    slice

    Examples
    --------
    >>> [*iterate_chunks(np.empty((3, 8, 8, 1), np.uint8))]
    [slice(0, 3, None)]
    """
    step = max(1, AT_ONCE // max(1, math.prod(images.shape[1:])))
    for start in range(0, len(images), step):
        yield slice(start, min(start + step, len(images)))
        release_memory(images)


def select_images(images: NDArray[np.uint8], indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Copy the images with these indices into an array of their own."""
    selected = allocate_images((len(indices), *images.shape[1:]))
    for chunk in iterate_chunks(selected):
        selected[chunk] = images[indices[chunk]]
        release_memory(images)
    return selected
