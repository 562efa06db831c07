"""Images that are read from a larger array when they are indexed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Prepare = Callable[[Images, NDArray[np.int64]], Images]


class ImageRows:
    """Selected images of an array, which may be a memory map larger than memory.

    Only the images that are indexed are read: ``rows[indices]`` is an array.

    Parameters
    ----------
    images : (m, h, w, c) uint8
    indices : (n,) int64
        Indices of the selected images.
    prepare : callable (images, indices) -> images, optional
        Applied to the images that are read, with their indices in the array; it must return
        images of ``shape``.
    shape : (h, w, c), optional
        Shape of an image after ``prepare``, if it differs.

    Examples
    --------
    >>> rows = ImageRows(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), np.array([3, 1]))
    >>> rows.shape, rows[np.array([1])].ravel()
    ((2, 1, 1, 1), array([1], dtype=uint8))
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        images: Images,
        indices: NDArray[np.int64],
        prepare: Prepare | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self._images, self._indices, self._prepare = images, indices, prepare
        self.shape = (len(indices), *(shape or images.shape[1:]))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, which: Any) -> Images:
        indices = self._indices[which]
        images = np.asarray(self._images[indices])
        return images if self._prepare is None else self._prepare(images, indices)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def map_images(self, change: Callable[[Images], Images], shape: tuple[int, ...]) -> ImageRows:
        """Return rows to which another change is applied when they are read."""
        before = self._prepare

        def prepare(images: Images, indices: NDArray[np.int64]) -> Images:
            return change(images if before is None else before(images, indices))

        return ImageRows(self._images, self._indices, prepare, shape)
