"""Attributes of images, such as sex, age or hospital: typed, with missing values kept as such."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.utils.text import format_count, normalize_unicode, short_repr

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>"})
Attributes = Mapping[str, NDArray]


def parse_attribute(where: str, name: str, cells: Sequence[str]) -> NDArray:
    """Convert the cells of a column to numbers if all of them are numbers, else keep them as text.

    Parameters
    ----------
    where : str
        Beginning of the message.
    name : str
        Name of the column.
    cells : sequence of str
        Empty cells, and NA, N/A, NaN, null and none in any case, are missing values.

    Returns
    -------
    (n,) float64 or str array
        Missing values are NaN, or the empty text.

    Raises
    ------
    UserError
        Most of the cells are numbers and some are text, so that each number would become a group.

    Examples
    --------
    >>> parse_attribute("table.csv", "age", ["63", "", "41.5"]).tolist()
    [63.0, nan, 41.5]
    >>> parse_attribute("table.csv", "sex", ["female", "NA", "male"]).tolist()
    ['female', '', 'male']
    """
    cells = ["" if cell.strip().casefold() in MISSING else cell.strip() for cell in cells]
    numbers = {cell: _parse_number(cell) for cell in dict.fromkeys(cells) if cell}
    texts = [cell for cell, number in numbers.items() if number is None]
    if numbers and not texts:
        return np.array([numbers[cell] if cell else np.nan for cell in cells], np.float64)
    n_texts = sum(cell in texts for cell in cells)
    n_numbers = sum(map(bool, cells)) - n_texts
    if n_numbers > n_texts:
        raise UserError(
            f"{where}: attributes: column '{name}' has {format_count(n_numbers, 'number')} and "
            f"{format_count(n_texts, 'text')}, such as {short_repr(texts[0])}; leave the cell "
            "empty where the value is missing"
        )
    return np.array([normalize_unicode(cell) for cell in cells], np.str_)


def _parse_number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if np.isfinite(number) and "_" not in cell else None


def is_missing(values: NDArray) -> NDArray[np.bool_]:
    """Return where values of an attribute are missing."""
    return np.isnan(values) if values.dtype.kind == "f" else values == ""


def digest_attributes(attributes: Attributes, names: Sequence[str]) -> str:
    """Digest of the values of the named attributes; empty if none is named."""
    if not names:
        return ""
    digest = hashlib.sha256()
    for name in names:
        values = attributes.get(name, np.empty(0))
        digest.update(f"{name} {values.dtype} {values.shape}".encode() + values.tobytes())
    return digest.hexdigest()[:16]
