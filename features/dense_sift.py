"""SIFT descriptors of windows on a regular grid, for a batch of images, or of keypoints."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numba import types
from numpy.typing import NDArray

from features.compiled import compile_kernel, readonly_array_type, writable_array_type

Array = NDArray[np.float32]

N_BINS = 4  # spatial bins along one side of the window
N_ORIENTATIONS = 8
LENGTH = N_BINS * N_BINS * N_ORIENTATIONS
CAMERA_SIGMA = 0.5  # blur in pixels that every image has already, as Lowe assumes
LARGEST = 0.2  # descriptors of unit length are clipped at this before the second normalisation
UNIT = 512  # length of a descriptor, whose values are whole numbers, as Lowe stores them

FLOATS = [readonly_array_type(types.float32, ndim) for ndim in range(5)]


def dense_sift(
    gray: Array, bin_size: int, step: int, sigma: float = 1.6, root: bool = False
) -> tuple[Array, Array]:
    """Upright SIFT descriptors of square windows on a grid.

    Parameters
    ----------
    gray : (b, h, w) float32
        Gray values in [0, 255].
    bin_size : int
        Side in pixels of one of the 4 x 4 bins of a window. The window is that of
        ``cv2.KeyPoint(x, y, 2 / 3 * bin_size)``.
    step : int
        Distance in pixels between the centres of neighbouring windows.
    sigma : float
        Standard deviation in pixels of the Gaussian blur before gradients are computed.
    root : bool
        Compute RootSIFT: divide the values of a descriptor by their sum and take square roots.

    Returns
    -------
    descriptors : (b, k, 128) float32
        Descriptors of the k windows, row by row: whole numbers, of length 512 up to rounding; zero
        where an image is flat.
    contrast : (b, k) float32
        Mean gradient of each window, in gray levels per pixel.

    Notes
    -----
    Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004, section 6, without
    keypoint detection, scale space and dominant orientation. Lowe's weights (Gaussian over the
    window, linear between neighbouring bins) are products of one weight for the row and one for the
    column. RootSIFT: Arandjelovic & Zisserman, CVPR 2012.
    """
    rows, cols = (_pooling_weights(side, bin_size, step) for side in gray.shape[1:])
    n_windows = len(rows[0]) // N_BINS * (len(cols[0]) // N_BINS)
    descriptors = np.empty((len(gray), n_windows, LENGTH), np.float32)
    contrast = np.empty((len(gray), n_windows), np.float32)
    _compute_descriptors(
        np.ascontiguousarray(gray, np.float32),
        _half_gaussian_kernel(sigma),
        *rows,
        *cols,
        root,
        descriptors,
        contrast,
    )
    return descriptors, contrast


def detected_sift(image: NDArray[np.uint8]) -> tuple[Array, Array]:
    """SIFT descriptors of the keypoints that OpenCV detects in an image.

    Returns
    -------
    descriptors : (k, 128) float32
        One row per keypoint; k may be 0.
    positions : (k, 2) float32
        Row and column of each keypoint.
    """
    keypoints, descriptors = cv2.SIFT.create().detectAndCompute(image, None)
    if descriptors is None:
        return np.zeros((0, LENGTH), np.float32), np.zeros((0, 2), np.float32)
    positions = np.array([point.pt[::-1] for point in keypoints], np.float32)
    return descriptors.astype(np.float32), positions


def window_centres(side: int, bin_size: int, step: int) -> NDArray[np.intp]:
    """Centres of the windows that fit into ``side`` pixels, with equal margins at both ends."""
    size = N_BINS * bin_size
    room = side - size
    return np.arange(0, room + 1, step) + (room % step + size) // 2


def to_root_sift(descriptors: Array) -> Array:
    """Convert SIFT descriptors to RootSIFT, of length 512."""
    sums = descriptors.sum(axis=-1, keepdims=True)
    return np.rint(UNIT * np.sqrt(descriptors / np.maximum(sums, 1)))


def _half_gaussian_kernel(sigma: float) -> Array:
    """One half of a Gaussian kernel of odd length, with its centre first.

    The blur of the camera is subtracted from that of the kernel.
    """
    remaining = math.sqrt(max(sigma**2 - CAMERA_SIGMA**2, 1e-6))
    reach = int(4 * remaining + 0.5)
    distance = np.arange(reach + reach % 2 + 1)
    kernel = np.exp(-0.5 * (distance / remaining) ** 2) * (distance <= reach)
    return (kernel / (2 * kernel.sum() - kernel[0])).astype(np.float32)


@lru_cache(maxsize=16)
def _pooling_weights(side: int, bin_size: int, step: int) -> tuple[NDArray[np.intp], Array]:
    """Pixels along one axis that contribute to each bin of each window, and their weights.

    Returns
    -------
    first : (windows * 4,) intp
        First pixel of each bin.
    weights : (windows * 4, span) float32
        Weights of the pixels from the first one on; ``span`` is a multiple of 8.
    """
    centres = window_centres(side, bin_size, step)
    # offset of each pixel from the centre of each window, in bins: (windows, 1, side)
    offset = (np.arange(side) - centres[:, None, None]) / bin_size
    # offset of the middle of each bin, in bins: (4, 1)
    middle = np.arange(N_BINS)[:, None] - (N_BINS - 1) / 2
    gaussian = np.exp(-0.5 * (offset / (N_BINS / 2)) ** 2)
    weight = np.maximum(1 - np.abs(offset - middle), 0) * gaussian
    weight = weight.reshape(-1, side)
    span = -(-(weight > 0).sum(axis=1).max() // 8) * 8
    first = np.minimum((weight > 0).argmax(axis=1), side - span)
    weights = np.take_along_axis(weight, first[:, None] + np.arange(span), axis=1)
    return first, weights.astype(np.float32)


@compile_kernel(types.intp, writable_array_type(types.intp, 1))
def _compute_mirrored_indices(length, out):  # type: ignore[no-untyped-def]
    """Compute the indices of a row that is mirrored at both ends.

    The pixels at the ends are not repeated.
    """
    reach = (len(out) - length) // 2
    for k in range(len(out)):
        place = abs(k - reach) % (2 * length - 2)
        out[k] = min(place, 2 * length - 2 - place)


_BINS = (readonly_array_type(types.intp, 1), FLOATS[2])
_SUMS = {"reassoc", "contract", "nsz", "nnan", "ninf", "arcp"}  # no value here is infinite


@compile_kernel(
    FLOATS[2],
    FLOATS[1],
    *(readonly_array_type(types.intp, 1),) * 2,
    writable_array_type(types.float32, 2),
    writable_array_type(types.float32, 1),
    fastmath=_SUMS,
)
def _blur_image(image, kernel, rows, cols, out, line):  # type: ignore[no-untyped-def]
    """Blur along columns, then along rows.

    ``rows`` and ``cols`` are the indices of the pixels beyond the borders, ``line`` is scratch
    space.
    """
    height, width = image.shape
    reach = len(kernel) - 1
    middle = line[reach : reach + width]
    for y in range(height):
        row = image[y]
        for x in range(width):
            middle[x] = kernel[0] * row[x]
        for k in range(1, reach, 2):  # two at a time: the sums stay in registers in between
            above, below, weight = image[rows[reach + y - k]], image[rows[reach + y + k]], kernel[k]
            above2, below2 = image[rows[reach + y - k - 1]], image[rows[reach + y + k + 1]]
            weight2 = kernel[k + 1]
            for x in range(width):
                middle[x] += weight * (above[x] + below[x]) + weight2 * (above2[x] + below2[x])
        for x in range(reach):
            line[x], line[reach + width + x] = middle[cols[x]], middle[cols[reach + width + x]]
        row = out[y]
        for x in range(width):
            row[x] = kernel[0] * middle[x]
        for k in range(1, reach, 2):
            left, right, weight = line[reach - k :], line[reach + k :], kernel[k]
            left2, right2, weight2 = line[reach - k - 1 :], line[reach + k + 1 :], kernel[k + 1]
            for x in range(width):
                row[x] += weight * (left[x] + right[x]) + weight2 * (left2[x] + right2[x])


@compile_kernel(
    FLOATS[2],
    writable_array_type(types.float32, 1),
    writable_array_type(types.float32, 1),
    writable_array_type(types.float32, 2),
    fastmath=_SUMS,
)
def _compute_orientation_maps(image, turns, magnitudes, out):  # type: ignore[no-untyped-def]
    """Distribute the gradient magnitude of each pixel to the two nearest of 8 orientations.

    The maps are (h, w * 8), and zero at the border. The angle within an octant is the arc tangent
    of the smaller to the larger component, by Abramowitz & Stegun 4.4.49 (1964).
    """
    height, width = image.shape
    out[0] = out[height - 1] = 0
    for y in range(1, height - 1):
        before, after, above, below = image[y], image[y, 2:], image[y - 1, 1:], image[y + 1, 1:]
        for x in range(width - 2):
            right, up = after[x] - before[x], above[x] - below[x]
            along, across = abs(right), abs(up)
            t = min(along, across) / max(max(along, across), np.float32(1e-12))
            s = t * t
            series = np.float32(0.0208351) * s - np.float32(0.0851330)
            series = series * s + np.float32(0.1801410)
            series = series * s - np.float32(0.3302995)
            series = series * s + np.float32(0.9998660)
            # 0 to 1, from the axis of the larger component
            turn = t * series * np.float32(4 / math.pi)
            # 0 to 2, from the horizontal axis
            turn = turn if along >= across else np.float32(2) - turn
            turn = turn if right >= 0 else np.float32(4) - turn
            turns[x] = turn if up >= 0 else np.float32(8) - turn
            magnitudes[x] = np.sqrt(right * right + up * up)
        row = out[y]
        row[:] = 0
        for x in range(width - 2):
            first = np.uint32(turns[x])
            share = turns[x] - np.float32(first)
            place = np.uint64(8 * (x + 1))
            row[place + np.uint64(first & np.uint32(7))] = magnitudes[x] * (np.float32(1) - share)
            row[place + np.uint64((first + np.uint32(1)) & np.uint32(7))] = magnitudes[x] * share


@compile_kernel(
    FLOATS[2], types.intp, FLOATS[1], writable_array_type(types.float32, 1), fastmath=_SUMS
)
def _sum_weighted_rows(rows, first, weights, line):  # type: ignore[no-untyped-def]
    """Compute the weighted sum of the rows from ``first`` on.

    Eight rows are added at a time, so that the sums stay in registers in between.
    """
    for k in range(0, len(weights), 8):
        at = first + k
        row0, row1, row2, row3 = rows[at], rows[at + 1], rows[at + 2], rows[at + 3]
        row4, row5, row6, row7 = rows[at + 4], rows[at + 5], rows[at + 6], rows[at + 7]
        w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        w4, w5, w6, w7 = weights[k + 4], weights[k + 5], weights[k + 6], weights[k + 7]
        before = np.float32(k > 0)
        for x in range(len(line)):
            upper = w0 * row0[x] + w1 * row1[x] + w2 * row2[x] + w3 * row3[x]
            lower = w4 * row4[x] + w5 * row5[x] + w6 * row6[x] + w7 * row7[x]
            line[x] = before * line[x] + upper + lower


@compile_kernel(
    FLOATS[2],
    *_BINS,
    writable_array_type(types.float32, 1),
    writable_array_type(types.float32, 2),
    fastmath=_SUMS,
)
def _pool_rows(maps, first, weights, line, out):  # type: ignore[no-untyped-def]
    """Sum the rows of the maps, (h, w * 8), to bins and transpose them, (w, bins * 8)."""
    for r in range(len(first)):
        _sum_weighted_rows(maps, first[r], weights[r], line)
        for x in range(len(out)):
            # unsigned indices, so that numba does not check for negative ones
            for o in range(8):
                out[x, np.uint64(8 * r + o)] = line[np.uint64(8 * x + o)]


@compile_kernel(
    FLOATS[2],
    *_BINS,
    writable_array_type(types.float32, 1),
    writable_array_type(types.float32, 2),
    fastmath=_SUMS,
)
def _pool_cols(rows, first, weights, line, windows):  # type: ignore[no-untyped-def]
    """Sum the rows of an array of ``_pool_rows`` to the bins of the windows, (windows, 128)."""
    across = len(first) // N_BINS
    for c in range(len(first)):
        _sum_weighted_rows(rows, first[c], weights[c], line)
        for r in range(len(line) // N_ORIENTATIONS):
            window = windows[r // N_BINS * across + c // N_BINS]
            place = r % N_BINS * N_BINS * N_ORIENTATIONS + c % N_BINS * N_ORIENTATIONS
            for o in range(8):
                window[np.uint64(place + o)] = line[np.uint64(8 * r + o)]


@compile_kernel(
    types.boolean,
    types.float32,
    writable_array_type(types.float32, 2),
    writable_array_type(types.float32, 1),
    fastmath=_SUMS,
)
def _normalise_descriptors(root, mass, windows, contrast):  # type: ignore[no-untyped-def]
    """Normalise to unit length, clip at 0.2, and normalise again to length 512.

    ``mass`` is the total weight of the pixels of a window.
    """
    for i in range(len(windows)):
        window = windows[i]
        total = square = np.float32(0)
        for k in range(128):
            total += window[k]
            square += window[k] * window[k]
        contrast[i] = total / mass
        limit = np.float32(LARGEST) * np.sqrt(square)
        total = square = np.float32(0)
        for k in range(128):
            value = min(window[k], limit)
            total += value
            square += value * value
        if root:
            scale = np.float32(UNIT) / np.sqrt(max(total, np.float32(1e-12)))
            for k in range(128):
                window[k] = np.rint(scale * np.sqrt(min(window[k], limit)))
        else:
            scale = np.float32(UNIT) / np.sqrt(max(square, np.float32(1e-12)))
            for k in range(128):
                window[k] = min(np.rint(scale * min(window[k], limit)), np.float32(255))


@compile_kernel(
    FLOATS[3],
    FLOATS[1],
    *_BINS,
    *_BINS,
    types.boolean,
    writable_array_type(types.float32, 3),
    writable_array_type(types.float32, 2),
)
def _compute_descriptors(  # type: ignore[no-untyped-def]
    images, kernel, row_first, row_weights, col_first, col_weights, root, out, contrast
):
    """Compute the descriptors of one image after the other, so that each stays in the cache."""
    _, height, width = images.shape
    smooth, maps = np.empty((height, width), np.float32), np.empty((height, width * 8), np.float32)
    turns, magnitudes = np.empty(width, np.float32), np.empty(width, np.float32)
    padded = np.empty(width + 2 * len(kernel), np.float32)
    row_line = np.zeros(width * 8, np.float32)
    rows = np.empty((width, len(row_first) * 8), np.float32)
    col_line = np.zeros(len(row_first) * 8, np.float32)
    mirrored_rows = np.empty(height + 2 * len(kernel) - 2, np.intp)
    mirrored_cols = np.empty(width + 2 * len(kernel) - 2, np.intp)
    _compute_mirrored_indices(height, mirrored_rows)
    _compute_mirrored_indices(width, mirrored_cols)
    # the factor 2 is there because a central difference spans two pixels
    mass = 2 * row_weights[:4].sum() * col_weights[:4].sum()
    for i in range(len(images)):
        _blur_image(images[i], kernel, mirrored_rows, mirrored_cols, smooth, padded)
        _compute_orientation_maps(smooth, turns, magnitudes, maps)
        _pool_rows(maps, row_first, row_weights, row_line, rows)
        _pool_cols(rows, col_first, col_weights, col_line, out[i])
        _normalise_descriptors(root, mass, out[i], contrast[i])
