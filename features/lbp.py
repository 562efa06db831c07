"""Local binary patterns: texture histograms of the cells of a grid."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from features.base import Extractor, Features, Images, to_gray
from features.compiled import compile_kernel, readonly_array_type, writable_array_type
from features.grid import cell_borders
from models.constraints import GRID, OneOf, RealNumber, WholeNumber

METHODS = ("uniform", "nri_uniform")
# In numba the sum of an unsigned integer and a signed one, such as the literal 1, is a float.
ONE = np.uint64(1)


class LBP(Extractor):
    """Histograms of uniform local binary patterns (Ojala, Pietikainen & Maenpaa 2002).

    The pattern of a pixel states which of P points on a circle around the pixel are at least as
    bright as the pixel. The histogram of each cell of a grid sums to 1.

    Parameters
    ----------
    P : int, default=8
        Number of points on the circle, 3 to 32.
    R : float, default=1.0
        Radius of the circle in pixels.
    method : {"uniform", "nri_uniform"}, default="uniform"
        A pattern is uniform if its bright points are contiguous on the circle. ``"uniform"``
        encodes their number (P + 2 codes, which are invariant to rotation), ``"nri_uniform"`` also
        where they begin (P * (P - 1) + 3 codes). All other patterns share the last code.
    grid : (int, int), default=(1, 1)
        Number of rows and columns of cells, cut as by ``np.array_split``: the sizes of cells differ
        by at most one pixel.

    See Also
    --------
    features.glcm.GLCM : Texture from pairs of gray levels.
    features.gabor.Gabor : Texture from frequencies and orientations.

    Notes
    -----
    Ojala, T., Pietikainen, M. & Maenpaa, T. (2002), "Multiresolution gray-scale and rotation
    invariant texture classification with local binary patterns", IEEE Transactions on Pattern
    Analysis and Machine Intelligence 24(7), 971-987. The grid and ``"nri_uniform"``: Ahonen, T.,
    Hadid, A. & Pietikainen, M. (2006), "Face description with local binary patterns: application to
    face recognition", the same journal 28(12), 2037-2041.

    The codes are those of ``skimage.feature.local_binary_pattern``: points between pixels are
    interpolated, and pixels beyond the border are black. Changed: gray values are rounded to whole
    levels first, and pixels whose circle crosses the border are counted, too.

    Examples
    --------
    >>> import numpy as np
    >>> from features import LBP
    >>> images = np.random.default_rng(0).integers(256, size=(2, 16, 16, 1), dtype=np.uint8)
    >>> LBP(grid=(2, 2)).fit_transform(images).shape
    (2, 40)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "P": [WholeNumber(3, 32)],
        "R": [RealNumber(0)],
        "method": [OneOf(METHODS)],
        "grid": [GRID],
    }
    search_space: ClassVar[dict[str, Any]] = {"R": [1.0, 2.0], "grid": [[1, 1], [2, 2], [4, 4]]}

    def __init__(
        self, P: int = 8, R: float = 1.0, method: str = "uniform", grid: tuple[int, int] = (1, 1)
    ) -> None:
        self.P = P
        self.R = R
        self.method = method
        self.grid = grid

    @property
    def min_size(self) -> int:
        """The side that holds one whole circle and a pixel for each cell."""
        return max(2 * int(np.ceil(self.R)) + 1, *self.grid)

    def extract(self, batch: Images) -> Features:
        """Histograms cell by cell, (b, rows * columns * n_codes)."""
        height, width = batch.shape[1:3]
        edges = cell_borders(height, self.grid[0]), cell_borders(width, self.grid[1])
        codes = _pattern_codes(self.P, self.method)
        counts = np.zeros((len(batch), *self.grid, int(codes[-1]) + 1), np.uint32)
        _count_codes(
            to_gray(batch), *_circle_points(self.P, self.R, height, width), codes, *edges, counts
        )
        areas = np.multiply.outer(*map(np.diff, edges))[..., None]
        return np.divide(counts, areas, dtype=np.float32).reshape(len(batch), -1)

    def _feature_names(self) -> list[str]:
        n_codes = int(_pattern_codes(self.P, self.method)[-1]) + 1
        return [
            f"lbp_cell{row}_{column}_code{code}"
            for row, column, code in np.ndindex(*self.grid, n_codes)
        ]


