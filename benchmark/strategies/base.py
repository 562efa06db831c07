"""What a strategy is, and what several are together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from benchmark.datasets.base import Task

Proba = NDArray[np.float64]


class Refused(Exception):  # noqa: N818  # not an error: a reason
    """A strategy cannot work on this training set; its text says why, and the cell is skipped."""


class HeldOut(NamedTuple):
    """Images that no model was trained on which gave them probabilities.

    Parameters
    ----------
    y : (n,) or (n, n_classes) int64
    proba : (n, n_classes) float64
    """

    y: NDArray[np.int64]
    proba: Proba


class Strategy(BaseEstimator):
    """Do nothing; the base class of every strategy.

    A strategy overrides what it needs: ``refusal`` says why it cannot work on a cell, ``resample``
    changes the training set, ``weight`` changes the model before it is fitted, ``learn`` and
    ``adjust`` change probabilities after it. Whatever it does, it never sees the test set. One
    that makes up for the class frequencies has the attribute ``balances = True``: a row whose
    strategies and model do so more than once gets a note.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    @property
    def balances(self) -> bool:
        """Whether it makes up for the class frequencies: a class attribute, or a property, of those that do."""
        return False

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Return the reason why this cannot work, or None.

        Parameters
        ----------
        model : scikit-learn classifier, not fitted
        y : training targets
        classes : names of all classes
        task : 'binary', 'multiclass' or 'multilabel'
        """
        return None

    def resample(self, X: NDArray, y: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
        """Training set after resampling: features (n, d), or images (n, h, w, c) for a model that takes images.

        Raises
        ------
        Refused
            It cannot be done with these.
        """
        return X, y

    def weight(self, model: Any, y: NDArray[np.int64]) -> Any:
        """Model with whatever weights the strategy sets, by the training targets before resampling."""
        return model

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Learn from the training set what ``adjust`` needs.

        Parameters
        ----------
        y : training targets, before resampling
        held_out : callable giving (y, proba)
            Targets and probabilities, (n, n_classes) float64, of images by models that have not
            seen them (nor, with groups, their group). They are those of the official validation set
            where the split has one, otherwise training images, from an inner cross-validation that
            is run when this is called; an image that alone has its class is not among those.
        """

    def adjust(self, proba: Proba) -> Proba:
        """Probabilities (n, n_classes) after what was learned; each image for itself."""
        return proba


class Combined(Strategy):
    """Several strategies as one: what one does to the training set, the next one is given; likewise the probabilities.

    Parameters
    ----------
    parts : list of Strategy
    """

    def __init__(self, parts: list[Strategy]) -> None:
        self.parts = parts

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Give the first reason of any part, each asked about the model as those before it have weighted it."""
        for part in self.parts:
            reason = part.refusal(model, y, classes, task)
            if reason:
                return reason
            model = part.weight(clone(model), y)
        return None

    def resample(self, X: NDArray, y: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
        """Resample with one part after the other."""
        for part in self.parts:
            X, y = part.resample(X, y)
        return X, y

    def weight(self, model: Any, y: NDArray[np.int64]) -> Any:
        """Weight with every part."""
        for part in self.parts:
            model = part.weight(model, y)
        return model

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Have every part learn from probabilities that those before it have adjusted."""
        for part in self.parts:
            part.learn(y, held_out)
            held_out = _adjust_held_out(part.adjust, held_out)

    def adjust(self, proba: Proba) -> Proba:
        """Adjust with one part after the other."""
        for part in self.parts:
            proba = part.adjust(proba)
        return proba


def _adjust_held_out(
    adjust: Callable[[Proba], Proba], held_out: Callable[[], HeldOut]
) -> Callable[[], HeldOut]:
    def compute_adjusted() -> HeldOut:
        y, proba = held_out()
        return HeldOut(y, adjust(proba))

    return compute_adjusted
