"""Texture properties of gray-level co-occurrence matrices."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numba import types
from numpy.typing import NDArray

from features.base import Extractor, Features, Images, to_gray
from features.compiled import compile_kernel, readonly_array_type, writable_array_type
from models.constraints import ListOf, OneOf, RealNumber, WholeNumber

PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "ASM", "energy", "correlation")
AT_ONCE = 3  # offsets counted in one pass over the pixels


class GLCM(Extractor):
    """Properties of gray-level co-occurrence matrices (Haralick, Shanmugam & Dinstein 1973).

    The matrix of an offset counts how often each pair of gray levels occurs at two pixels that are
    apart by the offset. There is one matrix per distance and angle.

    Parameters
    ----------
    distances : (int, ...), default=(1, 2)
        Lengths of the offsets in pixels.
    angles : (float, ...), default=(0, pi/4, pi/2, 3*pi/4)
        Directions of the offsets in radians; opposite directions give the same features.
    levels : int, default=32
        Number of gray levels, 2 to 256: bins of equal width.
    properties : (str, ...), default=("contrast", "correlation", "energy", "homogeneity")
        Properties of each matrix; "dissimilarity" and "ASM" are available, too.

    See Also
    --------
    features.lbp.LBP : Texture from comparisons of neighbouring pixels.
    features.gabor.Gabor : Texture from frequencies and orientations.

    Notes
    -----
    Haralick, R. M., Shanmugam, K. & Dinstein, I. (1973), "Textural features for image
    classification", IEEE Transactions on Systems, Man, and Cybernetics SMC-3(6), 610-621. ASM is
    their angular second moment, energy its square root, homogeneity their inverse difference
    moment. The values are those of ``skimage.feature.graycomatrix`` (symmetric and normed) and
    ``graycoprops``, where the correlation of an image of one level is 1.

    Changed: offsets are rounded to whole pixels as by scikit-image, so that at 45 degrees distances
    1 and 2 are the same; levels are of equal width, not equally frequent; features of different
    angles are not averaged.

    Examples
    --------
    >>> import numpy as np
    >>> from features import GLCM
    >>> stripes = np.tile(np.array([0, 255], np.uint8), (1, 8, 4))[..., None]
    >>> GLCM(distances=(1,), angles=(0.0,), properties=("correlation",)).fit_transform(stripes)
    array([[-1.]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "distances": [ListOf(WholeNumber(1), distinct=True)],
        "angles": [ListOf(RealNumber(None), distinct=True)],
        "levels": [WholeNumber(2, 256)],
        "properties": [ListOf(OneOf(PROPERTIES), distinct=True)],
    }
    search_space: ClassVar[dict[str, Any]] = {"levels": [16, 32, 64]}

    def __init__(
        self,
        distances: tuple[int, ...] = (1, 2),
        angles: tuple[float, ...] = (0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4),
        levels: int = 32,
        properties: tuple[str, ...] = ("contrast", "correlation", "energy", "homogeneity"),
    ) -> None:
        self.distances = distances
        self.angles = angles
        self.levels = levels
        self.properties = properties

    @property
    def min_size(self) -> int:
        """The smallest side at which each offset connects two pixels of the image."""
        return 1 + int(np.abs(_offset_vectors(self.distances, self.angles)).max())

    def extract(self, batch: Images) -> Features:
        """Properties of each image, (b, properties * distances * angles)."""
        offsets, which = np.unique(
            _offset_vectors(self.distances, self.angles), axis=0, return_inverse=True
        )
        values = np.empty((len(batch), len(offsets), len(PROPERTIES)), np.float32)
        padding = np.repeat(offsets[:1], -len(offsets) % AT_ONCE, axis=0)
        _compute_image_properties(
            to_gray(batch), np.concatenate([offsets, padding]), self.levels, values
        )
        columns = [PROPERTIES.index(name) for name in self.properties]
        return values[:, which.ravel()][:, :, columns].swapaxes(1, 2).reshape(len(batch), -1)

    def _feature_names(self) -> list[str]:
        offsets = [
            f"distance{distance}_angle{angle}"
            for distance in self.distances
            for angle in self.angles
        ]
        return [f"glcm_{name}_{offset}" for name in self.properties for offset in offsets]


def _offset_vectors(distances: Any, angles: Any) -> NDArray[np.intp]:
    """Rows down and columns to the right of each offset, (distances * angles, 2).

    Two opposite offsets are represented by the same vector.
    """
    offsets = [
        [_round_half_away(math.sin(angle) * distance), _round_half_away(math.cos(angle) * distance)]
        for distance in distances
        for angle in angles
    ]
    return np.array(
        [offset if offset > [0, 0] else [-offset[0], -offset[1]] for offset in offsets],
        dtype=np.intp,
    )


def _round_half_away(value: float) -> int:
    """Nearest integer; halves are rounded away from zero.

    So is the sine of 30 degrees, as by scikit-image, although it is just below 0.5 in floating
    point.
    """
    return int(value + math.copysign(0.5, value))


@compile_kernel(
    writable_array_type(types.uint16, 1),
    types.intp,
    types.intp,
    readonly_array_type(types.intp, 2),
    types.intp,
    types.uint64,
    writable_array_type(types.uint32, 2),
)
def _count_level_pairs(  # type: ignore[no-untyped-def]
    pixels, height, width, offsets, stride, levels, counts
):
    """Count the pairs of gray levels at each offset."""
    counts[:] = 0
    row = levels + np.uint64(1)
    for k in range(0, len(offsets), AT_ONCE):
        first, second, third = counts[k], counts[k + 1], counts[k + 2]
        to_first = np.uint64(offsets[k, 0] * stride + offsets[k, 1])
        to_second = np.uint64(offsets[k + 1, 0] * stride + offsets[k + 1, 1])
        to_third = np.uint64(offsets[k + 2, 0] * stride + offsets[k + 2, 1])
        for y in range(height):
            for x in range(width):
                here = np.uint64(y * stride + x)
                level = pixels[here] * row
                first[level + pixels[here + to_first]] += 1
                second[level + pixels[here + to_second]] += 1
                third[level + pixels[here + to_third]] += 1


@compile_kernel(
    readonly_array_type(types.uint32, 2),
    readonly_array_type(types.float64, 1),
    writable_array_type(types.float32, 1),
    fastmath={"reassoc", "contract"},
)
def _compute_matrix_properties(counts, nearness, values):  # type: ignore[no-untyped-def]
    """Compute the properties of one matrix, in the order of ``PROPERTIES``.

    Levels are counted from the middle one.
    """
    levels = len(counts)
    total = first = second = product = distance = near = square = 0.0
    for i in range(levels):
        a = np.float64(i - levels // 2)
        row = row_product = 0.0
        weights = nearness[levels - i :]
        for j in range(levels):
            b = np.float64(j - levels // 2)
            count = np.float64(counts[i, j] + counts[j, i])
            row += count
            row_product += count * b
            distance += count * abs(a - b)
            near += count * weights[j]
            square += count * count
        total += row
        first += a * row
        second += a * a * row
        product += a * row_product
    variance = second / total - (first / total) ** 2
    covariance = product / total - (first / total) ** 2
    values[0], values[1], values[2] = 2 * (second - product) / total, distance / total, near / total
    values[3], values[4] = square / total**2, np.sqrt(square) / total
    values[5] = covariance / variance if variance > 0 else 1


@compile_kernel(
    readonly_array_type(types.float32, 3),
    readonly_array_type(types.intp, 2),
    types.intp,
    writable_array_type(types.float32, 3),
)
def _compute_image_properties(images, offsets, levels, values):  # type: ignore[no-untyped-def]
    """Compute the properties of each image at each offset."""
    n, height, width = images.shape
    margin, below = np.abs(offsets[:, 1]).max(), offsets[:, 0].max()
    stride, scale = width + margin, np.float32(levels / 256)
    pixels = np.full((height + below) * stride + margin, levels, np.uint16)
    counts = np.empty((len(offsets), levels * (levels + 1)), np.uint32)
    nearness = 1 / (1.0 + np.arange(-levels, levels) ** 2)
    for i in range(n):
        for y in range(height):
            gray, inside = images[i, y], pixels[y * stride :]
            for x in range(width):
                inside[x] = np.uint16(np.rint(gray[x]) * scale)
        _count_level_pairs(pixels, height, width, offsets, stride, levels, counts)
        for k in range(values.shape[1]):
            matrix = counts[k].reshape(levels, levels + 1)
            _compute_matrix_properties(matrix, nearness, values[i, k])
