"""One image file as 8-bit gray or RGB pixels, with what was done to it on the way."""

from __future__ import annotations

from collections.abc import Iterator
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
COPIES = 3  # of the decoded values that exist at a time, at most
MEMORY = MemoryBudget(2**30)


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
    n_padding : int
        Pixels outside the image (see `Decoded`), which became 0.
    remark : str
        An assumption that the reader had to make.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    windowed: bool = False
    stretched: bool = False
    inverted: bool = False
    n_not_finite: int = 0
    patient: str | None = None
    n_padding: int = 0
    remark: str = ""


def is_dicom(path: Path) -> bool:
    """Whether the suffix is one of DICOM's."""
    return path.suffix.lower() in DICOM_SUFFIXES


def read_image_size(path: Path) -> tuple[int, int]:
    """Read (height, width) from the header of a file.

    Raises
    ------
    Exception
        As `read_picture`.
    """
    with _translate_decoder_errors():
        return _read_image_header(path).size


def read_picture(
    path: Path, percentiles: tuple[float, float] = (1, 99), max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decode a file and bring it to 8 bits.

    Large files wait for one another: what is decoded at the same time stays below 1 GB, or is one
    file.

    Raises
    ------
    Exception
        Any error of a decoder: the file is damaged or of another kind, or has more than max_pixels
        pixels.
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
        patient=image.patient,
        n_padding=0
        if image.padding is None
        else int(np.count_nonzero(image.padding)) - image.n_not_finite,
        remark=image.remark,
    )


@contextmanager
def _translate_decoder_errors() -> Iterator[None]:
    """Say that a file is damaged where a decoder says nothing to its user."""
    try:
        yield
    except (
        OSError,
        ValueError,
        SyntaxError,
        MemoryError,
    ):  # SyntaxError: Pillow's, of a broken file
        raise
    except Exception as error:  # whatever else decoders raise on bytes that they do not expect
        raise ValueError(
            f"damaged, or of an unknown kind ({type(error).__name__}: {error})"
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
    """Give every image a channel axis, of length 1 where all channels are equal."""
    if pixels.ndim == 2:
        return pixels[..., np.newaxis]
    red, green, blue = np.moveaxis(pixels, -1, 0)
    gray = np.array_equal(red, green) and np.array_equal(green, blue)
    return pixels[..., :1] if gray else pixels
