"""GIST: the spatial envelope of a scene, as energies of oriented filters over a grid."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import scipy.fft
import scipy.linalg
from numba import types
from numpy.typing import NDArray

from features.base import Extractor, Features, Images
from features.compiled import compile_kernel, readonly_array_type, writable_array_type
from models.constraints import GRID, ListOf, WholeNumber

CUTOFF = (
    4  # cycles per image: the prefilter takes half of such a wave away, and more of longer ones
)
PREFILTER_BORDER = 5  # pixels that go beyond the image while it is prefiltered
BORDER = 32  # and while it is filtered
FINEST = 0.3  # frequency of the finest scale, cycles per pixel
STEP = 1.85  # from one scale to the next
NEGLIGIBLE = 1e-7  # a gain that is not worth its Fourier transform
SMALLEST = 16  # side of an image that is not enlarged, pixels: waves of the third scale are 11 long


class GIST(Extractor):
    """GIST, the spatial envelope (Oliva & Torralba 2001): mean magnitude of oriented filters in the cells of a grid.

    Parameters
    ----------
    orientations_per_scale : sequence of int, default=(8, 8, 4)
        Orientations of the filters at each scale, the finest first. The default is usual for images
        of 32 pixels; of larger ones the authors take (8, 8, 8, 8).
    grid : (rows, columns), default=(4, 4)
        Cells the image is cut into; their sizes differ by at most one pixel.

    Notes
    -----
    Oliva, A. & Torralba, A. (2001), "Modeling the shape of the scene: a holistic representation of the spatial envelope",
    International Journal of Computer Vision 42(3), 145-175. Of a square image with an even side the numbers are those of
    the authors' LMgist.m: mean of the channels, stretched to 0 to 255; its logarithm without slow changes, divided by the
    local contrast; filters given by their Fourier transforms, the image reflected in a border of 32 pixels.
    Changed: frequencies are counted in cycles per pixel along both axes, and the prefiltered image is not made square (the
    original counts in cycles per width, and is half a step off where a side is odd); the image is not resized, unless its
    shorter side is below 16 pixels; cells go row by row.
    """

    batch_size = 16  # an image of 32 pixels has a Fourier transform of 74 KB, with the border

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "orientations_per_scale": [ListOf(WholeNumber(1))],
        "grid": [GRID],
    }

    def __init__(
        self, orientations_per_scale: tuple[int, ...] = (8, 8, 4), grid: tuple[int, int] = (4, 4)
    ) -> None:
        self.orientations_per_scale = orientations_per_scale
        self.grid = grid

    @property
    def min_size(self) -> int:
        """16 pixels, and one for each cell of the grid."""
        return max(SMALLEST, *self.grid)

    def extract(self, batch: Images) -> Features:
        """Mean magnitudes scale by scale, orientation by orientation, cell by cell, (b, d)."""
        rows, columns = (
            np.arange(n + 1) * side // n
            for n, side in zip(self.grid, batch.shape[1:3], strict=True)
        )
        spectra = scipy.fft.fft2(
            _add_reflected_border(prefilter_images(stretched_gray(batch)), BORDER)
        )
        spectra = np.fft.fftshift(spectra, axes=(1, 2))
        height, width = spectra.shape[1:]
        out = np.empty((len(batch), sum(self.orientations_per_scale), *self.grid), np.float32)
        for i, filter_ in enumerate(_list_filters(self.orientations_per_scale)):
            band, gain = transfer_function(
                height, width, *filter_
            )  # moving the band to frequency 0 leaves magnitudes as they are
            response = scipy.fft.ifft(spectra[:, *band] * gain, height, axis=1)[:, BORDER:-BORDER]
            response = scipy.fft.ifft(response, width, axis=2)
            _average_magnitude(response, rows, columns + BORDER, i, out)
        return out.reshape(len(batch), -1)

    def _feature_names(self) -> list[str]:
        filters = _list_filters(self.orientations_per_scale)
        return [
            f"gist_scale{scale}_orientation{k}_cell{r}_{c}"
            for scale, _, k in filters
            for r, c in np.ndindex(*self.grid)
        ]


def _list_filters(orientations_per_scale: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Scale, number of orientations at that scale, and orientation of each filter."""
    return [(scale, n, k) for scale, n in enumerate(orientations_per_scale) for k in range(n)]


