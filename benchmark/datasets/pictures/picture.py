"""One image file as 8-bit gray or RGB pixels, with what was done to it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.pictures import raster
from benchmark.datasets.pictures.eight_bits import to_eight_bits

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
SUFFIXES = raster.SUFFIXES | DICOM_SUFFIXES


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Parameters
    ----------
    pixels : (h, w, c) uint8
        c is 1 where the channels are equal, else 3 (RGB).
    size : (height, width)
        As the file has it.
    windowed, stretched, inverted : bool
        Shown through a VOI window or LUT; brought to 8 bits by percentiles; low values were white.
    n_not_finite : int
        Values that were NaN or infinite.
    patient : str or None
        PatientID of a DICOM file, "" where it has none; None for other kinds.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    windowed: bool = False
    stretched: bool = False
    inverted: bool = False
    n_not_finite: int = 0
    patient: str | None = None


def is_dicom(path: Path) -> bool:
    """Whether the suffix is one of DICOM's."""
    return path.suffix.lower() in DICOM_SUFFIXES


def picture_size(path: Path) -> tuple[int, int]:
    """Read (height, width) from the header of a file."""
    if not is_dicom(path):
        return raster.raster_size(path)
    from benchmark.datasets.pictures.dicom import dicom_size

    return dicom_size(path)


def read_picture(path: Path, percentiles: tuple[float, float] = (1, 99)) -> Picture:
    """Decode a file and bring it to 8 bits.

    Raises
    ------
    Exception
        Any error of a decoder: the file is damaged or of another kind.
    """
    windowed, patient = False, None
    if is_dicom(path):
        from benchmark.datasets.pictures.dicom import read_dicom

        file = read_dicom(path)
        values, windowed, inverted, patient = file.values, file.windowed, file.inverted, file.patient
    else:
        values, inverted = raster.read_raster(path)
    eight, n_not_finite = to_eight_bits(values, percentiles)
    pixels = _channels_last(255 - eight if inverted else eight)
    stretched = values.dtype != np.uint8
    return Picture(pixels, pixels.shape[:2], windowed, stretched, inverted, n_not_finite, patient)


def _channels_last(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give every image a channel axis, of length 1 where all channels are equal."""
    if pixels.ndim == 2:
        return pixels[..., np.newaxis]
    red, green, blue = np.moveaxis(pixels, -1, 0)
    gray = np.array_equal(red, green) and np.array_equal(green, blue)
    return pixels[..., :1] if gray else pixels
