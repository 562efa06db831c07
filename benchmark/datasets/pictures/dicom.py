"""Decode one DICOM file: stored values -> modality units -> display window."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset as DicomDataset
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
)

from benchmark.datasets.pictures.decoded import BYTES_PER_PIXEL, Decoded, Header
from benchmark.datasets.pictures.dicom_colours import to_rgb
from benchmark.datasets.pictures.dicom_display import Display
from benchmark.datasets.pictures.eight_bits import stretch

MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422")
JPEG2000_COLOUR = ("YBR_ICT", "YBR_RCT")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
GROUP_LENGTH = b"\x02\0\0\0UL\x04\0"  # FileMetaInformationGroupLength, the first element after the preamble
MOST_INFLATED = 2**28  # bytes of a data set that is compressed as a whole


def dicom_header(path: Path) -> Header:
    """Read size and memory from the header.

    Raises
    ------
    Exception
        As `read_dicom`.
    """
    file = _open(path, stop_before_pixels=True)
    height, width = _integer(file, "Rows"), _integer(file, "Columns")
    if file.get("PhotometricInterpretation") in MONOCHROME:
        return Header((height, width), height * width * BYTES_PER_PIXEL)  # rescaled in double precision
    samples = _integer(file, "SamplesPerPixel", 1)
    return Header((height, width), height * width * samples * _integer(file, "BitsAllocated", 8) // 8)


def read_dicom(path: Path) -> Decoded:
    """Decode a file by pydicom: YBR to RGB, modality LUT or rescale, then the first VOI LUT or window.

    Raises
    ------
    ValueError, or an error of pydicom
        Not DICOM, without an image, several frames, a compression that is not installed, fewer bytes
        than announced, colours or lookup tables whose meaning would be a guess.
    """
    file = _open(path)
    _refuse_unknown_type(file)
    _name_transfer_syntax(file)
    values = _decode(file)
    patient = str(file.get("PatientID") or "").strip()
    if file.PhotometricInterpretation not in MONOCHROME:
        return Decoded(to_rgb(values, file), patient=patient)
    if values.ndim != 2:
        raise ValueError(f"a gray DICOM image of {values.ndim} dimensions")
    display = Display(file)
    shown = display.show(values)
    if shown.dtype == np.uint8 and not display.changes_values and file.BitsStored < 8:
        shown = stretch(shown, 0, 2**file.BitsStored - 1)
    inverted = file.PhotometricInterpretation == "MONOCHROME1"
    return Decoded(shown, inverted, display.has_voi, display.padding(values), patient)


def _open(path: Path, stop_before_pixels: bool = False) -> DicomDataset:
    """Read a file with or without the 128 bytes and the "DICM" that stand before the data set."""
    content = path.read_bytes()  # from memory, where a length beyond the end of the file takes none
    _refuse_bomb(content)
    try:
        return dcmread(BytesIO(content), stop_before_pixels=stop_before_pixels)
    except InvalidDicomError:
        pass
    try:
        file = dcmread(BytesIO(content), stop_before_pixels=stop_before_pixels, force=True)
        recognised = "Rows" in file and "Columns" in file
    except Exception:  # whatever pydicom makes of bytes of another kind
        recognised = False
    if not recognised:
        raise ValueError("not a DICOM file")
    return file


def _refuse_bomb(content: bytes) -> None:
    """Refuse a data set that is compressed as a whole and inflates beyond reason."""
    if DeflatedExplicitVRLittleEndian.encode() + b"\0" not in content[:2048]:
        return
    if content[132:140] != GROUP_LENGTH:
        raise ValueError("damaged: the file meta information does not begin with its length")
    start = 144 + int.from_bytes(content[140:144], "little")
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:], MOST_INFLATED)
    if len(inflated) >= MOST_INFLATED:
        raise ValueError(f"inflates to more than {MOST_INFLATED / 1e6:.0f} MB")


def _refuse_unknown_type(file: DicomDataset) -> None:
    if not any(name in file for name in PIXELS):
        raise ValueError("a DICOM file without an image")
    frames = _integer(file, "NumberOfFrames", 1)
    if frames > 1:
        raise ValueError(f"has {frames} frames; one image per file")
    photometric = file.get("PhotometricInterpretation")
    syntax = file.file_meta.get("TransferSyntaxUID") if hasattr(file, "file_meta") else None
    known = (*MONOCHROME, *COLOUR, *(JPEG2000_COLOUR if syntax in JPEG2000TransferSyntaxes else ()))
    if photometric not in known:
        raise ValueError(f"DICOM colours of the kind {photometric} are not read; write it as MONOCHROME2 or RGB")
    if file.get("PixelPresentation") in ("COLOR", "MIXED") and photometric in MONOCHROME:
        raise ValueError("a DICOM image of gray and colours in one (supplemental palette) is not read")


def _name_transfer_syntax(file: DicomDataset) -> None:
    """Fill in the transfer syntax that a file without meta information was found to have; refuse one not installed."""
    syntax = file.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        is_implicit, is_little = file.original_encoding
        explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if is_implicit else explicit
        if "PixelData" in file and file["PixelData"].is_undefined_length:
            raise ValueError("compressed, and no TransferSyntaxUID says how")
        file.file_meta.TransferSyntaxUID = syntax
    if not syntax.is_transfer_syntax:
        raise ValueError(f"the TransferSyntaxUID {syntax} is unknown")
    if syntax.is_encapsulated and not get_decoder(syntax).is_available:
        raise ValueError(f"compressed as {syntax.name}, which is not installed; write it uncompressed, or as RLE")


def _decode(file: DicomDataset) -> NDArray:
    try:
        return pixel_array(file)
    except Exception as error:  # of pydicom or of any decoder that it calls
        kind = file.file_meta.TransferSyntaxUID.name
        reason = str(error).rpartition("plugins:")[2].strip()
        raise ValueError(f"pixels of the kind {kind} cannot be decoded: {reason}") from None


def _integer(file: DicomDataset, name: str, default: int | None = None) -> int:
    """Return the value of an element; the default where it is missing or empty."""
    value = file.get(name)
    value = default if value is None else value
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"a DICOM file whose {name} is {'missing' if value is None else repr(value)}")
    return int(value)
