"""How extractors cut an image into the cells of a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cell_borders(length: int, parts: int) -> NDArray[np.intp]:
    """Where each of the parts begins that ``np.array_split`` makes of a side, and where the last one ends, (parts + 1,)."""
    part = np.arange(parts + 1)
    return part * (length // parts) + np.minimum(part, length % parts)
