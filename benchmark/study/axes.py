"""The axes of a study, each declared once: the dimensions in which cells differ."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pkgutil import resolve_name
from typing import Any

from benchmark.errors import UserError, unknown_name_error
from benchmark.plugins.spec import (
    DATASET_NAME,
    DESCRIPTIVE_PARAMETERS,
    Spec,
    join_labels,
    parse_sum,
)
from benchmark.tuning import REGISTRY as SEARCHES
from benchmark.utils.text import short_repr

IMAGES = "images"  # label in place of an extractor, for a model that takes images
NONE = "none"
_DATASET_NAME = re.compile(r"[^\W_][\w .-]{0,49}")


class Role(StrEnum):
    """What an axis means in a table."""

    # what configurations are evaluated under; each condition has a table of its own
    CONDITION = "condition"
    # what is compared: one line of a leaderboard
    CONFIGURATION = "configuration"
    # what metrics are averaged over
    REPLICATE = "replicate"


def value_label(value: Any) -> Any:
    """Return the label of a value of an axis, as stored in a row; ``Axis.read`` reads it back."""
    if isinstance(value, Spec):
        return value.label
    return (join_labels(value) or IMAGES) if isinstance(value, tuple) else value


def read_dataset(entry: Any) -> Spec:
    """Read a dataset; its parameter ``name``, if given, is a short text."""
    spec = Spec.parse(entry)
    name = dict(spec.params).get(DATASET_NAME)
    if name is not None and not (isinstance(name, str) and _DATASET_NAME.fullmatch(name)):
        raise UserError(
            f"cannot use {short_repr(name)} as the name of a dataset: write 1 to 50 letters, "
            "digits, spaces, hyphens, dots or underscores, starting with a letter or digit"
        )
    return spec


def dataset_label(spec: Spec) -> str:
    """Return the name of a dataset in tables: its parameter ``name``, or its entry.

    The parameters that only describe its images are left out, so that results are kept when one of
    them is added.

    Examples
    --------
    >>> dataset_label(Spec.parse("folder:scans/lungs(name='lungs')"))
    'lungs'
    >>> dataset_label(Spec.parse("csv:lungs.csv(label='finding', attributes=('sex', 'age'))"))
    "csv:lungs.csv(label='finding')"
    """
    params = dict(spec.params)
    kept = tuple(item for item in spec.params if item[0] not in DESCRIPTIVE_PARAMETERS)
    return str(params.get(DATASET_NAME, Spec(spec.name, kept).label))


@dataclass(frozen=True)
class Axis:
    """One dimension of a study.

    The key in a study file, the command-line option, the column of the rows, and the place in
    tables are all derived from this declaration.

    Parameters
    ----------
    name : str
        Column of the rows. The command-line option is the same, with hyphens for underscores.
    plural : str
        Key in a study file.
    role : Role
    help : str
        Help text of the command-line option.
    read : callable (entry) -> value
        Reads one entry of a study file or the command line, or a label stored in a row; raises
        UserError. A value is a `Spec`, a tuple of them (concatenated or combined), a number or a
        str.
    kind : str or None
        Registry that a `Spec` is looked up in, such as 'extractor'; None if entries name no
        component.
    default : tuple or None
        Entries of a study that does not list the axis; None if it must list it.
    column : type
        Type of the column in the rows: str, int or float.
    amount : str or None
        Parameter of a `Spec` that is a number to plot against, such as the ratio of an imbalance.
    label : callable (value) -> str, int or float
        Text or number that stands for a value in the rows, and in tables.
    title : callable (label) -> str
        Describes a condition other than the default in the title of a table.
    in_parentheses : callable (label) -> str, or None
        Describes a label other than the default in parentheses after the name of the model; None
        gives the axis a place of its own in names and tables.
    given : tuple or None
        Arguments for calling the function of a `Spec` once when a study is read, so that a wrong
        parameter is reported before anything is run; None if it is not called.

    See Also
    --------
    AXES : All axes.

    Examples
    --------
    >>> find_axis("imbalance").read("step(ratio=10)").label
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
    label: Callable[[Any], Any] = value_label
    title: Callable[[Any], str] = str
    in_parentheses: Callable[[Any], str] | None = None
    given: tuple[Any, ...] | None = None

    @property
    def option_name(self) -> str:
        """Command-line option, such as ``--train-size``."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def default_label(self) -> Any:
        """Label of the first default entry; None if there is no default."""
        return self.label(self.read(self.default[0])) if self.default else None

    def read_all(self, entries: Any) -> tuple[Any, ...]:
        """Read the entries of a study; a single entry counts as a list of one."""
        return tuple(self.read(entry) for entry in as_tuple(entries))


def as_tuple(value: Any) -> Any:
    """Return a list or tuple as a tuple, and anything else as a tuple of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def read_sum(entry: Any) -> tuple[Spec, ...]:
    """Read an entry in which ``a + b`` concatenates extractors or combines strategies."""
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
        f"cannot read the training size {short_repr(entry)}: write a share such as 0.5 (1.0 is "
        "all) or a number of images, at least 2"
    )


