"""Decode one PNG, JPEG, TIFF or BMP file at its full depth."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from benchmark.datasets.images.decoded import Decoded, Header
from benchmark.datasets.images.orientation import known_orientation, turn_upright, upright_size

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
# the classes are called directly, as Image.open has a limit of pixels for the whole process
OPENERS = {b"\x89PNG\r\n\x1a\n": PngImageFile, b"\xff\xd8\xff": JpegImageFile, b"BM": BmpImageFile}
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
EXIF_ORIENTATION = 274
RLE4 = 2  # compression of a BMP, in which Pillow shifts runs of odd length
MAX_EXIF = 2**20  # bytes


def read_raster_header(path: Path) -> Header:
    """Read the size and the memory of an image from the header of its file.

    Raises
    ------
    Exception
        As in `read_raster`.
    """
    with path.open("rb") as file:
        if _is_tiff(file):
            from benchmark.datasets.images.tiff import read_tiff_header

            return read_tiff_header(path)
        image = _open_image(file)
        size = upright_size(image.height, image.width, _read_orientation(image, file))
        bytes_per_sample = 2 if _is_16_bit_png(image, file) else 1
        return Header(size, image.width * image.height * len(image.getbands()) * bytes_per_sample)


def read_raster(path: Path) -> Decoded:
    """Decode a file completely; a truncated one raises an error.

    A JPEG with corrupted data, or one that is truncated but has an end marker, is not detected:
    libjpeg only warns, the decoders used here do not report its warnings, and the missing blocks
    are gray.

    Raises
    ------
    ValueError, OSError, or an error of a decoder
        The file is corrupted, holds several images, or is of another type.
    """
    with path.open("rb") as file:
        if _is_tiff(file):
            from benchmark.datasets.images.tiff import read_tiff

            return read_tiff(path)
        data = BytesIO(file.read())
    image = _open_image(data)
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ValueError(f"has {frames} frames; one image per file")
    orientation = _read_orientation(image, data)
    if _is_16_bit_png(image, data):
        return Decoded(turn_upright(_decode_16_bits(data), orientation))
    if image.info.get("compression") == RLE4 and isinstance(image, BmpImageFile):
        raise ValueError("a BMP with RLE4 compression is not supported; save it as PNG")
    data.seek(0)
    return Decoded(turn_upright(_decode_pixels(_open_image(data), data), orientation))


def _is_tiff(file: BinaryIO) -> bool:
    magic = file.read(4)
    file.seek(0)
    return magic in TIFF_MAGIC


def _open_image(file: BinaryIO) -> ImageFile:
    """Open a file as the type that its first bytes indicate, whatever its suffix."""
    magic = file.read(8)
    file.seek(0)
    for start, opener in OPENERS.items():
        if magic.startswith(start):
            try:
                return opener(file)
            except Exception:  # Pillow raises errors of many types on an unexpected header
                raise ValueError(
                    "corrupted, truncated or of an unsupported type: the header cannot be read"
                ) from None
    raise ValueError("not a PNG, JPEG, TIFF or BMP file" if magic else "the file is empty")


def _read_orientation(image: ImageFile, file: BinaryIO) -> int:
    """Read the orientation without decoding the image."""
    if not isinstance(image, PngImageFile):
        return known_orientation(image.getexif().get(EXIF_ORIENTATION))
    try:
        exif = Image.Exif()
        # EXIF may come after the pixels, and Pillow would decode the image first
        exif.load(_read_png_chunk(file, b"eXIf"))
        return known_orientation((exif or Image.Image.getexif(image)).get(EXIF_ORIENTATION))
    except SyntaxError:  # unreadable EXIF is ignored as in a JPEG: the pixels are intact
        return known_orientation(None)


def _read_png_chunk(file: BinaryIO, wanted: bytes) -> bytes:
    """Return the content of the first chunk of a type, b"" if there is none."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == wanted:
            return file.read(min(length, MAX_EXIF))
        file.seek(length + 4, 1)
    return b""


def _is_16_bit_png(image: ImageFile, file: BinaryIO) -> bool:
    """Whether samples have 16 bits, which Pillow reduces to 8 if there are several channels."""
    if not isinstance(image, PngImageFile):
        return False
    file.seek(24)
    return file.read(1) == b"\x10"  # bit depth in the IHDR chunk


def _decode_16_bits(data: BytesIO) -> NDArray[np.uint16]:
    import imagecodecs

    data.seek(0)
    PngImageFile(data).load()  # detects corrupted data that libpng ignores
    pixels = imagecodecs.png_decode(data.getvalue())
    if pixels.ndim == 2:
        return pixels
    return pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]


def _decode_pixels(image: ImageFile, data: BytesIO) -> NDArray[np.uint8]:
    image.load()
    if isinstance(image, PngImageFile) and _may_lack_rows(image):
        _refuse_missing_rows(data)
    _refuse_short_palette(image)
    if image.mode == "RGB":
        return np.asarray(image)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode in ("P", "PA"):
        return np.asarray(image.convert("RGBA"))[..., :3]
    return np.asarray(image.convert("RGB"))


def _may_lack_rows(image: ImageFile) -> bool:
    """Whether rows may be missing from the file, which Pillow leaves 0.

    That is the case if the last row is black, or the image is interlaced.
    """
    last = image.crop((0, image.height - 1, image.width, image.height))
    return bool(image.info.get("interlace")) or not np.asarray(last).any()


def _refuse_missing_rows(data: BytesIO) -> None:
    import imagecodecs

    try:
        imagecodecs.png_decode(data.getvalue())
    except Exception:  # an error of libpng
        raise ValueError("corrupted: the PNG has fewer rows than its header states") from None


def _refuse_short_palette(image: ImageFile) -> None:
    if image.mode not in ("P", "PA"):
        return
    palette = image.palette
    n_colours = len(palette.palette) // len(palette.mode) if palette is not None else 0
    used = int(np.asarray(image.getchannel(0)).max())
    if used >= n_colours:
        raise ValueError(f"corrupted: colour {used} of a palette of {n_colours}")
