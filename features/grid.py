"""Cells of a grid over an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cell_borders(length: int, n_cells: int) -> NDArray[np.intp]:
    """First pixel of each cell along one side, and the end of the last cell, (n_cells + 1,).

    Cells are those of ``np.array_split``: their sizes differ by at most one pixel.

    Examples
    --------
    >>> cell_borders(10, 4).tolist()
    [0, 3, 6, 8, 10]
    """
    cell = np.arange(n_cells + 1)
    return cell * (length // n_cells) + np.minimum(cell, length % n_cells)
