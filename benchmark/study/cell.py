"""One evaluation, its content key, and the seeds derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmark.plugins.registry import describe_spec, resolve_spec
from benchmark.plugins.spec import ResolvedSpec, Spec
from benchmark.study.axes import AXES, Role, label_names, value_label
from benchmark.utils.hashing import derive_seed, digest_of

PROTOCOL = 2  # part of every key: raise it when the harness itself changes what a cell computes


@dataclass(frozen=True)
class Cell:
    """What is evaluated once: everything that decides a result, and nothing else.

    Parameters
    ----------
    fingerprint : str
        Digest of the data set's images, targets, classes, groups and official split.
    size : int or None
        Side the images were brought to; None leaves it to the data set.
    split : Spec
    fold : int
    values : mapping
        Value on each axis, by its name: a resolved `Spec`, a tuple of them, or a number. Those that
        every study has are properties, too.
    """

    fingerprint: str
    size: int | None
    split: ResolvedSpec
    fold: int
    values: Mapping[str, Any] = field(hash=False)

    @property
    def dataset(self) -> Spec:
        """Data set; its fingerprint decides a result, and not where its images are."""
        return self.values["dataset"]

    @property
    def imbalance(self) -> ResolvedSpec:
        """How the training set is made imbalanced."""
        return self.values["imbalance"]

    @property
    def train_size(self) -> float:
        """Share (up to 1, all) or number (above) of the training images that are used."""
        return self.values["train_size"]

    @property
    def occlusion(self) -> ResolvedSpec:
        """What of the images is covered."""
        return self.values["occlusion"]

    @property
    def extractor(self) -> tuple[ResolvedSpec, ...]:
        """Extractors, concatenated if there are several; none when the model takes images."""
        return self.values["extractor"]

    @property
    def strategy(self) -> tuple[ResolvedSpec, ...]:
        """One or more strategies, combined."""
        return self.values["strategy"]

    @property
    def model(self) -> ResolvedSpec:
        """Model."""
        return self.values["model"]

    @property
    def seed(self) -> int:
        """Seed that all chance in the cell comes from."""
        return self.values["seed"]

    @property
    def identity(self) -> dict[str, Any]:
        """The labels that stand in its row."""
        labels = {name: value_label(value) for name, value in self.values.items()}
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
        described = {
            axis.name for axis in AXES if axis.role != Role.REPLICATE and axis.name != "dataset"
        }
        components = {
            name: _describe_value(value) for name, value in self.values.items() if name in described
        }
        return {"split": describe_spec(self.split), **components}

    @cached_property
    def key(self) -> str:
        """Content key: another parameter, other code or other data is another key."""
        replicates = {
            axis.name: self.values[axis.name] for axis in AXES if axis.role == Role.REPLICATE
        }
        content = {
            "protocol": PROTOCOL,
            "fingerprint": self.fingerprint,
            "fold": self.fold,
            "params": self.params,
        }
        return digest_of(
            {**content, **replicates, "dataset": self.dataset.label, "size": self.size}
        )

    def seed_for(self, part: str) -> int:
        """Seed of one part of the evaluation ('extractor', 'strategy', 'model').

        It depends on the study's seed and the fold only, so that entries of a table differ in what
        they do, not in luck, and a cell run alone equals the same cell run in company.
        """
        return derive_seed(f"{self.seed}/{self.fold}/{part}", 28)


def default_values() -> dict[str, Any]:
    """Value on each axis where a study names none, by the name of the axis; resolved."""
    return {
        axis.name: resolve_value(axis.kind, axis.read(axis.default[0]))
        for axis in AXES
        if axis.default
    }


def resolve_value(kind: str | None, value: Any, plugins: tuple[str, ...] = ()) -> Any:
    """Find the code of a value of an axis: of a `Spec` or of each of several; a number is as it is."""
    if isinstance(value, tuple):
        return tuple(resolve_value(kind, part, plugins) for part in value)
    return resolve_spec(kind, value, plugins) if kind and isinstance(value, Spec) else value


def _describe_value(value: Any) -> Any:
    if isinstance(value, ResolvedSpec):
        return describe_spec(value)
    return [describe_spec(part) for part in value] if isinstance(value, tuple) else value
