"""Convert the samples of a TIFF to gray or RGB at full depth, without alpha."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tifffile import EXTRASAMPLE, PHOTOMETRIC, TiffPage

from benchmark.datasets.images.decoded import Decoded
from benchmark.datasets.images.eight_bits import stretch_intensity

PHOTOMETRICS = (
    PHOTOMETRIC.MINISWHITE,
    PHOTOMETRIC.MINISBLACK,
    PHOTOMETRIC.RGB,
    PHOTOMETRIC.PALETTE,
    PHOTOMETRIC.SEPARATED,
    PHOTOMETRIC.YCBCR,
)
PREMULTIPLIED, ALPHA = EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA


def to_gray_or_rgb(page: TiffPage, values: NDArray) -> Decoded:
    """Convert samples to gray or RGB.

    Parameters
    ----------
    page : TiffPage
    values : (h, w, samples) array

    Returns
    -------
    Decoded
        In the stored orientation, not yet upright.

    Raises
    ------
    ValueError
        The number of samples does not fit the colours, or their meaning is ambiguous.
    """
    extra = _extra_samples(page)
    n_colours = values.shape[2] - len(extra)
    photometric = page.photometric
    if PREMULTIPLIED in extra and photometric in (PHOTOMETRIC.PALETTE, PHOTOMETRIC.SEPARATED):
        raise ValueError("a palette or CMYK TIFF with premultiplied alpha; save it without alpha")
    if photometric in (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK):
        image = _interpret_gray(page, values, extra)
    elif photometric == PHOTOMETRIC.PALETTE:
        _expect_samples("palette", n_colours, 1)
        image = Decoded(_apply_palette(page, values[..., 0]))
    elif photometric == PHOTOMETRIC.SEPARATED:
        _expect_samples("CMYK", n_colours, 4)
        image = Decoded(_cmyk_to_rgb(page, values[..., :4]))
    else:
        _expect_samples("RGB", n_colours, 3)
        image = Decoded(_to_full_range(page, _remove_alpha(page, values, extra, 3)))
    if EXTRASAMPLE.UNSPECIFIED in extra and not image.remark:
        image = replace(
            image,
            remark="an extra channel of unspecified meaning left out (ExtraSamples of a TIFF)",
        )
    return image


def _extra_samples(page: TiffPage) -> tuple[int, ...]:
    extra = page.tags.valueof("ExtraSamples", ())
    extra = tuple(extra) if isinstance(extra, tuple) else (extra,)
    if not extra and page.photometric == PHOTOMETRIC.RGB and page.samplesperpixel == 4:
        return (ALPHA,)  # some writers omit the tag
    return tuple(int(kind) for kind in extra)


def _expect_samples(what: str, n_colours: int, expected: int) -> None:
    if n_colours != expected:
        raise ValueError(f"a {what} TIFF of {n_colours} samples per pixel, not {expected}")


def _interpret_gray(page: TiffPage, values: NDArray, extra: tuple[int, ...]) -> Decoded:
    """Interpret one sample besides alpha as gray, and three of BlackIsZero as RGB."""
    n_bands = values.shape[2] - sum(kind in (PREMULTIPLIED, ALPHA) for kind in extra)
    inverted = page.photometric == PHOTOMETRIC.MINISWHITE
    if n_bands == 1 and len(extra) == values.shape[2] - 1:
        gray = _remove_alpha(page, values, extra, 1)[..., 0]
        return Decoded(_to_full_range(page, gray), inverted)
    if n_bands == 3 and not inverted and not {PREMULTIPLIED, ALPHA}.intersection(extra[:2]):
        rgb = _to_full_range(page, _remove_alpha(page, values, extra, 3))
        return Decoded(rgb, remark="three samples of BlackIsZero taken as red, green and blue")
    raise ValueError(
        f"a gray TIFF of {n_bands} channels whose colours are not stated; save it as gray or RGB"
    )


def _remove_alpha(
    page: TiffPage, values: NDArray, extra: tuple[int, ...], n_colours: int
) -> NDArray:
    """Remove extra samples, and divide colours by alpha if they are premultiplied."""
    colours = values[..., :n_colours]
    if PREMULTIPLIED not in extra:
        return colours
    alpha = values[..., values.shape[2] - len(extra) + extra.index(PREMULTIPLIED)]
    full = _full_value(page)
    if (alpha == full).all():
        return colours
    if page.photometric == PHOTOMETRIC.MINISWHITE or values.dtype.kind == "i":
        raise ValueError(
            "a TIFF with premultiplied alpha in which 0 is not black; save it without alpha"
        )
    alpha = np.where(alpha == 0, full, alpha)[..., np.newaxis].astype(np.float64)
    divided = np.minimum(colours * (full / alpha), full)
    if values.dtype.kind == "f":
        return divided.astype(values.dtype)
    return np.rint(divided).astype(values.dtype if page.bitspersample <= 32 else np.float64)


def _full_value(page: TiffPage) -> float:
    return 1.0 if page.dtype is not None and page.dtype.kind == "f" else 2.0**page.bitspersample - 1


def _to_full_range(page: TiffPage, values: NDArray) -> NDArray:
    """Stretch unsigned samples of fewer than 8 bits to uint8; convert half to single floats."""
    if values.dtype.kind in "bu" and page.bitspersample < 8:
        return stretch_intensity(values.astype(np.uint8), 0, _full_value(page))
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _apply_palette(page: TiffPage, indices: NDArray) -> NDArray[np.uint8]:
    colormap = page.colormap
    if indices.dtype.kind not in "bu" or page.bitspersample > 16:
        raise ValueError(
            "a palette TIFF whose samples are not unsigned integers of at most 16 bits"
        )
    if colormap is None:
        raise ValueError("a palette TIFF without a palette")
    if indices.max() >= colormap.shape[1]:
        raise ValueError(f"corrupted: colour {indices.max()} of a palette of {colormap.shape[1]}")
    # as in libtiff, because some writers store 8 bits in the 16 of the palette
    eight = colormap >> 8 if colormap.max() > 255 else colormap
    return np.moveaxis(eight.astype(np.uint8)[:, indices.astype(np.intp)], 0, -1)


def _cmyk_to_rgb(page: TiffPage, inks: NDArray) -> NDArray[np.uint8]:
    if page.tags.valueof("InkSet", 1) != 1 or inks.dtype not in (np.uint8, np.uint16):
        raise ValueError("a TIFF with inks other than CMYK of 8 or 16 bits; save it as RGB")
    if page.bitspersample not in (8, 16):
        raise ValueError(f"a CMYK TIFF of {page.bitspersample} bits; save it as RGB")
    eight = inks if inks.dtype == np.uint8 else (inks >> 8).astype(np.uint8)
    return np.asarray(Image.fromarray(np.ascontiguousarray(eight), "CMYK").convert("RGB"))