def stretched_gray(images: Images) -> NDArray[np.float32]:
    """Mean of the channels, the darkest pixel of each image at 0 and the brightest at 255; a flat image is 0."""
    gray = images @ np.ones(images.shape[-1], np.float32) / np.float32(images.shape[-1])
    gray -= gray.min(axis=(1, 2), keepdims=True)
    return gray * (255 / np.maximum(gray.max(axis=(1, 2), keepdims=True), 1))


def prefilter_images(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithm of the gray values without its slow changes, divided by the local contrast."""
    image = _add_reflected_border(np.log(gray + 1), PREFILTER_BORDER)
    down, along = (_low_pass_matrix(side, max(image.shape[1:])) for side in image.shape[1:])
    image -= down @ image @ along
    image /= np.float32(0.2) + np.sqrt(np.abs(down @ (image * image) @ along))
    return image[:, PREFILTER_BORDER:-PREFILTER_BORDER, PREFILTER_BORDER:-PREFILTER_BORDER]


def _add_reflected_border(images: NDArray[np.float32], border: int) -> NDArray[np.float32]:
    """Images with a border that reflects them, the outermost pixels repeated."""
    return np.pad(images, ((0, 0), (border, border), (border, border)), mode="symmetric")


@lru_cache(maxsize=8)
def _low_pass_matrix(side: int, longer_side: int) -> NDArray[np.float32]:
    """Matrix that blurs an image along one axis, as if it went on periodically: Gaussian in frequency."""
    cycles_per_image = np.fft.fftfreq(side) * longer_side
    gain = np.exp(-(cycles_per_image**2) * math.log(2) / CUTOFF**2)
    return scipy.linalg.circulant(np.fft.ifft(gain).real).astype(np.float32)


@lru_cache(maxsize=64)
def transfer_function(
    height: int, width: int, scale: int, n: int, k: int
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Gain of the filter of orientation k of n, and which part of the sorted frequencies it is for: it is 0 elsewhere."""
    y, x = np.fft.fftshift(np.fft.fftfreq(height))[:, None], np.fft.fftshift(np.fft.fftfreq(width))
    angle = (np.arctan2(y, x) + math.pi * k / n + math.pi) % (2 * math.pi) - math.pi
    distance = np.hypot(y, x) * STEP**scale / FINEST - 1
    gain = np.exp(-3.5 * distance**2 - math.pi / 32 * (n * angle) ** 2).astype(np.float32)
    counts = gain >= min(NEGLIGIBLE, gain.max())
    rows, columns = (np.flatnonzero(counts.any(axis=axis)) for axis in (1, 0))
    band = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return band, gain[band].copy()


_EDGES = readonly_array_type(types.intp, 1)


@compile_kernel(
    readonly_array_type(types.complex64, 3),
    _EDGES,
    _EDGES,
    types.intp,
    writable_array_type(types.float32, 4),
    fastmath={"reassoc", "contract"},
)
def _average_magnitude(responses, rows, columns, i, out):  # type: ignore[no-untyped-def]
    """Write the mean magnitude of the responses in each cell to ``out[:, i]``."""
    for image, r, c in np.ndindex(out.shape[0], out.shape[2], out.shape[3]):
        total = np.float32(0)
        for y in range(rows[r], rows[r + 1]):
            for x in range(columns[c], columns[c + 1]):
                value = responses[image, y, x]
                total += np.sqrt(value.real * value.real + value.imag * value.imag)
        out[image, i, r, c] = total / ((rows[r + 1] - rows[r]) * (columns[c + 1] - columns[c]))
