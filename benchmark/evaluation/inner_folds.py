"""What models and strategies learn from training images that a model was not trained on.

Calibration, tuned thresholds and early stopping need such images. All of them get these from here,
cut from the training set before it is resampled and by whole groups: among resampled rows, copies
and interpolations of one image would lie on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from benchmark.datasets.base import Dataset
from benchmark.evaluation.fitting import fit_model
from benchmark.sampling.splits import Fold, Indices, inner_folds
from benchmark.strategies.base import HeldOut, Refused, Strategy
from benchmark.utils.text import format_count

CALIBRATION, LARGE = 5, 10_000  # folds, and the number of images from which on two are enough
TUNING = 3


class Labelled(Protocol):
    """What has classes: a data set, or a fitted pipeline."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several."""


@dataclass(frozen=True, eq=False)
class Validation:
    """The official validation set.

    Parameters
    ----------
    indices : (n,) int64
    features : callable giving (n, d) float32, or (n, h, w, c) uint8
        Computed when something uses them.
    n_left_out : int
        Further images of it that share a group with the training or test set.
    """

    indices: Indices
    features: Callable[[], NDArray]
    n_left_out: int = 0

    @property
    def short_description(self) -> str:
        """What it is, for the row."""
        left_out = (
            f"; {self.n_left_out} more share a group with the training or test set"
            if self.n_left_out
            else ""
        )
        return f"official validation set ({len(self.indices)} images{left_out})"


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """A training set before any resampling, and all it takes to cut it again.

    Parameters
    ----------
    X : (n, d) float32, or (n, h, w, c) uint8
    dataset : Dataset
    indices : (n,) int64
    strategy : Strategy
    validation : Validation or None
    uses : dict
        What was held out for what, in words; filled as it is used.
    """

    X: NDArray
    dataset: Dataset
    indices: Indices
    strategy: Strategy
    validation: Validation | None = None
    uses: dict[str, str] = field(default_factory=dict)

    @property
    def y(self) -> NDArray[np.int64]:
        """Targets."""
        return self.dataset.targets[self.indices]

    def select_subset(self, positions: Indices) -> TrainingSet:
        """Some of its images, as a training set of its own."""
        return TrainingSet(self.X[positions], self.dataset, self.indices[positions], self.strategy)

    def resampled_data(self) -> tuple[NDArray, NDArray[np.int64]]:
        """X and y after resampling.

        Raises
        ------
        Refused
            The strategy cannot resample these images.
        """
        try:
            return self.strategy.resample(self.X, self.y)
        except Refused as reason:
            raise Refused(f"{reason} ({self.describe_rarest_class()})") from reason

    def describe_rarest_class(self) -> str:
        """Name the rarest class of it, with the number of its images."""
        counts = self.y.sum(axis=0) if self.dataset.multilabel else np.bincount(self.y)
        there = np.flatnonzero(counts)
        rarest = there[counts[there].argmin()]
        return f"of {format_count(len(self.y), 'training image')}, '{self.dataset.classes[rarest]}' has {counts[rarest]}"

    def check_strategy(self, model: Any, where: str) -> None:
        """Raise Refused where the strategy cannot work on it."""
        reason = self.strategy.refusal(
            clone(model), self.y, self.dataset.classes, self.dataset.task
        )
        if reason:
            raise Refused(f"{where}: {reason}")

    def make_inner_folds(self, n: int) -> InnerFolds:
        """Cut it into inner folds; fewer where there are fewer images or groups."""
        return InnerFolds(self, inner_folds(self.dataset, self.indices, n))


class Pair(NamedTuple):
    """One inner fold: a resampled training set, and held-out images as they are."""

    X_train: NDArray
    y_train: NDArray[np.int64]
    X_held: NDArray
    y_held: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class InnerFolds:
    """Pairs of a resampled training set and an untouched held-out set, made anew each time they are iterated over.

    Parameters
    ----------
    training : TrainingSet
    folds : list of (positions to train on, positions held out)
    """

    training: TrainingSet
    folds: list[Fold]

    def __len__(self) -> int:
        return len(self.folds)

    def __iter__(self) -> Iterator[Pair]:
        for inner, held in self.folds:
            X, y = self.training.select_subset(inner).resampled_data()
            yield Pair(X, y, self.training.X[held], self.training.y[held])

    @property
    def short_description(self) -> str:
        """What they are, for the row."""
        by = "image" if self.training.dataset.groups is None else "group"
        n_always = len(self.training.indices) - sum(len(held) for _, held in self.folds)
        always = f"; {format_count(n_always, 'image')} never held out" if n_always else ""
        return f"inner folds ({len(self.folds)}, by {by}{always})"

    def check_strategy(self, model: Any) -> None:
        """Raise Refused where the strategy cannot work on the training side of a fold."""
        for inner, _ in self.folds:
            self.training.select_subset(inner).check_strategy(
                model, "in an inner fold of the training set"
            )


