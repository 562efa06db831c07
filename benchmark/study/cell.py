"""One evaluation, its content key, and the seeds derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmark.plugins.registry import describe
from benchmark.plugins.spec import Spec, join
from benchmark.utils.hashing import derive_seed, digest_of

PROTOCOL = 2  # part of every key: raise it when the harness itself changes what a cell computes


@dataclass(frozen=True)
class Cell:
    """What is evaluated once: everything that decides a result, and nothing else.

    Parameters
    ----------
    dataset : Spec
    fingerprint : str
        Digest of the data set's images, targets, classes, groups and official split.
    size : int or None
        Side the images were brought to; None leaves it to the data set.
    split : Spec
    fold : int
    imbalance : Spec
        How the training part is made imbalanced.
    train_size : float or int
        Share (up to 1, all) or number (above) of the training images that are used.
    occlusion : Spec
        What of the images is covered.
    extractor : tuple of Spec
        More than one are concatenated; none when the model takes images.
    strategy : tuple of Spec
        One or more, combined.
    model : Spec
    seed : int
    """

    dataset: Spec
    fingerprint: str
    size: int | None
    split: Spec
    fold: int
    imbalance: Spec
    train_size: float
    occlusion: Spec
    extractor: tuple[Spec, ...]
    strategy: tuple[Spec, ...]
    model: Spec
    seed: int

    @property
    def identity(self) -> dict[str, Any]:
        """The labels that stand in its row."""
        return {
            "dataset": self.dataset.label,
            "fingerprint": self.fingerprint,
            "size": self.size,
            "imbalance": self.imbalance.label,
            "train_size": self.train_size,
            "occlusion": self.occlusion.label,
            "split": self.split.label,
            "extractor": join(self.extractor) or "images",
            "strategy": join(self.strategy),
            "model": self.model.label,
            "seed": self.seed,
            "fold": self.fold,
        }

    @property
    def params(self) -> dict[str, Any]:
        """Resolved parameters and source digest of every part."""
        return {
            "split": describe(self.split),
            "imbalance": describe(self.imbalance),
            "train_size": self.train_size,
            "occlusion": describe(self.occlusion),
            "extractor": [describe(spec) for spec in self.extractor],
            "strategy": [describe(spec) for spec in self.strategy],
            "model": describe(self.model),
        }

    @cached_property
    def key(self) -> str:
        """Content key: another parameter, other code or other data is another key."""
        content = {"protocol": PROTOCOL, "fingerprint": self.fingerprint, "seed": self.seed, "fold": self.fold, "params": self.params}
        return digest_of({**content, "dataset": self.dataset.label, "size": self.size})

    def seed_for(self, part: str) -> int:
        """Seed of one part of the evaluation ('extractor', 'strategy', 'model').

        It depends on the study's seed and the fold only, so that entries of a table differ in what they do, not in luck,
        and a cell run alone equals the same cell run in company.
        """
        return derive_seed(f"{self.seed}/{self.fold}/{part}", 28)
