"""Histograms of oriented gradients, computed for a batch of images at once."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numba import types
from numpy.typing import NDArray

from features.base import Extractor, Features, Images, enlarged_shape
from features.compiled import IMAGES, compile_kernel, readonly_array_type, writable_array_type
from models.constraints import GRID, OneOf, WholeNumber

BLOCK_NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
MAX_ORIENTATIONS = 360
EPSILON = 1e-5  # avoids a division by zero in a block without gradients
CLIP = 0.2  # L2-Hys clips the values of a block at this before the second normalisation


class HOG(Extractor):
    """Histograms of oriented gradients in cells, normalised over overlapping blocks of cells.

    Parameters
    ----------
    orientations : int, default=9
        Number of bins of each histogram, over 0 to 180 degrees.
    pixels_per_cell : (int, int), default=(4, 4)
        Height and width of a cell in pixels. The default suits images of 8 to 64 pixels; larger
        images need larger cells.
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
        "pixels_per_cell": [GRID],
        "cells_per_block": [GRID],
        "block_norm": [OneOf(BLOCK_NORMS)],
        "transform_sqrt": ["boolean"],
    }

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
    def min_size(self) -> int:
        """Larger side of one block in pixels, since smaller images have no features."""
        sides = zip(self.pixels_per_cell, self.cells_per_block, strict=True)
        return max(pixels * cells for pixels, cells in sides)

    def extract(self, batch: Images) -> Features:
        """Normalised blocks row by row, in each its cells, in each its orientations, (b, d)."""
        n_cells = [
            side // pixels
            for side, pixels in zip(batch.shape[1:3], self.pixels_per_cell, strict=True)
        ]
        n_blocks = [
            n - per_block + 1 for n, per_block in zip(n_cells, self.cells_per_block, strict=True)
        ]
        cells = np.zeros((len(batch), *n_cells, self.orientations), np.float32)
        vote = _cast_root_gradient_votes if self.transform_sqrt else _cast_gradient_votes
        vote(
            batch,
            _gradient_bins(self.orientations),
            _bin_edges(self.orientations),
            *self.pixels_per_cell,
            cells,
        )
        cells /= math.prod(self.pixels_per_cell)
        height, width = self.cells_per_block
        blocks = np.empty((len(batch), *n_blocks, height, width * self.orientations), np.float32)
        _normalise_blocks(
            cells.reshape(len(batch), n_cells[0], -1), BLOCK_NORMS.index(self.block_norm), blocks
        )
        return blocks.reshape(len(batch), -1)

    def _feature_names(self) -> list[str]:
        height, width, _ = self.image_shape_
        shape = enlarged_shape(height, width, self.min_size)
        cells = [side // pixels for side, pixels in zip(shape, self.pixels_per_cell, strict=True)]
        blocks = [
            n - per_block + 1 for n, per_block in zip(cells, self.cells_per_block, strict=True)
        ]
        positions = np.ndindex(*blocks, *self.cells_per_block, self.orientations)
        return [f"hog_block{r}_{c}_cell{i}_{j}_orientation{k}" for r, c, i, j, k in positions]


@lru_cache(maxsize=16)
def _bin_edges(orientations: int) -> NDArray[np.float64]:
    """Lower edges in degrees of all bins but the first, (orientations - 1,)."""
    return np.asarray(180 / orientations * np.arange(1, orientations))


@lru_cache(maxsize=16)
def _gradient_bins(orientations: int) -> NDArray[np.uint16]:
    """Bin of every possible gradient of 8-bit images, at index [row + 255, column + 255]."""
    row, col = np.mgrid[-255:256, -255:256].astype(float)
    angle = np.rad2deg(np.arctan2(row, col)) % 180
    return np.searchsorted(_bin_edges(orientations), angle, side="right").astype(np.uint16)


_VOTE = (
    IMAGES,
    readonly_array_type(types.uint16, 2),
    readonly_array_type(types.float64, 1),
    types.intp,
    types.intp,
    writable_array_type(types.float32, 4),
)


@compile_kernel(*_VOTE)
def _cast_gradient_votes(  # type: ignore[no-untyped-def]
    images, bins, edges, cell_height, cell_width, cells
):
    """Add the gradient magnitude of each pixel to an orientation of its cell.

    Pixels of an incomplete last cell are left out. Gradients are central differences, zero at the
    border. The channel with the largest gradient counts, the first one in case of a tie. If squared
    magnitudes are equal, their hypotenuses may differ in the last digit and then decide, as in
    scikit-image.
    """
    n, height, width, n_channels = images.shape
    for i, cell_row, y_in_cell in np.ndindex(n, cells.shape[1], cell_height):
        y = cell_row * cell_height + y_in_cell
        here = images[i, y]
        above, below = (
            (here, here) if y == 0 or y == height - 1 else (images[i, y - 1], images[i, y + 1])
        )
        for cell_col in range(cells.shape[2]):
            histogram = cells[i, cell_row, cell_col]
            for x in range(cell_col * cell_width, (cell_col + 1) * cell_width):
                left, right = (x, x) if x == 0 or x == width - 1 else (x - 1, x + 1)
                square = row = col = np.int32(0)
                tie = False
                for c in range(n_channels):
                    down = np.int32(below[x, c]) - np.int32(above[x, c])
                    along = np.int32(here[right, c]) - np.int32(here[left, c])
                    size = down * down + along * along
                    tie |= (size == square) & (abs(down) != abs(row)) & (abs(down) != abs(col))
                    if size > square:
                        square, row, col = size, down, along
                if tie:  # rare
                    for c in range(n_channels):
                        down = np.int32(below[x, c]) - np.int32(above[x, c])
                        along = np.int32(here[right, c]) - np.int32(here[left, c])
                        if math.hypot(down, along) > math.hypot(row, col):
                            row, col = down, along
                histogram[bins[row + 255, col + 255]] += np.sqrt(np.float32(square))


@compile_kernel(*_VOTE)
def _cast_root_gradient_votes(  # type: ignore[no-untyped-def]
    images, bins, edges, cell_height, cell_width, cells
):
    """Do the same as ``_cast_gradient_votes`` with the square roots of the pixels."""
    n, height, width, n_channels = images.shape
    root = np.sqrt(np.arange(256.0))
    cosine, sine = np.cos(np.radians(edges)), np.sin(np.radians(edges))
    for i in range(n):
        for y in range(cells.shape[1] * cell_height):
            here = images[i, y]
            above, below = (
                (here, here) if y in (0, height - 1) else (images[i, y - 1], images[i, y + 1])
            )
            for x in range(cells.shape[2] * cell_width):
                left, right = (x, x) if x in (0, width - 1) else (x - 1, x + 1)
                square = row = col = 0.0
                for c in range(n_channels):
                    down = root[below[x, c]] - root[above[x, c]]
                    along = root[here[right, c]] - root[here[left, c]]
                    size = down * down + along * along
                    nearly = c > 0 and abs(size - square) < 1e-9
                    if (
                        (math.hypot(down, along) > math.hypot(row, col))
                        if nearly
                        else (size > square)
                    ):
                        square, row, col = size, down, along
                flip = -1.0 if row < 0 or (row == 0 and col < 0) else 1.0
                bin_, near = 0, False
                # the side of each edge gives the bin without the angle, which is slow to compute
                for k in range(len(edges)):
                    side = flip * (cosine[k] * row - sine[k] * col)
                    bin_ += side >= 0
                    near |= abs(side) < 1e-9
                if near:  # the angle decides, rounded as by scikit-image
                    bin_ = np.searchsorted(
                        edges, math.atan2(row, col) * (180 / math.pi) % 180, side="right"
                    )
                cells[i, y // cell_height, x // cell_width, bin_] += math.sqrt(square)


@compile_kernel(
    readonly_array_type(types.float32, 3),
    types.intp,
    writable_array_type(types.float32, 5),
    fastmath={"reassoc", "contract"},
)
def _normalise_blocks(cells, norm, blocks):  # type: ignore[no-untyped-def]
    """Copy the cells of each block and normalise the block.

    ``norm`` is an index into ``BLOCK_NORMS``; in ``cells`` the histograms of a row of cells are
    concatenated.
    """
    n, rows, cols, height, width = blocks.shape
    step = (cells.shape[2] - width) // max(cols - 1, 1)
    for i, r, c in np.ndindex(n, rows, cols):
        block = blocks[i, r, c]
        total = np.float32(0)
        for y in range(height):
            for x in range(width):
                value = cells[i, r + y, c * step + x]
                block[y, x] = value
                total += value if norm < 2 else value * value
        values = block.reshape(-1)
        scale = 1 / (
            total + np.float32(EPSILON) if norm < 2 else np.sqrt(total + np.float32(EPSILON**2))
        )
        if norm == 3:
            total = np.float32(0)
            for k in range(len(values)):
                values[k] = min(values[k] * scale, np.float32(CLIP))
                total += values[k] * values[k]
            scale = 1 / np.sqrt(total + np.float32(EPSILON**2))
        for k in range(len(values)):
            values[k] = np.sqrt(values[k] * scale) if norm == 1 else values[k] * scale
