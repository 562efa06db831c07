"""How the entries of a study's axes are read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from benchmark.errors import UserError
from benchmark.plugins.spec import Spec, parse_sum
from benchmark.utils.text import brief

IMAGES = "images"  # stands for the extractor of a model that takes images


def listed(value: Any) -> Any:
    """A single entry as a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _specs(value: Any) -> tuple[Spec, ...]:
    return tuple(Spec.parse(entry) for entry in listed(value))


def _sums(value: Any) -> tuple[tuple[Spec, ...], ...]:
    return tuple(entry if isinstance(entry, tuple) else parse_sum(entry) for entry in listed(value))


def _pairs(value: Any) -> tuple[tuple[tuple[Spec, ...], Spec], ...]:
    found = []
    for entry in listed(value):
        if isinstance(entry, tuple):
            found.append(entry)
            continue
        if not isinstance(entry, dict) or set(entry) != {"extractor", "model"}:
            raise UserError(f"cannot read {brief(entry)} in pipelines: write {{extractor: hog + pixels, model: rbf_svm}}")
        extractor = () if entry["extractor"] == IMAGES else parse_sum(entry["extractor"])
        found.append((extractor, Spec.parse(entry["model"])))
    return tuple(found)


def _sizes(value: Any) -> tuple[float, ...]:
    return tuple(_size(entry) for entry in listed(value))


def _size(entry: Any) -> float:
    """Read a share of the training part, up to 1.0, or a number of images, an integer."""
    try:
        number = -1.0 if isinstance(entry, bool) else float(entry)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if 0 < number <= 1:
        return number
    if 2 <= number < 2**53 and number.is_integer():
        return int(number)
    raise UserError(f"cannot read the training size {brief(entry)}: write a share such as 0.5 (1.0 is all) or a number of images from 2")


Specs = Annotated[tuple[Spec, ...], BeforeValidator(_specs)]
Sums = Annotated[tuple[tuple[Spec, ...], ...], BeforeValidator(_sums)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]  # as a row of the database holds it
Seeds = Annotated[tuple[Seed, ...], BeforeValidator(listed), Field(min_length=1)]
Pairs = Annotated[tuple[tuple[tuple[Spec, ...], Spec], ...], BeforeValidator(_pairs)]
TrainSizes = Annotated[tuple[int | float, ...], BeforeValidator(_sizes), Field(min_length=1)]
OneSpec = Annotated[Spec | None, BeforeValidator(lambda value: None if value is None else Spec.parse(value))]
