"""Gabor energies: how much of each frequency and direction the cells of an image hold."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numba import types
from numpy.typing import NDArray

from features.base import Extractor, Features, Images, to_gray
from features.compiled import compile_kernel, readonly_array_type, writable_array_type
from features.grid import cell_borders
from models.constraints import GRID, ListOf, RealNumber, WholeNumber

LOWEST, HIGHEST = 0.001, 0.5  # frequencies, cycles per pixel; a higher one looks like a lower one
PIXELS_AT_ONCE = (
    32  # of an axis that one matrix computes: most of a matrix for a long axis would be zeros
)
STATISTICS = ("mean", "std")

Piece = tuple[slice, slice, NDArray[np.float32]]


class Gabor(Extractor):
    """Gabor energies (Manjunath & Ma 1996): mean and spread of the magnitude of Gabor responses in the cells of a grid.

    Parameters
    ----------
    frequencies : sequence of float, default=(0.1, 0.2, 0.4)
        Cycles per pixel of the waves, 0.001 to 0.5, all different.
    orientations : int, default=4
        Directions in which the waves run, over 0 to 180 degrees; the first one is along the rows.
    grid : (rows, columns), default=(1, 1)
        Cells the image is cut into, as ``np.array_split`` cuts: the sizes of cells differ by at
        most one pixel.

    Notes
    -----
    Manjunath, B. S. & Ma, W. Y. (1996), "Texture features for browsing and retrieval of image data", IEEE Transactions on
    Pattern Analysis and Machine Intelligence 18(8), 837-842; Jain, A. K. & Farrokhnia, F. (1991), "Unsupervised texture
    segmentation using Gabor filters", Pattern Recognition 24(12), 1167-1186.

    The responses are those of ``skimage.filters.gabor``: complex, to a kernel with a round Gaussian
    one octave wide, cut at 3 standard deviations, and beyond its border the image goes on as its
    reflection, the outermost pixels repeated (``mode="reflect"``). Gray values count from 0 to 1.
    Changed: the user chooses the frequencies, the Gaussian is round, the kernel keeps its small
    response to uniform brightness, and the statistics may be those of the cells of a grid.
    """

    batch_size = (
        64  # the intermediate images of a batch, four at a time, stay in the processor's cache
    )

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "frequencies": [ListOf(RealNumber(LOWEST, HIGHEST, closed="both"), distinct=True)],
        "orientations": [WholeNumber(1)],
        "grid": [GRID],
    }

    def __init__(
        self,
        frequencies: tuple[float, ...] = (0.1, 0.2, 0.4),
        orientations: int = 4,
        grid: tuple[int, int] = (1, 1),
    ) -> None:
        self.frequencies = frequencies
        self.orientations = orientations
        self.grid = grid

    @property
    def min_size(self) -> int:
        """The larger side of the grid: each cell needs a pixel."""
        return max(self.grid)

    def extract(self, batch: Images) -> Features:
        """Statistics cell by cell, in it frequency by frequency, orientation by orientation, (b, d)."""
        gray = to_gray(batch) / np.float32(255)
        rows, columns = (
            cell_borders(side, parts) for side, parts in zip(gray.shape[1:], self.grid, strict=True)
        )
        n = self.orientations
        out = np.empty(
            (len(batch), *self.grid, len(self.frequencies), n, len(STATISTICS)), np.float32
        )
        for i, frequency in enumerate(self.frequencies):
            for k in range(n // 2 + 1):
                products = _convolve_both_axes(gray, frequency, math.pi * k / n)
                _compute_magnitude_statistics(products, False, rows, columns, i, k, out)
                if 0 < k < n - k:  # the same products, other signs
                    _compute_magnitude_statistics(products, True, rows, columns, i, n - k, out)
        return out.reshape(len(batch), -1)

    def _feature_names(self) -> list[str]:
        rows, columns = map(range, self.grid)
        which = itertools.product(
            rows, columns, self.frequencies, range(self.orientations), STATISTICS
        )
        return [
            f"gabor_cell{r}_{c}_frequency{frequency}_orientation{k}_{statistic}"
            for r, c, frequency, k, statistic in which
        ]


def _convolve_both_axes(
    gray: NDArray[np.float32], frequency: float, theta: float
) -> NDArray[np.float32]:
    """Images convolved along both axes, (part of the factor in x, part of the factor in y, b, h, w).

    A round Gaussian times a wave is one factor in x times one in y; the parts of a factor are real
    and imaginary.
    """
    height, width = gray.shape[1:]
    reach = max(abs(math.cos(theta)), abs(math.sin(theta)))  # the kernel is cut by a box
    down = np.empty((2, *gray.shape), np.float32)
    for pixels, source, kernel in _convolution_matrices(height, frequency, math.sin(theta), reach):
        np.matmul(kernel[:, None], gray[:, source], out=down[:, :, pixels])
    both = np.empty((2, *down.shape), np.float32)
    for pixels, source, kernel in _convolution_matrices(width, frequency, math.cos(theta), reach):
        transposed = np.ascontiguousarray(
            kernel.transpose(0, 2, 1)
        )  # BLAS is slower on a transposed view
        np.matmul(down[..., source], transposed[:, None, None], out=both[..., pixels])
    return both


@lru_cache(maxsize=64)
def _convolution_matrices(length: int, frequency: float, slope: float, reach: float) -> list[Piece]:
    """Convolution with the kernel's factor along one axis as matrices, one for every few pixels of that axis."""
    sigma = math.sqrt(math.log(2) / 2) * 3 / math.pi / frequency  # one octave
    radius = math.ceil(max(3 * sigma * reach, 1))
    x = np.arange(-radius, radius + 1)
    kernel = np.exp(-((x / sigma) ** 2) / 2 + 2j * math.pi * frequency * slope * x) / (
        math.sqrt(2 * math.pi) * sigma
    )
    return [
        _convolution_matrix(start, min(start + PIXELS_AT_ONCE, length), length, x, kernel)
        for start in range(0, length, PIXELS_AT_ONCE)
    ]


