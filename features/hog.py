"""Histograms of oriented gradients, computed for a whole batch of images at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.base import Extractor, Images, enlarged_shape

Array = NDArray[np.float64]

BLOCK_NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
EPSILON = 1e-5  # keeps a block without any gradient at zero


class HOG(Extractor):
    """Histograms of gradient orientations in a grid of cells, contrast-normalised over overlapping blocks of cells.

    Parameters
    ----------
    orientations : int, default=9
        Bins of the histogram, over 0 to 180 degrees.
    pixels_per_cell : (int, int), default=(4, 4)
        Height and width of a cell, pixels. The default suits images of 8 to 64 pixels; larger ones want larger cells.
    cells_per_block : (int, int), default=(3, 3)
        Height and width of a block, cells.
    block_norm : {"L1", "L1-sqrt", "L2", "L2-Hys"}, default="L2-Hys"
        How a block is normalised; L2-Hys is L2, clipped at 0.2, and L2 again.
    transform_sqrt : bool, default=False
        Take the square root of the pixels first.

    Notes
    -----
    Dalal & Triggs, "Histograms of oriented gradients for human detection", CVPR 2005. As in ``skimage.feature.hog``,
    whose numbers these are, pixels vote for one cell and one orientation (no interpolation between neighbours), blocks
    have no Gaussian window, and of a colour image the channel with the largest gradient counts. An image that cannot hold
    one block is enlarged.
    """

    batch_size = 64

    def __init__(
        self,
        orientations: int = 9,
        pixels_per_cell: tuple[int, int] = (4, 4),
        cells_per_block: tuple[int, int] = (3, 3),
        block_norm: str = "L2-Hys",
        transform_sqrt: bool = False,
    ) -> None:
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block
        self.block_norm = block_norm
        self.transform_sqrt = transform_sqrt

    @property
    def min_size(self) -> int:  # type: ignore[override]
        """The side of one block, pixels: the smallest image that has a feature."""
        sides = zip(self.pixels_per_cell, self.cells_per_block, strict=True)
        return max(pixels * cells for pixels, cells in sides)

    def extract(self, batch: Images) -> Array:
        """Normalised blocks of each image, row by row: block, cell in the block, orientation."""
        row, col, magnitude = _strongest_gradients(batch, self.transform_sqrt)
        angle = np.rad2deg(np.arctan2(row, col)) % 180
        edges = 180 / self.orientations * np.arange(1, self.orientations)
        cells = self._cell_histograms(magnitude, np.searchsorted(edges, angle, side="right"))
        return _normalise(self._blocks(cells), self.block_norm).reshape(len(batch), -1)

    def _cell_histograms(self, magnitude: Array, orientation_bin: NDArray[np.intp]) -> Array:
        """Mean magnitude per orientation, (b, cell rows, cell columns, orientations); an incomplete last cell is left out."""
        height, width = self.pixels_per_cell
        n, rows, cols = len(magnitude), magnitude.shape[1] // height, magnitude.shape[2] // width
        inside = np.s_[:, : rows * height, : cols * width]
        cell_row, cell_col = np.arange(rows * height)[:, None] // height, np.arange(cols * width) // width
        cell = (np.arange(n)[:, None, None] * rows + cell_row) * cols + cell_col
        vote = cell * self.orientations + orientation_bin[inside]
        sums = np.bincount(vote.ravel(), magnitude[inside].ravel(), n * rows * cols * self.orientations)
        return sums.reshape(n, rows, cols, self.orientations) / (height * width)

    def _blocks(self, cells: Array) -> Array:
        """Every block of neighbouring cells, (b, block rows, block columns, cells in the block * orientations)."""
        windows = np.lib.stride_tricks.sliding_window_view(cells, self.cells_per_block, axis=(1, 2))
        blocks = np.moveaxis(windows, 3, -1)
        return blocks.reshape(*blocks.shape[:3], -1)

    def _feature_names(self) -> list[str]:
        height, width, _ = self.image_shape_
        shape = enlarged_shape(height, width, self.min_size)
        cells = [side // pixels for side, pixels in zip(shape, self.pixels_per_cell, strict=True)]
        blocks = [n - per_block + 1 for n, per_block in zip(cells, self.cells_per_block, strict=True)]
        positions = np.ndindex(*blocks, *self.cells_per_block, self.orientations)
        return [f"hog_block{r}_{c}_cell{i}_{j}_orientation{k}" for r, c, i, j, k in positions]

    def check_parameters(self) -> None:
        """Refuse values that are not allowed."""
        if not _is_count(self.orientations):
            raise ValueError(f"orientations={self.orientations!r}: must be an integer of at least 1")
        for name in ("pixels_per_cell", "cells_per_block"):
            value = getattr(self, name)
            if not isinstance(value, tuple | list) or len(value) != 2 or not all(map(_is_count, value)):
                raise ValueError(f"{name}={value!r}: must be two integers of at least 1, (rows, columns)")
        if self.block_norm not in BLOCK_NORMS:
            raise ValueError(f"block_norm={self.block_norm!r}: must be one of {', '.join(BLOCK_NORMS)}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def _strongest_gradients(batch: Images, transform_sqrt: bool) -> tuple[Array, Array, Array]:
    """Gradients along rows and columns, and their magnitude, of the channel where it is largest; (b, h, w) each."""
    channels = np.moveaxis(batch, -1, 0).astype(float)
    if transform_sqrt:
        channels = np.sqrt(channels)
    row, col, magnitude = _gradients(channels[0])
    for channel in channels[1:]:
        other_row, other_col, other_magnitude = _gradients(channel)
        stronger = other_magnitude > magnitude
        np.copyto(row, other_row, where=stronger)
        np.copyto(col, other_col, where=stronger)
        np.copyto(magnitude, other_magnitude, where=stronger)
    return row, col, magnitude


def _gradients(channel: Array) -> tuple[Array, Array, Array]:
    """Central differences along rows and columns, zero at the border, and their magnitude."""
    row, col = np.zeros_like(channel), np.zeros_like(channel)
    row[:, 1:-1] = channel[:, 2:] - channel[:, :-2]
    col[:, :, 1:-1] = channel[:, :, 2:] - channel[:, :, :-2]
    return row, col, np.hypot(row, col)


def _normalise(blocks: Array, block_norm: str) -> Array:
    if block_norm.startswith("L1"):
        shares = blocks / (blocks.sum(axis=-1, keepdims=True) + EPSILON)
        return np.sqrt(shares) if block_norm == "L1-sqrt" else shares
    if block_norm == "L2":
        return _unit_length(blocks)
    return _unit_length(np.minimum(_unit_length(blocks), 0.2))


def _unit_length(blocks: Array) -> Array:
    return blocks / np.sqrt(np.square(blocks).sum(axis=-1, keepdims=True) + EPSILON**2)
