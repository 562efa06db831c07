"""The axes of a study, each declared once: what may differ from cell to cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchmark.errors import UserError
from benchmark.plugins.spec import Spec, join_labels, parse_sum
from benchmark.utils.text import short_repr

IMAGES = "images"  # stands for the extractor of a model that takes images
NONE = "none"


class Role(StrEnum):
    """What an axis is to a cell."""

    CONDITION = (
        "condition"  # what a configuration is evaluated under; tables are made within one condition
    )
    CONFIGURATION = "configuration"  # what is compared: one line of a leaderboard
    REPLICATE = "replicate"  # what values are averaged over


@dataclass(frozen=True)
class Axis:
    """One dimension of a study.

    The key of a study in YAML, the option of the command line, the column of the rows, and where
    tables show it are all derived from this.

    Parameters
    ----------
    name : str
        Column of the rows; option of the command line, with a hyphen for an underscore.
    plural : str
        Key of a study.
    role : Role
    help : str
        What the option takes, for people.
    read : callable (entry) -> value
        Reads one entry as YAML or the command line gives it, and a label as a row has it; raises
        UserError. A value is a `Spec`, a tuple of them (concatenated or combined), a number or a
        text.
    kind : str or None
        Kind of component that a `Spec` names, as the registry calls it.
    default : tuple or None
        Entries where a study names none; None if it must name one.
    column : type
        Of its column: str, int or float.
    amount : str or None
        Parameter of a `Spec` that is a number to plot against, such as the ratio of an imbalance.
    title : callable (label) -> str
        What the title of a table says of a condition other than the default.
    given : tuple or None
        Arguments with which the function of a `Spec` is called once when a study is read, so that a
        wrong parameter is said before anything is run; None if it is not called.

    Examples
    --------
    >>> axis_named("imbalance").read("step(ratio=10)").label
    'step(ratio=10)'
    """

    name: str
    plural: str
    role: Role
    help: str
    read: Callable[[Any], Any] = Spec.parse
    kind: str | None = None
    default: tuple[Any, ...] | None = None
    column: type = str
    amount: str | None = None
    title: Callable[[Any], str] = str
    given: tuple[Any, ...] | None = None

    @property
    def option_name(self) -> str:
        """Option of the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def default_label(self) -> Any:
        """Label of the entry where a study names none; None if it must name one, or may have none at all."""
        return value_label(self.read(self.default[0])) if self.default else None

    def read_all(self, entries: Any) -> tuple[Any, ...]:
        """Read the entries of a study; a single one counts as a list of one."""
        return tuple(self.read(entry) for entry in as_tuple(entries))


def as_tuple(value: Any) -> Any:
    """A single entry as a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def value_label(value: Any) -> Any:
    """What stands in a row for a value of an axis; ``Axis.read`` reads it back."""
    if isinstance(value, Spec):
        return value.label
    return (join_labels(value) or IMAGES) if isinstance(value, tuple) else value


def read_sum(entry: Any) -> tuple[Spec, ...]:
    """Read an entry in which ``a + b`` concatenates extractors, or combines strategies."""
    return entry if isinstance(entry, tuple) else parse_sum(entry)


def read_train_size(entry: Any) -> float:
    """Read a share of the training set, up to 1.0, or a number of images, an integer."""
    try:
        number = -1.0 if isinstance(entry, bool) else float(entry)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if 0 < number <= 1:
        return number
    if 2 <= number < 2**53 and number.is_integer():
        return int(number)
    raise UserError(
        f"cannot read the training size {short_repr(entry)}: write a share such as 0.5 (1.0 is all) or "
        "a number of images from 2"
    )


def read_seed(entry: Any) -> int:
    """Read a whole number that a row of the database can hold."""
    try:
        seed = (
            None
            if isinstance(entry, bool) or (isinstance(entry, float) and not entry.is_integer())
            else int(entry)
        )
    except (TypeError, ValueError, OverflowError):
        seed = None
    if seed is None or not -(2**63) <= seed < 2**63:
        raise UserError(
            f"cannot read the seed {short_repr(entry)}: write a whole number within 2**63 of 0"
        )
    return seed


def describe_train_size(train_size: float) -> str:
    """Say how much of the training set was used."""
    if train_size == 1:
        return "all of the training set"
    return (
        f"{train_size:.0f} training images"
        if train_size > 1
        else f"{train_size:.3g} of the training set"
    )


AXES: tuple[Axis, ...] = (
    Axis("dataset", "datasets", Role.CONDITION, "Data set", kind="dataset"),
    Axis(
        *("imbalance", "imbalances", Role.CONDITION, "Imbalance, such as 'step(ratio=10)',"),
        kind="imbalance",
        default=(NONE,),
        amount="ratio",
        given=(2,),
    ),
    Axis(
        *(
            "train_size",
            "train_sizes",
            Role.CONDITION,
            "Share (0.5) or number (100) of the training images",
        ),
        read=read_train_size,
        default=(1.0,),
        column=float,
        title=describe_train_size,
    ),
    Axis(
        *("occlusion", "occlusions", Role.CONDITION, "Occlusion, such as 'boxes(share=0.25)',"),
        kind="occlusion",
        default=(NONE,),
        amount="share",
        title=lambda label: f"occlusion {label}",
        given=(),
    ),
    Axis(
        *("extractor", "extractors", Role.CONFIGURATION, "Extractor, such as 'hog + pixels',"),
        read=read_sum,
        kind="extractor",
        default=(),
    ),
    Axis(
        "strategy",
        "strategies",
        Role.CONFIGURATION,
        "Strategy",
        read=read_sum,
        kind="strategy",
        default=(NONE,),
    ),
    Axis(
        "model",
        "models",
        Role.CONFIGURATION,
        "Model, such as 'rbf_svm(C=10)',",
        kind="model",
        default=(),
    ),
    Axis("seed", "seeds", Role.REPLICATE, "Seed", read=read_seed, default=(0,), column=int),
)


def find_axis(name: str) -> Axis:
    """Find an axis by its name."""
    return next(axis for axis in AXES if axis.name == name)


def axes_with_roles(*roles: Role) -> tuple[Axis, ...]:
    """Axes of some roles, role by role."""
    return tuple(axis for role in roles for axis in AXES if axis.role == role)


def label_names() -> tuple[str, ...]:
    """Labels of a cell in the order in which its row has them: those of the axes, and what they are read on."""
    dataset, *conditions = (axis.name for axis in axes_with_roles(Role.CONDITION))
    configuration, replicates = (
        (axis.name for axis in axes_with_roles(role))
        for role in (Role.CONFIGURATION, Role.REPLICATE)
    )
    return (
        dataset,
        "fingerprint",
        "size",
        *conditions,
        "split",
        *configuration,
        *replicates,
        "fold",
    )
