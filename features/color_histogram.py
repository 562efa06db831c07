"""Colour histograms, of the whole image or of the cells of a grid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from numbers import Integral

import cv2
import numpy as np
from numpy.typing import NDArray

from features.base import Extractor, Images

# colour space -> OpenCV's conversion from RGB (None: as it is), and (name, number of 8-bit levels) of each channel
COLOR_SPACES: dict[str, tuple[int | None, tuple[tuple[str, int], ...]]] = {
    "rgb": (None, (("red", 256), ("green", 256), ("blue", 256))),
    "hsv": (cv2.COLOR_RGB2HSV, (("hue", 180), ("saturation", 256), ("value", 256))),  # hue in steps of 2 degrees
    "lab": (cv2.COLOR_RGB2Lab, (("lightness", 256), ("a", 256), ("b", 256))),
    "gray": (cv2.COLOR_RGB2GRAY, (("gray", 256),)),
}


class ColorHistogram(Extractor):
    """Colour histogram (Swain & Ballard 1991): how much of the image, or of each cell of a grid, has which colour.

    Every histogram sums to 1: that of a cell when ``joint``, else that of each channel of a cell.

    Parameters
    ----------
    color_space : {"hsv", "rgb", "lab", "gray"}
        Where colours are told apart; 8-bit values as OpenCV defines them. A gray image (c = 1) has no colour: its
        gray values are counted whatever ``color_space`` says, and ``joint`` changes nothing.
    bins : int
        Bins of equal width per channel, 1 to 256.
    joint : bool
        Count triples of bins (``bins ** 3`` features a cell, as in the article) instead of each channel by itself
        (``3 * bins``).
    grid : (rows, columns)
        Cells the image is cut into, as ``np.array_split`` cuts: the sizes of cells differ by at most one pixel.

    Notes
    -----
    Swain, M. J. & Ballard, D. H. (1991), "Color indexing", International Journal of Computer Vision 7(1), 11-32.
    Changed: other colour spaces than opponent colours, marginal histograms by default, a spatial grid, and
    normalisation; the histogram is used as a feature vector, not for intersection.
    """

    batch_size = 64  # the bin of every pixel is an 8-byte integer

    def __init__(self, color_space: str = "hsv", bins: int = 8, joint: bool = False, grid: Sequence[int] = (1, 1)) -> None:
        self.color_space = color_space
        self.bins = bins
        self.joint = joint
        self.grid = grid

    @property
    def min_size(self) -> int:  # type: ignore[override]
        """The larger side of the grid: each cell needs a pixel."""
        return max(self.grid)

    def extract(self, batch: Images) -> NDArray[np.float64]:
        """Histograms cell by cell, (b, rows * columns * d_cell); d_cell is ``bins``, ``3 * bins`` or ``bins ** 3``."""
        codes, n_codes = self._codes(batch)
        cells, areas = _cells(*batch.shape[1:3], *self.grid)
        n_images, n_cells, n_histograms = len(batch), len(areas), codes.shape[-1]
        which = np.arange(n_images)[:, None, None] * n_cells + cells
        which = which[..., None] * n_histograms + np.arange(n_histograms)
        counts = np.bincount((which * n_codes + codes).ravel(), minlength=n_images * n_cells * n_histograms * n_codes)
        return (counts.reshape(n_images, n_cells, -1) / areas[:, None]).reshape(n_images, -1)

    def _codes(self, batch: Images) -> tuple[NDArray[np.intp], int]:
        """Bin of each pixel in each histogram, (b, h, w, number of histograms), and the number of bins of each."""
        conversion, channels = self._space(batch.shape[-1])
        values = batch if conversion is None else _convert(batch, conversion)
        levels = [n_levels for _, n_levels in channels]
        codes = values.astype(np.intp) * self.bins // np.array(levels)
        if not self.joint:
            return codes, self.bins
        weights = self.bins ** np.arange(len(channels))[::-1]
        return (codes * weights).sum(axis=-1, keepdims=True), self.bins ** len(channels)

    def _space(self, n_channels: int) -> tuple[int | None, tuple[tuple[str, int], ...]]:
        return COLOR_SPACES[self.color_space] if n_channels == 3 else (None, COLOR_SPACES["gray"][1])

    def check_parameters(self) -> None:
        """Refuse values that are not allowed."""
        if self.color_space not in COLOR_SPACES:
            raise ValueError(f"color_space must be one of {sorted(COLOR_SPACES)}; got {self.color_space!r}")
        if not isinstance(self.bins, Integral) or not 1 <= self.bins <= 256:
            raise ValueError(f"bins must be an integer from 1 to 256; got {self.bins!r}")
        grid = self.grid
        if not isinstance(grid, Sequence) or len(grid) != 2 or not all(isinstance(n, Integral) and n >= 1 for n in grid):
            raise ValueError(f"grid must be two positive integers (rows, columns); got {grid!r}")

    def _feature_names(self) -> list[str]:
        names = [name for name, _ in self._space(self.image_shape_[-1])[1]]
        bins = [[f"{name}_{i}" for i in range(self.bins)] for name in names]
        cell = ["_".join(triple) for triple in itertools.product(*bins)] if self.joint else list(itertools.chain(*bins))
        rows, columns = self.grid
        return [f"cell_{row}_{column}_{name}" for row in range(rows) for column in range(columns) for name in cell]


def _convert(batch: Images, conversion: int) -> Images:
    """All images as the rows of one tall image, so that OpenCV is called once."""
    b, h, w, c = batch.shape
    return np.asarray(cv2.cvtColor(batch.reshape(b * h, w, c), conversion), dtype=np.uint8).reshape(b, h, w, -1)


def _cells(height: int, width: int, rows: int, columns: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cell number of each pixel, (h, w), and the number of pixels of each cell, (rows * columns,)."""
    row_of, column_of = _part_of(height, rows), _part_of(width, columns)
    cells = row_of[:, None] * columns + column_of
    return cells, np.bincount(cells.ravel(), minlength=rows * columns)


def _part_of(length: int, parts: int) -> NDArray[np.intp]:
    """Which of ``parts`` each of ``length`` positions belongs to, cut like ``np.array_split``."""
    return np.repeat(np.arange(parts), [len(part) for part in np.array_split(np.arange(length), parts)])
