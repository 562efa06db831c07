"""Convert pixel values of any type to 8 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**20  # values that are converted at a time, so that no copy of a large image is made


def stretch_intensity(values: NDArray, low: float, high: float) -> NDArray[np.uint8]:
    """Map `low` to 0 and `high` to 255 linearly; clip values outside and set NaN to 0.

    If `low` equals `high`, values above it become 255 and all others 0: a constant image becomes 0.

    Examples
    --------
    >>> stretch_intensity(np.array([-5.0, 0.0, 1.0, 2.0, 9.0]), 0, 2).tolist()
    [0, 0, 128, 255, 255]
    """
    pixels = np.zeros(values.size, np.uint8)
    flat = values.reshape(-1)
    for start in range(0, values.size, BLOCK):
        block = flat[start : start + BLOCK].astype(np.float64)
        # halved, so that the difference of two finite numbers does not overflow
        unit = (block / 2 - low / 2) / (high / 2 - low / 2) if high > low else (block > low) * 1.0
        pixels[start : start + BLOCK] = np.rint(255 * np.nan_to_num(unit).clip(0, 1))
    return pixels.reshape(values.shape)


def to_eight_bits(
    values: NDArray,
    percentiles: tuple[float, float],
    padding: NDArray[np.bool_] | None = None,
    inverted: bool = False,
) -> tuple[NDArray[np.uint8], int]:
    """Map percentiles of the finite values of an image to 0 and 255; uint8 keeps its range.

    Parameters
    ----------
    values : (h, w) or (h, w, c) array of any numeric type
    percentiles : (low, high), 0 to 100
    padding : (h, w) bool array or None
        Pixels that are ignored in the percentiles and become 0.
    inverted : bool
        Whether low values are white; the result is then subtracted from 255.

    Returns
    -------
    pixels : uint8 array of the same shape
    n_not_finite : int
        Number of NaN and infinite values, which become 0.

    Raises
    ------
    ValueError
        No value is finite, or the percentiles are too far apart.
    """
    missing = _find_missing_values(values, padding)
    pixels = (
        values if values.dtype == np.uint8 else _stretch_percentiles(values, percentiles, missing)
    )
    if inverted:
        pixels = 255 - pixels
    if missing is not None and missing.any():
        pixels = np.where(missing, np.uint8(0), pixels)
    return pixels, 0 if values.dtype.kind != "f" else _count_not_finite(values)


def _find_missing_values(
    values: NDArray, padding: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    missing = ~np.isfinite(values) if values.dtype.kind == "f" else None
    if padding is None:
        return missing
    padding = padding if values.ndim == 2 else padding[..., np.newaxis]
    return np.broadcast_to(padding, values.shape) if missing is None else missing | padding


def _count_not_finite(values: NDArray) -> int:
    return int(values.size - np.count_nonzero(np.isfinite(values)))


def _stretch_percentiles(
    values: NDArray, percentiles: tuple[float, float], missing: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    if missing is None or not missing.any():
        low, high = np.percentile(values, percentiles)
    elif not missing.all():
        low, high = np.percentile(values[~missing], percentiles, overwrite_input=True)
    elif np.isfinite(values).any():  # all of it is padding
        return np.zeros(values.shape, np.uint8)
    else:
        raise ValueError("no pixel has a finite value")
    if not np.isfinite([low, high]).all():
        raise ValueError("the range of its values is too large to be mapped to 8 bits")
    return stretch_intensity(values, low, high)
