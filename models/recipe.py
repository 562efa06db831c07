"""How a network is trained: the parameters that all networks share, and what they may be, alone and together."""

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
    def from_model(cls, model: Any, **replaced: Any) -> Self:
        """Parameters of a network classifier."""
        return cls(**{field.name: getattr(model, field.name) for field in fields(cls)} | replaced)


class ClassWeights(Options):
    """A dict of a number above 0 for each class."""

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
        return "a dict of a number above 0 for each class"


class DeviceName(Options):
    """A device that torch knows, or ``auto``."""

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
    """Raise a ValueError for values that are allowed alone and not together."""
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
            f"{used[0]}, which trains in two parts"
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


def imbalance_corrections(model: Any) -> list[str]:
    """All that corrects for the class frequencies; focal and ldam do not, they weigh difficulty and margins."""
    named = {
        f"loss={model.loss!r}": model.loss in CORRECTING,
        f"class_weight={model.class_weight!r}": model.class_weight is not None,
        "deferred_reweighting=True": model.deferred_reweighting,
        "two_phase=True": model.two_phase,
    }
    return [name for name, is_used in named.items() if is_used]
