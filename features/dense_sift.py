"""SIFT descriptors: of windows on a regular grid, for a whole batch of images at once, or of detected keypoints."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Array = NDArray[np.float32]

N_BINS = 4  # spatial bins along one side of the window
N_ORIENTATIONS = 8
LENGTH = N_BINS * N_BINS * N_ORIENTATIONS
SIGMA = np.sqrt(1.6**2 - 0.5**2)  # Lowe's 1.6 pixels, less the 0.5 that a camera has already


def dense_sift(gray: Array, size: int, step: int) -> NDArray[np.uint8]:
    """Upright SIFT descriptors of square windows on a grid.

    Parameters
    ----------
    gray : (b, h, w) float32
        Gray values in [0, 255].
    size : int
        Side of the window that a descriptor covers, pixels. ``cv2.KeyPoint(x, y, size / 6)`` has the same window.
    step : int
        Distance between the centres of neighbouring windows, pixels.

    Returns
    -------
    (b, k, 128) uint8
        Descriptors of the k windows, row by row, of length 512 up to rounding; zero where an image is flat.

    Notes
    -----
    Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004, section 6, without keypoint detection,
    scale space and dominant orientation. Lowe's weights (Gaussian over the window, linear between neighbouring bins) are
    products of one weight for the row and one for the column, so two matrix products pool every window of an image.
    """
    maps = _orientation_maps(gray)
    rows, cols = (_pooling(side, _centres(side, size, step), size / N_BINS) for side in gray.shape[1:])
    pooled: Array = np.matmul(np.matmul(rows, maps), cols.T)
    grid = len(rows) // N_BINS, len(cols) // N_BINS
    bins = pooled.reshape(len(gray), N_ORIENTATIONS, grid[0], N_BINS, grid[1], N_BINS)
    windows = bins.transpose(0, 2, 4, 3, 5, 1).reshape(len(gray), -1, LENGTH)
    return _normalise(windows)


def detected_sift(gray: Array) -> list[NDArray[np.uint8]]:
    """SIFT descriptors of the keypoints that OpenCV finds in each image, (k, 128); k differs and is often 0."""
    sift = cv2.SIFT.create()
    found = (sift.detectAndCompute(image, None)[1] for image in np.rint(gray).astype(np.uint8))
    return [np.zeros((0, LENGTH), np.uint8) if d is None else d.astype(np.uint8) for d in found]


def _centres(side: int, size: int, step: int) -> NDArray[np.intp]:
    """Centres of the windows that fit into ``side`` pixels, what is left over shared between both ends."""
    room = side - size
    return np.arange(0, room + 1, step) + (room % step + size) // 2


def _orientation_maps(gray: Array) -> Array:
    """Gradient magnitudes shared between the two nearest orientations, (b, 8, h, w); zero at the border of the image."""
    smooth = gaussian_filter1d(gaussian_filter1d(gray, SIGMA, axis=1, mode="mirror"), SIGMA, axis=2, mode="mirror")
    right = smooth[:, 1:-1, 2:] - smooth[:, 1:-1, :-2]
    up = smooth[:, :-2, 1:-1] - smooth[:, 2:, 1:-1]
    magnitude = np.hypot(right, up)
    angle = np.arctan2(up, right) * np.float32(N_ORIENTATIONS / (2 * np.pi))
    maps = np.zeros((len(gray), N_ORIENTATIONS, *gray.shape[1:]), np.float32)
    for orientation in range(N_ORIENTATIONS):
        away = np.abs((angle - orientation + N_ORIENTATIONS / 2) % N_ORIENTATIONS - N_ORIENTATIONS / 2)
        maps[:, orientation, 1:-1, 1:-1] = magnitude * np.maximum(1 - away, 0)
    return maps


def _pooling(side: int, centres: NDArray[np.intp], bin_size: float) -> Array:
    """Weight of each pixel in each bin of each window along one axis, (windows * 4, side)."""
    offset = (np.arange(side) - centres[:, None, None]) / bin_size  # from the centre, in bins: (windows, 1, side)
    middle = np.arange(N_BINS)[:, None] - (N_BINS - 1) / 2  # of each bin: (4, 1)
    weight = np.maximum(1 - np.abs(offset - middle), 0) * np.exp(-0.5 * (offset / (N_BINS / 2)) ** 2)
    return weight.reshape(-1, side).astype(np.float32)


def _normalise(windows: Array) -> NDArray[np.uint8]:
    """Unit length, no entry above 0.2, unit length again; stored in 512ths, whole numbers as Lowe stores them."""
    windows = _unit_length(np.minimum(_unit_length(windows), 0.2))
    return np.minimum(np.rint(512 * windows), 255).astype(np.uint8)


def _unit_length(windows: Array) -> Array:
    lengths = np.sqrt(np.square(windows).sum(axis=-1, keepdims=True))
    return windows / np.maximum(lengths, np.finfo(np.float32).eps)