def _convolution_matrix(
    start: int, stop: int, length: int, x: NDArray[np.intp], kernel: NDArray[Any]
) -> Piece:
    """Say which pixels are computed from which others, and the (2, pixels, others) matrix of real and imaginary weights."""
    source = (np.arange(start, stop)[:, None] - x) % (2 * length)
    source = np.minimum(source, 2 * length - 1 - source)  # reflected
    first, last = source.min(), source.max() + 1
    matrix = np.zeros((stop - start, last - first), complex)
    np.add.at(matrix, (np.arange(stop - start)[:, None], source - first), kernel)
    return (
        slice(start, stop),
        slice(first, last),
        np.stack([matrix.real, matrix.imag]).astype(np.float32),
    )


_EDGES = readonly_array_type(types.intp, 1)
_SUMMARISE = (
    readonly_array_type(types.float32, 5),
    types.boolean,
    _EDGES,
    _EDGES,
    types.intp,
    types.intp,
    writable_array_type(types.float32, 6),
)


@compile_kernel(*_SUMMARISE, fastmath={"reassoc", "contract"})
def _compute_magnitude_statistics(products, mirrored, rows, columns, i, k, out):  # type: ignore[no-untyped-def]
    """Write mean and standard deviation of the magnitude of a response in each cell, at frequency i and orientation k.

    ``mirrored``: of the response in the direction mirrored left to right; only the sign of the
    sines in x is another.
    """
    sign = np.float32(-1 if mirrored else 1)
    for image, r, c in np.ndindex(out.shape[:3]):
        total = squares = 0.0
        for y in range(rows[r], rows[r + 1]):
            for x in range(columns[c], columns[c + 1]):
                real = products[0, 0, image, y, x] - sign * products[1, 1, image, y, x]
                imaginary = products[0, 1, image, y, x] + sign * products[1, 0, image, y, x]
                magnitude = np.float64(np.sqrt(real * real + imaginary * imaginary))
                total += magnitude
                squares += magnitude * magnitude
        area = (rows[r + 1] - rows[r]) * (columns[c + 1] - columns[c])
        mean = total / area
        out[image, r, c, i, k, 0] = mean
        out[image, r, c, i, k, 1] = np.sqrt(max(squares / area - mean * mean, 0.0))
