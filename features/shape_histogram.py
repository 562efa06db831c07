"""Edge directions and moments, which describe the global shape of an object."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numba import types
from numpy.typing import NDArray

from features.base import Extractor, Features, Images, to_gray
from features.compiled import compile_kernel, readonly_array_type, writable_array_type
from models.constraints import RealNumber, WholeNumber

# A Hu moment below this is the rounding of a zero moment; its logarithm would be noise.
NEGLIGIBLE = 1e-30
STEPS = 1024  # steps of the table of angles, from slope 0 to slope 1
ANGLES = np.arctan(np.arange(STEPS + 1) / STEPS).astype(np.float32)
_QUARTER, _HALF = np.float32(math.pi / 2), np.float32(math.pi)  # quarter and half of the circle


class ShapeHistogram(Extractor):
    """Histogram of edge directions, and Hu moments (Jain & Vailaya 1996).

    Parameters
    ----------
    bins : int, default=36
        Number of directions over the full circle. The first bin is centred on 0 (brighter to the
        right), so that horizontal and vertical edges do not fall between two bins.
    threshold : float, default=1.0
        The gradient of an edge pixel exceeds the mean gradient of its image by at least this number
        of standard deviations; 0 or more.

    See Also
    --------
    features.hog.HOG : Gradient directions of the cells of a grid.

    Notes
    -----
    Jain, A. K. & Vailaya, A. (1996), "Image retrieval using color and shape", Pattern Recognition
    29(8), 1233-1244; Hu, M.-K. (1962), "Visual pattern recognition by moment invariants", IRE
    Transactions on Information Theory 8(2).

    Changed: Sobel gradients above a threshold of each image instead of Canny's edge points, 36 bins
    of 10 degrees instead of 72 of 5, no smoothing of the histogram. A Hu moment h becomes the
    feature -sign(h) * log10(abs(h)), because the moments span many orders of magnitude. An image
    without edges has a histogram of zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from features import ShapeHistogram
    >>> image = np.tile(np.repeat(np.array([0, 255], np.uint8), 4), (1, 8, 1))[..., None]
    >>> ShapeHistogram(bins=4).fit_transform(image)[0, :4]
    array([1., 0., 0., 0.], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "bins": [WholeNumber(1)],
        "threshold": [RealNumber(0, closed="left")],
    }
    search_space: ClassVar[dict[str, Any]] = {"bins": [18, 36, 72]}

    def __init__(self, bins: int = 36, threshold: float = 1.0) -> None:
        self.bins = bins
        self.threshold = threshold

    def extract(self, batch: Images) -> Features:
        """Share of the edge pixels per direction, then seven logarithmic moments, (b, bins + 7)."""
        gray = gray_levels(batch)
        right, down = (gradient.reshape(len(batch), -1) for gradient in sobel_gradients(gray))
        n_edges = np.empty(len(batch), np.intp)
        directions = np.empty((len(batch), self.bins), np.float32)
        _select_edges(right, down, float(self.threshold), n_edges)
        _count_directions(right, down, n_edges, ANGLES, directions)
        return np.hstack([directions, log_magnitude(hu_moments(gray))])

    def _feature_names(self) -> list[str]:
        return [f"edge_direction_{i}" for i in range(self.bins)] + [
            f"log_hu_{i}" for i in range(1, 8)
        ]


def gray_levels(images: Images) -> NDArray[np.uint8]:
    """Gray levels as integers, (b, h, w), so that gradients and moments are exact."""
    return images[..., 0] if images.shape[-1] == 1 else np.rint(to_gray(images)).astype(np.uint8)


