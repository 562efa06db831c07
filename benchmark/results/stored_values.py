"""Encode the values of rows for the database, and decode and check them when they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from benchmark.results.columns import COLUMNS, REQUIRED, Labels
from benchmark.utils.notes import Note
from benchmark.utils.status import Status


class StoredValueError(Exception):
    """A stored value does not have the type of its column.

    Parameters
    ----------
    index : int
        Index of the value among those that were read.
    text : str
        What is wrong with it.
    """

    def __init__(self, index: int, text: str) -> None:
        super().__init__(index, text)
        self.index, self.text = index, text


def read_values(name: str, values: Sequence[Any]) -> Sequence[Any]:
    """Decode and check the values of a column.

    Parameters
    ----------
    name : str
        Name of a column, or 'labels' for the labels of planned cells as JSON. Values of a column
        that is not declared are returned unchanged.
    values : sequence
        Values from the database; NULL is None.

    Returns
    -------
    sequence
        Python objects.

    Raises
    ------
    StoredValueError
        A value does not have the type of the column.
    """
    if name == "labels" or _is_json_column(name):
        return [_read_nested(name, value, index) for index, value in enumerate(values)]
    if name not in COLUMNS:
        return values
    try:
        return _column_adapter(name).validate_python(list(values), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        index = next((int(index) for index in first["loc"] if isinstance(index, int)), 0)
        raise StoredValueError(index, f"'{name}': {_describe_validation_error(first)}") from None


def encode_value(name: str, value: Any) -> Any:
    """Encode a value of a column for the database; ``read_values`` decodes it."""
    if name == "notes":
        value = [Note.from_text(note).to_json() for note in value]
    return json.dumps(value) if _is_json_column(name) else value


def check_row(row: dict[str, Any], required: Iterable[str] = REQUIRED) -> None:
    """Check that a row could be read again after it was stored.

    Parameters
    ----------
    row : dict
    required : iterable of str
        Columns that must have a value if the status of the row is 'ok'.

    Raises
    ------
    StoredValueError
        A value does not have the type of its column, or a required value is missing.
    """
    for name, value in row.items():
        read_values(name, [encode_value(name, value)])
        if not _is_json_column(name) and not isinstance(value, str | int | float | None):
            raise StoredValueError(
                0, f"'{name}': must be text, a number or None, not {type(value).__name__}"
            )
    for name in required if row["status"] == Status.OK else ():
        if row.get(name) is None:
            raise StoredValueError(0, f"'{name}': no value")


def _is_json_column(name: str) -> bool:
    return name in COLUMNS and COLUMNS[name].is_json


def _read_nested(name: str, text: Any, index: int) -> Any:
    if text is None:
        if name == "labels":
            raise StoredValueError(index, "'labels': no value")
        return None
    problem, value = _parse_json(name, text) if isinstance(text, str) else ("not text", None)
    if problem:
        raise StoredValueError(index, f"'{name}': {problem}")
    return [Note.from_json(note) for note in value or ()] if name == "notes" else value


@lru_cache(maxsize=256)
def _parse_json(name: str, text: str) -> tuple[str, Any]:
    """Return what is wrong with a JSON text, "" if nothing is, and its value.

    The cache lets equal texts, such as those of the environment, share one value.
    """
    try:
        _json_adapter(name).validate_json(text, strict=True)
        return "", json.loads(text)
    except ValidationError as error:
        return _describe_validation_error(error.errors(include_url=False)[0]), None
    except (ValueError, RecursionError) as error:
        return f"not valid JSON ({error})", None


@cache
def _column_adapter(name: str) -> TypeAdapter[Any]:
    kind: Any = COLUMNS[name].type
    return TypeAdapter(list[kind] if name in ("key", "status") else list[kind | None])


@cache
def _json_adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(Labels if name == "labels" else COLUMNS[name].type)


def _describe_validation_error(error: ErrorDetails) -> str:
    where = ".".join(str(name) for name in error["loc"] if isinstance(name, str))
    value = repr(error["input"])
    value = value if len(value) <= 60 else f"{value[:60]}..."
    message = error["msg"].removeprefix("Value error, ")
    return f"{where + ': ' if where else ''}{message} (found: {value})"
