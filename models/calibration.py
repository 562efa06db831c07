"""Calibration: probabilities from scores, by sigmoids that are fitted to held-out images.

scikit-learn's ``CalibratedClassifierCV`` splits the rows that it is given. After resampling these
may hold copies and interpolations of one image, and they may hold several images of one patient;
both would be on both sides of a split. The calibration here takes inner folds that the benchmark
cuts before resampling and by group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from models.constraints import OneOf

LARGE = 10_000  # with this many images, two folds suffice to fit the two parameters of a sigmoid
NEWTON_STEPS = 100  # largest number; fewer than ten are usual
PLAIN = (1.0, 0.0)  # slope and intercept of a sigmoid without held-out images

Pair = tuple[NDArray, NDArray, NDArray, NDArray]  # X and y to train on, X and y held out


def stratified_folds(X: NDArray, y: NDArray, n_folds: int = 5) -> Iterator[Pair]:
    """Folds of a training set, for a model that is given none by the benchmark.

    The images of each class are distributed evenly over the folds. There are at most ``n_folds``
    folds (two from 10,000 images on), and no more than the rarest class has images, among the
    classes with at least two. A class with a single image is in every training set and never held
    out.

    Parameters
    ----------
    X : (n, d) array
    y : (n,) array
    n_folds : int, default=5
        Largest number of folds.

    Yields
    ------
    X_train, y_train, X_held, y_held : arrays

    Examples
    --------
    >>> folds = stratified_folds(np.zeros((4, 1)), np.array([0, 0, 1, 1]))
    >>> [y_held.tolist() for _, _, _, y_held in folds]
    [[0, 1], [0, 1]]
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
    """Scores, class codes and weights of held-out images.

    The weights make the classes of the held-out images as frequent as those of the training set.
    The training set may have been resampled, held-out images never are; a sigmoid that is fitted to
    other class frequencies would undo the resampling.

    Parameters
    ----------
    machine : scikit-learn classifier with decision_function
        A clone of it is fitted in each fold.
    X, y : arrays
        The training set.
    inner_folds : iterable of X_train, y_train, X_held, y_held, or None
        None means folds of the training set. A fold whose training set lacks a class is left out.
    class_weight : dict, 'balanced' or None
        Further factors of the weights.
    fit_parameters : callable or None
        Maps the labels of a training set to a dict of further arguments of ``fit``.

    Attributes
    ----------
    scores : (m,) or (m, n_columns) float array
    codes : (m,) int64
        Indices into the sorted classes.
    weight : (m,) float64
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
        """Fit the sigmoid of one column of the scores.

        Parameters
        ----------
        column : int or None
            None if the scores are one-dimensional.
        positive : (m,) bool
            Whether each image is of the positive class.
        among : (m,) bool or slice
            Images that the sigmoid is fitted to.

        Returns
        -------
        (2,) float64
            Slope and intercept; ``PLAIN`` if all or none of the images are positive.
        """
        positive = positive[among]
        if positive.all() or not positive.any():
            return np.array(PLAIN)
        scores = self.scores if column is None else self.scores[:, column]
        return fit_sigmoid(scores[among], positive, self.weight[among])


def fit_sigmoid(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], weight: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Fit a sigmoid that turns scores into probabilities (Platt 1999, with his softened targets).

    Newton's method with shortened steps (Lin, Lin & Weng 2007) takes about six steps.

    Returns
    -------
    (2,) float64
        Slope and intercept.
    """
    target = np.where(positive, 1 - 1 / (positive.sum() + 2), 1 / ((~positive).sum() + 2))
    scores = scores.astype(np.float64)
    centre, spread = scores.mean(), scores.std() or 1.0
    design = np.column_stack([(scores - centre) / spread, np.ones(len(scores))])

    def loss_at(line: NDArray[np.float64]) -> float:
        raw = design @ line
        return float(weight @ (np.logaddexp(0, raw) - target * raw))

    line = np.array([0.0, logit(np.average(target, weights=weight))])
    loss = loss_at(line)
    for _ in range(NEWTON_STEPS):
        share = expit(design @ line)
        gradient = (weight * (share - target)) @ design
        curvature = design.T @ (design * (weight * share * (1 - share))[:, None])
        curvature[np.diag_indices(2)] += 1e-12 * curvature.trace()
        step = np.linalg.solve(curvature, gradient)
        decrease = gradient @ step  # about twice as much as the loss is above its minimum
        if decrease < 1e-14 * loss:
            break
        length = 1.0
        while loss_at(line - length * step) > loss - 1e-4 * length * decrease and length > 1e-9:
            length /= 2
        line = line - length * step
        loss = loss_at(line)
    slope = line[0] / spread
    return np.array([slope, line[1] - slope * centre])


class Calibrated(ClassifierMixin, BaseEstimator):
    """Classifier whose scores are turned into probabilities by sigmoids (Platt 1999).

    The classifier is fitted to all of the training set, the sigmoids to scores of held-out images.

    Parameters
    ----------
    estimator : Pipeline
        Pipeline that ends in a classifier with ``decision_function`` whose ``fit`` takes
        ``sample_weight``. All of its steps, such as a scaler, are fitted within each fold.
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes, used in the classifier and in the sigmoids: a sigmoid without
        weights would undo those of the classifier.

    Attributes
    ----------
    classes_ : (n_classes,) array
    machine_ : Pipeline
        The fitted classifier.
    sigmoids_ : (n_classes, 2) float64 array, (1, 2) with two classes
        Slope and intercept; 1 and 0 for a class without held-out images.

    See Also
    --------
    models.svm.CoupledSVC : Probabilities from the scores of pairs of classes.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from models.linear_svm import LinearSVM
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> Calibrated(make_pipeline(LinearSVM())).fit(X, y).predict([[2.0], [7.0]])
    array(['a', 'b'], dtype='<U1')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [Pipeline],
        "class_weight": [None, OneOf(("balanced",)), dict],
    }

    def __init__(
        self, estimator: Any = None, class_weight: dict[Any, float] | str | None = None
    ) -> None:
        self.estimator = estimator
        self.class_weight = class_weight

    def fit(self, X: NDArray, y: NDArray, inner_folds: Iterable[Pair] | None = None) -> Self:
        """Fit the classifier and its sigmoids.

        Parameters
        ----------
        X : (n, d) array
        y : (n,) array
        inner_folds : iterable of X_train, y_train, X_held, y_held
            Held-out images that the sigmoids are fitted to; by default those of folds of X.

        Raises
        ------
        ValueError
            There is a single class.
        """
        self._validate_params()
        X, y = validate_data(self, X, y)
        check_two_classes(y)
        self.classes_ = np.unique(y)
        each = compute_class_weight(self.class_weight, classes=self.classes_, y=y)

        def make_fit_parameters(labels: NDArray) -> dict[str, NDArray[np.float64]]:
            name = f"{self.estimator.steps[-1][0]}__sample_weight"
            return {name: each[np.searchsorted(self.classes_, labels)]}

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
        """Probabilities, (n, n_classes), in the order of ``classes_``; each row sums to 1."""
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
        """The most probable class, for each row of X."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def check_two_classes(y: NDArray) -> None:
    """Raise a ValueError if the targets are not classes, or are all of one class."""
    check_classification_targets(y)
    if len(np.unique(y)) < 2:
        raise ValueError(
            "a support vector machine needs two classes; the training set has one class"
        )
