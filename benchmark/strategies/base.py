"""The base class of strategies against class imbalance, and their combination."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from benchmark.datasets.base import Task

Proba = NDArray[np.float64]


class Refused(Exception):  # noqa: N818  # not an error: a reason
    """Raised when a cell cannot be evaluated on its training set; the cell is skipped.

    The message is the reason, and becomes the reason of the row.
    """


class HeldOut(NamedTuple):
    """Targets and probabilities of held-out images.

    Parameters
    ----------
    y : (n,) or (n, n_classes) int64
    proba : (n, n_classes) float64
        Each row is predicted by a model that was not trained on the image.
    """

    y: NDArray[np.int64]
    proba: Proba


class Strategy(BaseEstimator):
    """Change nothing; the base class of all strategies.

    A subclass overrides the methods that it needs. They are called in this order:

    - ``refusal`` returns the reason why the strategy cannot work on a cell, if there is one;
    - ``weight`` changes the model before it is fitted;
    - ``resample`` changes the training set;
    - ``learn_shares`` learns how resampling has changed the shares of the classes;
    - ``learn`` learns from the training set what ``adjust`` needs;
    - ``adjust`` changes the predicted probabilities.

    No method sees labels of the test set; ``adjust`` is given the predicted probabilities only. A
    strategy that corrects for the class frequencies has the attribute ``balances = True``, and one
    that undoes such a correction ``restores_frequencies = True``; a row gets a note if its
    strategies and model correct for them more than once.

    See Also
    --------
    benchmark.strategies.resampling.Resample : Resamples with a sampler of imbalanced-learn.
    benchmark.strategies.weights.ClassWeight : Weights the classes.
    benchmark.strategies.thresholds.PriorThreshold : Adjusts the probabilities.
    benchmark.strategies.recalibration.PriorCorrection : Undoes resampling.

    Examples
    --------
    >>> class Flatten(Strategy):
    ...     def adjust(self, proba):
    ...         return np.sqrt(proba) / np.sqrt(proba).sum(axis=1, keepdims=True)
    >>> Flatten().adjust(np.array([[0.8, 0.2]])).round(3).tolist()
    [[0.667, 0.333]]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    @property
    def balances(self) -> bool:
        """Whether the strategy corrects for class frequencies; a property or class attribute."""
        return False

    @property
    def restores_frequencies(self) -> bool:
        """Whether probabilities fit the class frequencies before resampling again."""
        return False

    @property
    def needs_positive(self) -> bool:
        """Whether the dataset must name the positive class; a property or class attribute."""
        return False

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Return the reason why the strategy cannot work on a cell, or None.

        Parameters
        ----------
        model : scikit-learn classifier
            Not fitted.
        y : (n,) or (n, n_classes) int64
            Training targets.
        classes : tuple of str
            Names of all classes.
        task : {'binary', 'multiclass', 'multilabel'}

        Returns
        -------
        reason : str or None
            What is wrong, and what would work instead.
        """
        return None

    def resample(self, X: NDArray, y: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
        """Resample the training set.

        Parameters
        ----------
        X : (n, d) float32 features, or (n, h, w, c) uint8 images for a model that takes images
        y : (n,) int64

        Returns
        -------
        X : (m, d) or (m, h, w, c), of the same dtype
        y : (m,) int64

        Raises
        ------
        Refused
            This training set cannot be resampled.
        """
        return X, y

    def weight(self, model: Any, y: NDArray[np.int64]) -> Any:
        """Return the model with the weights that the strategy sets.

        Parameters
        ----------
        model : scikit-learn classifier
            Not fitted; may be modified.
        y : (n,) or (n, n_classes) int64
            Training targets before resampling.
        """
        return model

    def learn_shares(self, y: NDArray[np.int64], resampled_y: NDArray[np.int64]) -> None:
        """Learn how resampling has changed the shares of the classes.

        Parameters
        ----------
        y : (n,) or (n, n_classes) int64
            Training targets before the resampling of all combined strategies.
        resampled_y : (m,) or (m, n_classes) int64
            Training targets after it, which the model is fitted to.
        """

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Learn from the training set what ``adjust`` needs.

        Parameters
        ----------
        y : (n,) or (n, n_classes) int64
            Training targets before resampling.
        held_out : callable () -> HeldOut
            Returns targets and probabilities of images, predicted by models that were trained
            neither on the image nor on its group. The images are the official validation set if the
            split has one. Otherwise they are training images, and the call runs an inner
            cross-validation; the only image of a class is not among them.
        """

    def adjust(self, proba: Proba) -> Proba:
        """Adjust predicted probabilities, each image independently of the others.

        Parameters
        ----------
        proba : (n, n_classes) float64

        Returns
        -------
        proba : (n, n_classes) float64
        """
        return proba


class Combined(Strategy):
    """Several strategies in sequence; each takes the output of the one before it.

    Parameters
    ----------
    parts : list of Strategy

    See Also
    --------
    Strategy : The base class, with the methods that are combined.
    """

    def __init__(self, parts: list[Strategy]) -> None:
        self.parts = parts

    @property
    def needs_positive(self) -> bool:
        """Whether any of the strategies needs to know the positive class."""
        return any(strategy.needs_positive for strategy in self.parts)

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Return the first reason of any strategy, given the model that the others have weighted.

        Each is asked twice: with the weights of the previous ones, before its own are set, and with
        those of all others, since a model is fitted with the weights of later ones, too.
        """
        weighted = model
        for strategy in self.parts:
            reason = strategy.refusal(weighted, y, classes, task)
            if reason:
                return reason
            weighted = strategy.weight(clone(weighted), y)
        for k, strategy in enumerate(self.parts):
            others = Combined([*self.parts[:k], *self.parts[k + 1 :]])
            reason = strategy.refusal(others.weight(clone(model), y), y, classes, task)
            if reason:
                return reason
        return None

    def resample(self, X: NDArray, y: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
        """Resample with one strategy after the other."""
        for strategy in self.parts:
            X, y = strategy.resample(X, y)
        return X, y

    def weight(self, model: Any, y: NDArray[np.int64]) -> Any:
        """Apply the weights of every strategy."""
        for strategy in self.parts:
            model = strategy.weight(model, y)
        return model

    def learn_shares(self, y: NDArray[np.int64], resampled_y: NDArray[np.int64]) -> None:
        """Let every strategy learn what all of them together have changed."""
        for strategy in self.parts:
            strategy.learn_shares(y, resampled_y)

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Let every strategy learn from the probabilities that the previous ones have adjusted."""
        for strategy in self.parts:
            strategy.learn(y, held_out)
            held_out = _adjust_held_out(strategy.adjust, held_out)

    def adjust(self, proba: Proba) -> Proba:
        """Adjust with one strategy after the other."""
        for strategy in self.parts:
            proba = strategy.adjust(proba)
        return proba


def may_resample(strategy: Strategy) -> bool:
    """Whether a strategy overrides ``resample``, and may change which images are trained on."""
    if isinstance(strategy, Combined):
        return any(map(may_resample, strategy.parts))
    return type(strategy).resample is not Strategy.resample


def learns(strategy: Strategy) -> bool:
    """Whether a strategy overrides ``learn``, and may therefore ask for held-out images."""
    if isinstance(strategy, Combined):
        return any(map(learns, strategy.parts))
    return type(strategy).learn is not Strategy.learn


def _adjust_held_out(
    adjust: Callable[[Proba], Proba], held_out: Callable[[], HeldOut]
) -> Callable[[], HeldOut]:
    def compute_adjusted() -> HeldOut:
        y, proba = held_out()
        return HeldOut(y, adjust(proba))

    return compute_adjusted
