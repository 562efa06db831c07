"""The output of decoders: pixel values at full depth, and how they are to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 90_000_000
BYTES_PER_PIXEL = 8  # decoded, at most: 64-bit gray, or 16-bit RGB with alpha


@dataclass(frozen=True)
class Header:
    """Properties of an image that are known before it is decoded.

    Parameters
    ----------
    size : (height, width)
        Size of the upright image, in pixels.
    n_bytes : int
        Memory that its decoded values take.
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
        `inverted`); any other numeric type if the range is still to be chosen.
    inverted : bool
        Whether low values are white.
    windowed : bool
        Whether the VOI window or lookup table of the file was applied.
    padding : (h, w) bool array or None
        Pixels outside the image: PixelPaddingValue of DICOM, GDAL_NODATA of a TIFF.
    case : mapping of str to str, or None
        What a DICOM file says of its case; see `dicom_case.read_case`. None for other types of
        files.
    remark : str
        An assumption that the decoder made, for the notes.
    n_not_finite : int
        Number of NaN and infinite values that are no longer in `values`; they are in `padding`.
    """

    values: NDArray
    inverted: bool = False
    windowed: bool = False
    padding: NDArray[np.bool_] | None = None
    case: Mapping[str, str] | None = None
    remark: str = ""
    n_not_finite: int = 0


def refuse_oversized_image(header: Header, max_pixels: int) -> None:
    """Refuse an image that is too large, before it takes memory.

    Raises
    ------
    ValueError
        The image has more than `max_pixels` pixels or takes more than 8 bytes for each of them, or
        it is empty.
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
