"""What a cell is made of: its training and test images, extractors, strategy and model, each built once; and why it may be impossible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.evaluation.fitting import size_refusal
from benchmark.evaluation.own_folds import may_resample, own_folds_refusal
from benchmark.plugins.registry import build_component, import_target, takes_images
from benchmark.plugins.spec import ResolvedSpec
from benchmark.sampling import imbalance
from benchmark.sampling.occlusion import Occlusion, occlude_images
from benchmark.sampling.splits import REGISTRY, Fold, Indices
from benchmark.strategies.base import Combined, Strategy
from benchmark.study.cell import Cell
from models.one_vs_rest import OneVsRest


@dataclass(frozen=True, eq=False)
class Components:
    """What a cell is made of on its data set; each is built when it is first asked for, and once.

    Parameters
    ----------
    cell : Cell
    dataset : Dataset
    fold : Fold
        Indices of the training and the test images.
    """

    cell: Cell
    dataset: Dataset
    fold: Fold

    @property
    def train(self) -> Indices:
        """Indices of the training images."""
        return self.fold[0]

    @property
    def test(self) -> Indices:
        """Indices of the test images."""
        return self.fold[1]

    @property
    def is_official(self) -> bool:
        """Whether the split is the official one, so that its validation set is at hand."""
        return self.cell.split.target == REGISTRY["official"]

    @cached_property
    def occlusion(self) -> Occlusion | None:
        """What of the images is covered; None where they are whole."""
        return import_target(self.cell.occlusion.target)(**dict(self.cell.occlusion.params))

    @cached_property
    def extractors(self) -> tuple[Any, ...]:
        """Extractors, not fitted, seeded; none when the model takes images."""
        return tuple(self.build_extractor(spec) for spec in self.cell.extractor)

    @cached_property
    def strategy(self) -> Strategy:
        """Strategy, seeded: a sampler of imbalanced-learn is wrapped, several strategies are combined."""
        return build_strategy(self.cell.strategy, self.cell.seed_for("strategy"))

    @cached_property
    def model(self) -> Any:
        """Model, not fitted, seeded; one that takes features is made one-vs-rest for a multi-label task."""
        model = build_component(self.cell.model)
        if self.dataset.multilabel and not takes_images(self.cell.model):
            model = OneVsRest(model)
        return seed_estimator(model, self.cell.seed_for("model"))

    def build_extractor(self, spec: ResolvedSpec) -> Any:
        """Build one more extractor as the cell has it, not fitted and seeded."""
        return seed_estimator(build_component(spec), self.cell.seed_for("extractor"))

    def select_images(self, indices: Indices, occluded: bool) -> NDArray[np.uint8]:
        """Some images of the data set, whole or occluded as the cell asks for."""
        images = self.dataset.images[indices]
        return (
            occlude_images(images, indices, self.occlusion, self.cell.seed)
            if self.occlusion and occluded
            else images
        )

    def refusal_reason(self) -> str | None:
        """Why the cell cannot be run, known before anything is computed; None when it can."""
        cell, dataset, model, strategy = self.cell, self.dataset, self.model, self.strategy
        if not hasattr(model, "predict_proba"):
            return "the model has no predict_proba, and AUC is never computed from hard labels: wrap it in CalibratedClassifierCV"
        if any(
            isinstance(value, ResolvedSpec) and takes_images(value)
            for _, value in cell.model.params
        ) and not takes_images(cell.model):
            return f"the estimator inside takes images, and {cell.model.name} gives it features"
        available = len(compute_folds(dataset, cell.split)[cell.fold][0])
        shares, rare = _class_shares(cell.imbalance, len(dataset.classes))
        reason = imbalance.refusal_reason(
            available,
            cell.train_size,
            shares is not None,
            rare,
            dataset.classes,
            dataset.multilabel,
        )
        if reason:
            return reason
        targets = dataset.targets[self.train]
        if not dataset.multilabel and len(np.unique(targets)) < 2:
            return f"the training set has images of a single class: all {len(targets)} are '{dataset.classes[targets[0]]}'"
        counts = np.bincount(targets.ravel())
        most = int(counts.max()) * len(counts) if may_resample(strategy) else len(targets)
        reason = own_folds_refusal(model, strategy, dataset.groups is not None, most)
        if not may_resample(strategy):
            reason = reason or size_refusal(model, len(targets))
        return reason or strategy.refusal(model, targets, dataset.classes, dataset.task)


def build_components(cell: Cell, dataset: Dataset) -> Components:
    """Find what a cell is made of on its data set."""
    return Components(cell, dataset, train_test_indices(cell, dataset))


def train_test_indices(cell: Cell, dataset: Dataset) -> Fold:
    """Indices of the training and the test images of a cell; the training set as small and as imbalanced as it asks for."""
    train, test = compute_folds(dataset, cell.split)[cell.fold]
    shares, rare = _class_shares(cell.imbalance, len(dataset.classes))
    if cell.train_size == 1 and shares is None:
        return train, test
    if dataset.multilabel:
        return imbalance.sample_multilabel_set(train, cell.train_size, cell.seed), test
    truncate = cell.imbalance.target == imbalance.REGISTRY["long_tail"]
    return imbalance.sample_training_set(
        train,
        dataset.targets[train],
        dataset.classes,
        cell.train_size,
        shares,
        rare,
        cell.seed,
        truncate,
    ), test


def compute_folds(dataset: Dataset, split: ResolvedSpec) -> list[Fold]:
    """Training and test indices of every fold; computed once as long as the data set is in use."""
    known = _FOLDS.setdefault(dataset, {})
    if split not in known:
        known[split] = import_target(split.target)(dataset, **dict(split.params))
    return known[split]


_FOLDS: WeakKeyDictionary[Dataset, dict[ResolvedSpec, list[Fold]]] = WeakKeyDictionary()


def build_strategy(specs: tuple[ResolvedSpec, ...], seed: int) -> Strategy:
    """Build a strategy from its specs; an imbalanced-learn sampler is wrapped, several are combined."""
    parts = [seed_estimator(_wrap_sampler(build_component(spec)), seed) for spec in specs]
    return parts[0] if len(parts) == 1 else Combined(parts)


def _wrap_sampler(made: Any) -> Strategy:
    if isinstance(made, Strategy):
        return made
    from benchmark.strategies.resampling import Resample

    return Resample(made)


def seed_estimator(estimator: Any, seed: int) -> Any:
    """Give every unset ``random_state`` of an estimator, and of those inside it, the seed."""
    unset = [
        name
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    ]
    return estimator.set_params(**dict.fromkeys(unset, seed)) if unset else estimator


def _class_shares(
    spec: ResolvedSpec, n_classes: int
) -> tuple[NDArray[np.float64] | None, tuple[str, ...] | None]:
    """Sizes of the classes that a profile asks for, and which are rare; None where nothing is asked for."""
    params = dict(spec.params)
    return import_target(spec.target)(n_classes, **params), params.get("rare")
