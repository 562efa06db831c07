"""Decode one TIFF file at its full depth; tifffile reads the structure, imagecodecs the compressed parts."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile
from tifffile import TiffFile, TiffPage

from benchmark.datasets.images.decoded import Decoded, Header
from benchmark.datasets.images.orientation import known_orientation, turn_upright, upright_size
from benchmark.datasets.images.tiff_colours import PHOTOMETRICS, YCBCR, to_gray_or_rgb

# what tifffile warns of is either refused here or harmless, and would stand around the one line of an error
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

JPEG = 7
COMPRESSIONS = {
    1: "none",
    2: "CCITT RLE",
    3: "CCITT T.4",
    4: "CCITT T.6",
    5: "LZW",
    JPEG: "JPEG",
    8: "Deflate",
    32773: "PackBits",
    32946: "Deflate",
    34925: "LZMA",
    50000: "Zstandard",
}
COMPRESSION, PHOTOMETRIC, ORIENTATION = 259, 262, 274
UNSIGNED, SIGNED, FLOAT, UNDEFINED = 1, 2, 3, 4  # SampleFormat
STACKS = ("stk", "lsm", "mdgel", "eer", "ndpi")  # their pixels mean more than the tags say


def tiff_header(path: Path) -> Header:
    """Read size and memory from the tags.

    Raises
    ------
    Exception
        As `read_tiff`.
    """
    with _only_page(path) as page:
        size = upright_size(page.imagelength, page.imagewidth, _orientation(page))
        samples = page.imagelength * page.imagewidth * page.samplesperpixel
        if page.is_tiled:
            samples += page.tilelength * page.tilewidth * page.samplesperpixel
        return Header(size, samples * _dtype(page).itemsize)


def read_tiff(path: Path) -> Decoded:
    """Decode a file of one image.

    Raises
    ------
    ValueError, or an error of tifffile or imagecodecs
        The file is damaged, truncated, holds several images, or is of a type whose values would be a guess.
    """
    with _only_page(path) as page:
        values = page.asarray(squeeze=False, maxworkers=1)  # separate planes, depth, height, width, samples
        values = np.moveaxis(values[:, 0], 0, -2).reshape(page.imagelength, page.imagewidth, -1)
        image = to_gray_or_rgb(page, values)
        upright = turn_upright(image.values, _orientation(page))
        return Decoded(upright, image.inverted, remark=image.remark)


@contextmanager
def _only_page(path: Path) -> Iterator[TiffPage]:
    with TiffFile(path) as file:
        frames = _n_images(file)
        if frames > 1:
            raise ValueError(f"has {frames} frames; one image per file")
        page = file.pages.first
        _refuse_unknown_type(file, page)
        _refuse_missing_data(file, page)
        yield page


def _n_images(file: TiffFile) -> int:
    n_pages = len(file.pages)
    if n_pages > 1:
        return n_pages
    if file.is_imagej:  # one directory may stand for a whole stack
        return int((file.imagej_metadata or {}).get("images", 1))
    return _n_images_behind(file, file.pages.first)


def _n_images_behind(file: TiffFile, page: TiffPage) -> int:
    """Count the images that tifffile wrote one behind the other under one directory (`truncate=True`)."""
    try:
        shape = file.shaped_metadata[0]["shape"] if file.is_shaped and file.shaped_metadata else page.shape
        n_images = math.prod(shape) // max(1, math.prod(page.shape))
    except Exception:  # a description of another kind
        return 1
    is_there = page.is_contiguous and page.dataoffsets[0] + n_images * page.nbytes <= file.filehandle.size
    return n_images if is_there else 1  # otherwise the image was changed, and its description was not


def _refuse_unknown_type(file: TiffFile, page: TiffPage) -> None:
    for name in STACKS:
        if getattr(file, f"is_{name}"):
            raise ValueError(f"a TIFF of the kind {name.upper()}; export the image as a plain TIFF")
    if page.imagedepth > 1:
        raise ValueError(f"a TIFF of {page.imagedepth} slices; one image per file")
    compression = page.tags.valueof(COMPRESSION, 1)
    if compression not in COMPRESSIONS:
        raise ValueError(f"TIFF compression {int(compression)} is not read; write it as LZW or Deflate")
    photometric = page.tags.valueof(PHOTOMETRIC)
    if photometric is None:
        raise ValueError("a TIFF without PhotometricInterpretation: black and white cannot be told apart")
    if photometric not in PHOTOMETRICS or (photometric == YCBCR and compression != JPEG):
        raise ValueError(f"TIFF colours of the kind {_name_of(photometric)} are not read; write it as gray or RGB")
    _dtype(page)


def _name_of(photometric: object) -> str:
    return str(getattr(photometric, "name", photometric))


def _dtype(page: TiffPage) -> np.dtype:
    if page.sampleformat not in (UNSIGNED, SIGNED, FLOAT, UNDEFINED) or page.dtype is None:
        raise ValueError(f"TIFF samples of {page.bitspersample} bits and SampleFormat {page.sampleformat} are not read")
    if not isinstance(page.bitspersample, int):
        raise ValueError(f"TIFF channels of unequal depth: {page.bitspersample} bits")
    return page.dtype


def _refuse_missing_data(file: TiffFile, page: TiffPage) -> None:
    """Refuse what tifffile would fill up: parts that were never written, or are cut off."""
    end = file.filehandle.size
    expected = math.prod(page.chunked)
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if min(len(page.dataoffsets), len(page.databytecounts)) != expected and not page.is_contiguous:
        raise ValueError(f"damaged: {len(parts)} of {expected} strips or tiles")
    for offset, count in parts:
        if offset <= 0 or count <= 0:
            raise ValueError("damaged or sparse: a strip or tile is missing")
        if offset + count > end:
            raise ValueError("truncated: the file ends before its pixels do")
        if page.compression == JPEG:
            file.filehandle.seek(offset)
            _refuse_larger_jpeg(page, file.filehandle.read(count))
    if page.is_contiguous and page.dataoffsets[0] + page.nbytes > end:
        raise ValueError("truncated: the file ends before its pixels do")


def _refuse_larger_jpeg(page: TiffPage, data: bytes) -> None:
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    try:
        width, height = JpegImageFile(BytesIO(data)).size
    except SyntaxError:
        raise ValueError("JPEG in a TIFF: damaged, or not 8 bits of gray, RGB, RGB with alpha or CMYK") from None
    if height > rows or width > columns:
        raise ValueError(f"damaged: a JPEG of {height}x{width} in a strip or tile of {rows}x{columns}")


def _orientation(page: TiffPage) -> int:
    return known_orientation(page.tags.valueof(ORIENTATION, 1))
