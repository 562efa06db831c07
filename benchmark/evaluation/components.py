"""What the evaluation of a cell begins with: its split, its strategy, its model, and why it may be impossible."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.evaluation.feature_cache import seeded
from benchmark.evaluation.fitting import size_refusal
from benchmark.evaluation.own_folds import own_folds_refusal, resamples
from benchmark.plugins.registry import build, load, takes_images
from benchmark.plugins.spec import ResolvedSpec
from benchmark.sampling import imbalance
from benchmark.sampling.splits import MENU, Fold
from benchmark.strategies.base import CORRECTED, Combined, Strategy
from benchmark.strategies.thresholds import balances
from benchmark.study.cell import Cell
from models.one_vs_rest import OneVsRest


def split(cell: Cell, dataset: Dataset) -> Fold:
    """Training and test indices of a cell; the training part as small and as imbalanced as the cell asks for."""
    train, test = folds(dataset, cell.split)[cell.fold]
    shares, rare = _shares(cell.imbalance, len(dataset.classes))
    if cell.train_size == 1 and shares is None:
        return train, test
    if dataset.multilabel:
        return imbalance.first(train, cell.train_size, cell.seed), test
    truncate = cell.imbalance.target == imbalance.MENU["long_tail"]
    return imbalance.sample(train, dataset.targets[train], dataset.classes, cell.train_size, shares, rare, cell.seed, truncate), test


def _shares(spec: ResolvedSpec, n_classes: int) -> tuple[NDArray[np.float64] | None, tuple[str, ...] | None]:
    """Sizes of the classes that a profile asks for, and which are rare; None where nothing is asked for."""
    params = dict(spec.params)
    return load(spec.target)(n_classes, **params), params.get("rare")


def folds(dataset: Dataset, split: ResolvedSpec) -> list[Fold]:
    """Training and test indices of every fold; computed once as long as the data set is in use."""
    known = _FOLDS.setdefault(dataset, {})
    if split not in known:
        known[split] = load(split.target)(dataset, **dict(split.params))
    return known[split]


_FOLDS: WeakKeyDictionary[Dataset, dict[ResolvedSpec, list[Fold]]] = WeakKeyDictionary()


def make_strategy(specs: tuple[ResolvedSpec, ...], seed: int) -> Strategy:
    """Build a strategy from its specs; an imbalanced-learn sampler is wrapped, several are combined."""
    parts = [seeded(_as_strategy(build(spec)), seed) for spec in specs]
    return parts[0] if len(parts) == 1 else Combined(parts)


def _as_strategy(made: Any) -> Strategy:
    if isinstance(made, Strategy):
        return made
    from benchmark.strategies.resampling import Resample

    return Resample(made)


def make_model(cell: Cell, dataset: Dataset) -> Any:
    """Build the model of a cell, seeded; a feature model is made one-vs-rest for a multi-label task."""
    model = build(cell.model)
    if dataset.multilabel and not takes_images(cell.model):
        model = OneVsRest(model)
    return seeded(model, cell.seed_for("model"))


def is_official(cell: Cell) -> bool:
    """Whether a cell's split is the official one, so that its validation set is at hand."""
    return cell.split.target == MENU["official"]


def double_corrections(strategy: Strategy, model: Any) -> list[str]:
    """Note that the class frequencies are corrected for more than once, by strategies and by what the model does itself.

    Such cells are run, whatever the strategies: some combinations are of interest (Buda, Maki &
    Mazurowski 2018 follow over-sampling by thresholding), and others are compared with them.

    Parameters
    ----------
    strategy : Strategy
    model : scikit-learn classifier
        Not yet weighted by the strategy.
    """
    parts = strategy.parts if isinstance(strategy, Combined) else [strategy]
    by = [type(getattr(part, "sampler", part)).__name__ for part in parts if getattr(part, "balances", False)]
    by += ["the model"] if balances(model) else []
    return [f"{CORRECTED} {len(by)} times: by {' and by '.join(by)}"] if len(by) > 1 else []


def refusal(cell: Cell, dataset: Dataset) -> str | None:
    """Why a cell cannot be run, known before anything is computed; None when it can."""
    train, _ = split(cell, dataset)
    return refusal_of(cell, dataset, train, make_strategy(cell.strategy, 0), make_model(cell, dataset))


def refusal_of(cell: Cell, dataset: Dataset, train: NDArray[np.int64], strategy: Strategy, model: Any) -> str | None:
    """Why a cell cannot be run, of which training part, strategy and model are made already."""
    if not hasattr(model, "predict_proba"):
        return "the model has no predict_proba, and AUC is never computed from hard labels: wrap it in CalibratedClassifierCV"
    if any(isinstance(value, ResolvedSpec) and takes_images(value) for _, value in cell.model.params) and not takes_images(cell.model):
        return f"the estimator inside takes images, and {cell.model.name} gives it features"
    available = len(folds(dataset, cell.split)[cell.fold][0])
    shares, rare = _shares(cell.imbalance, len(dataset.classes))
    reason = imbalance.refusal(available, cell.train_size, shares is not None, rare, dataset.classes, dataset.multilabel)
    if reason:
        return reason
    if not dataset.multilabel and len(np.unique(dataset.targets[train])) < 2:
        name = dataset.classes[dataset.targets[train][0]]
        return f"the training set has images of a single class: all {len(train)} are '{name}'"
    counts = np.bincount(dataset.targets[train].ravel())
    most = int(counts.max()) * len(counts) if resamples(strategy) else len(train)
    reason = own_folds_refusal(model, strategy, dataset.groups is not None, most)
    if not resamples(strategy):
        reason = reason or size_refusal(model, len(train))
    return reason or strategy.refusal(model, dataset.targets[train], dataset.classes, dataset.task)
