"""Gabor energies: strength of each frequency and direction in the cells of an image."""

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

# Frequencies in cycles per pixel; above 0.5 a frequency cannot be distinguished from a lower one.
LOWEST, HIGHEST = 0.001, 0.5
# Pixels of an axis per convolution matrix; one matrix for a long axis would be mostly zeros.
PIXELS_AT_ONCE = 32
STATISTICS = ("mean", "std")

# pixels that are computed, pixels that they are computed from, (2, computed, source) weights
Piece = tuple[slice, slice, NDArray[np.float32]]


class Gabor(Extractor):
    """Gabor energies (Manjunath & Ma 1996): statistics of the responses of Gabor filters.

    The features are the mean and the standard deviation of the magnitude of each response in each
    cell of a grid.

    Parameters
    ----------
    frequencies : sequence of float, default=(0.1, 0.2, 0.4)
        Frequencies of the waves in cycles per pixel, 0.001 to 0.5, all different.
    orientations : int, default=4
        Number of directions of the waves, over 0 to 180 degrees; the first one is along the rows.
    grid : (rows, columns), default=(1, 1)
        Number of cells, cut as by ``np.array_split``: the sizes of cells differ by at most one
        pixel.

    See Also
    --------
    features.gist.GIST : Filter energies of whole scenes.
    features.lbp.LBP : Texture from comparisons of neighbouring pixels.

    Notes
    -----
    Manjunath, B. S. & Ma, W. Y. (1996), "Texture features for browsing and retrieval of image
    data", IEEE Transactions on Pattern Analysis and Machine Intelligence 18(8), 837-842; Jain, A.
    K. & Farrokhnia, F. (1991), "Unsupervised texture segmentation using Gabor filters", Pattern
    Recognition 24(12), 1167-1186.

    The responses are those of ``skimage.filters.gabor``: complex, to a kernel with a round Gaussian
    one octave wide, cut at 3 standard deviations. Beyond its border the image is reflected, with
    the outermost pixels repeated (``mode="reflect"``). Gray values range from 0 to 1. Changed: the
    user chooses the frequencies, the Gaussian is round, the kernel keeps its small response to
    uniform brightness, and the statistics may be those of the cells of a grid.

    Examples
    --------
    >>> import numpy as np
    >>> from features import Gabor
    >>> images = np.random.default_rng(0).integers(256, size=(2, 32, 32, 1), dtype=np.uint8)
    >>> Gabor(frequencies=(0.2, 0.4), orientations=4).fit_transform(images).shape
    (2, 16)
    """

    batch_size = 64  # the intermediate images, four per image, stay in the processor's cache

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "frequencies": [ListOf(RealNumber(LOWEST, HIGHEST, closed="both"), distinct=True)],
        "orientations": [WholeNumber(1)],
        "grid": [GRID],
    }
    search_space: ClassVar[dict[str, Any]] = {"grid": [[1, 1], [2, 2], [4, 4]]}

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
        """The larger side of the grid, since each cell needs a pixel."""
        return max(self.grid)

    def extract(self, batch: Images) -> Features:
        """Statistics by cell, frequency and orientation, (b, d)."""
        gray = to_gray(batch) / np.float32(255)
        rows, columns = map(cell_borders, gray.shape[1:], self.grid)
        n = self.orientations
        shape = (len(batch), *self.grid, len(self.frequencies), n, len(STATISTICS))
        out = np.empty(shape, np.float32)
        for i, frequency in enumerate(self.frequencies):
            for k in range(n // 2 + 1):
                products = _convolve_both_axes(gray, frequency, math.pi * k / n)
                _compute_magnitude_statistics(products, False, rows, columns, i, k, out)
                if 0 < k < n - k:  # the mirrored direction has the same products with other signs
                    _compute_magnitude_statistics(products, True, rows, columns, i, n - k, out)
        return out.reshape(len(batch), -1)

    def _feature_names(self) -> list[str]:
        rows, columns = map(range, self.grid)
        orientations = range(self.orientations)
        combinations = itertools.product(rows, columns, self.frequencies, orientations, STATISTICS)
        return [
            f"gabor_cell{r}_{c}_frequency{frequency}_orientation{k}_{statistic}"
            for r, c, frequency, k, statistic in combinations
        ]


def _convolve_both_axes(
    gray: NDArray[np.float32], frequency: float, theta: float
) -> NDArray[np.float32]:
    """Images convolved along both axes, (2, 2, b, h, w).

    A round Gaussian times a wave is the product of a factor in x and a factor in y. The first axis
    of the result is the real and the imaginary part of the factor in x, the second axis that of the
    factor in y.
    """
    height, width = gray.shape[1:]
    reach = max(abs(math.cos(theta)), abs(math.sin(theta)))  # the kernel is cut to a box
    down = np.empty((2, *gray.shape), np.float32)
    for pixels, source, kernel in _convolution_matrices(height, frequency, math.sin(theta), reach):
        np.matmul(kernel[:, None], gray[:, source], out=down[:, :, pixels])
    both = np.empty((2, *down.shape), np.float32)
    for pixels, source, kernel in _convolution_matrices(width, frequency, math.cos(theta), reach):
        # contiguous, because BLAS is slower on a transposed view
        transposed = np.ascontiguousarray(kernel.transpose(0, 2, 1))
        np.matmul(down[..., source], transposed[:, None, None], out=both[..., pixels])
    return both


@lru_cache(maxsize=64)
def _convolution_matrices(length: int, frequency: float, slope: float, reach: float) -> list[Piece]:
    """Convolution with the factor of the kernel along one axis, as matrices.

    Each matrix computes ``PIXELS_AT_ONCE`` pixels of the axis.
    """
    sigma = math.sqrt(math.log(2) / 2) * 3 / math.pi / frequency  # a bandwidth of one octave
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
    """Matrix that computes the pixels from ``start`` to ``stop``, with the range of its sources.

    Its weights, (2, pixels, sources), are the real and the imaginary parts.
    """
    source = (np.arange(start, stop)[:, None] - x) % (2 * length)
    source = np.minimum(source, 2 * length - 1 - source)  # reflected at the borders
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
def _compute_magnitude_statistics(  # type: ignore[no-untyped-def]
    products, mirrored, rows, columns, i, k, out
):
    """Write mean and standard deviation of the magnitude of a response in each cell.

    They are written to ``out`` at frequency i and orientation k. If ``mirrored``, the response is
    that in the direction mirrored left to right, where the sines in x have the opposite sign.
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
