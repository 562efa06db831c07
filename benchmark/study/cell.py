"""A cell: one evaluation, its content key, and the seeds derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from benchmark.plugins.registry import describe_spec, resolve_spec
from benchmark.plugins.spec import ResolvedSpec, Spec
from benchmark.study.axes import AXES, NONE, Role, dataset_label
from benchmark.study.labels import label_names
from benchmark.tuning.search_space import SearchSpace, format_space
from benchmark.utils.hashing import derive_seed, digest_of

PROTOCOL = 3  # in every key: raise it when the harness itself changes what a cell computes


@dataclass(frozen=True)
class Cell:
    """One evaluation: everything that determines its result, and nothing else.

    Parameters
    ----------
    fingerprint : str
        Digest of the dataset's images, targets, classes, groups and official split.
    size : int or None
        Side in pixels that the images are resized to; None for the dataset's own size.
    split : ResolvedSpec
    fold : int
    values : mapping
        Value on each axis, by the name of the axis: a `ResolvedSpec`, a tuple of them, or a number.
        Those of the built-in axes are also properties.
    search_space : mapping of component to mapping of parameter to values
        What tuning may choose; empty if the cell is not tuned.
    attributes : str
        Digest of the attributes of the images that the cell uses; empty if it uses none.
    external : str
        Fingerprint of the dataset with the external images that are predicted as well; empty if
        there are none.

    See Also
    --------
    benchmark.study.Study : Spans the cells.

    Examples
    --------
    >>> from benchmark import load_study
    >>> from benchmark.evaluation.plan import make_plan
    >>> study = load_study("digits", extractors=["hog"], models=["knn"])
    >>> cell = next(make_plan(study).cells())
    >>> cell.model.label, cell.train_size, cell.fold
    ('knn', 1.0, 0)
    """

    fingerprint: str
    size: int | None
    split: ResolvedSpec
    fold: int
    values: Mapping[str, Any] = field(hash=False)
    search_space: SearchSpace = field(hash=False, default_factory=dict)
    attributes: str = ""
    external: str = ""

    @property
    def dataset(self) -> Spec:
        """Dataset; the fingerprint determines a result, not the place of the images."""
        return self.values["dataset"]

    @property
    def imbalance(self) -> ResolvedSpec:
        """How the training set is made imbalanced."""
        return self.values["imbalance"]

    @property
    def train_size(self) -> float:
        """Share (up to 1.0) or number (above 1) of the training images that are used."""
        return self.values["train_size"]

    @property
    def occlusion(self) -> ResolvedSpec:
        """Which regions of the images are covered."""
        return self.values["occlusion"]

    @property
    def extractor(self) -> tuple[ResolvedSpec, ...]:
        """Extractors whose features are concatenated; empty if the model takes images."""
        return self.values["extractor"]

    @property
    def strategy(self) -> tuple[ResolvedSpec, ...]:
        """Strategies, applied one after the other."""
        return self.values["strategy"]

    @property
    def model(self) -> ResolvedSpec:
        """Model."""
        return self.values["model"]

    @property
    def tuning(self) -> ResolvedSpec:
        """How parameters are chosen."""
        return self.values["tuning"]

    @property
    def is_tuned(self) -> bool:
        """Whether parameters are chosen in the cell."""
        return self.tuning.name != NONE

    @property
    def seed(self) -> int:
        """Seed of all random numbers in the cell."""
        return self.values["seed"]

    def without_tuning(self) -> Cell:
        """Return the same cell with its parameters as they are listed."""
        values = {**self.values, "tuning": default_values()["tuning"]}
        return replace(self, values=values, search_space={})

    @property
    def identity(self) -> dict[str, Any]:
        """Labels that identify the cell in its row, by column."""
        labels = {axis.name: axis.label(self.values[axis.name]) for axis in AXES}
        labels |= {
            "fingerprint": self.fingerprint,
            "size": self.size,
            "split": self.split.label,
            "fold": self.fold,
        }
        return {name: labels[name] for name in label_names()}

    @property
    def params(self) -> dict[str, Any]:
        """Resolved parameters and source digest of every component."""
        left_out = {"dataset"} if self.is_tuned else {"dataset", "tuning"}
        described = {axis.name for axis in AXES if axis.role != Role.REPLICATE} - left_out
        components = {
            name: _describe_value(value) for name, value in self.values.items() if name in described
        }
        space = {"search_space": format_space(self.search_space)} if self.search_space else {}
        return {"split": describe_spec(self.split), **components, **space}

    @cached_property
    def key(self) -> str:
        """Content key; it differs if any parameter, code or data differs."""
        replicates = {
            axis.name: self.values[axis.name] for axis in AXES if axis.role == Role.REPLICATE
        }
        content = {
            "protocol": PROTOCOL,
            "fingerprint": self.fingerprint,
            "fold": self.fold,
            "params": self.params,
            **({"attributes": self.attributes} if self.attributes else {}),
            **({"external": self.external} if self.external else {}),
        }
        return digest_of(
            {**content, **replicates, "dataset": dataset_label(self.dataset), "size": self.size}
        )

    def seed_for(self, component: str) -> int:
        """Return the seed of 'extractor', 'strategy', 'model', or the 'global' generators.

        It depends on the cell's seed and fold only. Configurations therefore share their random
        numbers, and a cell gives the same result alone as among others.
        """
        return derive_seed(f"{self.seed}/{self.fold}/{component}", 28)


def default_values() -> dict[str, Any]:
    """Return the resolved default value of each axis that has one, by the name of the axis."""
    return {
        axis.name: resolve_value(axis.kind, axis.read(axis.default[0]))
        for axis in AXES
        if axis.default
    }


def resolve_value(kind: str | None, value: Any, plugins: tuple[str, ...] = ()) -> Any:
    """Resolve a `Spec`, or each of a tuple of them; return any other value as it is."""
    if isinstance(value, tuple):
        return tuple(resolve_value(kind, item, plugins) for item in value)
    return resolve_spec(kind, value, plugins) if kind and isinstance(value, Spec) else value


def _describe_value(value: Any) -> Any:
    if isinstance(value, ResolvedSpec):
        return describe_spec(value)
    return [describe_spec(item) for item in value] if isinstance(value, tuple) else value
