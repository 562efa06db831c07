"""Rows of feature matrices that are read when they are indexed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.utils.memory import release_memory

AT_ONCE = 2**26  # bytes that are read at once


class FeatureRows:
    """Features of selected images, from the matrices of one or several extractors.

    ``rows[start:stop]`` reads some of them as an array, ``np.asarray(rows)`` all. The memory of the
    matrices, which are memory maps, is released after each access.

    Parameters
    ----------
    matrices : list of (n_images, d_k) float32
        Their features are concatenated.
    indices : (n,) int64
        Indices of the images.

    Examples
    --------
    >>> rows = FeatureRows([np.eye(3, dtype=np.float32)], np.array([2, 0]))
    >>> rows.shape, rows[1:].tolist()
    ((2, 3), [[1.0, 0.0, 0.0]])
    """

    on_disk = True  # tells models to read slices; see models.chunks.check_rows
    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, matrices: Sequence[NDArray[np.float32]], indices: NDArray[np.int64]) -> None:
        self._matrices, self._indices = matrices, indices
        self.shape = len(indices), sum(matrix.shape[1] for matrix in matrices)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, which: Any) -> NDArray[np.float32]:
        indices = self._indices[which]
        rows = join_features([matrix[indices] for matrix in self._matrices])
        for matrix in self._matrices:
            release_memory(matrix)
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = np.empty(self.shape, np.float32)
        step = max(1, AT_ONCE // max(1, array.itemsize * self.shape[1]))
        for start in range(0, len(self), step):
            array[start : start + step] = self[start : start + step]
        return array if dtype is None else array.astype(dtype, copy=False)

    def select(self, positions: NDArray[np.int64]) -> FeatureRows:
        """Return the rows at some positions, without reading them."""
        return FeatureRows(self._matrices, self._indices[positions])


def join_features(matrices: Sequence[NDArray]) -> NDArray:
    """Concatenate the features of several extractors, (..., d_k) each, to (..., d)."""
    return matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=-1)


def select_rows(X: Any, positions: NDArray[np.int64]) -> Any:
    """Select rows of features or images; those of ``FeatureRows`` are not read."""
    return X.select(positions) if isinstance(X, FeatureRows) else X[positions]
