"""How a network is trained: the parameters that all networks share, and what they may be, alone and together."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one_cycle")
AUGMENTATIONS = ("flip", "shift", "cutout")
LOSSES = ("cross_entropy", "focal", "class_balanced", "logit_adjusted", "ldam")
CORRECTING = (
    "class_balanced",
    "logit_adjusted",
)  # for the class frequencies, with every weight or prior they need
MULTILABEL = ("cross_entropy", "focal")
SMOOTHED = ("cross_entropy", "class_balanced", "logit_adjusted")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; described at ``NetworkClassifier``, which holds the same parameters."""

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int = 32
    epochs: int = 20
    schedule: str = "constant"
    augmentation: tuple[str, ...] = ()
    label_smoothing: float = 0.0
    ema: float | None = None
    validation: float = 0.0
    patience: int | None = None
    loss: str = "cross_entropy"
    class_weight: str | NDArray[np.float64] | None = None
    deferred_reweighting: bool = False
    two_phase: bool = False
    compile: bool = False
    device: str = "auto"

    @classmethod
    def of(cls, model: Any, **replaced: Any) -> Self:
        """Parameters of a network classifier."""
        return cls(**{field.name: getattr(model, field.name) for field in fields(cls)} | replaced)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
    )


def _is_share(value: Any) -> bool:
    return value == 0 or (_is_number(value) and value < 1)


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_weight(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(_is_number, value.values()))
    return value is None or (isinstance(value, str) and value == "balanced")


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_augmentations(value: Any) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(set(value)) == len(value)
        and set(value) <= set(AUGMENTATIONS)
    )


def _one_of(names: tuple[str, ...]) -> tuple[Callable[[Any], bool], str]:
    listed = [f"'{name}'" for name in names]
    return (lambda value: value in names), f"{', '.join(listed[:-1])} or {listed[-1]}"


ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "optimizer": _one_of(OPTIMIZERS),
    "learning_rate": (_is_number, "a number above 0"),
    "weight_decay": (lambda value: value == 0 or _is_number(value), "a number from 0"),
    "batch_size": (
        lambda value: _is_count(value, 2),
        "an integer from 2 (batch norm needs two images)",
    ),
    "epochs": (_is_count, "an integer from 1"),
    "schedule": _one_of(SCHEDULES),
    "augmentation": (
        _are_augmentations,
        f"a list of {', '.join(map(repr, AUGMENTATIONS))}, each at most once",
    ),
    "label_smoothing": (_is_share, "a number from 0 and below 1"),
    "ema": (
        lambda value: value is None or (_is_number(value) and value < 1),
        "None or a decay between 0 and 1",
    ),
    "validation": (_is_share, "a share of the training images from 0 and below 1"),
    "patience": (lambda value: value is None or _is_count(value), "None or an integer from 1"),
    "loss": (lambda value: value in LOSSES, f"one of {', '.join(map(repr, LOSSES))}"),
    "class_weight": (_is_weight, "None or 'balanced' or a dict of a number above 0 for each class"),
    "deferred_reweighting": (_is_flag, "True or False"),
    "two_phase": (_is_flag, "True or False"),
    "compile": (_is_flag, "True or False"),
    "device": (
        lambda value: re.fullmatch(r"auto|cpu|cuda(:\d+)?", str(value)) is not None,
        "'auto', 'cpu', 'cuda' or 'cuda:N'",
    ),
}


def check(model: Any) -> None:
    """Raise a ValueError for a value that is not allowed, or that makes no sense beside another."""
    name_of_model = type(model).__name__
    for name, (is_allowed, allowed) in ALLOWED.items():
        value = getattr(model, name)
        if not is_allowed(value):
            raise ValueError(f"{name_of_model}: {name}={value!r}; it must be {allowed}")
    found = corrections(model)
    if len(found) > 1:
        raise ValueError(
            f"{name_of_model}: {found[0]} and {found[1]} both correct for the class frequencies; "
            "use one of them"
        )
    if model.epochs < 2 and (model.deferred_reweighting or model.two_phase):
        raise ValueError(
            f"{name_of_model}: epochs={model.epochs}; it must be an integer from 2 with "
            f"{found[0]}, which trains in two parts"
        )
    if model.label_smoothing and model.loss not in SMOOTHED:
        raise ValueError(
            f"{name_of_model}: label_smoothing={model.label_smoothing!r}; it must be 0 with "
            f"loss={model.loss!r}"
        )
    if model.patience is not None and not model.validation:
        raise ValueError(
            f"{name_of_model}: patience={model.patience}; it needs a validation set, such as "
            "validation=0.1"
        )


def check_multilabel(model: Any) -> None:
    """Raise a ValueError for what goes by the number of images of each class, when images may be of several."""
    bad = [f"{name}=True" for name in ("deferred_reweighting", "two_phase") if getattr(model, name)]
    bad += ["label_smoothing"] if model.label_smoothing else []
    if model.loss not in MULTILABEL:
        bad.insert(0, f"loss={model.loss!r}")
    if bad:
        raise ValueError(
            f"{type(model).__name__}: {bad[0]} needs one label an image, as classes that exclude "
            "each other have one; for several labels "
            "an image there are loss='cross_entropy' and loss='focal', with or without class_weight"
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
