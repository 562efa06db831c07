"""Decode one PNG, JPEG, TIFF or BMP file at its full depth."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L")
WIDTH, HEIGHT = 256, 257  # TIFF tags
ORIENTATION, BITS, PHOTOMETRIC, PLANES, SAMPLE_FORMAT = 274, 258, 262, 284, 339  # EXIF and TIFF tags
WHITE_IS_ZERO, SEPARATE, UNSIGNED, SIGNED = 0, 2, 1, 2


def raster_size(path: Path) -> tuple[int, int]:
    """Read (height, width) from the header, as the picture stands upright."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            # Pillow has already turned the size of a TIFF
            lies = image.format != "TIFF" and image.getexif().get(ORIENTATION, 1) >= 5
    except UnidentifiedImageError:
        return _unusual_tiff_size(path)
    return (width, height) if lies else (height, width)


def read_raster(path: Path) -> tuple[NDArray, bool]:
    """Decode a file; Pillow reads every byte first, so half a file raises.

    Parameters
    ----------
    path : Path

    Returns
    -------
    pixels : (h, w) or (h, w, 3) array, upright, alpha dropped
        uint8, or the type of the file: uint16, int32, float32, ...
    inverted : bool
        Low values are white (a TIFF "WhiteIsZero" of more than 8 bits).

    Raises
    ------
    ValueError, OSError, or an error of Pillow
        The file is damaged, holds several pictures, or is of another kind.
    """
    data = path.read_bytes()
    try:
        # from memory: Pillow 13 maps an uncompressed TIFF that lies on its side with height and width exchanged
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        return _read_unusual_tiff(data), False
    with image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format in ("TIFF", "PNG"):  # a JPEG's further pictures are previews
            raise ValueError(f"has {frames} frames; one image a file")
        deep_colour = _is_deep_colour(image, data)
        tags = dict(getattr(image, "tag_v2", {}))
        image.load()  # every byte, before OpenCV, which is more forgiving, may see it
        if deep_colour:
            return _read_deep_colour(image, data, tags), False
        ImageOps.exif_transpose(image, in_place=True)
        pixels = _retype(_pixels(image), tags)
    return pixels, pixels.dtype != np.uint8 and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO


def _pixels(image: Image.Image) -> NDArray:
    if image.mode in ("RGB", *DEEP_MODES):
        return np.asarray(image)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode in ("P", "PA"):
        return np.asarray(image.convert("RGBA"))[..., :3]
    return np.asarray(image.convert("RGB"))


def _retype(pixels: NDArray, tags: dict) -> NDArray:
    """Undo Pillow's reading of unsigned 32-bit TIFF samples as signed, and of signed 8-bit ones as unsigned."""
    form = tags.get(SAMPLE_FORMAT, (None,))[0]
    if form == UNSIGNED and pixels.dtype == np.int32:
        return pixels.view(np.uint32)
    if form == SIGNED and pixels.dtype == np.uint8:
        return pixels.view(np.int8)
    return pixels


def _is_deep_colour(image: Image.Image, data: bytes) -> bool:
    """More than 8 bits in more than one channel, which Pillow would cut to 8 without a word."""
    if image.format == "PNG":
        bit_depth, colour_type = data[24], data[25]  # of the IHDR chunk
        return bit_depth == 16 and colour_type != 0
    if image.format == "TIFF":
        bits = image.tag_v2.get(BITS, (1,))  # type: ignore[attr-defined]
        return len(bits) > 1 and max(bits) > 8
    return False


def _read_deep_colour(image: Image.Image, data: bytes, tags: dict) -> NDArray:
    if tags.get(PLANES) == SEPARATE:
        raise ValueError("16-bit colour TIFF in separate planes; write the channels interleaved")
    if image.format == "PNG" and image.getexif().get(ORIENTATION, 1) != 1:
        raise ValueError("16-bit colour PNG with an EXIF orientation; write it upright")
    return _by_opencv(data)


def _read_unusual_tiff(data: bytes) -> NDArray:
    """Read a TIFF that Pillow does not know: 64-bit float, float colour."""
    _check_tiff(data)
    return _by_opencv(data)


def _check_tiff(data: bytes) -> None:
    if data[:4] not in (b"II*\0", b"MM\0*"):
        raise ValueError("not a PNG, JPEG, TIFF or BMP file" if data else "the file is empty")


def _unusual_tiff_size(path: Path) -> tuple[int, int]:
    """Height and width by the header of a TIFF that Pillow cannot decode."""
    with path.open("rb") as file:
        head = file.read(8)
        _check_tiff(head)
        header = ImageFileDirectory_v2(head)
        file.seek(header.next)
        header.load(file)
    return int(header[HEIGHT]), int(header[WIDTH])


def _by_opencv(data: bytes) -> NDArray:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("damaged, or of a kind that neither Pillow nor OpenCV decodes")
    return pixels if pixels.ndim == 2 else pixels[..., 2::-1]