def _pattern_codes(n_points: int, method: str) -> NDArray[np.uint16]:
    """Code of each pattern with one run of bright points, and last that of all other patterns.

    The code of a run is at index ``start * (P + 1) + length``. Where all points are equal, start is
    P.
    """
    start, length = np.divmod(np.arange((n_points + 1) ** 2), n_points + 1)
    if method == "uniform":
        return np.append(length, n_points + 1).astype(np.uint16)
    all_bright, turns = n_points * (n_points - 1) + 1, (n_points - start) % n_points
    codes = np.select(
        [length == 0, length == n_points], [0, all_bright], 1 + (length - 1) * n_points + turns
    )
    return np.append(codes, all_bright + 1).astype(np.uint16)


def _circle_points(
    n_points: int, radius: float, height: int, width: int
) -> tuple[NDArray[Any], ...]:
    """Positions of the points on the circle around each pixel.

    The weights are rounded as by scikit-image, where rounding depends on the position in the image:
    in a region of one gray level the last digit of a weight decides whether a point is as bright as
    the centre.

    Returns
    -------
    rows : (P,) intp
        Offset of the row above each point.
    row_weights : (P, h) float64
        Weight of the next row in the interpolation.
    column_of : (P,) intp
        Index into ``columns`` of each point.
    columns : (k,) intp
        Distinct offsets of the columns to the left of the points.
    column_weights : (k, w) float64
        Weight of the next column in the interpolation.
    """
    angle = 2 * np.pi * np.arange(n_points) / n_points
    rows = np.round(-radius * np.sin(angle), 5)
    columns, column_of = np.unique(np.round(radius * np.cos(angle), 5), return_inverse=True)
    y, x = np.arange(height) + rows[:, None], np.arange(width) + columns[:, None]
    return (
        np.floor(rows).astype(np.intp),
        y - np.floor(y),
        column_of,
        np.floor(columns).astype(np.intp),
        x - np.floor(x),
    )


@intrinsic
def _count_set_bits(_, word):  # type: ignore[no-untyped-def]
    """Count the set bits of a word."""
    return word(word), lambda context, builder, signature, words: builder.ctpop(words[0])


_CIRCLE = (
    readonly_array_type(types.intp, 1),
    readonly_array_type(types.float64, 2),
    readonly_array_type(types.intp, 1),
    readonly_array_type(types.intp, 1),
    readonly_array_type(types.float64, 2),
)
_PIXELS, _PATTERN = writable_array_type(types.float64, 2), writable_array_type(types.uint32, 1)


@compile_kernel(
    _PIXELS,
    types.intp,
    types.intp,
    _PIXELS,
    readonly_array_type(types.float64, 1),
    types.uint32,
    _PATTERN,
)
def _compare_point_to_pixel(  # type: ignore[no-untyped-def]
    shifted, row, column, image, weights, bit, pattern
):
    """Set a bit in the pattern of each pixel whose point is at least as bright as the pixel.

    The point is ``shifted[y + row, x + column]``, interpolated between that row and the next. Both
    images have a margin on all sides, ``pattern`` has one at the right. Rows that share a weight
    are processed in one loop, margins included.
    """
    height, stride = len(weights), image.shape[1]
    points, pixels, margin = shifted.reshape(-1), image.reshape(-1), (len(image) - height) // 2
    end = 0
    while end < height:
        start, weight = end, weights[end]
        while end < height and weights[end] == weight:
            end += 1
        here, out = np.uint64((margin + start) * stride + margin), np.uint64(start * stride)
        above = np.uint64((margin + start + row) * stride + margin + column)
        below = above + np.uint64(stride)
        for i in range((end - start) * stride - 2 * margin):
            x = np.uint64(i)  # unsigned, so that numba does not check for negative indices
            point = (
                points[above + x]
                if weight == 0
                else (1 - weight) * points[above + x] + weight * points[below + x]
            )
            pattern[out + x] |= bit if point >= pixels[here + x] else np.uint32(0)


