"""GIST: the spatial envelope of a scene as energies of oriented filters in a grid."""

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

# Cycles per image: the prefilter halves waves of this frequency and removes more of longer ones.
CUTOFF = 4
PREFILTER_BORDER = 5  # width in pixels of the border that is added for prefiltering
BORDER = 32  # width in pixels of the border that is added for filtering
FINEST = 0.3  # frequency of the finest scale in cycles per pixel
STEP = 1.85  # ratio of the frequencies of neighbouring scales
NEGLIGIBLE = 1e-7  # gains below this are treated as zero
# Smaller images are enlarged to this side in pixels: waves of the third scale are 11 pixels long.
SMALLEST = 16


class GIST(Extractor):
    """GIST, the spatial envelope of a scene (Oliva & Torralba 2001).

    The features are the mean magnitudes of the responses of oriented filters in the cells of a
    grid.

    Parameters
    ----------
    orientations_per_scale : sequence of int, default=(8, 8, 4)
        Number of orientations of the filters at each scale, the finest first. The default is usual
        for images of 32 pixels; for larger ones the authors use (8, 8, 8, 8).
    grid : (rows, columns), default=(4, 4)
        Number of cells; their sizes differ by at most one pixel.

    See Also
    --------
    features.gabor.Gabor : Statistics of Gabor filters.

    Notes
    -----
    Oliva, A. & Torralba, A. (2001), "Modeling the shape of the scene: a holistic representation of
    the spatial envelope", International Journal of Computer Vision 42(3), 145-175.

    For a square image with an even side the values are those of the authors' LMgist.m: the mean of
    the channels is stretched to 0 to 255; its logarithm, without slow changes, is divided by the
    local contrast; the filters are given by their Fourier transforms, and the image is reflected in
    a border of 32 pixels. Changed: frequencies are counted in cycles per pixel along both axes, and
    the prefiltered image is not made square (the original counts in cycles per width, and is half a
    step off if a side is odd); the image is not resized unless its shorter side is below 16 pixels;
    cells are ordered row by row.

    Examples
    --------
    >>> import numpy as np
    >>> from features import GIST
    >>> images = np.random.default_rng(0).integers(256, size=(2, 32, 32, 3), dtype=np.uint8)
    >>> GIST().fit_transform(images).shape
    (2, 320)
    """

    batch_size = 16  # the Fourier transform of a 32x32 image takes 74 KB with the border

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
        """16 pixels, or the larger side of the grid, since each cell needs a pixel."""
        return max(SMALLEST, *self.grid)

    def extract(self, batch: Images) -> Features:
        """Mean magnitudes by scale, orientation and cell, (b, d)."""
        rows, columns = (
            np.arange(n + 1) * side // n
            for n, side in zip(self.grid, batch.shape[1:3], strict=True)
        )
        bordered = _add_reflected_border(prefilter_images(stretched_gray(batch)), BORDER)
        spectra = np.fft.fftshift(scipy.fft.fft2(bordered), axes=(1, 2))
        height, width = spectra.shape[1:]
        out = np.empty((len(batch), sum(self.orientations_per_scale), *self.grid), np.float32)
        for i, filter_ in enumerate(_list_filters(self.orientations_per_scale)):
            # taking only the band moves it to frequency 0, which does not change magnitudes
            band, gain = transfer_function(height, width, *filter_)
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
    """Mean of the channels, stretched to 0 to 255 in each image; a uniform image becomes 0."""
    gray = images @ np.ones(images.shape[-1], np.float32) / np.float32(images.shape[-1])
    gray -= gray.min(axis=(1, 2), keepdims=True)
    return gray * (255 / np.maximum(gray.max(axis=(1, 2), keepdims=True), 1))


def prefilter_images(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the logarithm of gray values, remove slow changes, and divide by the local contrast."""
    image = _add_reflected_border(np.log(gray + 1), PREFILTER_BORDER)
    down, along = (_low_pass_matrix(side, max(image.shape[1:])) for side in image.shape[1:])
    image -= down @ image @ along
    image /= np.float32(0.2) + np.sqrt(np.abs(down @ (image * image) @ along))
    return image[:, PREFILTER_BORDER:-PREFILTER_BORDER, PREFILTER_BORDER:-PREFILTER_BORDER]


def _add_reflected_border(images: NDArray[np.float32], border: int) -> NDArray[np.float32]:
    """Add a border that reflects the images, with the outermost pixels repeated."""
    return np.pad(images, ((0, 0), (border, border), (border, border)), mode="symmetric")


@lru_cache(maxsize=8)
def _low_pass_matrix(side: int, longer_side: int) -> NDArray[np.float32]:
    """Matrix that blurs a periodic image along one axis; its gain is a Gaussian in frequency."""
    cycles_per_image = np.fft.fftfreq(side) * longer_side
    gain = np.exp(-(cycles_per_image**2) * math.log(2) / CUTOFF**2)
    return scipy.linalg.circulant(np.fft.ifft(gain).real).astype(np.float32)


@lru_cache(maxsize=64)
def transfer_function(
    height: int, width: int, scale: int, n: int, k: int
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Band of the sorted frequencies where a filter is not negligible, and its gain there.

    The filter has orientation k of n. Outside of the band its gain is treated as 0.
    """
    y, x = np.fft.fftshift(np.fft.fftfreq(height))[:, None], np.fft.fftshift(np.fft.fftfreq(width))
    angle = (np.arctan2(y, x) + math.pi * k / n + math.pi) % (2 * math.pi) - math.pi
    distance = np.hypot(y, x) * STEP**scale / FINEST - 1
    gain = np.exp(-3.5 * distance**2 - math.pi / 32 * (n * angle) ** 2).astype(np.float32)
    relevant = gain >= min(NEGLIGIBLE, gain.max())
    rows, columns = (np.flatnonzero(relevant.any(axis=axis)) for axis in (1, 0))
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
