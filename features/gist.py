"""GIST: the spatial envelope of a scene as energies of oriented filters in a grid."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import NDArray

from features.base import Extractor, Features, Images
from features.filter_energy import average_magnitude, average_products
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
# Images up to this side in pixels are transformed by matrix products, larger ones by FFT.
LARGEST_MATRIX = 64


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
    search_space: ClassVar[dict[str, Any]] = {"grid": [[2, 2], [4, 4]]}

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
        out = np.empty((len(batch), sum(self.orientations_per_scale), *self.grid), np.float32)
        average = (
            _average_by_matrices if max(batch.shape[1:3]) <= LARGEST_MATRIX else _average_by_fft
        )
        average(spectra, _list_filters(self.orientations_per_scale), rows, columns, out)
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


def _average_by_fft(
    spectra: NDArray[np.complex64],
    filters: list[tuple[int, int, int]],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    out: Features,
) -> None:
    """Write the mean magnitude of the responses of each filter to ``out[:, i]``.

    ``rows`` and ``columns`` are the edges of the cells, inside of the border.
    """
    height, width = spectra.shape[1:]
    for i, filter_ in enumerate(filters):
        # taking only the band moves it to frequency 0, which does not change magnitudes
        band, gain = transfer_function(height, width, *filter_)
        response = scipy.fft.ifft(spectra[:, *band] * gain, height, axis=1)[:, BORDER:-BORDER]
        response = scipy.fft.ifft(response, width, axis=2)
        average_magnitude(response, rows, columns + BORDER, i, out)


def _average_by_matrices(
    spectra: NDArray[np.complex64],
    filters: list[tuple[int, int, int]],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    out: Features,
) -> None:
    """Do the same as ``_average_by_fft`` by products with real matrices.

    If pixels are counted from the centre of the image, the cosines and sines of one half of them
    give both halves.
    """
    height, width = spectra.shape[1:]
    centred = spectra * _shift_to_centre(height)[:, None] * _shift_to_centre(width)
    parts = np.stack([centred.real, centred.imag], axis=1)
    for i, filter_ in enumerate(filters):
        band, gain = transfer_function(height, width, *filter_)
        down, along = (
            _half_inverse_transform(n, side)
            for n, side in zip(gain.shape, (height, width), strict=True)
        )
        average_products(
            parts, band[0].start, band[1].start, gain, down, along, rows, columns, i, out
        )


def _shift_to_centre(side: int) -> NDArray[np.complex64]:
    """Factors of the frequencies that move the centre of a bordered image to position 0."""
    return np.exp(1j * math.pi * (side - 1) / side * np.arange(side)).astype(np.complex64)


@lru_cache(maxsize=64)
def _half_inverse_transform(n_frequencies: int, side: int) -> NDArray[np.float32]:
    """Cosines, then sines, of an inverse Fourier transform, (pixels, n_frequencies).

    The pixels are those of the second half of an image with a border, the last one first.
    """
    position = np.arange(side - 1 - 2 * BORDER, -1, -2) / 2
    angle = 2 * math.pi / side * np.outer(position, np.arange(n_frequencies))
    return (np.concatenate([np.cos(angle), np.sin(angle)]) / side).astype(np.float32)
