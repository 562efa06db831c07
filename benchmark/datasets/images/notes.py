"""Describe how image files were converted, for the notes of a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.datasets.images.picture import Picture
from benchmark.utils.notes import Note, NoteKind


def describe_conversions(
    pictures: Sequence[Picture],
    shape: tuple[int, ...],
    reason: str,
    percentiles: tuple[float, float],
) -> tuple[str, ...]:
    """Describe each conversion with the number of images, for those that occurred.

    Parameters
    ----------
    pictures : sequence of Picture
    shape : (height, width)
        The common size.
    reason : str
        Why this size was chosen.
    percentiles : (low, high)

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> import numpy as np
    >>> picture = Picture(np.zeros((2, 2, 1), np.uint8), (8, 6))
    >>> describe_conversions([picture], (2, 2), "as requested", (1, 99))
    ('1 image resized to 2x2 from 8x6 (height x width): as requested',)
    """
    low, high = percentiles
    percentile_rule = (
        f"each image's percentiles {low:g} to {high:g} mapped to 0..255, values outside clipped"
    )
    conversions = (
        (
            [p for p in pictures if p.windowed],
            "DICOM",
            "modality rescale, then the file's first VOI window or LUT, to 0..255",
        ),
        (
            [p for p in pictures if p.stretched and p.case is not None],
            "DICOM",
            f"no VOI window; modality rescale, then {percentile_rule}",
        ),
        (
            [p for p in pictures if p.stretched and p.case is None],
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
            "padding (PixelPaddingValue, GDAL_NODATA) became 0 and is ignored in percentiles",
        ),
        *_group_by_remark(pictures),
    )
    notes = [
        f"{_format_image_count(affected, kind)}: {rule}"
        for affected, kind, rule in conversions
        if affected
    ]
    return (
        *notes,
        *_describe_nonfinite_values(pictures),
        *_describe_gray_images(pictures),
        *_describe_resizing(pictures, shape, reason),
    )


def _group_by_remark(pictures: Sequence[Picture]) -> list[tuple[list[Picture], str, str]]:
    remarks = sorted({picture.remark for picture in pictures if picture.remark})
    return [
        ([picture for picture in pictures if picture.remark == remark], "", remark)
        for remark in remarks
    ]


def _format_image_count(pictures: Sequence[Picture], kind: str = "") -> str:
    noun = "image" if len(pictures) == 1 else "images"
    return " ".join(filter(None, (str(len(pictures)), kind, noun)))


def _describe_nonfinite_values(pictures: Sequence[Picture]) -> list[str]:
    affected = [picture for picture in pictures if picture.n_not_finite]
    if not affected:
        return []
    count = sum(picture.n_not_finite for picture in affected)
    return [f"{count} NaN or infinite values in {_format_image_count(affected)} became 0"]


def _describe_gray_images(pictures: Sequence[Picture]) -> list[str]:
    gray = [picture for picture in pictures if picture.pixels.shape[2] == 1]
    if not 0 < len(gray) < len(pictures):
        return []
    return [f"{_format_image_count(gray, 'gray')} among {len(pictures)} given three equal channels"]


def _describe_resizing(
    pictures: Sequence[Picture], shape: tuple[int, ...], reason: str
) -> list[str]:
    resized = [picture for picture in pictures if picture.size != shape]
    if not resized:
        return []
    sizes = sorted(
        {picture.size for picture in resized}, key=lambda size: (size[0] * size[1], size)
    )
    ends = "..".join(f"{height}x{width}" for height, width in dict.fromkeys((sizes[0], sizes[-1])))
    count, side = _format_image_count(resized), f"{shape[0]}x{shape[1]}"
    text = f"{count} resized to {side} from {ends} (height x width): {reason}"
    return [Note(text, NoteKind.SIZE)]
