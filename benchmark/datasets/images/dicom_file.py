"""Open DICOM files; refuse those that would take far more memory than their header states."""

from __future__ import annotations

import logging
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image
from pydicom import Dataset as DicomDataset
from pydicom import dcmread
from pydicom.encaps import generate_fragments, get_frame
from pydicom.errors import InvalidDicomError
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    RLELossless,
)

from benchmark.datasets.images.dicom_elements import read_element, read_integer

# what pydicom warns about is refused here or harmless, and would clutter the one line of an error
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

MAX_INFLATED = 2**26  # bytes of a dataset that is compressed as a whole
STEP = 2**12  # bytes that are inflated at a time, to at most 4 MB
FIRST_BYTES = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")  # of JPEG, JPEG 2000 and JP2
LONGEST_RLE = 2  # bytes of RLE per byte of pixels; the worst case is 129 / 128


def open_dicom(path: Path, stop_before_pixels: bool = False) -> DicomDataset:
    """Read a file with or without the preamble of 128 bytes and "DICM".

    Raises
    ------
    ValueError
        The file is not DICOM, is corrupted or truncated, or inflates to more than 67 MB.
    """
    content = path.read_bytes()  # in memory, a length beyond the end of the file takes no space
    _refuse_decompression_bomb(content)
    try:
        return dcmread(BytesIO(content), stop_before_pixels=stop_before_pixels)
    except InvalidDicomError:
        pass
    except Exception:  # pydicom raises errors of many types on unexpected bytes
        raise ValueError("corrupted: its elements cannot be read") from None
    try:
        file = dcmread(BytesIO(content), stop_before_pixels=stop_before_pixels, force=True)
        recognised = "Rows" in file and "Columns" in file
    except Exception:
        recognised = False
    if not recognised:
        raise ValueError("not a DICOM file")
    return file


def _refuse_decompression_bomb(content: bytes) -> None:
    """Refuse a dataset that is deflated as a whole and inflates beyond the limit.

    The inflated data are only counted, not stored.
    """
    if DeflatedExplicitVRLittleEndian.encode() not in content:
        return
    file = BytesIO(content)
    read_preamble(file, force=True)
    try:  # as in pydicom, so that both find the same transfer syntax and start of the dataset
        syntax = _read_file_meta_info(file).get("TransferSyntaxUID")
    except Exception:
        raise ValueError("corrupted: the file meta information cannot be read") from None
    if syntax != DeflatedExplicitVRLittleEndian:
        return
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        while not inflater.eof and (step := file.read(STEP)):
            size += len(inflater.decompress(step))
            if size > MAX_INFLATED:
                raise ValueError(
                    f"inflates to more than {MAX_INFLATED / 1e6:.0f} MB; save it uncompressed"
                )
    except zlib.error:
        raise ValueError("corrupted: the deflated dataset cannot be inflated") from None
    if not inflater.eof:
        raise ValueError("truncated: the deflated dataset is incomplete")


def set_transfer_syntax(file: DicomDataset) -> None:
    """Set the transfer syntax of a file without meta information to the one it was read with.

    Raises
    ------
    ValueError
        The transfer syntax is unknown, or its decoder is not installed.
    """
    syntax = file.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        is_implicit, is_little = file.original_encoding
        explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if is_implicit else explicit
        if "PixelData" in file and file["PixelData"].is_undefined_length:
            raise ValueError("compressed, but TransferSyntaxUID is missing")
        file.file_meta.TransferSyntaxUID = syntax
    if not syntax.is_transfer_syntax:
        raise ValueError(f"the TransferSyntaxUID {syntax} is unknown")
    if syntax.is_encapsulated and not _has_decoder(syntax):
        raise ValueError(
            f"compressed as {syntax.name}, whose decoder is not installed; save it uncompressed or "
            "as RLE"
        )


def _has_decoder(syntax: object) -> bool:
    try:
        return get_decoder(syntax).is_available  # type: ignore[arg-type]
    except NotImplementedError:
        return False


def refuse_larger_frame(file: DicomDataset) -> None:
    """Refuse a compressed image that differs in size from Rows and Columns, before decoding it.

    Raises
    ------
    ValueError
        The size differs, there is no frame or several, or the type is not supported.
    """
    syntax = file.file_meta.TransferSyntaxUID
    try:
        frame = get_frame(read_element(file, "PixelData"), 0, number_of_frames=1)
    except Exception:
        raise ValueError("corrupted: PixelData has no compressed image") from None
    if (frames := _count_frames(file, syntax)) > 1:
        raise ValueError(f"has {frames} frames; one image per file")
    rows, columns = read_integer(file, "Rows"), read_integer(file, "Columns")
    if syntax == RLELossless:
        bits = read_integer(file, "SamplesPerPixel", 1) * read_integer(file, "BitsAllocated")
        n_bytes = rows * columns * bits // 8
        if len(frame) > LONGEST_RLE * n_bytes + 1024:
            raise ValueError(f"corrupted: {len(frame):,} bytes of RLE for an image of {n_bytes:,}")
        return
    if syntax == JPEGExtended12Bit and read_integer(file, "BitsStored", 8) > 8:
        raise ValueError(
            f"a JPEG of {file.BitsStored} bits is not supported; save it uncompressed or as RLE"
        )
    if syntax == JPEGBaseline8Bit and read_integer(file, "BitsAllocated") != 8:
        raise ValueError(f"a JPEG of 8 bits but BitsAllocated is {file.BitsAllocated}")
    try:
        width, height = Image.open(BytesIO(frame), formats=("JPEG", "JPEG2000")).size
    except Exception:
        raise ValueError(
            f"pixels compressed as {syntax.name} are corrupted or of an unsupported type"
        ) from None
    if (height, width) != (rows, columns):
        raise ValueError(
            f"corrupted: a compressed image of {height}x{width} but Rows and Columns are "
            f"{rows}x{columns}"
        )


def _count_frames(file: DicomDataset, syntax: object) -> int:
    """Count the frames by their first bytes, as a frame may consist of several fragments."""
    # the first item is the table of offsets
    _, *fragments = generate_fragments(read_element(file, "PixelData"))
    if syntax == RLELossless:
        return len(fragments)
    return sum(fragment.startswith(FIRST_BYTES) for fragment in fragments)
