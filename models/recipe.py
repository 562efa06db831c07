"""Training parameters that all networks share, with the constraints on their values."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Options

from models.constraints import ListOf, OneOf, RealNumber, WholeNumber

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one_cycle")
AUGMENTATIONS = ("flip", "shift", "cutout")
LOSSES = ("cross_entropy", "focal", "class_balanced", "logit_adjusted", "ldam")
# losses that correct for the class frequencies and compute the weights or priors themselves
CORRECTING = ("class_balanced", "logit_adjusted")
MULTILABEL = ("cross_entropy", "focal")  # losses for images with several labels
SMOOTHED = ("cross_entropy", "class_balanced", "logit_adjusted")  # losses with label smoothing


@dataclass(frozen=True)
class Recipe:
    """Training parameters of a network; ``NetworkClassifier`` describes them."""

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
    def from_model(cls, model: Any, **replaced: Any) -> Self:
        """Copy the parameters of a network classifier, some of them replaced."""
        return cls(**{field.name: getattr(model, field.name) for field in fields(cls)} | replaced)


class ClassWeights(Options):
    """Constraint: a dict with a number above 0 for each class."""

    def __init__(self) -> None:
        super().__init__(dict, set())

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether ``val`` is such a dict."""
        above_zero = RealNumber(0)
        return (
            isinstance(val, dict)
            and bool(val)
            and all(map(above_zero.is_satisfied_by, val.values()))
        )

    def __str__(self) -> str:
        return "a dict with a number above 0 for each class"


class DeviceName(Options):
    """Constraint: the name of a device of torch, or ``auto``."""

    def __init__(self) -> None:
        super().__init__(str, set())

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether ``val`` is such a name."""
        return isinstance(val, str) and re.fullmatch(r"auto|cpu|cuda(:\d+)?", val) is not None

    def __str__(self) -> str:
        return "'auto', 'cpu', 'cuda' or 'cuda:N'"


CONSTRAINTS: dict[str, Any] = {
    "optimizer": [OneOf(OPTIMIZERS)],
    "learning_rate": [RealNumber(0)],
    "weight_decay": [RealNumber(0, closed="left")],
    "batch_size": [WholeNumber(2)],  # batch norm needs two images
    "epochs": [WholeNumber(1)],
    "schedule": [OneOf(SCHEDULES)],
    "augmentation": [ListOf(OneOf(AUGMENTATIONS), least=0, distinct=True)],
    "label_smoothing": [RealNumber(0, 1, closed="left")],
    "ema": [None, RealNumber(0, 1)],
    "validation": [RealNumber(0, 1, closed="left")],
    "patience": [None, WholeNumber(1)],
    "loss": [OneOf(LOSSES)],
    "class_weight": [None, OneOf(("balanced",)), ClassWeights()],
    "deferred_reweighting": ["boolean"],
    "two_phase": ["boolean"],
    "compile": ["boolean"],
    "device": [DeviceName()],
}


def check_combination(model: Any) -> None:
    """Raise a ValueError for values that are allowed alone but not together."""
    name_of_model = type(model).__name__
    used = imbalance_corrections(model)
    if len(used) > 1:
        raise ValueError(
            f"{name_of_model}: {used[0]} and {used[1]} both correct for the class frequencies; "
            "use one of them"
        )
    if model.epochs < 2 and (model.deferred_reweighting or model.two_phase):
        raise ValueError(
            f"{name_of_model}: epochs={model.epochs}; it must be an integer from 2 with "
            f"{used[0]}, which trains in two phases"
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
    """Raise a ValueError for parameters that require each image to be of exactly one class."""
    bad = [f"{name}=True" for name in ("deferred_reweighting", "two_phase") if getattr(model, name)]
    bad += ["label_smoothing"] if model.label_smoothing else []
    if model.loss not in MULTILABEL:
        bad.insert(0, f"loss={model.loss!r}")
    if bad:
        raise ValueError(
            f"{type(model).__name__}: {bad[0]} needs exactly one label per image; for several "
            "labels per image use loss='cross_entropy' or loss='focal', with or without "
            "class_weight"
        )


def imbalance_corrections(model: Any) -> list[str]:
    """Parameters that correct for the class frequencies, as ``name=value``.

    The losses focal and ldam do not: they depend on the difficulty of images and on margins.
    """
    named = {
        f"loss={model.loss!r}": model.loss in CORRECTING,
        f"class_weight={model.class_weight!r}": model.class_weight is not None,
        "deferred_reweighting=True": model.deferred_reweighting,
        "two_phase=True": model.two_phase,
    }
    return [name for name, is_used in named.items() if is_used]
