"""Decode one image file to 8-bit gray or RGB pixels, with a record of the conversions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.images import raster
from benchmark.datasets.images.decoded import MAX_PIXELS, Decoded, Header, refuse_oversized_image
from benchmark.datasets.images.eight_bits import to_eight_bits
from benchmark.datasets.images.memory import MemoryBudget

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
SUFFIXES = raster.SUFFIXES | DICOM_SUFFIXES
COPIES = 3  # copies of the decoded values that exist at the same time, at most
MEMORY = MemoryBudget(2**30)


@dataclass(frozen=True)
class Picture:
    """A decoded image file.

    Parameters
    ----------
    pixels : (h, w, c) uint8 array
        c is 1 if all channels are equal, else 3 (RGB).
    size : (height, width)
        Size in the file, in pixels.
    windowed : bool
        Whether a VOI window or lookup table was applied.
    stretched : bool
        Whether values were mapped to 8 bits by their percentiles.
    inverted : bool
        Whether low values are white in the file.
    n_not_finite : int
        Number of NaN and infinite values.
    case : mapping of str to str, or None
        What a DICOM file says of its case; see `dicom_case.read_case`. None for other types of
        files.
    n_padding : int
        Number of pixels outside the image (see `Decoded`), which became 0.
    remark : str
        An assumption that the decoder made.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    windowed: bool = False
    stretched: bool = False
    inverted: bool = False
    n_not_finite: int = 0
    case: Mapping[str, str] | None = None
    n_padding: int = 0
    remark: str = ""


def is_dicom(path: Path) -> bool:
    """Whether the suffix is that of a DICOM file."""
    return path.suffix.lower() in DICOM_SUFFIXES


def read_image_size(path: Path) -> tuple[int, int]:
    """Read (height, width) from the header of a file.

    Raises
    ------
    Exception
        As in `read_picture`.
    """
    with _translate_decoder_errors():
        return _read_image_header(path).size


def read_picture(
    path: Path, percentiles: tuple[float, float] = (1, 99), max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decode a file and convert it to 8 bits.

    Threads that decode large files wait for each other: the images decoded at the same time take at
    most 1 GB, unless a single image takes more.

    Parameters
    ----------
    path : Path
    percentiles : (low, high)
        Percentiles that are mapped to 0 and 255 if the file has more than 8 bits.
    max_pixels : int
        See `benchmark.datasets.images.options.Options`.

    Returns
    -------
    Picture

    Raises
    ------
    Exception
        Any error of a decoder: the file is corrupted, of another type or too large.
    """
    with _translate_decoder_errors():
        header = _read_image_header(path)
        refuse_oversized_image(header, max_pixels)
        with MEMORY.reserve_memory(COPIES * header.n_bytes):
            image = _decode_values(path)
            pixels, n_not_finite = to_eight_bits(
                image.values, percentiles, image.padding, image.inverted
            )
            pixels = _normalize_channels(pixels)
    return Picture(
        pixels,
        pixels.shape[:2],
        windowed=image.windowed,
        stretched=image.values.dtype != np.uint8,
        inverted=image.inverted,
        n_not_finite=n_not_finite + image.n_not_finite,
        case=image.case,
        n_padding=_count_padding(image),
        remark=image.remark,
    )


def _count_padding(image: Decoded) -> int:
    if image.padding is None:
        return 0
    return int(np.count_nonzero(image.padding)) - image.n_not_finite


@contextmanager
def _translate_decoder_errors() -> Iterator[None]:
    """Raise internal errors of decoders as a ValueError with a message for users."""
    try:
        yield
    # Pillow raises SyntaxError for a corrupted file
    except (OSError, ValueError, SyntaxError, MemoryError):
        raise
    except Exception as error:  # decoders raise errors of many types on unexpected bytes
        raise ValueError(
            f"corrupted or of an unknown type ({type(error).__name__}: {error})"
        ) from error


def _read_image_header(path: Path) -> Header:
    if not is_dicom(path):
        return raster.read_raster_header(path)
    from benchmark.datasets.images.dicom import read_dicom_header

    return read_dicom_header(path)


def _decode_values(path: Path) -> Decoded:
    if not is_dicom(path):
        return raster.read_raster(path)
    from benchmark.datasets.images.dicom import read_dicom

    return read_dicom(path)


def _normalize_channels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give every image a channel axis, of length 1 if all channels are equal."""
    if pixels.ndim == 2:
        return pixels[..., np.newaxis]
    red, green, blue = np.moveaxis(pixels, -1, 0)
    gray = np.array_equal(red, green) and np.array_equal(green, blue)
    return pixels[..., :1] if gray else pixels
