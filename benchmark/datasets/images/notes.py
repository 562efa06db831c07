"""Say what was done to images on their way in."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.datasets.images.picture import Picture


def describe_conversions(
    pictures: Sequence[Picture], shape: tuple[int, ...], why: str, percentiles: tuple[float, float]
) -> tuple[str, ...]:
    """Count each treatment; what was done to no image is not mentioned.

    Parameters
    ----------
    pictures : sequence of Picture
    shape : (height, width)
        The common size.
    why : str
        How it was chosen.
    percentiles : (low, high)

    Examples
    --------
    >>> import numpy as np
    >>> picture = Picture(np.zeros((2, 2, 1), np.uint8), (8, 6))
    >>> describe_conversions([picture], (2, 2), "as asked", (1, 99))
    ('1 image resized to 2x2 from 8x6 (height x width): as asked',)
    """
    low, high = percentiles
    percentile_rule = f"each image's percentiles {low:g} to {high:g} mapped to 0..255, values outside set to the ends"
    counted = (
        (
            [p for p in pictures if p.windowed],
            "DICOM",
            "modality rescale, then the file's first VOI window or LUT, to 0..255",
        ),
        (
            [p for p in pictures if p.stretched and p.patient is not None],
            "DICOM",
            f"no VOI window; modality rescale, then {percentile_rule}",
        ),
        (
            [p for p in pictures if p.stretched and p.patient is None],
            "16-bit or float",
            percentile_rule,
        ),
        (
            [p for p in pictures if p.stretched and not p.pixels.any()],
            "constant",
            "all values became 0",
        ),
        (
            [p for p in pictures if p.inverted],
            "low-is-white",
            "inverted (MONOCHROME1, or WhiteIsZero of a TIFF)",
        ),
        (
            [p for p in pictures if p.n_padding],
            "",
            "padding (PixelPaddingValue, GDAL_NODATA) became 0 and has no say in percentiles",
        ),
        *_group_by_remark(pictures),
    )
    notes = [
        f"{_format_image_count(found, kind)}: {rule}" for found, kind, rule in counted if found
    ]
    return (
        *notes,
        *_describe_nonfinite_values(pictures),
        *_describe_gray_images(pictures),
        *_describe_resizing(pictures, shape, why),
    )


def _group_by_remark(pictures: Sequence[Picture]) -> list[tuple[list[Picture], str, str]]:
    remarks = sorted({picture.remark for picture in pictures if picture.remark})
    return [
        ([picture for picture in pictures if picture.remark == remark], "", remark)
        for remark in remarks
    ]


def _format_image_count(found: Sequence[Picture], kind: str = "") -> str:
    return " ".join(filter(None, (str(len(found)), kind, "image" if len(found) == 1 else "images")))


def _describe_nonfinite_values(pictures: Sequence[Picture]) -> list[str]:
    found = [picture for picture in pictures if picture.n_not_finite]
    count = sum(picture.n_not_finite for picture in found)
    return (
        [f"{count} NaN or infinite values in {_format_image_count(found)} became 0"]
        if found
        else []
    )


def _describe_gray_images(pictures: Sequence[Picture]) -> list[str]:
    gray = [picture for picture in pictures if picture.pixels.shape[2] == 1]
    mixed = 0 < len(gray) < len(pictures)
    return (
        [f"{_format_image_count(gray, 'gray')} among {len(pictures)} given three equal channels"]
        if mixed
        else []
    )


def _describe_resizing(pictures: Sequence[Picture], shape: tuple[int, ...], why: str) -> list[str]:
    found = [picture for picture in pictures if picture.size != shape]
    if not found:
        return []
    sizes = sorted({picture.size for picture in found}, key=lambda size: (size[0] * size[1], size))
    ends = "..".join(f"{height}x{width}" for height, width in dict.fromkeys((sizes[0], sizes[-1])))
    return [
        f"{_format_image_count(found)} resized to {shape[0]}x{shape[1]} from {ends} (height x width): {why}"
    ]
