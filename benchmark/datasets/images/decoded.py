"""What a decoder gives: pixel values at their full depth, and what is needed to show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 90_000_000
BYTES_PER_PIXEL = 8  # decoded, at most: 64-bit gray, or 16-bit RGB with alpha


@dataclass(frozen=True)
class Header:
    """What is known of an image before it is decoded.

    Parameters
    ----------
    size : (height, width)
        As the image stands upright.
    n_bytes : int
        Size of its decoded values.
    """

    size: tuple[int, int]
    n_bytes: int


@dataclass(frozen=True)
class Decoded:
    """A decoded image.

    Parameters
    ----------
    values : (h, w) or (h, w, 3) array
        Upright, without alpha. uint8 if 0 is black and 255 is full intensity (or the reverse if
        `inverted`); of any other numeric type if the range is still to be chosen.
    inverted : bool
        Low values are white.
    windowed : bool
        The VOI window or lookup table of the file was applied.
    padding : (h, w) bool array or None
        Pixels outside the image: PixelPaddingValue of DICOM, GDAL_NODATA of a TIFF.
    patient : str or None
        PatientID of a DICOM file, "" where it has none; None for other kinds.
    remark : str
        An assumption that the reader had to make, for the notes.
    n_not_finite : int
        Values that were NaN or infinite, where `values` shows that no more; they are in `padding`.
    """

    values: NDArray
    inverted: bool = False
    windowed: bool = False
    padding: NDArray[np.bool_] | None = None
    patient: str | None = None
    remark: str = ""
    n_not_finite: int = 0


def refuse_oversized_image(header: Header, max_pixels: int) -> None:
    """Refuse an image before memory is taken for it.

    Raises
    ------
    ValueError
        More than `max_pixels` pixels, or more than 8 bytes for each of them.
    """
    height, width = header.size
    if height < 1 or width < 1:
        raise ValueError(f"{height}x{width}: the image is empty")
    allow = "to read it, set max_pixels"
    if height * width > max_pixels:
        raise ValueError(
            f"{height}x{width} are more than {max_pixels:,} pixels; {allow}={height * width}"
        )
    if header.n_bytes > BYTES_PER_PIXEL * max_pixels:
        needed = -(-header.n_bytes // BYTES_PER_PIXEL)
        raise ValueError(f"decoded, it takes {header.n_bytes / 1e6:,.0f} MB; {allow}={needed}")
