"""Decode one DICOM file: from stored values to modality units to the display window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset as DicomDataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEG2000TransferSyntaxes

from benchmark.datasets.images.decoded import BYTES_PER_PIXEL, Decoded, Header
from benchmark.datasets.images.dicom_case import read_case
from benchmark.datasets.images.dicom_colours import to_rgb
from benchmark.datasets.images.dicom_display import Display
from benchmark.datasets.images.dicom_elements import read_element, read_integer
from benchmark.datasets.images.dicom_file import (
    open_dicom,
    refuse_larger_frame,
    set_transfer_syntax,
)
from benchmark.datasets.images.eight_bits import stretch_intensity

MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422")
JPEG2000_COLOUR = ("YBR_ICT", "YBR_RCT")
# elements with pixels, and their bits per sample if fixed
PIXELS = {"PixelData": None, "FloatPixelData": 32, "DoubleFloatPixelData": 64}


def read_dicom_header(path: Path) -> Header:
    """Read the size and the memory of an image from the header of its file.

    Raises
    ------
    Exception
        As in `read_dicom`.
    """
    file = open_dicom(path, stop_before_pixels=True)
    if "Rows" not in file and "Columns" not in file:
        raise ValueError("a DICOM file without an image: it has neither Rows nor Columns")
    height, width = read_integer(file, "Rows"), read_integer(file, "Columns")
    if read_element(file, "PhotometricInterpretation") in MONOCHROME:
        bits = 8 * BYTES_PER_PIXEL  # rescaled in double precision
    else:
        bits = read_integer(file, "SamplesPerPixel", 1) * read_integer(file, "BitsAllocated", 8)
    return Header((height, width), height * width * bits // 8)


def read_dicom(path: Path) -> Decoded:
    """Decode a DICOM file with pydicom.

    YBR is converted to RGB. Gray values are mapped by the modality LUT or rescale, then by the
    first VOI LUT or window.

    Raises
    ------
    ValueError
        The file is not DICOM, has no image or several frames, is truncated, uses a compression
        whose decoder is not installed, or has contradictory elements, or colours or lookup tables
        of ambiguous meaning.
    """
    file = open_dicom(path)
    photometric = _read_supported_photometric(file)
    set_transfer_syntax(file)
    values = _decode_pixels(file)
    case = read_case(file)
    if photometric not in MONOCHROME:
        return Decoded(to_rgb(values, file), case=case)
    if values.ndim != 2:
        raise ValueError(f"{photometric} with SamplesPerPixel {values.shape[-1]}, not 1")
    display = Display(file)
    padding = display.find_padding(values)
    not_finite = ~np.isfinite(values) if values.dtype.kind == "f" and display.has_voi else None
    # a window would map infinite values to its ends
    if not_finite is not None and not_finite.any():
        padding = not_finite if padding is None else padding | not_finite
        values = np.where(not_finite, values.dtype.type(0), values)
    shown = display.render_values(values)
    if shown.dtype == np.uint8 and not display.changes_values and file.BitsStored < 8:
        shown = stretch_intensity(shown, 0, 2**file.BitsStored - 1)
    n_not_finite = 0 if not_finite is None else int(np.count_nonzero(not_finite))
    return Decoded(
        shown,
        photometric == "MONOCHROME1",
        display.has_voi,
        padding,
        case,
        n_not_finite=n_not_finite,
    )


def _read_supported_photometric(file: DicomDataset) -> str:
    """Return the PhotometricInterpretation; refuse a file without exactly one supported image."""
    pixels = [name for name in PIXELS if name in file]
    if not pixels:
        raise ValueError("a DICOM file without an image: it has no PixelData")
    frames = read_integer(file, "NumberOfFrames", 1)
    if frames > 1:
        raise ValueError(f"has {frames} frames; one image per file")
    photometric = read_element(file, "PhotometricInterpretation")
    if photometric is None:
        raise ValueError(
            "PhotometricInterpretation is missing: it is unknown whether 0 is black or white"
        )
    syntax = file.file_meta.get("TransferSyntaxUID") if hasattr(file, "file_meta") else None
    known = (*MONOCHROME, *COLOUR, *(JPEG2000_COLOUR if syntax in JPEG2000TransferSyntaxes else ()))
    if photometric not in known:
        raise ValueError(
            f"DICOM colours {photometric} are not supported; save it as MONOCHROME2 or RGB"
        )
    if read_element(file, "PixelPresentation") in ("COLOR", "MIXED") and photometric in MONOCHROME:
        raise ValueError(
            "a DICOM image with both gray and colour (supplemental palette) is not supported"
        )
    _refuse_unsupported_samples(file, pixels[0])
    return str(photometric)


def _refuse_unsupported_samples(file: DicomDataset, pixels: str) -> None:
    """Refuse descriptions of the samples that are missing, or that pydicom decodes wrongly."""
    if not isinstance(read_element(file, pixels), bytes):
        is_empty = read_element(file, pixels) is None
        raise ValueError(f"{pixels} is {'empty' if is_empty else 'not a string of bytes'}")
    samples, allocated = read_integer(file, "SamplesPerPixel"), read_integer(file, "BitsAllocated")
    if samples not in (1, 3):
        raise ValueError(f"SamplesPerPixel is {samples}; 1 (gray) and 3 (RGB) are supported")
    if samples == 3 and read_integer(file, "PlanarConfiguration") > 1:
        raise ValueError(f"PlanarConfiguration is {file.PlanarConfiguration}, neither 0 nor 1")
    if PIXELS[pixels] is not None:
        if allocated != PIXELS[pixels]:
            raise ValueError(f"BitsAllocated is {allocated} but {pixels} has {PIXELS[pixels]} bits")
        return
    stored = read_integer(file, "BitsStored")
    if allocated not in (1, 8, 16, 32, 64):
        raise ValueError(f"BitsAllocated is {allocated}; 1, 8, 16, 32 and 64 are supported")
    if not 1 <= stored <= allocated:
        raise ValueError(f"BitsStored is {stored} but BitsAllocated is {allocated}")
    if str(read_element(file, "PhotometricInterpretation")).startswith("YBR") and (
        allocated,
        stored,
    ) != (8, 8):
        raise ValueError(
            f"{file.PhotometricInterpretation} with {stored} of {allocated} bits is not supported; "
            "save it as RGB"
        )
    if read_integer(file, "PixelRepresentation") > 1:
        raise ValueError(f"PixelRepresentation is {file.PixelRepresentation}, neither 0 nor 1")
    if read_integer(file, "HighBit", stored - 1) != stored - 1:
        raise ValueError(
            f"HighBit is {file.HighBit} but BitsStored is {stored}: samples that do not end at bit "
            "0 are not supported"
        )


def _decode_pixels(file: DicomDataset) -> NDArray:
    syntax = file.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        refuse_larger_frame(file)
    elif "PixelData" in file:
        _refuse_missing_bytes(file)
    try:
        return pixel_array(file)
    except Exception as error:  # pydicom and its decoders raise errors of many types
        reason = str(error).rpartition("plugins:")[2].strip() or type(error).__name__
        raise ValueError(
            f"pixels compressed as {syntax.name} cannot be decoded: {reason}"
        ) from None


def _refuse_missing_bytes(file: DicomDataset) -> None:
    samples = file.Rows * file.Columns * file.SamplesPerPixel
    if file.PhotometricInterpretation == "YBR_FULL_422":
        samples = samples // 3 * 2
    needed = -(-samples * file.BitsAllocated // 8)
    if len(file.PixelData) < needed:
        raise ValueError(
            f"truncated: PixelData has {len(file.PixelData):,} bytes, but the image needs "
            f"{needed:,}"
        )
    if (frames := len(file.PixelData) // needed) > 1:
        raise ValueError(f"has {frames} frames; one image per file")
