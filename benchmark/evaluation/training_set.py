"""A training set before resampling, the folds that it is split into, and the validation set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from benchmark.datasets.base import Dataset
from benchmark.evaluation.feature_rows import select_rows
from benchmark.sampling.splits import Fold, Indices, inner_folds
from benchmark.strategies.base import Refused, Strategy, may_resample
from benchmark.utils.text import format_count


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """The official validation set.

    Parameters
    ----------
    indices : (n,) int64
    features : callable () -> (n, d) float32, or (n, h, w, c) uint8
        Computes the features, or selects the images.
    n_left_out : int
        Number of its images that are not used, because they share a group with the training or
        the test set.
    """

    indices: Indices
    features: Callable[[], NDArray]
    n_left_out: int = 0

    @property
    def short_description(self) -> str:
        """Text of the column 'validation'."""
        left_out = (
            f"; {self.n_left_out} more share a group with the training or test set"
            if self.n_left_out
            else ""
        )
        return f"official validation set ({len(self.indices)} images{left_out})"


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """A training set before resampling, which can be split again.

    Parameters
    ----------
    X : (n, d) float32 or FeatureRows, or (n, h, w, c) uint8
    dataset : Dataset
    indices : (n,) int64
        Indices of the training images in the dataset.
    strategy : Strategy
    validation : ValidationSet or None
        The official validation set, if there is one.
    uses : dict
        Description of the images that were held out, by purpose; filled when they are used.
    """

    X: Any
    dataset: Dataset
    indices: Indices
    strategy: Strategy
    validation: ValidationSet | None = None
    uses: dict[str, str] = field(default_factory=dict)

    @property
    def y(self) -> NDArray[np.int64]:
        """Targets of the training images, (n,) or (n, n_classes)."""
        return self.dataset.targets[self.indices]

    def select_subset(self, positions: Indices) -> TrainingSet:
        """Return the images at some positions as a training set of their own."""
        X = select_rows(self.X, positions)
        return TrainingSet(X, self.dataset, self.indices[positions], self.strategy)

    def resampled_data(self) -> tuple[NDArray, NDArray[np.int64]]:
        """Return X and y after resampling.

        Raises
        ------
        Refused
            The strategy cannot resample these images.
        """
        X = np.asarray(self.X) if may_resample(self.strategy) else self.X
        try:
            return self.strategy.resample(X, self.y)
        except Refused as reason:
            raise Refused(f"{reason} ({self.describe_rarest_class()})") from reason

    def describe_rarest_class(self) -> str:
        """Name the rarest class, with the number of its images."""
        counts = self.y.sum(axis=0) if self.dataset.multilabel else np.bincount(self.y)
        present = np.flatnonzero(counts)
        rarest = present[counts[present].argmin()]
        return (
            f"of {format_count(len(self.y), 'training image')}, '{self.dataset.classes[rarest]}' "
            f"has {counts[rarest]}"
        )

    def check_strategy(self, model: Any, where: str) -> None:
        """Check that the strategy can work on this training set.

        Parameters
        ----------
        model : scikit-learn classifier
        where : str
            Where this training set comes from, for the reason.

        Raises
        ------
        Refused
            The strategy cannot work on it.
        """
        reason = self.strategy.refusal(
            clone(model), self.y, self.dataset.classes, self.dataset.task
        )
        if reason:
            raise Refused(f"{where}: {reason}")

    def make_inner_folds(self, n: int) -> InnerFolds:
        """Split it into ``n`` inner folds, or fewer if there are fewer images or groups."""
        return InnerFolds(self, inner_folds(self.dataset, self.indices, n))


class InnerFold(NamedTuple):
    """One inner fold: a resampled training set, and held-out images without resampling."""

    X_train: NDArray
    y_train: NDArray[np.int64]
    X_held: NDArray
    y_held: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class InnerFolds:
    """Iterable of inner folds, which are computed again in each iteration.

    Parameters
    ----------
    training : TrainingSet
    folds : list of (positions to train on, positions held out)
        Positions in the training set.
    """

    training: TrainingSet
    folds: list[Fold]

    def __len__(self) -> int:
        return len(self.folds)

    def __iter__(self) -> Iterator[InnerFold]:
        for inner, held in self.folds:
            X, y = self.training.select_subset(inner).resampled_data()
            yield InnerFold(X, y, select_rows(self.training.X, held), self.training.y[held])

    @property
    def short_description(self) -> str:
        """Text of the column 'validation'."""
        by = "image" if self.training.dataset.groups is None else "group"
        n_always = len(self.training.indices) - sum(len(held) for _, held in self.folds)
        always = f"; {format_count(n_always, 'image')} never held out" if n_always else ""
        return f"inner folds ({len(self.folds)}, by {by}{always})"

    def check_strategy(self, model: Any) -> None:
        """Check that the strategy can work on the training images of each fold.

        Raises
        ------
        Refused
            The strategy cannot work on those of one fold.
        """
        for inner, _ in self.folds:
            self.training.select_subset(inner).check_strategy(
                model, "in an inner fold of the training set"
            )
