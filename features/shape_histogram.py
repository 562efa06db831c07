"""Edge directions and moments: the global shape of what an image shows."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numba import types
from numpy.typing import NDArray

from features.base import Extractor, Features, Images, to_gray
from features.compiled import compile_kernel, readonly_array_type, writable_array_type
from models.constraints import RealNumber, WholeNumber

NEGLIGIBLE = 1e-30  # a Hu moment below this is rounding of a moment that is zero; its logarithm would be noise
STEPS = 1024  # between the slopes 0 and 1, whose angles are looked up
ANGLES = np.arctan(np.arange(STEPS + 1) / STEPS).astype(np.float32)
_QUARTER, _HALF = np.float32(math.pi / 2), np.float32(math.pi)  # of the circle


class ShapeHistogram(Extractor):
    """Edge-direction histogram and Hu moments (Jain & Vailaya 1996): which way edges run, and how the mass lies.

    Parameters
    ----------
    bins : int, default=36
        Directions told apart over the full circle; the first bin is centred on 0 (brighter to the
        right), so that horizontal and vertical edges do not fall between two bins.
    threshold : float, default=1.0
        An edge pixel's gradient exceeds the image's own mean gradient by this many standard
        deviations; at least 0.

    Notes
    -----
    Jain, A. K. & Vailaya, A. (1996), "Image retrieval using color and shape", Pattern Recognition 29(8), 1233-1244;
    Hu, M.-K. (1962), "Visual pattern recognition by moment invariants", IRE Transactions on Information Theory 8(2).
    Changed: Sobel gradients above a threshold of each image instead of Canny's edge points, 36 bins of 10 degrees
    instead of 72 of 5, no smoothing of the histogram; Hu moments h enter as -sign(h) * log10(abs(h)) because they
    span many orders of magnitude. A flat image has no edges: its histogram is all zero.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "bins": [WholeNumber(1)],
        "threshold": [RealNumber(0, closed="left")],
    }

    def __init__(self, bins: int = 36, threshold: float = 1.0) -> None:
        self.bins = bins
        self.threshold = threshold

    def extract(self, batch: Images) -> Features:
        """Share of the edge pixels in each direction, then the seven logarithmic Hu moments, (b, bins + 7)."""
        gray = gray_levels(batch)
        right, down = (gradient.reshape(len(batch), -1) for gradient in sobel_gradients(gray))
        n_edges, directions = (
            np.empty(len(batch), np.intp),
            np.empty((len(batch), self.bins), np.float32),
        )
        _select_edges(right, down, float(self.threshold), n_edges)
        _count_directions(right, down, n_edges, ANGLES, directions)
        return np.hstack([directions, log_magnitude(hu_moments(gray))])

    def _feature_names(self) -> list[str]:
        return [f"edge_direction_{i}" for i in range(self.bins)] + [
            f"log_hu_{i}" for i in range(1, 8)
        ]


def gray_levels(images: Images) -> NDArray[np.uint8]:
    """Whole gray levels, (b, h, w): gradients and moments of them are exact, equal pixels have no gradient."""
    return images[..., 0] if images.shape[-1] == 1 else np.rint(to_gray(images)).astype(np.uint8)


def sobel_gradients(gray: NDArray[np.uint8]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Sobel derivatives to the right and downwards of (b, h, w), the outermost pixels repeated beyond the border."""
    right, down = np.empty(gray.shape, np.int16), np.empty(gray.shape, np.int16)
    _compute_sobel_gradients(gray, right, down)
    return right, down


def hu_moments(gray: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Hu's seven invariants of each image, (b, h, w) to (b, 7); all zero for a black image."""
    moments = np.zeros(
        (len(gray), 8)
    )  # beyond float32: of a symmetrical image, sums of billions cancel
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
    """Signed logarithm -sign(h) * log10(abs(h)); 0 where h is negligible, so always finite."""
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
    smooth, change = (
        np.empty(width + 2, np.int16),
        np.empty(width + 2, np.int16),
    )  # and a pixel beyond each border
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


_GRADIENTS, _SUMS = (
    writable_array_type(types.int16, 2),
    {"reassoc", "contract"},
)  # sums may be taken in any order


@compile_kernel(
    _GRADIENTS, _GRADIENTS, types.float64, writable_array_type(types.intp, 1), fastmath=_SUMS
)
def _select_edges(right, down, threshold, n_edges):  # type: ignore[no-untyped-def]
    """Move the gradients of each image's edge pixels to the front of its row, and count them."""
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
        kept = 0
        for k in range(n_pixels):  # no branch: which pixels are edges cannot be guessed
            right[i, kept], down[i, kept] = right[i, k], down[i, k]
            kept += magnitude[k] > limit
        n_edges[i] = kept


@compile_kernel(
    _GRADIENTS,
    _GRADIENTS,
    readonly_array_type(types.intp, 1),
    readonly_array_type(types.float32, 1),
    writable_array_type(types.float32, 2),
)
def _count_directions(right, down, n_edges, angles, shares):  # type: ignore[no-untyped-def]
    """Share of each direction among the first ``n_edges`` gradients of each image, (b, bins).

    An angle that was looked up is half a step of the slope off at most; where that may matter, it
    is computed.
    """
    n, bins = shares.shape
    scale = bins / (2 * math.pi)
    direction, counts = np.empty(right.shape[1], np.float32), np.empty(bins, np.intp)
    for i in range(n):
        for k in range(n_edges[i]):
            x, y = np.float32(right[i, k]), np.float32(down[i, k])
            low, high = (
                min(abs(x), abs(y)),
                max(abs(x), abs(y)),
            )  # an edge has a gradient: never 0 / 0
            angle = angles[
                np.int32(low / high * np.float32(STEPS) + np.float32(0.5))
            ]  # of 45 degrees; now unfold
            angle = abs(_QUARTER * np.float32(abs(y) > abs(x)) - angle)
            direction[k] = math.copysign(abs(_HALF * np.float32(x < 0) - angle), y) * np.float32(
                scale
            )
        counts[:] = 0
        for k in range(n_edges[i]):
            nearest = np.rint(direction[k])
            if abs(direction[k] - nearest) > 0.5 - scale / STEPS:
                nearest = np.rint(
                    math.atan2(np.float64(down[i, k]), np.float64(right[i, k])) * scale
                )
            counts[int(nearest)] += 1  # a negative one counts from the end
        for k in range(bins):
            shares[i, k] = np.float32(counts[k]) / np.float32(max(n_edges[i], 1))


@compile_kernel(
    readonly_array_type(types.uint8, 3), writable_array_type(types.float64, 2), fastmath=_SUMS
)
def _central_moments(gray, moments):  # type: ignore[no-untyped-def]
    """Total and moments of order 20, 11, 02, 30, 21, 12, 03 about the centroid, (b, 8); a black image is left out."""
    n, height, width = gray.shape
    lines = np.empty(
        (4, height)
    )  # moments of each row about the middle column: whole numbers, so exact
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
