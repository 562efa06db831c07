"""What the parameters of `SimpleCNN` may be, alone, together, and with several labels an image."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

LOSSES = ("cross_entropy", "focal", "class_balanced", "logit_adjusted", "ldam")
CORRECTING = ("class_balanced", "logit_adjusted")  # for the class frequencies, with every weight or prior they need
MULTILABEL = ("cross_entropy", "focal")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < float("inf")


def _is_weight(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(_is_number, value.values()))
    return value is None or (isinstance(value, str) and value == "balanced")


ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "optimizer": (lambda value: value in ("adam", "sgd"), "'adam' or 'sgd'"),
    "learning_rate": (_is_number, "a number above 0"),
    "batch_size": (lambda value: isinstance(value, int) and value >= 2, "an integer from 2 (batch norm needs two images)"),
    "epochs": (lambda value: isinstance(value, int) and value >= 1, "an integer from 1"),
    "loss": (lambda value: value in LOSSES, f"one of {', '.join(map(repr, LOSSES))}"),
    "class_weight": (_is_weight, "None or 'balanced' or a dict of a number above 0 for each class"),
    "deferred_reweighting": (lambda value: isinstance(value, bool), "True or False"),
    "two_phase": (lambda value: isinstance(value, bool), "True or False"),
    "device": (lambda value: re.fullmatch(r"auto|cpu|cuda(:\d+)?", str(value)) is not None, "'auto', 'cpu', 'cuda' or 'cuda:N'"),
}


def check(model: Any) -> None:
    """Raise a ValueError for a value that is not allowed, or that makes no sense beside another."""
    for name, (is_allowed, allowed) in ALLOWED.items():
        value = getattr(model, name)
        if not is_allowed(value):
            raise ValueError(f"SimpleCNN: {name}={value!r}; it must be {allowed}")
    found = corrections(model)
    if len(found) > 1:
        raise ValueError(f"SimpleCNN: {found[0]} and {found[1]} both correct for the class frequencies; use one of them")
    if model.epochs < 2 and (model.deferred_reweighting or model.two_phase):
        raise ValueError(f"SimpleCNN: epochs={model.epochs}; it must be an integer from 2 with {found[0]}, which trains in two parts")


def check_multilabel(model: Any) -> None:
    """Raise a ValueError for what goes by the number of images of each class, when images may be of several."""
    bad = [f"{name}=True" for name in ("deferred_reweighting", "two_phase") if getattr(model, name)]
    if model.loss not in MULTILABEL:
        bad.insert(0, f"loss={model.loss!r}")
    if bad:
        raise ValueError(
            f"SimpleCNN: {bad[0]} needs one label an image, as classes that exclude each other have one; for several labels an image "
            "there are loss='cross_entropy' and loss='focal', with or without class_weight"
        )


def corrections(model: Any) -> list[str]:
    """All that corrects for the class frequencies; focal and ldam do not, they weigh difficulty and margins."""
    named = {
        f"loss={model.loss!r}": model.loss in CORRECTING,
        f"class_weight={model.class_weight!r}": model.class_weight is not None,
        "deferred_reweighting=True": model.deferred_reweighting,
        "two_phase=True": model.two_phase,
    }
    return [name for name, is_used in named.items() if is_used]
