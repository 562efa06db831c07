"""The Laplacian pyramid: the content of an image at each scale, and its coarsest low-pass."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numba import types
from numpy.typing import NDArray

from features.base import Extractor, Features, Images, enlarged_shape
from features.compiled import compile_kernel, readonly_array_type, writable_array_type
from features.grid import cell_borders
from models.constraints import GRID, WholeNumber

Level = NDArray[np.float32]  # (n, h, w), where n counts the channels of all images

STATISTICS = ("mean", "std", "mean_abs", "skewness", "kurtosis")
# Skewness and kurtosis of a cell are 0 if its standard deviation is below this, in gray levels.
FLAT = np.float32(1e-3)
WHITE = np.float32(255)


class LaplacianPyramid(Extractor):
    """Laplacian pyramid (Burt & Adelson 1983): statistics of its layers, and its low-pass.

    The statistics of each band-pass layer, channel and cell of a grid are the mean, the standard
    deviation and the mean absolute value (gray levels / 255), the skewness and the excess kurtosis
    (both 0 if the cell is flat). They are followed by the values of the coarsest low-pass / 255,
    row by row.

    Parameters
    ----------
    max_layer : int, default=3
        Largest number of band-pass layers. There are fewer if the next low-pass would be less than
        4 pixels high or wide, or if a further layer would be too small for ``grid``, but at least
        one.
    coarse_size : int, default=8
        The low-pass is reduced further, without adding layers, until neither side exceeds this
        number of pixels.
    grid : (int, int), default=(1, 1)
        Number of rows and columns of cells in each layer, cut as by ``np.array_split``. Positions
        help to distinguish small photographs: (4, 4) suits 32x32 pixels.

    See Also
    --------
    features.gabor.Gabor : Frequencies and directions.
    features.gist.GIST : Filter energies of whole scenes.

    Notes
    -----
    Burt, P. J. & Adelson, E. H. (1983), "The Laplacian pyramid as a compact image code", IEEE
    Transactions on Communications 31(4), 532-540. The 5-tap kernel with a = 0.375 and the borders
    are those of OpenCV's pyrDown and pyrUp. Changed: the article compresses images; here the layers
    are summarised, so that d stays small for large images.

    Examples
    --------
    >>> import numpy as np
    >>> from features import LaplacianPyramid
    >>> images = np.random.default_rng(0).integers(256, size=(2, 32, 32, 1), dtype=np.uint8)
    >>> LaplacianPyramid().fit_transform(images).shape
    (2, 31)
    """

    batch_size = 128  # the layers of a batch stay in the processor's cache

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_layer": [WholeNumber(1)],
        "coarse_size": [WholeNumber(1)],
        "grid": [GRID],
    }
    search_space: ClassVar[dict[str, Any]] = {"grid": [[1, 1], [2, 2], [4, 4]]}

    def __init__(
        self, max_layer: int = 3, coarse_size: int = 8, grid: tuple[int, int] = (1, 1)
    ) -> None:
        self.max_layer = max_layer
        self.coarse_size = coarse_size
        self.grid = grid

    @property
    def min_size(self) -> int:
        """The larger side of the grid, since each cell of the first layer needs a pixel."""
        return max(self.grid)

    def extract(self, batch: Images) -> Features:
        """Statistics by layer (finest first), channel and cell, then the low-pass, (b, d)."""
        n, height, width, n_channels = batch.shape
        channels = np.ascontiguousarray(batch.transpose(0, 3, 1, 2), dtype=np.float32)
        n_layers = count_layers(height, width, self.max_layer, max(self.grid))
        bands, low = build_pyramid(channels.reshape(-1, height, width), n_layers)
        while max(low.shape[1:]) > self.coarse_size:
            low = reduce_level(low)
        pixels = low.reshape(n, n_channels, *low.shape[1:]).transpose(0, 2, 3, 1) / WHITE
        blocks = [*(cell_statistics(band, self.grid) for band in bands), pixels]
        return np.hstack([block.reshape(n, -1) for block in blocks])

    def _feature_names(self) -> list[str]:
        height, width, n_channels = self.image_shape_
        height, width = enlarged_shape(height, width, self.min_size)
        channels = ("gray",) if n_channels == 1 else ("red", "green", "blue")
        layers = count_layers(height, width, self.max_layer, max(self.grid))
        cells = (
            [f"cell_{row}_{column}_" for row, column in np.ndindex(*self.grid)]
            if max(self.grid) > 1
            else [""]
        )
        names = [
            f"layer_{i}_{channel}_{cell}{statistic}"
            for i, channel, cell, statistic in itertools.product(
                range(layers), channels, cells, STATISTICS
            )
        ]
        depth = 0
        while depth < layers or max(height, width) > self.coarse_size:
            height, width, depth = -(-height // 2), -(-width // 2), depth + 1
        return names + [
            f"low_{y}_{x}_{channel}" for y, x in np.ndindex(height, width) for channel in channels
        ]


def count_layers(height: int, width: int, max_layer: int, cells: int = 1) -> int:
    """Number of band-pass layers of an image, at least one.

    No side of a further layer is below ``cells`` pixels, and no side of its low-pass below 4.
    """
    layers, side = 1, -(-min(height, width) // 2)
    # a side above 6 is at least 4 after the next reduction, which rounds up
    while layers < max_layer and side > 6 and side >= cells:
        layers, side = layers + 1, -(-side // 2)
    return layers


def build_pyramid(low: Level, layers: int) -> tuple[list[Level], Level]:
    """Compute band-pass layers, the finest first, and the remaining low-pass."""
    bands: list[Level] = []
    for _ in range(layers):
        fine, low = low, reduce_level(low)
        coarse = expand_level(low, *fine.shape[1:])
        bands.append(np.subtract(fine, coarse, out=coarse))
    return bands, low


def reduce_level(fine: Level) -> Level:
    """Blur and drop every second row and column, as ``cv2.pyrDown`` does.

    (n, h, w) becomes (n, ceil(h / 2), ceil(w / 2)).
    """
    n, height, width = fine.shape
    low = np.empty((n, -(-height // 2), -(-width // 2)), np.float32)
    _compute_reduced_level(fine, _mirrored_indices(height), _mirrored_indices(width), low)
    return low


def expand_level(low: Level, height: int, width: int) -> Level:
    """Insert zeros between rows and columns and blur, as ``cv2.pyrUp`` does: (n, height, width)."""
    fine = np.empty((len(low), height, width), np.float32)
    _compute_expanded_level(low, fine)
    return fine


def cell_statistics(band: Level, grid: tuple[int, int] = (1, 1)) -> Features:
    """Compute the STATISTICS of each cell of each level, (n, rows, columns, 5)."""
    out = np.empty((len(band), *grid, len(STATISTICS)), np.float32)
    _compute_cell_statistics(band, *map(cell_borders, band.shape[1:], grid), out)
    return out


@lru_cache(maxsize=64)
def _mirrored_indices(n: int) -> NDArray[np.intp]:
    """Indices of n pixels, preceded and followed by those of two mirrored pixels, (n + 4,)."""
    return np.pad(np.arange(n), 2, mode="reflect")


_LEVEL, _PLACES = readonly_array_type(types.float32, 3), readonly_array_type(types.intp, 1)
_FOUR, _SIX, _EIGHTH, _HALF = np.float32(4), np.float32(6), np.float32(1 / 8), np.float32(1 / 2)


@compile_kernel(_LEVEL, _PLACES, _PLACES, writable_array_type(types.float32, 3))
def _compute_reduced_level(fine, rows, columns, low):  # type: ignore[no-untyped-def]
    """Blur with weights (1, 4, 6, 4, 1) / 16 along columns, then along rows.

    ``rows`` and ``columns`` are indices that are mirrored at the borders.
    """
    width = fine.shape[2]
    line = np.empty(width + 4, np.float32)
    for i, y in np.ndindex(low.shape[:2]):
        a, b, c = fine[i, rows[2 * y]], fine[i, rows[2 * y + 1]], fine[i, rows[2 * y + 2]]
        d, e = fine[i, rows[2 * y + 3]], fine[i, rows[2 * y + 4]]
        for x in range(width):
            line[x + 2] = a[x] + e[x] + _FOUR * (b[x] + d[x]) + _SIX * c[x]
        for x in (0, 1, width + 2, width + 3):
            line[x] = line[columns[x] + 2]
        out = low[i, y]
        for x in range(low.shape[2]):
            blurred = (
                line[2 * x]
                + line[2 * x + 4]
                + _FOUR * (line[2 * x + 1] + line[2 * x + 3])
                + _SIX * line[2 * x + 2]
            )
            out[x] = blurred * np.float32(1 / 256)


@compile_kernel(_LEVEL, writable_array_type(types.float32, 3))
def _compute_expanded_level(low, fine):  # type: ignore[no-untyped-def]
    """Interpolate along rows, then along columns.

    Weights are (1, 6, 1) / 8 at even positions and (1, 1) / 2 at odd ones. The second pixel is
    repeated before the first one, and the last pixel after itself.
    """
    height, width = fine.shape[1:]
    rows, columns = low.shape[1:]
    wide = np.empty((rows, 2 * columns), np.float32)
    for i in range(len(low)):
        for y in range(rows):
            line, out = low[i, y], wide[y]
            before = line[min(1, columns - 1)]
            for x in range(columns):
                here, after = line[x], line[min(x + 1, columns - 1)]
                out[2 * x] = (before + _SIX * here + after) * _EIGHTH
                out[2 * x + 1] = (here + after) * _HALF
                before = here
        for y in range(height):
            k = y // 2
            above, at = wide[k - 1 if k else min(1, rows - 1)], wide[k]
            below = wide[min(k + 1, rows - 1)]
            for x in range(width):
                fine[i, y, x] = (
                    (at[x] + below[x]) * _HALF
                    if y % 2
                    else (above[x] + _SIX * at[x] + below[x]) * _EIGHTH
                )


@compile_kernel(
    _LEVEL,
    _PLACES,
    _PLACES,
    writable_array_type(types.float32, 4),
    fastmath={"reassoc", "contract"},
)
def _compute_cell_statistics(bands, tops, lefts, out):  # type: ignore[no-untyped-def]
    """Compute the STATISTICS of each cell.

    Each column of a row of cells is summed first, many columns at a time, then the columns of each
    cell.
    """
    n, rows, cols, _ = out.shape
    mean, total, size, second, third, fourth = sums = np.empty((6, bands.shape[2]), np.float32)
    for i, r in np.ndindex(n, rows):
        sums[:] = 0
        for y in range(tops[r], tops[r + 1]):
            row = bands[i, y]
            for x in range(len(row)):
                total[x] += row[x]
                size[x] += abs(row[x])
        for c in range(cols):
            cell, area = (
                out[i, r, c],
                np.float32((tops[r + 1] - tops[r]) * (lefts[c + 1] - lefts[c])),
            )
            cell[:] = 0
            for x in range(lefts[c], lefts[c + 1]):
                cell[0] += total[x] / area
                cell[2] += size[x] / area
            for x in range(lefts[c], lefts[c + 1]):
                mean[x] = cell[0]
        for y in range(tops[r], tops[r + 1]):
            row = bands[i, y]
            for x in range(len(row)):
                difference = row[x] - mean[x]
                square = difference * difference
                second[x] += square
                third[x] += square * difference
                fourth[x] += square * square
        for c in range(cols):
            cell, area = (
                out[i, r, c],
                np.float32((tops[r + 1] - tops[r]) * (lefts[c + 1] - lefts[c])),
            )
            variance = skewness = kurtosis = np.float32(0)
            for x in range(lefts[c], lefts[c + 1]):
                variance += second[x] / area
                skewness += third[x] / area
                kurtosis += fourth[x] / area
            std = np.sqrt(variance)
            cell[0], cell[1], cell[2] = cell[0] / WHITE, std / WHITE, cell[2] / WHITE
            if std > FLAT:
                cell[3], cell[4] = (
                    skewness / (variance * std),
                    kurtosis / (variance * variance) - np.float32(3),
                )
