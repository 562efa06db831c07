"""Bring pixel values of any type to 8 bits, by a rule that can be stated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stretch(values: NDArray, low: float, high: float) -> NDArray[np.uint8]:
    """Map low to 0 and high to 255 linearly; values outside are set to the ends.

    Where low equals high, values above it become 255 and all others 0: a constant image becomes 0.

    Examples
    --------
    >>> stretch(np.array([-5.0, 0.0, 1.0, 2.0, 9.0]), 0, 2).tolist()
    [0, 0, 128, 255, 255]
    """
    if high <= low:
        return np.where(values > low, 255, 0).astype(np.uint8)
    unit = (values.astype(np.float64) - low) / (high - low)
    return np.rint(255 * unit.clip(0, 1)).astype(np.uint8)


def to_eight_bits(values: NDArray, percentiles: tuple[float, float]) -> tuple[NDArray[np.uint8], int]:
    """Map the percentiles of an image's own finite values to 0 and 255; uint8 stays as it is.

    Parameters
    ----------
    values : array of any shape and numeric type
    percentiles : (low, high), 0 to 100

    Returns
    -------
    pixels : uint8 array of the same shape
    n_not_finite : int
        NaN and infinite values, which become 0.

    Raises
    ------
    ValueError
        No value is finite.
    """
    if values.dtype == np.uint8:
        return values, 0
    finite = np.isfinite(values)
    if not finite.any():
        raise ValueError("no pixel has a finite value")
    low, high = np.percentile(values[finite], percentiles)
    return stretch(np.where(finite, values, low), low, high), int(values.size - finite.sum())
