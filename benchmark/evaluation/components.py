"""The components of a cell: its training and test images, extractors, strategy and model."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import has_fit_parameter

from benchmark.datasets.attributes import is_missing
from benchmark.datasets.base import Dataset
from benchmark.datasets.positive import suggest_positive
from benchmark.evaluation.fitting import size_refusal
from benchmark.evaluation.image_changes import change_images, find_changes
from benchmark.evaluation.own_folds import own_folds_refusal
from benchmark.plugins.registry import (
    build_component,
    import_target,
    is_deep,
    reads_chunks,
    takes_attributes,
    takes_images,
)
from benchmark.plugins.spec import ResolvedSpec
from benchmark.sampling import imbalance
from benchmark.sampling.splits import REGISTRY, Fold, Indices
from benchmark.scoring.metrics import METRICS
from benchmark.strategies.base import Combined, Strategy, learns, may_resample
from benchmark.study.axes import NONE
from benchmark.study.cell import Cell
from benchmark.utils.memory import release_memory
from benchmark.utils.text import join_names
from models.one_vs_rest import OneVsRest


@dataclass(frozen=True, eq=False)
class Components:
    """Components of a cell on its dataset, each built once, when it is first used.

    Parameters
    ----------
    cell : Cell
    dataset : Dataset
        Without external images.
    fold : Fold
        Indices of the training and the test images.
    external_indices : (n,) int64
        Indices of the external images that are predicted, in ``all_images``.
    with_external : Dataset or None
        The dataset with external images, if there are any.
    validation_is_free : bool
        Whether calibration, thresholds and early stopping may use the official validation set;
        tuning takes it from them.
    """

    cell: Cell
    dataset: Dataset
    fold: Fold
    external_indices: Indices = field(default_factory=lambda: np.empty(0, np.int64))
    with_external: Dataset | None = None
    validation_is_free: bool = True

    @property
    def train(self) -> Indices:
        """Indices of the training images."""
        return self.fold[0]

    @property
    def test(self) -> Indices:
        """Indices of the test images."""
        return self.fold[1]

    @property
    def all_images(self) -> Dataset:
        """The dataset, with external images behind its own if there are any."""
        return self.with_external or self.dataset

    @property
    def is_official(self) -> bool:
        """Whether the split is the official one, so that its validation set can be used."""
        return self.validation_is_free and self.cell.split.target == REGISTRY["official"]

    @property
    def reads_chunks(self) -> bool:
        """Whether the model reads features in chunks, so that they need not fit into memory."""
        return not self.dataset.multilabel and reads_chunks(self.cell.model)

    @property
    def may_use_validation_set(self) -> bool:
        """Whether tuning, the model or the strategy may ask for the official validation set."""
        return self.is_official and may_use_held_out(self.cell)

    @property
    def approach(self) -> Literal["classical", "deep"]:
        """Whether features and model are classical, or a deep network is among them."""
        specs = (*self.cell.extractor, self.cell.model)
        return "deep" if any(map(is_deep, specs)) else "classical"

    @cached_property
    def extractors(self) -> tuple[Any, ...]:
        """Extractors, seeded and not yet fitted; empty when the model takes images."""
        return tuple(self.build_extractor(spec) for spec in self.cell.extractor)

    @cached_property
    def strategy(self) -> Strategy:
        """Strategy, seeded and not yet fitted; see ``build_strategy``."""
        return build_strategy(self.cell.strategy, self.cell.seed_for("strategy"))

    @cached_property
    def model(self) -> Any:
        """Model, seeded and not yet fitted.

        For a multi-label task, a model that takes features is wrapped as one-vs-rest.
        """
        model = build_component(self.cell.model)
        if self.dataset.multilabel and not takes_images(self.cell.model):
            model = OneVsRest(model)
        return seed_estimator(model, self.cell.seed_for("model"))

    def build_extractor(self, spec: ResolvedSpec) -> Any:
        """Build an extractor of the cell, seeded and not yet fitted, ready to be timed."""
        from features.compiled import compile_kernels

        extractor = build_component(spec)
        compile_kernels()
        if is_deep(spec):
            warm_up()
        return seed_estimator(extractor, self.cell.seed_for("extractor"))

    def select_images(
        self, indices: Indices, subset: Literal["train", "test"]
    ) -> NDArray[np.uint8]:
        """Select images of the dataset, changed as the conditions of the cell say.

        Parameters
        ----------
        indices : (n,) int64
        subset : {"train", "test"}
            Whether they are used as training images or as test images.

        Returns
        -------
        (n, h, w, c) uint8
        """
        images = self.all_images.images[indices]
        release_memory(self.all_images.images)
        return change_images(images, indices, find_changes(self.cell, subset), self.cell.seed)

    def refusal_reason(self) -> str | None:
        """Return why the cell cannot be run, as far as is known before anything is computed.

        Returns
        -------
        str or None
            None if the cell can be run.
        """
        cell, dataset, model, strategy = self.cell, self.dataset, self.model, self.strategy
        if cell.is_tuned and (reason := _tuning_refusal(cell, dataset)):
            return reason
        for spec in filter(takes_attributes, cell.extractor):
            if reason := attributes_refusal(spec, self.all_images):
                return reason
        if not hasattr(model, "predict_proba"):
            return (
                "the model has no predict_proba, and AUC is never computed from hard labels: wrap "
                "it in CalibratedClassifierCV"
            )
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
            return (
                f"the training set has images of a single class: all {len(targets)} are "
                f"'{dataset.classes[targets[0]]}'"
            )
        counts = np.bincount(targets.ravel())
        max_images = int(counts.max()) * len(counts) if may_resample(strategy) else len(targets)
        reason = own_folds_refusal(model, strategy, dataset.groups is not None, max_images)
        if not may_resample(strategy):
            reason = reason or size_refusal(model, len(targets))
        reason = reason or strategy.refusal(model, targets, dataset.classes, dataset.task)
        if not reason and strategy.needs_positive and dataset.positive is None:
            names = " + ".join(spec.name for spec in cell.strategy)
            return f"{names} needs the positive class: {suggest_positive(dataset.classes)}"
        return reason


def attributes_refusal(extractor: ResolvedSpec, dataset: Dataset) -> str | None:
    """Return why the dataset lacks what an extractor of attributes needs."""
    wanted = dict(extractor.params).get("columns") or ()
    lacking = [name for name in wanted if name not in dataset.attributes]
    if dataset.attributes and not lacking:
        return _external_attributes_refusal(extractor, dataset, wanted or tuple(dataset.attributes))
    names = ", ".join(map(repr, lacking)) or '"age", "sex"'
    what = f"no attribute {names}" if lacking else "no attributes"
    return (
        f"{extractor.name} needs attributes of the images, and the dataset has {what}: add "
        f"attributes=({names}{',' * (len(lacking) == 1)}) to a dataset csv: in the study"
    )


def _external_attributes_refusal(
    extractor: ResolvedSpec, dataset: Dataset, wanted: Iterable[str]
) -> str | None:
    """Return which external dataset lacks an attribute that the dataset has."""
    if dataset.external is None:
        return None
    for site in dict.fromkeys(dataset.external[dataset.external != ""].tolist()):
        members = dataset.external == site
        lacking = [name for name in wanted if is_missing(dataset.attributes[name][members]).all()]
        if lacking:
            names = join_names([repr(name) for name in lacking])
            return (
                f"{extractor.name} needs {names}, of which external "
                f"dataset '{site}' has no values: name them in its attributes=, or leave "
                "this dataset or these columns out"
            )
    return None


def _tuning_refusal(cell: Cell, dataset: Dataset) -> str | None:
    """Return why a cell cannot be tuned, as far as is known before anything is computed."""
    if not cell.search_space:
        specs = (*cell.extractor, *cell.strategy, cell.model)
        names = ", ".join(spec.name for spec in specs if spec.name != NONE)
        return (
            f"there is nothing to tune, since none of {names} has a search space: list values "
            "under search_spaces in the study"
        )
    search = build_component(cell.tuning)
    metric = METRICS[search.metric]
    if metric.multilabel not in (None, dataset.multilabel):
        several, name = dataset.multilabel, cell.tuning.name
        return (
            f"tuning by {metric.name} is not possible for images with "
            f"{'several labels' if several else 'one label'}: write, for example, "
            f"{name}(metric='auc')"
        )
    return search.refusal(cell.search_space)


def warm_up() -> None:
    """Run torch once in this process, so that the first network is timed as the others are."""
    from models.warm_up import warm_up_torch

    warm_up_torch()


def seed_global_generators(cell: Cell) -> None:
    """Seed the global generators of Python and NumPy, for plug-ins that draw from them."""
    random.seed(cell.seed_for("global"))
    np.random.seed(cell.seed_for("global"))  # noqa: NPY002


def may_use_held_out(cell: Cell) -> bool:
    """Whether tuning, the model or the strategy of a cell may ask for images that are held out."""
    return cell.is_tuned or _may_use_held_out(cell.model, cell.strategy)


@lru_cache(maxsize=1024)
def _may_use_held_out(model: ResolvedSpec, strategy: tuple[ResolvedSpec, ...]) -> bool:
    return has_fit_parameter(build_component(model), "held_out") or learns(
        build_strategy(strategy, seed=0)
    )


def build_components(cell: Cell, dataset: Dataset) -> Components:
    """Return the components of a cell on its dataset."""
    fold = train_test_indices(cell, dataset)
    if dataset.external is None:
        return Components(cell, dataset, fold)
    external_indices = np.flatnonzero(dataset.external != "")
    return Components(cell, dataset.own, fold, external_indices, dataset)


def train_test_indices(cell: Cell, dataset: Dataset) -> Fold:
    """Return the indices of the training and the test images of a cell.

    The training set is reduced to the cell's size and imbalance.
    """
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
    """Return the training and test indices of every fold.

    External images are in none. They are cached as long as the dataset is in use.
    """
    folds = _FOLDS.setdefault(dataset.own, {})
    if split not in folds:
        folds[split] = import_target(split.target)(dataset.own, **dict(split.params))
    return folds[split]


_FOLDS: WeakKeyDictionary[Dataset, dict[ResolvedSpec, list[Fold]]] = WeakKeyDictionary()


def build_strategy(specs: tuple[ResolvedSpec, ...], seed: int) -> Strategy:
    """Build a strategy from its specs.

    Samplers of imbalanced-learn are wrapped, and several strategies are combined into one.

    Parameters
    ----------
    specs : tuple of ResolvedSpec
    seed : int
        Value of every ``random_state`` that is not set.
    """
    strategies = [seed_estimator(_wrap_sampler(build_component(spec)), seed) for spec in specs]
    return strategies[0] if len(strategies) == 1 else Combined(strategies)


def _wrap_sampler(component: Any) -> Strategy:
    if isinstance(component, Strategy):
        return component
    from benchmark.strategies.resampling import Resample

    return Resample(component)


def seed_estimator(estimator: Any, seed: int) -> Any:
    """Set every ``random_state`` that is None, of an estimator and those inside it, to the seed."""
    unset = [
        name
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    ]
    return estimator.set_params(**dict.fromkeys(unset, seed)) if unset else estimator


def _class_shares(
    spec: ResolvedSpec, n_classes: int
) -> tuple[NDArray[np.float64] | None, tuple[str, ...] | None]:
    """Return the relative class sizes of an imbalance profile, and its rare classes, or None."""
    params = dict(spec.params)
    return import_target(spec.target)(n_classes, **params), params.get("rare")