def sobel_gradients(gray: NDArray[np.uint8]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Sobel derivatives to the right and downwards, each (b, h, w).

    Beyond the border the outermost pixels are repeated.
    """
    right, down = np.empty(gray.shape, np.int16), np.empty(gray.shape, np.int16)
    _compute_sobel_gradients(gray, right, down)
    return right, down


def hu_moments(gray: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Hu's seven invariants of each image, (b, h, w) to (b, 7); all zero for a black image."""
    # float64, because sums of billions cancel in a symmetrical image
    moments = np.zeros((len(gray), 8))
    _central_moments(gray, moments)
    total = np.maximum(moments[:, :1], 1)
    nu20, nu11, nu02 = (moments[:, 1:4] / total**2).T
    nu30, nu21, nu12, nu03 = (moments[:, 4:] / total**2.5).T
    a, b, c, d = nu20 - nu02, 2 * nu11, nu30 - 3 * nu12, 3 * nu21 - nu03
    s, t = nu30 + nu12, nu21 + nu03
    u, v = s * (s**2 - 3 * t**2), t * (3 * s**2 - t**2)
    h6 = a * (s**2 - t**2) + 2 * b * s * t
    return np.stack(
        [nu20 + nu02, a**2 + b**2, c**2 + d**2, s**2 + t**2, c * u + d * v, h6, d * u - c * v],
        axis=1,
    )


def log_magnitude(moments: NDArray[np.float64]) -> Features:
    """Signed logarithm -sign(h) * log10(abs(h)), and 0 where h is negligible."""
    size = np.abs(moments)
    logarithm = np.log10(np.maximum(size, NEGLIGIBLE))
    return np.where(size > NEGLIGIBLE, -np.sign(moments) * logarithm, 0).astype(np.float32)


@compile_kernel(
    readonly_array_type(types.uint8, 3),
    writable_array_type(types.int16, 3),
    writable_array_type(types.int16, 3),
)
def _compute_sobel_gradients(gray, right, down):  # type: ignore[no-untyped-def]
    """Smooth and differentiate down each column, then along the row."""
    n, height, width = gray.shape
    # each with a pixel beyond both borders
    smooth, change = np.empty(width + 2, np.int16), np.empty(width + 2, np.int16)
    for i, y in np.ndindex(n, height):
        above, here, below = gray[i, max(y - 1, 0)], gray[i, y], gray[i, min(y + 1, height - 1)]
        for x in range(width):
            smooth[x + 1] = (
                np.int16(above[x]) + np.int16(2) * np.int16(here[x]) + np.int16(below[x])
            )
            change[x + 1] = np.int16(below[x]) - np.int16(above[x])
        smooth[0], smooth[width + 1] = smooth[1], smooth[width]
        change[0], change[width + 1] = change[1], change[width]
        for x in range(width):
            right[i, y, x] = smooth[x + 2] - smooth[x]
            down[i, y, x] = change[x] + np.int16(2) * change[x + 1] + change[x + 2]


_GRADIENTS = writable_array_type(types.int16, 2)
_SUMS = {"reassoc", "contract"}  # sums may be computed in any order


@compile_kernel(
    _GRADIENTS, _GRADIENTS, types.float64, writable_array_type(types.intp, 1), fastmath=_SUMS
)
def _select_edges(right, down, threshold, n_edges):  # type: ignore[no-untyped-def]
    """Move the gradients of the edge pixels of each image to the front of its row; count them."""
    n, n_pixels = right.shape
    magnitude = np.empty(n_pixels, np.float32)
    for i in range(n):
        total = squares = 0.0
        for k in range(n_pixels):
            x, y = np.float32(right[i, k]), np.float32(down[i, k])
            magnitude[k] = np.sqrt(x * x + y * y)
            length = np.float64(magnitude[k])
            total += length
            squares += length * length
        mean = total / n_pixels
        limit = np.float32(mean + threshold * math.sqrt(max(squares / n_pixels - mean**2, 0.0)))
        count = 0
        for k in range(n_pixels):  # without a branch, which the processor could not predict
            right[i, count], down[i, count] = right[i, k], down[i, k]
            count += magnitude[k] > limit
        n_edges[i] = count


@compile_kernel(
    _GRADIENTS,
    _GRADIENTS,
    readonly_array_type(types.intp, 1),
    readonly_array_type(types.float32, 1),
    writable_array_type(types.float32, 2),
)
def _count_directions(right, down, n_edges, angles, shares):  # type: ignore[no-untyped-def]
    """Compute the share of each direction among the edge pixels of each image, (b, bins).

    The slope of an angle from the table is off by at most half a step; where that may change the
    bin, the angle is computed.
    """
    n, bins = shares.shape
    scale = bins / (2 * math.pi)
    direction, counts = np.empty(right.shape[1], np.float32), np.empty(bins, np.intp)
    for i in range(n):
        for k in range(n_edges[i]):
            x, y = np.float32(right[i, k]), np.float32(down[i, k])
            low, high = min(abs(x), abs(y)), max(abs(x), abs(y))  # high > 0, as x or y is not 0
            angle = angles[np.int32(low / high * np.float32(STEPS) + np.float32(0.5))]
            # unfold the angle from 45 degrees to the full circle
            angle = abs(_QUARTER * np.float32(abs(y) > abs(x)) - angle)
            unfolded = math.copysign(abs(_HALF * np.float32(x < 0) - angle), y)
            direction[k] = unfolded * np.float32(scale)
        counts[:] = 0
        for k in range(n_edges[i]):
            nearest = np.rint(direction[k])
            if abs(direction[k] - nearest) > 0.5 - scale / STEPS:
                nearest = np.rint(
                    math.atan2(np.float64(down[i, k]), np.float64(right[i, k])) * scale
                )
            counts[int(nearest)] += 1  # a negative index counts from the end
        for k in range(bins):
            shares[i, k] = np.float32(counts[k]) / np.float32(max(n_edges[i], 1))


@compile_kernel(
    readonly_array_type(types.uint8, 3), writable_array_type(types.float64, 2), fastmath=_SUMS
)
def _central_moments(gray, moments):  # type: ignore[no-untyped-def]
    """Compute the total and the central moments of order 20, 11, 02, 30, 21, 12, 03, (b, 8).

    The moments of a black image are left at zero.
    """
    n, height, width = gray.shape
    # moments of each row about the middle column, which are exact because they are whole numbers
    lines = np.empty((4, height))
    x1 = np.arange(width) - float(width // 2)
    x2, x3 = x1 * x1, x1 * x1 * x1
    for i in range(n):
        for y in range(height):
            row = gray[i, y]
            s0 = s1 = s2 = s3 = 0.0
            for x in range(width):
                value = np.float64(row[x])
                s0 += value
                s1 += value * x1[x]
                s2 += value * x2[x]
                s3 += value * x3[x]
            lines[0, y], lines[1, y], lines[2, y], lines[3, y] = s0, s1, s2, s3
        total = lines[0].sum()
        if total == 0:
            continue
        mean_x, mean_y = lines[1].sum() / total, (lines[0] * np.arange(height)).sum() / total
        moments[i, 0] = total
        for y in range(height):
            s0, s1, s2, s3 = lines[:, y]
            s3 += mean_x * (-3 * s2 + mean_x * (3 * s1 - mean_x * s0))
            s2 += mean_x * (-2 * s1 + mean_x * s0)
            s1 -= mean_x * s0
            v = y - mean_y
            terms = (s2, v * s1, v * v * s0, s3, v * s2, v * v * s1, v * v * v * s0)
            for k in range(7):
                moments[i, k + 1] += terms[k]
