"""Values of rows as the database holds them: encoded, and checked whenever they are read."""

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
    """A stored value is not of its column's type.

    Parameters
    ----------
    index : int
        Which of the values that were to be read.
    text : str
        What is wrong with it.
    """

    def __init__(self, index: int, text: str) -> None:
        super().__init__(index, text)
        self.index, self.text = index, text


def read_values(name: str, values: Sequence[Any]) -> Sequence[Any]:
    """Values of a column as Python objects; a column that is not declared is given back as it is.

    Parameters
    ----------
    name : str
        'labels' are those of planned cells, as JSON.
    values : sequence
        As the database holds them; NULL is None.

    Raises
    ------
    StoredValueError
        One of them is not of the column's type.
    """
    if name == "labels" or _is_json_column(name):
        return [_read_nested(name, value, index) for index, value in enumerate(values)]
    if name not in COLUMNS:
        return values
    try:
        return _column_adapter(name).validate_python(list(values), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        index = next((int(part) for part in first["loc"] if isinstance(part, int)), 0)
        raise StoredValueError(index, f"'{name}': {_describe_validation_error(first)}") from None


def encode_value(name: str, value: Any) -> Any:
    """Value of a column as the database holds it; ``read_values`` reads it back."""
    if name == "notes":
        value = [Note.from_text(note).to_json() for note in value]
    return json.dumps(value) if _is_json_column(name) else value


def check_row(row: dict[str, Any], required: Iterable[str] = REQUIRED) -> None:
    """Refuse a row that could not be read again.

    Parameters
    ----------
    row : dict
    required : iterable of str
        Columns that it must have if it is 'ok'.

    Raises
    ------
    StoredValueError
        A value is not of its column's type, or one that a row that is 'ok' must have is missing.
    """
    for name, value in row.items():
        read_values(name, [encode_value(name, value)])
        if not _is_json_column(name) and not isinstance(value, str | int | float | None):
            raise StoredValueError(
                0, f"'{name}': a {type(value).__name__} is none of text, number and None"
            )
    for name in required if row["status"] == Status.OK else ():
        if row.get(name) is None:
            raise StoredValueError(0, f"'{name}': no value")


def _is_json_column(name: str) -> bool:
    return name in COLUMNS and COLUMNS[name].is_json


def _read_nested(name: str, text: Any, index: int) -> Any:
    if text is None:
        return None
    problem, value = _parse_json(name, text) if isinstance(text, str) else ("no text", None)
    if problem:
        raise StoredValueError(index, f"'{name}': {problem}")
    return [Note.from_json(note) for note in value or ()] if name == "notes" else value


@lru_cache(maxsize=256)
def _parse_json(name: str, text: str) -> tuple[str, Any]:
    """Problem of a text of JSON, and its value; equal texts, as of an environment, share one."""
    try:
        _json_adapter(name).validate_json(text, strict=True)
        return "", json.loads(text)
    except ValidationError as error:
        return _describe_validation_error(error.errors(include_url=False)[0]), None
    except (ValueError, RecursionError) as error:
        return f"no valid JSON ({error})", None


@cache
def _column_adapter(name: str) -> TypeAdapter[Any]:
    kind: Any = COLUMNS[name].type
    return TypeAdapter(list[kind] if name in ("key", "status") else list[kind | None])


@cache
def _json_adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(Labels if name == "labels" else COLUMNS[name].type)


def _describe_validation_error(error: ErrorDetails) -> str:
    where = ".".join(str(part) for part in error["loc"] if isinstance(part, str))
    given = repr(error["input"])
    given = given if len(given) <= 60 else f"{given[:60]}..."
    return f"{where + ': ' if where else ''}{error['msg'].removeprefix('Value error, ')} (found: {given})"