def prepare_fit(model: Any, training: TrainingSet) -> tuple[TrainingSet, dict[str, Any]]:
    """What a model is to be trained on, and the held-out images it is to be given beside that.

    A model whose ``fit`` has the argument ``inner_folds`` is given an iterable of (X_train,
    y_train, X_held, y_held); one whose ``fit`` has ``held_out``, and with a ``validation`` share
    above 0, one (X, y): the official validation set, or else that share of the training set.

    Raises
    ------
    Refused
        Nothing can be held out, or not as the strategy needs it.
    """
    given: dict[str, Any] = {}
    share = getattr(model, "validation", 0)
    if share and has_fit_parameter(model, "held_out"):
        if training.validation:
            official = training.validation
            given["held_out"] = official.features(), training.dataset.targets[official.indices]
            training.uses["early stopping"] = official.short_description
        else:
            kept, held = _first_fold(training, max(2, round(1 / share)))
            given["held_out"] = training.X[held], training.y[held]
            training.uses["early stopping"] = f"{len(held)} images of the training set"
            training = training.select_subset(kept)
            training.check_strategy(model, "beside the images held out for early stopping")
    if takes_inner_folds(model):
        folds = training.make_inner_folds(CALIBRATION if len(training.indices) < LARGE else 2)
        folds.check_strategy(model)
        given["inner_folds"] = folds
        training.uses["calibration"] = folds.short_description
    return training, given


def _first_fold(training: TrainingSet, n: int) -> Fold:
    folds = training.make_inner_folds(n).folds
    if not folds:
        unit = "image" if training.dataset.groups is None else "group"
        raise Refused(
            f"early stopping needs images to hold out: a class with at least 2 {unit}s in the "
            "training set, and none has"
        )
    return folds[0]


def takes_inner_folds(model: Any) -> bool:
    """Whether a model is to be given inner folds."""
    return bool(
        has_fit_parameter(model, "inner_folds") and getattr(model, "uses_inner_folds", True)
    )


def held_out_probabilities(model: Any, training: TrainingSet) -> HeldOut:
    """Probabilities of images that a model has not seen, for a strategy to learn from.

    Those of the official validation set by the fitted model itself; without one, those of the
    training images by models that are fitted anew in inner folds, resampled inside each.

    Raises
    ------
    Refused
        Images of fewer than two classes can be held out.
    """
    dataset = training.dataset
    if training.validation:
        official = training.validation
        training.uses["strategy"] = official.short_description
        return HeldOut(
            dataset.targets[official.indices],
            predict_aligned_proba(model, official.features(), dataset),
        )
    folds = training.make_inner_folds(TUNING)
    held = (
        np.concatenate([held for _, held in folds.folds])
        if folds.folds
        else np.empty(0, dtype=np.int64)
    )
    if not dataset.multilabel and len(np.unique(training.y[held])) < 2:
        unit = "image" if dataset.groups is None else "group"
        raise Refused(
            f"an inner cross-validation needs at least 2 {unit}s in the training set of each of "
            f"two classes; {training.describe_rarest_class()}"
        )
    folds.check_strategy(model)
    training.uses["strategy"] = folds.short_description
    proba = []
    for inner, positions in folds.folds:
        part, given = prepare_fit(model, training.select_subset(inner))
        X, y = part.resampled_data()
        fitted = fit_model(clone(model), X, y, part.describe_rarest_class(), **given)
        proba.append(predict_aligned_proba(fitted, training.X[positions], dataset))
    return HeldOut(training.y[held], np.concatenate(proba))


def predict_aligned_proba(model: Any, X: NDArray, labelled: Labelled) -> NDArray[np.float64]:
    """Probabilities for all classes, (n, n_classes): one that the training set lacked has probability zero."""
    proba = np.asarray(model.predict_proba(X))
    if labelled.multilabel:
        return proba.astype(np.float64)
    full = np.zeros((len(proba), len(labelled.classes)))
    full[:, np.asarray(model.classes_, dtype=int)] = proba
    return full
