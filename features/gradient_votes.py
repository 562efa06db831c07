"""Votes of the gradients of pixels for the orientations of cells."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import types
from numpy.typing import NDArray

from features.compiled import IMAGES, compile_kernel, readonly_array_type, writable_array_type

_TIE = 256  # marks a pixel where several channels have equally large gradients


@lru_cache(maxsize=16)
def bin_edges(orientations: int) -> NDArray[np.float64]:
    """Lower edges in degrees of all bins but the first, (orientations - 1,)."""
    return np.asarray(180 / orientations * np.arange(1, orientations))


@lru_cache(maxsize=16)
def gradient_bins(orientations: int) -> NDArray[np.uint16]:
    """Bin of every possible gradient of 8-bit images, at index (row + 255) * 511 + column + 255."""
    row, col = np.mgrid[-255:256, -255:256].astype(float)
    angle = np.rad2deg(np.arctan2(row, col)).ravel() % 180
    return np.searchsorted(bin_edges(orientations), angle, side="right").astype(np.uint16)


# a band of rows: a value per pixel, or per pixel and channel
_BAND = writable_array_type(types.int16, 2)
_CELLS = writable_array_type(types.float32, 4)


@compile_kernel(
    readonly_array_type(types.uint8, 1),
    readonly_array_type(types.uint8, 1),
    writable_array_type(types.int16, 1),
)
def _subtract(first, second, difference):  # type: ignore[no-untyped-def]
    """Subtract arrays of pixels."""
    for i in range(len(difference)):
        difference[i] = np.int16(first[i]) - np.int16(second[i])


@compile_kernel(readonly_array_type(types.uint8, 3), types.intp, _BAND, _BAND)
def _compute_gradients(image, top, down, along):  # type: ignore[no-untyped-def]
    """Compute the central differences in a band of rows, which are zero at the border."""
    height, _, n_channels = image.shape
    first, last = max(top, 1), min(top + len(down), height - 1)
    down[:] = 0
    _subtract(
        image[first + 1 : last + 1].reshape(-1),
        image[first - 1 : last - 1].reshape(-1),
        down[first - top : last - top].reshape(-1),
    )
    pixels = image[top : top + len(along)].reshape(-1)
    _subtract(
        pixels[2 * n_channels :],
        pixels[: -2 * n_channels],
        along.reshape(-1)[n_channels:-n_channels],
    )
    along[:, :n_channels] = 0
    along[:, -n_channels:] = 0


@compile_kernel(_BAND, _BAND, _BAND, _BAND)
def _select_channels(down, along, row, col):  # type: ignore[no-untyped-def]
    """Copy the largest gradient among the three channels of each pixel, the first one of a tie.

    If squared magnitudes are equal, their hypotenuses may differ in the last digit and then decide,
    as in scikit-image.
    """
    down, along, row, col = down.reshape(-1), along.reshape(-1), row.reshape(-1), col.reshape(-1)
    any_tie = False
    for i in range(len(row)):
        y, x = np.int32(down[3 * i]), np.int32(along[3 * i])
        square, tie = y * y + x * x, False
        for c in range(1, 3):
            other_y, other_x = np.int32(down[3 * i + c]), np.int32(along[3 * i + c])
            other_square = other_y * other_y + other_x * other_x
            swapped_or_equal = (abs(other_y) == abs(y)) | (abs(other_y) == abs(x))
            tie |= (other_square == square) & ~swapped_or_equal
            larger = other_square > square
            square = other_square if larger else square
            y, x = (other_y if larger else y), (other_x if larger else x)
        any_tie |= tie
        row[i], col[i] = (_TIE if tie else y), x
    if any_tie:
        for i in range(len(row)):
            if row[i] == _TIE:
                row[i], col[i] = down[3 * i], along[3 * i]
                for c in range(1, 3):
                    y, x = down[3 * i + c], along[3 * i + c]
                    if math.hypot(y, x) > math.hypot(row[i], col[i]):
                        row[i], col[i] = y, x


@compile_kernel(
    readonly_array_type(types.uint16, 1),
    writable_array_type(types.uint32, 2),
    writable_array_type(types.float32, 2),
    types.intp,
    writable_array_type(types.float32, 2),
)
def add_votes(bins, index, magnitude, cell_width, histograms):  # type: ignore[no-untyped-def]
    """Add the magnitudes in a band of rows to the histograms of its cells."""
    for cell in range(len(histograms)):
        histogram = histograms[cell]
        for y in range(len(index)):
            for x in range(cell * cell_width, (cell + 1) * cell_width):
                histogram[bins[index[y, x]]] += magnitude[y, x]


@compile_kernel(IMAGES, readonly_array_type(types.uint16, 1), types.intp, types.intp, _CELLS)
def cast_gradient_votes(  # type: ignore[no-untyped-def]
    images, bins, cell_height, cell_width, cells
):
    """Add the gradient magnitude of each pixel to an orientation of its cell.

    Pixels of an incomplete last cell are left out. The rows of one row of cells are processed at
    once, in loops that the compiler vectorises; only the last step goes pixel by pixel.
    """
    _, _, width, n_channels = images.shape
    down = np.empty((cell_height, width * n_channels), np.int16)
    along = np.empty_like(down)
    row, col = (
        (down, along)
        if n_channels == 1
        else (np.empty((cell_height, width), np.int16), np.empty((cell_height, width), np.int16))
    )
    magnitude = np.empty((cell_height, width), np.float32)
    index = np.empty((cell_height, width), np.uint32)
    for i in range(len(images)):
        for cell_row in range(cells.shape[1]):
            _compute_gradients(images[i], cell_row * cell_height, down, along)
            if n_channels == 3:
                _select_channels(down, along, row, col)
            for y in range(cell_height):
                for x in range(width):
                    vertical, horizontal = np.int32(row[y, x]), np.int32(col[y, x])
                    square = vertical * vertical + horizontal * horizontal
                    magnitude[y, x] = np.sqrt(np.float32(square))
                    index[y, x] = (vertical + 255) * 511 + horizontal + 255
            add_votes(bins, index, magnitude, cell_width, cells[i, cell_row])


@compile_kernel(IMAGES, readonly_array_type(types.float64, 1), types.intp, types.intp, _CELLS)
def cast_root_gradient_votes(  # type: ignore[no-untyped-def]
    images, edges, cell_height, cell_width, cells
):
    """Do the same as ``cast_gradient_votes`` with the square roots of the pixels."""
    n, height, width, n_channels = images.shape
    root = np.sqrt(np.arange(256.0))
    cosine, sine = np.cos(np.radians(edges)), np.sin(np.radians(edges))
    for i in range(n):
        for y in range(cells.shape[1] * cell_height):
            here = images[i, y]
            above, below = (
                (here, here) if y in (0, height - 1) else (images[i, y - 1], images[i, y + 1])
            )
            for x in range(cells.shape[2] * cell_width):
                left, right = (x, x) if x in (0, width - 1) else (x - 1, x + 1)
                square = row = col = 0.0
                for c in range(n_channels):
                    down = root[below[x, c]] - root[above[x, c]]
                    along = root[here[right, c]] - root[here[left, c]]
                    size = down * down + along * along
                    nearly = c > 0 and abs(size - square) < 1e-9
                    if (
                        (math.hypot(down, along) > math.hypot(row, col))
                        if nearly
                        else (size > square)
                    ):
                        square, row, col = size, down, along
                flip = -1.0 if row < 0 or (row == 0 and col < 0) else 1.0
                bin_, near = 0, False
                # the side of each edge gives the bin without the angle, which is slow to compute
                for k in range(len(edges)):
                    side = flip * (cosine[k] * row - sine[k] * col)
                    bin_ += side >= 0
                    near |= abs(side) < 1e-9
                if near:  # the angle decides, rounded as by scikit-image
                    bin_ = np.searchsorted(
                        edges, math.atan2(row, col) * (180 / math.pi) % 180, side="right"
                    )
                cells[i, y // cell_height, x // cell_width, bin_] += math.sqrt(square)