@compile_kernel(_PIXELS, *_CIRCLE, _PIXELS, _PATTERN)
def _find_patterns(  # type: ignore[no-untyped-def]
    image, rows, row_weights, column_of, columns, column_weights, between, pattern
):
    """Set bit k of the pattern of each pixel whose point k is at least as bright as the pixel.

    ``between`` is scratch space for the image interpolated between two columns.
    """
    height, width = row_weights.shape[1], column_weights.shape[1]
    margin = (len(image) - height) // 2
    pattern[:] = 0
    for j in range(len(columns)):
        whole = column_weights[j, 0] == 0
        for y in range(margin, margin if whole else margin + height):
            left, right = image[y, margin + columns[j] :], image[y, margin + columns[j] + 1 :]
            weights, out = column_weights[j], between[y, margin:]
            for x in range(width):
                out[x] = (1 - weights[x]) * left[x] + weights[x] * right[x]
        for k in range(len(rows)):
            if column_of[k] == j:
                bit = np.uint32(1 << k)
                _compare_point_to_pixel(
                    image if whole else between,
                    rows[k],
                    columns[j] if whole else 0,
                    image,
                    row_weights[k],
                    bit,
                    pattern,
                )


@compile_kernel(_PATTERN, types.uint64, types.uint32)
def _index_patterns(pattern, n_points, others):  # type: ignore[no-untyped-def]
    """Replace patterns by their indices in the array of ``_pattern_codes``."""
    every_point = (ONE << n_points) - ONE
    for i in range(len(pattern)):
        bits = np.uint64(pattern[i])
        starts = bits & ~(bits << ONE | bits >> (n_points - ONE))  # of runs of bright points
        before = (starts - ONE) & every_point  # the points before the first start
        pattern[i] = (
            others
            if starts & before
            else _count_set_bits(before) * (n_points + ONE) + _count_set_bits(bits)
        )


@compile_kernel(
    readonly_array_type(types.float32, 3),
    *_CIRCLE,
    readonly_array_type(types.uint16, 1),
    readonly_array_type(types.intp, 1),
    readonly_array_type(types.intp, 1),
    writable_array_type(types.uint32, 4),
)
def _count_codes(  # type: ignore[no-untyped-def]
    images,
    rows,
    row_weights,
    column_of,
    columns,
    column_weights,
    codes,
    row_edges,
    column_edges,
    counts,
):
    """Count the codes in each cell."""
    n, height, width = images.shape
    margin = 1 + max(-rows.min(), columns.max())
    stride = width + 2 * margin
    image = np.zeros((height + 2 * margin, stride))
    between = np.zeros((height + 2 * margin, stride))
    pattern = np.empty(height * stride, np.uint32)
    # two counters in turns, because incrementing one counter twice in a row is slower
    tally = np.empty((2, counts.shape[3]), np.uint32)
    for i in range(n):
        for y in range(height):
            gray, inside = images[i, y], image[margin + y, margin:]
            for x in range(width):
                inside[x] = np.rint(gray[x])
        _find_patterns(
            image, rows, row_weights, column_of, columns, column_weights, between, pattern
        )
        _index_patterns(pattern, len(rows), len(codes) - 1)
        for row, column in np.ndindex(counts.shape[1:3]):
            tally[:] = 0
            left, right = column_edges[column], column_edges[column + 1]
            for y in range(row_edges[row], row_edges[row + 1]):
                for x in range(left, right):
                    tally[x & 1, codes[pattern[np.uint64(y * stride + x)]]] += 1
            histogram = counts[i, row, column]
            for code in range(len(histogram)):
                histogram[code] = tally[0, code] + tally[1, code]
