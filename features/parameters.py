"""What several extractors check of their parameters, and how they cut an image into cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_count(value: Any, least: int = 1) -> bool:
    """Whether a value is an integer of at least ``least``; True and False are none."""
    return (
        isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)
    )


def is_pair(value: Any) -> bool:
    """Whether a value is two counts, such as (rows, columns); YAML writes them as a list."""
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(is_count, value))


def borders(length: int, parts: int) -> NDArray[np.intp]:
    """Where each of the parts begins that ``np.array_split`` makes of a side, and where the last one ends, (parts + 1,)."""
    part = np.arange(parts + 1)
    return part * (length // parts) + np.minimum(part, length % parts)