def read_seed(entry: Any) -> int:
    """Read a seed: an integer that fits into a 64-bit column of the database."""
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
            f"cannot read the seed {short_repr(entry)}: write a whole number from -2**63 to 2**63-1"
        )
    return seed


def describe_train_size(train_size: float) -> str:
    """Describe a training size in words."""
    if train_size == 1:
        return "all of the training set"
    return (
        f"{train_size:.0f} training images"
        if train_size > 1
        else f"{train_size:.3g} of the training set"
    )


def read_tuning(entry: Any) -> Spec:
    """Read a tuning; its name must be one of the registry."""
    spec = Spec.parse(entry)
    if spec.name not in SEARCHES:
        raise unknown_name_error("tuning", spec.name, SEARCHES)
    return spec


def describe_tuning(label: str) -> str:
    """Describe a tuning in a few words, with its number of candidates.

    Examples
    --------
    >>> describe_tuning("random"), describe_tuning("halving(n=81, metric='auc')")
    ('tuned 25', "tuned 81 by halving, metric='auc'")
    """
    spec = Spec.parse(label)
    params = dict(spec.params)
    defaults = inspect.signature(resolve_name(SEARCHES[spec.name])).parameters
    n = params.pop("n", defaults["n"].default if "n" in defaults else None)
    method = "" if spec.name == "random" else f"by {spec.name}"
    words = filter(None, ["tuned", str(n or ""), method])
    return ", ".join([" ".join(words), *(f"{name}={value!r}" for name, value in params.items())])


AXES: tuple[Axis, ...] = (
    Axis(
        *("dataset", "datasets", Role.CONDITION, "Dataset, such as breastmnist or folder:PATH"),
        read=read_dataset,
        kind="dataset",
        label=dataset_label,
    ),
    Axis(
        *("imbalance", "imbalances", Role.CONDITION, "Imbalance, such as 'step(ratio=10)'"),
        kind="imbalance",
        default=(NONE,),
        amount="ratio",
        given=(2,),
    ),
    Axis(
        "train_size",
        "train_sizes",
        Role.CONDITION,
        "Share (such as 0.5) or number (such as 100) of the training images to use",
        read=read_train_size,
        default=(1.0,),
        column=float,
        title=describe_train_size,
    ),
    Axis(
        *("occlusion", "occlusions", Role.CONDITION, "Occlusion, such as 'boxes(share=0.25)'"),
        kind="occlusion",
        default=(NONE,),
        amount="share",
        title=lambda label: f"occlusion {label}",
        given=(),
    ),
    Axis(
        *("extractor", "extractors", Role.CONFIGURATION, "Extractor, such as 'hog + pixels'"),
        read=read_sum,
        kind="extractor",
        default=(),
    ),
    Axis(
        "strategy",
        "strategies",
        Role.CONFIGURATION,
        "Strategy against class imbalance, such as smote",
        read=read_sum,
        kind="strategy",
        default=(NONE,),
    ),
    Axis(
        "model",
        "models",
        Role.CONFIGURATION,
        "Model, such as 'rbf_svm(C=10)'",
        kind="model",
        default=(),
    ),
    Axis(
        *(
            "tuning",
            "tunings",
            Role.CONFIGURATION,
            "Tuning of the parameters, such as 'random(n=25)'",
        ),
        read=read_tuning,
        kind="tuning",
        default=(NONE,),
        in_parentheses=describe_tuning,
    ),
    Axis("seed", "seeds", Role.REPLICATE, "Seed", read=read_seed, default=(0,), column=int),
)


def find_axis(name: str) -> Axis:
    """Return the axis of this name."""
    return next(axis for axis in AXES if axis.name == name)


def axes_with_roles(*roles: Role) -> tuple[Axis, ...]:
    """Return the axes with the given roles, in the order of the roles."""
    return tuple(axis for role in roles for axis in AXES if axis.role == role)
