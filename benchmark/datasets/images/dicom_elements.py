"""Read elements of a DICOM data set; one of the wrong kind is named with its value."""

from __future__ import annotations

import math
from typing import Any

from pydicom import Dataset as DicomDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence


def read_element(item: DicomDataset, name: str) -> Any:
    """Return the value of an element, None where it is missing or empty.

    Raises
    ------
    ValueError
        Its bytes are not of the type that it announces.
    """
    try:
        value = item.get(name)
    except (
        Exception
    ):  # pydicom converts an element when it is asked for, and raises whatever it likes
        raise ValueError(f"{name} is damaged, or of another type than it announces") from None
    if value is None or (isinstance(value, str | bytes | MultiValue | list) and len(value) == 0):
        return None
    return value


def read_integer(item: DicomDataset, name: str, default: int | None = None) -> int:
    """Return a number from 0, or the default where the element is missing or empty.

    Raises
    ------
    ValueError
        It is something else, or is missing and there is no default.
    """
    value = read_element(item, name)
    value = default if value is None else value
    if value is None:
        raise ValueError(f"{name} is missing")
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value}, not a whole number from 0")
    return int(value)


def read_number(item: DicomDataset, name: str, default: float) -> float:
    """Return the first number of an element, or the default where there is none.

    Raises
    ------
    ValueError
        It is no finite number.
    """
    return next((number for number in read_numbers(item, name) if not math.isnan(number)), default)


def read_numbers(item: DicomDataset, name: str) -> list[float]:
    """Return the numbers of an element, NaN where one of them is empty; none where it is missing.

    Raises
    ------
    ValueError
        One is no finite number.
    """
    value = read_element(item, name)
    values = list(value) if isinstance(value, MultiValue | list) else [value]
    return [
        math.nan if one is None or one == "" else _parse_finite_number(name, one, value)
        for one in values
    ]


def _parse_finite_number(name: str, one: Any, value: Any) -> float:
    try:
        number = float(one)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value}, not a number")
    return number


def read_sequence_items(item: DicomDataset, name: str) -> list[DicomDataset]:
    """Return the items of a sequence, none where it is missing or empty.

    Raises
    ------
    ValueError
        It is no sequence.
    """
    value = read_element(item, name)
    if value is not None and not isinstance(value, Sequence):
        raise ValueError(f"{name} is not a sequence")
    return list(value or [])
