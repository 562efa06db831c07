"""Rotate images according to the eight orientations of EXIF and TIFF."""

from __future__ import annotations

from numpy.typing import NDArray


def known_orientation(value: object) -> int:
    """Return the orientation if it is 1 to 8, else 1 (upright).

    Examples
    --------
    >>> known_orientation(6), known_orientation(9), known_orientation("6")
    (6, 1, 1)
    """
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Return the (height, width) that `turn_upright` gives."""
    return (width, height) if orientation >= 5 else (height, width)


def turn_upright(pixels: NDArray, orientation: int) -> NDArray:
    """Rotate and mirror stored pixels, (h, w, ...), so that they are upright.

    Examples
    --------
    >>> import numpy as np
    >>> turn_upright(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[3, 1], [4, 2]]
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[rows, columns]
