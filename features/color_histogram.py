"""Colour histograms of the whole image or of the cells of a grid."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import cv2
import numpy as np
from numba import types
from numpy.typing import NDArray

from features.base import Extractor, Features, Images
from features.compiled import IMAGES, compile_kernel, readonly_array_type, writable_array_type
from features.grid import cell_borders
from models.constraints import GRID, OneOf, WholeNumber

# OpenCV's conversion from RGB (None: no conversion), and the name and number of 8-bit levels of
# each channel; OpenCV's hue has steps of 2 degrees
ColorSpace = tuple[int | None, tuple[tuple[str, int], ...]]
COLOR_SPACES: dict[str, ColorSpace] = {
    "rgb": (None, (("red", 256), ("green", 256), ("blue", 256))),
    "hsv": (cv2.COLOR_RGB2HSV, (("hue", 180), ("saturation", 256), ("value", 256))),
    "lab": (cv2.COLOR_RGB2Lab, (("lightness", 256), ("a", 256), ("b", 256))),
    "gray": (cv2.COLOR_RGB2GRAY, (("gray", 256),)),
}
# Neighbouring pixels use separate counters: they are often alike, and incrementing one counter
# twice in a row is slower.
LANES = 8
# From this number of pixels per cell it is faster to count values first and to sum them to bins.
LARGE = 4096


class ColorHistogram(Extractor):
    """Colour histograms (Swain & Ballard 1991) of the cells of a grid.

    Each histogram sums to 1. There is one per cell if ``joint`` is True, otherwise one per channel
    and cell.

    Parameters
    ----------
    color_space : {"hsv", "rgb", "lab", "gray"}, default="hsv"
        Colour space of the histogram, with 8-bit values as OpenCV defines them. For gray images
        (c = 1) the gray values are counted, and neither ``color_space`` nor ``joint`` has an
        effect.
    bins : int, default=8
        Number of bins of equal width per channel, 1 to 256.
    joint : bool, default=False
        Count triples of bins (``bins ** 3`` features per cell, as in the article) instead of each
        channel by itself (``3 * bins``).
    grid : (int, int), default=(1, 1)
        Number of rows and columns of cells, cut as by ``np.array_split``: the sizes of cells differ
        by at most one pixel. The position of a colour helps to distinguish small photographs:
        (4, 4) to (8, 8) suit 32x32 pixels.

    See Also
    --------
    features.shape_histogram.ShapeHistogram : Histogram of edge directions.

    Notes
    -----
    Swain, M. J. & Ballard, D. H. (1991), "Color indexing", International Journal of Computer Vision
    7(1), 11-32. Changed: other colour spaces than opponent colours, marginal histograms by default,
    a spatial grid, and normalisation; the histogram is used as a feature vector, not for
    intersection.

    Examples
    --------
    >>> import numpy as np
    >>> from features import ColorHistogram
    >>> red = np.full((1, 8, 8, 3), (255, 0, 0), np.uint8)
    >>> ColorHistogram(color_space="rgb", bins=2).fit_transform(red)
    array([[0., 1., 1., 0., 1., 0.]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "color_space": [OneOf(COLOR_SPACES)],
        "bins": [WholeNumber(1, 256)],
        "joint": ["boolean"],
        "grid": [GRID],
    }
    search_space: ClassVar[dict[str, Any]] = {
        "color_space": ["hsv", "rgb"],
        "bins": [8, 16],
        "grid": [[1, 1], [2, 2]],
    }

    def __init__(
        self,
        color_space: str = "hsv",
        bins: int = 8,
        joint: bool = False,
        grid: tuple[int, int] = (1, 1),
    ) -> None:
        self.color_space = color_space
        self.bins = bins
        self.joint = joint
        self.grid = grid

    @property
    def min_size(self) -> int:
        """The larger side of the grid, since each cell needs a pixel."""
        return max(self.grid)

    @property
    def batch_size(self) -> int:
        """512, or fewer for long histograms, so that those of a batch take at most 64 MB."""
        per_cell = self.bins**3 if self.joint else 3 * self.bins
        return max(1, min(512, 2**24 // (self.grid[0] * self.grid[1] * per_cell)))

    def extract(self, batch: Images) -> Features:
        """Histograms cell by cell, (b, rows * columns * d_cell).

        ``d_cell`` is ``bins`` for gray images, otherwise ``3 * bins`` or, if joint, ``bins ** 3``.
        """
        conversion, channels = self._resolve_color_space(batch.shape[-1])
        values = batch if conversion is None else _convert_colors(batch, conversion)
        joint = self.joint and len(channels) > 1
        codes = _bin_codes([n_levels for _, n_levels in channels], self.bins, joint)
        d_cell = self.bins ** len(channels) if joint else self.bins * len(channels)
        histograms = np.empty((len(batch), *self.grid, d_cell), np.float32)
        tops, lefts = map(cell_borders, batch.shape[1:3], self.grid)
        (_count_triples if joint else _count_channels)(values, tops, lefts, codes, histograms)
        return histograms.reshape(len(batch), -1)

    def _resolve_color_space(self, n_channels: int) -> ColorSpace:
        if n_channels == 1:
            return None, COLOR_SPACES["gray"][1]
        return COLOR_SPACES[self.color_space]

    def _feature_names(self) -> list[str]:
        names = [name for name, _ in self._resolve_color_space(self.image_shape_[-1])[1]]
        bins = [[f"{name}_{i}" for i in range(self.bins)] for name in names]
        names_in_cell = list(itertools.chain(*bins))
        if self.joint:
            names_in_cell = ["_".join(triple) for triple in itertools.product(*bins)]
        return [
            f"cell_{row}_{column}_{name}"
            for row, column in np.ndindex(*self.grid)
            for name in names_in_cell
        ]


def _convert_colors(batch: Images, conversion: int) -> Images:
    """Convert all images with one call of OpenCV, stacked to one tall image."""
    b, h, w, c = batch.shape
    converted = cv2.cvtColor(batch.reshape(b * h, w, c), conversion)
    return np.asarray(converted, dtype=np.uint8).reshape(b, h, w, -1)


def _bin_codes(levels: list[int], bins: int, joint: bool) -> NDArray[np.uint32]:
    """Contribution of each value of each channel to the index of its bin, (channels, 256).

    The index is that in the histogram of a cell.
    """
    bin_of = np.minimum(np.arange(256) * bins // np.array(levels)[:, None], bins - 1)
    channel = np.arange(len(levels))[:, None]
    return (bin_of * bins ** channel[::-1] if joint else bin_of + bins * channel).astype(np.uint32)


_COUNT = (
    IMAGES,
    readonly_array_type(types.intp, 1),
    readonly_array_type(types.intp, 1),
    readonly_array_type(types.uint32, 2),
    writable_array_type(types.float32, 4),
)


@compile_kernel(*_COUNT)
def _count_channels(values, tops, lefts, codes, histograms):  # type: ignore[no-untyped-def]
    """Compute the histograms of the channels of each cell, one after the other.

    In a large cell values are counted first and summed to bins afterwards.
    """
    n, rows, cols, d_cell = histograms.shape
    counts, levels = np.empty((LANES, d_cell), np.uint32), np.empty((LANES, 256), np.uint32)
    for i, r, c in np.ndindex(n, rows, cols):
        counts[:] = 0
        area = (tops[r + 1] - tops[r]) * (lefts[c + 1] - lefts[c])
        for channel in range(values.shape[3]):
            code = codes[channel]
            if area >= LARGE:
                levels[:] = 0
            for y in range(tops[r], tops[r + 1]):
                line = values[i, y, lefts[c] : lefts[c + 1], channel]
                whole = len(line) // LANES * LANES
                if area >= LARGE:
                    for x in range(0, whole, LANES):
                        for lane in range(LANES):
                            levels[lane, line[x + lane]] += 1
                else:
                    for x in range(0, whole, LANES):
                        for lane in range(LANES):
                            counts[lane, code[line[x + lane]]] += 1
                for x in range(whole, len(line)):
                    counts[x - whole, code[line[x]]] += 1
            if area >= LARGE:
                for value in range(256):
                    counts[0, code[value]] += levels[:, value].sum()
        for k in range(d_cell):
            histograms[i, r, c, k] = np.float32(counts[:, k].sum()) / np.float32(area)


@compile_kernel(*_COUNT)
def _count_triples(values, tops, lefts, codes, histograms):  # type: ignore[no-untyped-def]
    """Compute the joint histogram of each cell, which counts triples of bins."""
    n, rows, cols, d_cell = histograms.shape
    counts = np.empty(d_cell, np.uint32)
    for i, r, c in np.ndindex(n, rows, cols):
        counts[:] = 0
        for y in range(tops[r], tops[r + 1]):
            for x in range(lefts[c], lefts[c + 1]):
                pixel = values[i, y, x]
                counts[codes[0, pixel[0]] + codes[1, pixel[1]] + codes[2, pixel[2]]] += 1
        area = np.float32((tops[r + 1] - tops[r]) * (lefts[c + 1] - lefts[c]))
        for k in range(d_cell):
            histograms[i, r, c, k] = np.float32(counts[k]) / area
