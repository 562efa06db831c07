"""Read elements of a DICOM dataset; errors name the element and its value."""

from __future__ import annotations

import math
from typing import Any

from pydicom import Dataset as DicomDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence


def read_element(item: DicomDataset, name: str) -> Any:
    """Return the value of an element, None if it is missing or empty.

    Raises
    ------
    ValueError
        Its bytes are not of the stated type.
    """
    try:
        value = item.get(name)
    except Exception:  # pydicom converts elements on access, and raises errors of many types
        raise ValueError(f"{name} is corrupted, or not of the stated type") from None
    if value is None or (isinstance(value, str | bytes | MultiValue | list) and len(value) == 0):
        return None
    return value


def read_integer(item: DicomDataset, name: str, default: int | None = None) -> int:
    """Return a non-negative integer, or the default if the element is missing or empty.

    Raises
    ------
    ValueError
        The element is something else, or is missing and has no default.
    """
    value = read_element(item, name)
    value = default if value is None else value
    if value is None:
        raise ValueError(f"{name} is missing")
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value}, not a non-negative integer")
    return int(value)


def read_number(item: DicomDataset, name: str, default: float) -> float:
    """Return the first number of an element, or the default if there is none.

    Raises
    ------
    ValueError
        A value of the element is not a finite number.
    """
    return next((number for number in read_numbers(item, name) if not math.isnan(number)), default)


def read_numbers(item: DicomDataset, name: str) -> list[float]:
    """Return the numbers of an element, NaN for empty values; [NaN] if it is missing.

    Raises
    ------
    ValueError
        A value is not a finite number.
    """
    value = read_element(item, name)
    values = list(value) if isinstance(value, MultiValue | list) else [value]
    return [
        math.nan if item is None or item == "" else _parse_finite_number(name, item, value)
        for item in values
    ]


def _parse_finite_number(name: str, item: Any, value: Any) -> float:
    try:
        number = float(item)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value}, not a number")
    return number


def read_sequence_items(item: DicomDataset, name: str) -> list[DicomDataset]:
    """Return the items of a sequence; an empty list if it is missing or empty.

    Raises
    ------
    ValueError
        The element is not a sequence.
    """
    value = read_element(item, name)
    if value is not None and not isinstance(value, Sequence):
        raise ValueError(f"{name} is not a sequence")
    return list(value or [])
