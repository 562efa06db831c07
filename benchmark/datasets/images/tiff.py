"""Decode one TIFF file at full depth, with tifffile for its tags and imagecodecs for its data."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile
from tifffile import (
    COMPRESSION,
    PHOTOMETRIC,
    PLANARCONFIG,
    SAMPLEFORMAT,
    TiffFile,
    TiffFileError,
    TiffPage,
)

from benchmark.datasets.images.decoded import Decoded, Header
from benchmark.datasets.images.orientation import known_orientation, turn_upright, upright_size
from benchmark.datasets.images.tiff_colours import PHOTOMETRICS, to_gray_or_rgb

# what tifffile warns about is refused here or harmless, and would clutter the one line of an error
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

COMPRESSIONS = {
    COMPRESSION.NONE: "none",
    COMPRESSION.CCITTRLE: "CCITT RLE",
    COMPRESSION.CCITT_T4: "CCITT T.4",
    COMPRESSION.CCITT_T6: "CCITT T.6",
    COMPRESSION.LZW: "LZW",
    COMPRESSION.JPEG: "JPEG",
    COMPRESSION.ADOBE_DEFLATE: "Deflate",
    COMPRESSION.PACKBITS: "PackBits",
    COMPRESSION.DEFLATE: "Deflate",
    COMPRESSION.LZMA: "LZMA",
    COMPRESSION.ZSTD: "Zstandard",
}
# compressions with a predictor; others ignore its tag
PREDICTED = (
    COMPRESSION.LZW,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.DEFLATE,
    COMPRESSION.LZMA,
    COMPRESSION.ZSTD,
)
SAMPLE_FORMATS = (
    SAMPLEFORMAT.UINT,
    SAMPLEFORMAT.INT,
    SAMPLEFORMAT.IEEEFP,
    SAMPLEFORMAT.VOID,
)
STACKS = ("stk", "lsm", "mdgel", "eer", "ndpi")  # formats not fully described by TIFF tags


def read_tiff_header(path: Path) -> Header:
    """Read the size and the memory of an image from the tags of its file.

    Raises
    ------
    Exception
        As in `read_tiff`.
    """
    with _open_single_page(path) as page:
        size = upright_size(page.imagelength, page.imagewidth, _read_orientation(page))
        samples = page.imagelength * page.imagewidth * page.samplesperpixel
        if page.is_tiled:
            samples += page.tilelength * page.tilewidth * page.samplesperpixel
        return Header(size, samples * _read_sample_dtype(page).itemsize)


def read_tiff(path: Path) -> Decoded:
    """Decode a file with a single image.

    Raises
    ------
    ValueError, or an error of tifffile or imagecodecs
        The file is corrupted or truncated, holds several images, or has values of ambiguous
        meaning.
    """
    with _open_single_page(path) as page:
        # axes: separate planes, depth, height, width, samples
        values = page.asarray(squeeze=False, maxworkers=1)
        values = np.moveaxis(values[:, 0], 0, -2).reshape(page.imagelength, page.imagewidth, -1)
        image = to_gray_or_rgb(page, values)
        padding = _find_no_data(page, values)
        turned = None if padding is None else turn_upright(padding, _read_orientation(page))
        return replace(
            image, values=turn_upright(image.values, _read_orientation(page)), padding=turned
        )


@contextmanager
def _open_single_page(path: Path) -> Iterator[TiffPage]:
    with ExitStack() as opened:
        try:
            file = opened.enter_context(TiffFile(path))
            page = _read_single_page(file)
        except (ValueError, OSError, MemoryError, TiffFileError):
            raise
        except Exception:  # tifffile raises errors of many types on unexpected tags
            raise ValueError("corrupted: the tags of the TIFF cannot be read") from None
        yield page


def _read_single_page(file: TiffFile) -> TiffPage:
    frames = _count_images(file)
    if frames > 1:
        raise ValueError(f"has {frames} frames; one image per file")
    page = file.pages.first
    _refuse_unknown_type(file, page)
    _refuse_missing_data(file, page)
    return page


def _count_images(file: TiffFile) -> int:
    n_pages = len(file.pages)
    if n_pages > 1:
        return n_pages
    if file.is_imagej:  # a single directory may describe a whole stack
        return _count_imagej_images(file.imagej_metadata or {})
    return _count_appended_images(file, file.pages.first)


def _count_imagej_images(description: dict[str, Any]) -> int:
    counts = {name: description.get(name, 1) for name in ("images", "slices", "frames")}
    for name, count in counts.items():
        if not isinstance(count, int):
            raise ValueError(f"corrupted: the ImageJ description has no number of {name}")
    return max(counts["images"], counts["slices"] * counts["frames"])


def _count_appended_images(file: TiffFile, page: TiffPage) -> int:
    """Count images under a single directory, as tifffile writes them with `truncate=True`."""
    try:
        metadata = file.shaped_metadata if file.is_shaped else None
        shape = metadata[0]["shape"] if metadata else page.shape
        n_images = math.prod(shape) // max(1, math.prod(page.shape))
    except Exception:  # the description has another format
        return 1
    end = page.dataoffsets[0] + n_images * page.nbytes if page.is_contiguous else math.inf
    # if the images are not in the file, it was edited without updating the description
    return n_images if end <= file.filehandle.size else 1


def _refuse_unknown_type(file: TiffFile, page: TiffPage) -> None:
    for name in STACKS:
        if getattr(file, f"is_{name}"):
            raise ValueError(f"a TIFF in {name.upper()} format; export the image as a plain TIFF")
    if min(page.imagelength, page.imagewidth) < 1:
        raise ValueError(f"{page.imagelength}x{page.imagewidth}: the image is empty")
    if page.is_reduced and "SubIFDs" in page.tags:
        raise ValueError(
            "a reduced copy of an image elsewhere in the file (SubIFDs); export it as a plain TIFF"
        )
    if page.imagedepth > 1:
        raise ValueError(f"a TIFF of {page.imagedepth} slices; one image per file")
    compression = page.tags.valueof("Compression", COMPRESSION.NONE)
    if compression not in COMPRESSIONS:
        raise ValueError(
            f"TIFF compression {int(compression)} is not supported; save it with LZW or Deflate"
        )
    if page.predictor != 1 and compression not in PREDICTED:
        raise ValueError(
            f"TIFF data with a predictor and the compression {COMPRESSIONS[compression]}, which "
            "does not use one"
        )
    photometric = page.tags.valueof("PhotometricInterpretation")
    if photometric is None:
        raise ValueError(
            "a TIFF without PhotometricInterpretation: it is unknown whether 0 is black or white"
        )
    if photometric not in PHOTOMETRICS or (
        photometric == PHOTOMETRIC.YCBCR and compression != COMPRESSION.JPEG
    ):
        raise ValueError(
            f"TIFF colours {_photometric_name(photometric)} are not supported; save it as gray or "
            "RGB"
        )
    _read_sample_dtype(page)


def _photometric_name(photometric: object) -> str:
    return str(getattr(photometric, "name", photometric))


def _read_sample_dtype(page: TiffPage) -> np.dtype:
    if not isinstance(page.bitspersample, int):
        raise ValueError(f"TIFF channels with different depths: {page.bitspersample} bits")
    is_known = page.sampleformat in SAMPLE_FORMATS
    is_ambiguous = (
        page.sampleformat == SAMPLEFORMAT.VOID and page.bitspersample >= 32
    )  # integer or float
    # integers of 24 bits are stored in the byte order of the file, or packed
    is_misread = page.sampleformat != SAMPLEFORMAT.IEEEFP and page.bitspersample == 24
    if page.dtype is None or not is_known or is_ambiguous or is_misread:
        raise ValueError(
            f"TIFF samples of {page.bitspersample} bits and SampleFormat {page.sampleformat} are "
            "not supported"
        )
    return page.dtype


def _refuse_missing_data(file: TiffFile, page: TiffPage) -> None:
    """Refuse missing and truncated strips or tiles, which tifffile would fill with zeros."""
    end = file.filehandle.size
    expected = math.prod(page.chunked)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if min(len(page.dataoffsets), len(page.databytecounts)) != expected and not page.is_contiguous:
        raise ValueError(f"corrupted: {len(segments)} of {expected} strips or tiles")
    for offset, count in segments:
        if offset <= 0 or count <= 0:
            raise ValueError("corrupted or sparse: a strip or tile is missing")
        if offset + count > end:
            raise ValueError("truncated: the file ends before its pixels do")
        if page.compression == COMPRESSION.JPEG:
            file.filehandle.seek(offset)
            _refuse_larger_jpeg(page, file.filehandle.read(count))
    n_bytes = sum(page.databytecounts)
    if page.compression == 1 and n_bytes < (needed := _count_uncompressed_bytes(page)):
        raise ValueError(
            f"truncated: its strips or tiles have {n_bytes:,} bytes, but the image needs {needed:,}"
        )
    if page.is_contiguous and page.dataoffsets[0] + page.nbytes > end:
        raise ValueError("truncated: the file ends before its pixels do")


def _count_uncompressed_bytes(page: TiffPage) -> int:
    """Count the bytes of an uncompressed image, with each row padded to whole bytes."""
    planes = page.samplesperpixel if page.planarconfig == PLANARCONFIG.SEPARATE else 1
    bits = page.imagewidth * page.bitspersample * (page.samplesperpixel // planes)
    return planes * page.imagelength * -(-bits // 8)


def _find_no_data(page: TiffPage, values: NDArray) -> NDArray[np.bool_] | None:
    """Find the pixels outside the image: all of their samples have the value of GDAL_NODATA."""
    text = str(page.tags.valueof("GDAL_NODATA", "")).strip("\0 ")
    if not text:
        return None
    try:
        no_data = float(text)
    except ValueError:
        raise ValueError(f"GDAL_NODATA is {text:.40}, not a number") from None
    # in the type of the samples: -3.4e38 is written with fewer digits than a 32-bit float has
    marker = values.dtype.type(no_data) if values.dtype.kind == "f" else no_data
    missing = (values == marker).all(axis=-1)
    return missing if missing.any() else None


def _refuse_larger_jpeg(page: TiffPage, data: bytes) -> None:
    rows, columns = (
        (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    )
    try:
        width, height = JpegImageFile(BytesIO(data)).size
    except SyntaxError:
        raise ValueError(
            "JPEG in a TIFF: corrupted, or not 8-bit gray, RGB, RGB with alpha or CMYK"
        ) from None
    if height > rows or width > columns:
        raise ValueError(
            f"corrupted: a JPEG of {height}x{width} in a strip or tile of {rows}x{columns}"
        )


def _read_orientation(page: TiffPage) -> int:
    return known_orientation(page.tags.valueof("Orientation", 1))
