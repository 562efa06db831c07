"""Probabilities from scores, by sigmoids that are fitted to images the machine has not seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

LARGE = 10_000  # from so many images on, two folds are enough to fit the two numbers of a sigmoid
PLAIN = (1.0, 0.0)  # slope and intercept of a sigmoid for which no image was held out

Pair = tuple[NDArray, NDArray, NDArray, NDArray]  # X and y to train on, X and y held out


def stratified_folds(X: NDArray, y: NDArray, n_folds: int = 5) -> Iterator[Pair]:
    """Folds of a model's own, for want of those that the benchmark gives it.

    There are at most ``n_folds`` (two from 10,000 images on), and no more than the rarest class of
    two or more has members, whose members are dealt to the folds like cards. A class of one member
    stays in every training side and is not held out.

    Parameters
    ----------
    X : (n, d) array
    y : (n,) array
    n_folds : int

    Yields
    ------
    X_train, y_train, X_held, y_held : arrays
    """
    _, codes, counts = np.unique(np.asarray(y), return_inverse=True, return_counts=True)
    if counts.max() < 2:
        return
    fold = np.full(len(codes), -1)
    several = np.flatnonzero(counts[codes] > 1)
    n_folds = min(n_folds if len(codes) < LARGE else 2, counts[counts > 1].min())
    fold[several[np.argsort(codes[several], kind="stable")]] = np.arange(len(several)) % n_folds
    for k in range(n_folds):
        yield X[fold != k], y[fold != k], X[fold == k], y[fold == k]


class HeldOut:
    """Scores of held-out images, their class codes, and the weight of each.

    The images count such that their classes are as frequent as in the training set, which may be
    resampled where the images held out never are: a sigmoid fitted to other frequencies would undo
    the resampling.

    Parameters
    ----------
    machine : scikit-learn classifier with decision_function
        Not fitted; a clone is, in each fold.
    X, y : arrays
        The training set.
    inner_folds : iterable of X_train, y_train, X_held, y_held, or None
        None: folds of the training set. A fold whose training side lacks a class is left out.
    class_weight : dict, 'balanced' or None
    fit_parameters : callable giving a dict
        Of the labels: further arguments of the machine's fit.
    """

    def __init__(
        self,
        machine: Any,
        X: NDArray,
        y: NDArray,
        inner_folds: Iterable[Pair] | None,
        class_weight: dict[Any, float] | str | None = None,
        fit_parameters: Any = None,
    ) -> None:
        classes, codes = np.unique(y, return_inverse=True)
        scores, truth = [], [np.empty(0, dtype=np.int64)]
        for X_train, y_train, X_held, y_held in (
            stratified_folds(X, y) if inner_folds is None else inner_folds
        ):
            known = np.isin(y_held, classes)
            if len(np.unique(y_train)) < len(classes) or not known.any():
                continue
            fitted = clone(machine).fit(
                X_train, y_train, **(fit_parameters(y_train) if fit_parameters else {})
            )
            scores.append(fitted.decision_function(X_held[known]))
            truth.append(np.searchsorted(classes, y_held[known]))
        self.scores = np.concatenate(scores) if scores else np.empty(0)
        self.codes = np.concatenate(truth)
        held = np.bincount(self.codes, minlength=len(classes))
        trained = np.bincount(codes, minlength=len(classes))
        each = compute_class_weight(class_weight, classes=classes, y=y)
        self.weight = (each * trained / np.maximum(held, 1) * len(self.codes) / len(codes))[
            self.codes
        ]

    def fit_column_sigmoid(
        self,
        column: int | None,
        positive: NDArray[np.bool_],
        among: NDArray[np.bool_] | slice = slice(None),
    ) -> NDArray[np.float64]:
        """Slope and intercept of one column of the scores; ``PLAIN`` where one of the two sides has no image held out."""
        positive = positive[among]
        if positive.all() or not positive.any():
            return np.array(PLAIN)
        scores = self.scores if column is None else self.scores[:, column]
        return fit_sigmoid(scores[among], positive, self.weight[among])


def fit_sigmoid(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], weight: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Slope and intercept of the sigmoid that best turns scores into probabilities (Platt 1999, with his softened targets)."""
    target = np.where(positive, 1 - 1 / (positive.sum() + 2), 1 / ((~positive).sum() + 2))

    def loss_and_gradient(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        raw = line[0] * scores + line[1]
        error = weight * (expit(raw) - target)
        return float(weight @ (np.logaddexp(0, raw) - target * raw)), np.array(
            [error @ scores, error.sum()]
        )

    return np.asarray(minimize(loss_and_gradient, np.array(PLAIN), jac=True, method="BFGS").x)


class Calibrated(ClassifierMixin, BaseEstimator):
    """A machine fitted to all of the training set, with probabilities by sigmoids (Platt 1999) of held-out scores.

    scikit-learn's ``CalibratedClassifierCV`` cuts the rows it is given, where copies and
    interpolations of one image, or images of one patient, lie on both sides.

    Parameters
    ----------
    estimator : Pipeline
        Ends in a classifier with ``decision_function`` whose ``fit`` takes ``sample_weight``; what
        comes before it, such as a scaler, is fitted inside each fold.
    class_weight : dict, 'balanced' or None
        Weighs the sigmoids as well as the machine, since a sigmoid fitted without weights undoes
        those of the machine.

    Attributes
    ----------
    classes_ : (n_classes,) array
    machine_ : Pipeline
    sigmoids_ : (n_classes, 2) float64 array, (1, 2) with two classes
        Slope and intercept; 1 and 0 for a class of which no image could be held out.
    """

    def __init__(
        self, estimator: Any = None, class_weight: dict[Any, float] | str | None = None
    ) -> None:
        self.estimator = estimator
        self.class_weight = class_weight

    def fit(self, X: NDArray, y: NDArray, inner_folds: Iterable[Pair] | None = None) -> Self:
        """Fit the machine and its sigmoids.

        Parameters
        ----------
        X : (n, d) array
        y : (n,) array
        inner_folds : iterable of X_train, y_train, X_held, y_held
            What the sigmoids are fitted on; by default folds of X.

        Raises
        ------
        ValueError
            There is a single class.
        """
        X, y = validate_data(self, X, y)
        check_two_classes(y)
        self.classes_ = np.unique(y)
        each = compute_class_weight(self.class_weight, classes=self.classes_, y=y)

        def make_fit_parameters(labels: NDArray) -> dict[str, NDArray[np.float64]]:
            return {
                f"{self.estimator.steps[-1][0]}__sample_weight": each[
                    np.searchsorted(self.classes_, labels)
                ]
            }

        held = HeldOut(self.estimator, X, y, inner_folds, self.class_weight, make_fit_parameters)
        if len(self.classes_) == 2:
            self.sigmoids_ = held.fit_column_sigmoid(None, held.codes == 1)[None]
        else:
            self.sigmoids_ = np.array(
                [held.fit_column_sigmoid(k, held.codes == k) for k in range(len(self.classes_))]
            )
        self.machine_: Pipeline = clone(self.estimator).fit(X, y, **make_fit_parameters(y))
        return self

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``; those of several machines scaled to a sum of one."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        scores = self.machine_.decision_function(X)
        columns = scores[:, None] if scores.ndim == 1 else scores
        proba = expit(columns * self.sigmoids_[:, 0] + self.sigmoids_[:, 1])
        if len(self.classes_) == 2:
            return np.column_stack([1 - proba[:, 0], proba[:, 0]])
        total = proba.sum(axis=1, keepdims=True)
        return np.where(total > 0, proba / np.where(total > 0, total, 1), 1 / len(self.classes_))

    def predict(self, X: NDArray) -> NDArray[Any]:
        """The most probable class of each row."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def check_two_classes(y: NDArray) -> None:
    """Raise a ValueError when the targets are no classes, or all the same."""
    check_classification_targets(y)
    if len(np.unique(y)) < 2:
        raise ValueError(
            "a support vector machine needs two classes; the training set has one class"
        )
