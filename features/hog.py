"""Histograms of oriented gradients, computed for a batch of images at once."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numba import types

from features.base import Extractor, Features, Images, enlarged_shape
from features.compiled import compile_kernel, readonly_array_type, writable_array_type
from features.gradient_votes import (
    bin_edges,
    cast_gradient_votes,
    cast_root_gradient_votes,
    gradient_bins,
)
from models.constraints import GRID, OneOf, WholeNumber

BLOCK_NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
MAX_ORIENTATIONS = 360
EPSILON = 1e-5  # avoids a division by zero in a block without gradients
AUTO_CELLS = 8  # along the shorter side of an image, at least, from 16 pixels on
MIN_AUTO_CELL = 2  # pixels
CLIP = 0.2  # L2-Hys clips the values of a block at this before the second normalisation


class HOG(Extractor):
    """Histograms of oriented gradients in cells, normalised over overlapping blocks of cells.

    Parameters
    ----------
    orientations : int, default=9
        Number of bins of each histogram, over 0 to 180 degrees.
    pixels_per_cell : (int, int) or "auto", default=(4, 4)
        Height and width of a cell in pixels. The default suits images of 8 to 64 pixels; larger
        images need larger cells. "auto" makes cells of an eighth of the shorter
        side, rounded down, and of at least 2 pixels.
    cells_per_block : (int, int), default=(3, 3)
        Height and width of a block in cells.
    block_norm : {"L1", "L1-sqrt", "L2", "L2-Hys"}, default="L2-Hys"
        Normalisation of a block; L2-Hys is L2, clipped at 0.2, and L2 again.
    transform_sqrt : bool, default=False
        Take the square root of the pixels first.

    See Also
    --------
    features.shape_histogram.ShapeHistogram : Edge directions of the whole image.
    features.sift_bovw.SIFTBoVW : Histogram of local gradient descriptors.

    Notes
    -----
    Dalal & Triggs, "Histograms of oriented gradients for human detection", CVPR 2005. The values
    are those of ``skimage.feature.hog``: a pixel votes for one cell and one orientation (no
    interpolation between neighbours), blocks have no Gaussian window, and in a colour image the
    channel with the largest gradient counts. An image that is smaller than one block is enlarged.

    Examples
    --------
    >>> import numpy as np
    >>> from features import HOG
    >>> images = np.random.default_rng(0).integers(256, size=(2, 32, 32, 3), dtype=np.uint8)
    >>> HOG().fit_transform(images).shape
    (2, 2916)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "orientations": [WholeNumber(1, MAX_ORIENTATIONS)],
        "pixels_per_cell": [GRID, OneOf(("auto",))],
        "cells_per_block": [GRID],
        "block_norm": [OneOf(BLOCK_NORMS)],
        "transform_sqrt": ["boolean"],
    }
    search_space: ClassVar[dict[str, Any]] = {
        "orientations": [9, 12],
        "cells_per_block": [[2, 2], [3, 3]],
        "transform_sqrt": [False, True],
    }

    def __init__(
        self,
        orientations: int = 9,
        pixels_per_cell: tuple[int, int] | str = (4, 4),
        cells_per_block: tuple[int, int] = (3, 3),
        block_norm: str = "L2-Hys",
        transform_sqrt: bool = False,
    ) -> None:
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block
        self.block_norm = block_norm
        self.transform_sqrt = transform_sqrt

    def check_parameters(self) -> None:
        """Check the values of the parameters, and that a block has no more cells than an image."""
        super().check_parameters()
        if self.pixels_per_cell == "auto" and max(self.cells_per_block) > AUTO_CELLS:
            raise ValueError(
                f"cells_per_block is {self.cells_per_block}, but pixels_per_cell='auto' divides an "
                f"image into {AUTO_CELLS} cells per side: give pixels_per_cell, or smaller blocks"
            )

    @property
    def min_size(self) -> int:
        """Larger side of one block in pixels, since smaller images have no features."""
        cell = self._cell_shape(0, 0)
        return max(pixels * n for pixels, n in zip(cell, self.cells_per_block, strict=True))

    def _cell_shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width in pixels of the cells of an image."""
        if isinstance(self.pixels_per_cell, str):
            side = max(MIN_AUTO_CELL, min(height, width) // AUTO_CELLS)
            return side, side
        height, width = self.pixels_per_cell
        return height, width

    def _grid_shapes(self, height: int, width: int) -> tuple[list[int], list[int]]:
        """Numbers of rows and columns of cells, and of blocks, in an image."""
        cell = self._cell_shape(height, width)
        cells = [side // pixels for side, pixels in zip((height, width), cell, strict=True)]
        blocks = [n - size + 1 for n, size in zip(cells, self.cells_per_block, strict=True)]
        return cells, blocks

    def extract(self, batch: Images) -> Features:
        """Normalised blocks row by row, in each its cells, in each its orientations, (b, d)."""
        cell = self._cell_shape(*batch.shape[1:3])
        n_cells, n_blocks = self._grid_shapes(*batch.shape[1:3])
        cells = np.zeros((len(batch), *n_cells, self.orientations), np.float32)
        if self.transform_sqrt:
            cast_root_gradient_votes(batch, bin_edges(self.orientations), *cell, cells)
        else:
            cast_gradient_votes(batch, gradient_bins(self.orientations), *cell, cells)
        cells /= math.prod(cell)
        height, width = self.cells_per_block
        blocks = np.empty((len(batch), *n_blocks, height, width * self.orientations), np.float32)
        _normalise_blocks(
            cells.reshape(len(batch), n_cells[0], -1), BLOCK_NORMS.index(self.block_norm), blocks
        )
        return blocks.reshape(len(batch), -1)

    def _feature_names(self) -> list[str]:
        height, width, _ = self.image_shape_
        shape = enlarged_shape(height, width, self.min_size)
        _, blocks = self._grid_shapes(*shape)
        positions = np.ndindex(*blocks, *self.cells_per_block, self.orientations)
        return [f"hog_block{r}_{c}_cell{i}_{j}_orientation{k}" for r, c, i, j, k in positions]


@compile_kernel(
    readonly_array_type(types.float32, 3),
    types.intp,
    writable_array_type(types.float32, 5),
    fastmath={"reassoc", "contract"},
)
def _normalise_blocks(cells, norm, blocks):  # type: ignore[no-untyped-def]
    """Copy the cells of each block and normalise the block.

    ``norm`` is an index into ``BLOCK_NORMS``; in ``cells`` the histograms of a row of cells are
    concatenated. A row of blocks passes one step after the other, which keeps the processor from
    waiting for the sum, root and quotient of each block.
    """
    n, rows, cols, height, width = blocks.shape
    # unsigned, because an index that may be negative is not vectorised
    step = np.uint64((cells.shape[2] - width) // max(cols - 1, 1))
    scales = np.empty(cols, np.float32)
    for i, r in np.ndindex(n, rows):
        strip = blocks[i, r].reshape(cols, -1)
        for c in range(cols):
            total = np.float32(0)
            for y in range(height):
                for x in range(width):
                    value = cells[i, r + y, np.uint64(c) * step + np.uint64(x)]
                    blocks[i, r, c, y, x] = value
                    total += value if norm < 2 else value * value
            scales[c] = total
        for c in range(cols):
            scales[c] = 1 / (
                scales[c] + np.float32(EPSILON)
                if norm < 2
                else np.sqrt(scales[c] + np.float32(EPSILON**2))
            )
        if norm == 3:
            for c in range(cols):
                total, scale = np.float32(0), scales[c]
                for k in range(strip.shape[1]):
                    strip[c, k] = min(strip[c, k] * scale, np.float32(CLIP))
                    total += strip[c, k] * strip[c, k]
                scales[c] = 1 / np.sqrt(total + np.float32(EPSILON**2))
        for c in range(cols):
            scale = scales[c]
            for k in range(strip.shape[1]):
                value = strip[c, k] * scale
                strip[c, k] = np.sqrt(value) if norm == 1 else value
