"""Columns of the results database: the type of each, declared once and checked whenever rows are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache, partial
from math import isnan
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import ErrorDetails

from benchmark.errors import UserError
from benchmark.plugins.spec import number_of
from benchmark.scoring.metrics import METRICS
from benchmark.study.axes import AXES, Axis
from benchmark.utils.notes import Note, NoteKind

ROUNDING = 1e-3  # as far as probabilities may sum to more than 1


def _in_bounds(value: float, bounds: tuple[float, float]) -> float:
    least, most = bounds
    if not (isnan(value) or least - ROUNDING <= value <= most + ROUNDING):
        raise ValueError(f"it is undefined, or {least:g} to {most:g}")
    return value


def _metric(bounds: tuple[float, float]) -> Any:
    return Annotated[float, AfterValidator(partial(_in_bounds, bounds=bounds))]  # NaN is NULL in the database


def _readable(label: Any, read: Callable[[Any], object]) -> Any:
    try:
        read(label)
    except UserError as error:
        raise ValueError(str(error)) from None
    return label


_Key = Annotated[str, Field(pattern=r"^[^/\\.][^/\\]*$", max_length=400)]  # names a file in predictions/
_Index = Annotated[int, Field(ge=0, lt=2**63)]
_Size = Annotated[int, Field(gt=0, lt=2**31)]
_Seconds = Annotated[float, Field(ge=0, le=1e9)]
_Share = Annotated[float, AfterValidator(partial(_in_bounds, bounds=(0, 1)))]
_Rate = Annotated[float, Field(ge=0)]  # infinite where a clock cannot tell


class _Shape(BaseModel):
    """Part of a row that is stored as JSON; it may hold more than what is declared."""

    model_config = ConfigDict(strict=True, extra="allow")


def _label_of(axis: Axis) -> Any:
    """Type of a label: one that the axis reads back, and that has the number which tables sort by."""
    read = partial(number_of, axis.amount) if axis.amount else lru_cache(axis.read)
    return Annotated[axis.column, AfterValidator(partial(_readable, read=read))], ...


class _Where(_Shape):
    fingerprint: str
    size: _Size | None
    split: str
    fold: _Index


# labels of a planned cell
Labels: Any = create_model("Labels", __base__=_Where, **{axis.name: _label_of(axis) for axis in AXES})


class _Environment(_Shape):
    processor: str
    cores: _Index | None


class _Class(_Shape):
    recall: _Share
    precision: _Share
    f1: _Share
    average_precision: _Share
    support: Annotated[float, Field(ge=0, lt=2**53)]
    train: _Index


class _Note(_Shape):
    kind: Literal[tuple(NoteKind)]  # type: ignore[valid-type]
    text: str
    n_images: _Index | None


class _Matrix(_Shape):
    extractor: str
    seconds: _Seconds
    mb: _Seconds


NESTED: dict[str, Any] = {  # stored as JSON
    "params": dict[str, Any],
    "environment": _Environment,
    "matrices": dict[str, _Matrix],
    "per_class": Annotated[dict[str, _Class], Field(min_length=1)],
    "history": Any,
    "notes": list[_Note],
}
_FLAT: dict[str, Any] = {
    "key": _Key,
    "status": Literal["planned", "ok", "skipped", "failed", "timeout", "memory", "crashed"],
    **dict.fromkeys(("reason", "ended", "traceback", "shape", "validation", "predictions", "licence", "citation"), str),
    **{metric.name: _metric(metric.bounds) for metric in METRICS.values()},
    **dict.fromkeys(("extract_s", "resample_s", "fit_s", "predict_s", "peak_mb"), _Seconds),
    "images_per_s": _Rate,
    **dict.fromkeys(("n_images", "n_train", "n_test", "n_resampled", "workers", "threads"), _Index),
    "accelerated": bool | Annotated[int, Field(ge=0, le=1)],  # the database has no bool
    **{name: field.annotation for name, field in Labels.model_fields.items()},
}
REQUIRED = (  # of a row that is 'ok'
    *("extract_s", "resample_s", "fit_s", "predict_s", "n_images", "n_train", "n_test"),
    *("matrices", "per_class", "environment", "params", "accuracy"),
)


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
    if name in NESTED or name == "labels":
        return [_read_nested(name, value, index) for index, value in enumerate(values)]
    if name not in _FLAT:
        return values
    try:
        return _column(name).validate_python(list(values), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        index = next((int(part) for part in first["loc"] if isinstance(part, int)), 0)
        raise StoredValueError(index, f"'{name}': {_explained(first)}") from None


def encode(name: str, value: Any) -> Any:
    """Value of a column as the database holds it; ``read_values`` reads it back."""
    if name == "notes":
        value = [Note.of(note).to_json() for note in value]
    return json.dumps(value) if name in NESTED else value


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
        read_values(name, [encode(name, value)])
        if name not in NESTED and not isinstance(value, str | int | float | None):
            raise StoredValueError(0, f"'{name}': a {type(value).__name__} is none of text, number and None")
    for name in required if row["status"] == "ok" else ():
        if row.get(name) is None:
            raise StoredValueError(0, f"'{name}': no value")


def _read_nested(name: str, text: Any, index: int) -> Any:
    if text is None:
        return None
    problem, value = _parsed(name, text) if isinstance(text, str) else ("no text", None)
    if problem:
        raise StoredValueError(index, f"'{name}': {problem}")
    return [Note.from_json(note) for note in value or ()] if name == "notes" else value


@lru_cache(maxsize=256)
def _parsed(name: str, text: str) -> tuple[str, Any]:
    """Problem of a text of JSON, and its value; equal texts, as of an environment, share one."""
    try:
        _checker(name).validate_json(text, strict=True)
        return "", json.loads(text)
    except ValidationError as error:
        return _explained(error.errors(include_url=False)[0]), None
    except (ValueError, RecursionError) as error:
        return f"no valid JSON ({error})", None


@cache
def _column(name: str) -> TypeAdapter[Any]:
    kind: Any = _FLAT[name]
    return TypeAdapter(list[kind] if name in ("key", "status") else list[kind | None])


@cache
def _checker(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(Labels if name == "labels" else NESTED[name])


def _explained(error: ErrorDetails) -> str:
    where = ".".join(str(part) for part in error["loc"] if isinstance(part, str))
    given = repr(error["input"])
    given = given if len(given) <= 60 else f"{given[:60]}..."
    return f"{where + ': ' if where else ''}{error['msg'].removeprefix('Value error, ')} (found: {given})"
