"""Support vector machines with probabilities that mean something."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import combinations
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, qr, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit
from sklearn import svm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import cross_val_predict
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

LARGE = 10_000  # from so many images on, two folds are enough to fit the two numbers of a sigmoid
AT_ONCE = 2_000_000  # entries of the systems that are solved together
START = 1e6  # value of LinearSVM's objective at zero: scipy's tolerance is relative only as long as it is above 1
CERTAIN = 1e-7  # no pair's probability is nearer to 0 or 1, as in libsvm


class ScarceFolds:
    """Stratified folds for calibration that also serve rare classes, where scikit-learn's ask for five members of each.

    There are at most ``n_folds`` (two from 10,000 images on), and no more than the rarest class of two or more has members.
    The members of a class are dealt to the folds like cards. A class of one member stays in every training part: the score
    of that one image is not held out, which is all that one image allows. The test parts are a partition.
    """

    def __init__(self, n_folds: int = 5) -> None:
        self.n_folds = n_folds

    def __repr__(self) -> str:
        return f"ScarceFolds({self.n_folds})"

    def get_n_splits(self, X: NDArray | None = None, y: NDArray | None = None, groups: Any = None) -> int:
        """At most so many."""
        return self.n_folds

    def split(self, X: NDArray, y: NDArray, groups: Any = None) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield (train, test) indices."""
        _, codes, counts = np.unique(np.asarray(y), return_inverse=True, return_counts=True)
        most = self.n_folds if len(codes) < LARGE else 2
        n_folds = min(most, counts[counts > 1].min()) if counts.max() > 1 else 2
        fold = np.empty(len(codes), dtype=int)
        fold[np.argsort(codes, kind="stable")] = np.arange(len(codes)) % n_folds
        alone = counts[codes] == 1
        for k in range(n_folds):
            yield np.flatnonzero((fold != k) | alone), np.flatnonzero(fold == k)


class Calibrated(CalibratedClassifierCV):
    """A machine fitted to all of the training part, with probabilities by a sigmoid (Platt 1999) of held-out scores.

    Changed: ``class_weight`` weighs the sigmoid as well as the machine, since a sigmoid fitted without weights undoes
    those of the machine; and rare classes can be calibrated (`ScarceFolds`).
    """

    def __init__(self, estimator: Any = None, class_weight: dict[Any, float] | str | None = None) -> None:
        super().__init__(estimator, ensemble=False, cv=ScarceFolds())
        self.class_weight = class_weight

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Fit the machine and its sigmoid.

        Raises
        ------
        ValueError
            There is a single class.
        """
        _check_two_classes(y)
        return super().fit(X, y, sample_weight=compute_sample_weight(self.class_weight, y))


class CoupledSVC(ClassifierMixin, BaseEstimator):
    """Kernel machines of all pairs of classes (``sklearn.svm.SVC``), with probabilities by pairwise coupling.

    A sigmoid of held-out scores (Platt 1999) says for each pair which of the two classes it is, and the probabilities of
    all classes are those that fit the pairs best (Wu, Lin & Weng 2004, second approach). libsvm does the same inside, where
    scikit-learn has deprecated it; around scikit-learn's ``SVC`` a ``CalibratedClassifierCV`` sees votes of the pairs in
    place of scores, and its log loss is two to three times as high on the digits.

    Parameters
    ----------
    kernel, C, gamma, class_weight
        As in ``sklearn.svm.SVC``; the weights count in the sigmoids, too.

    Notes
    -----
    Wu, Lin & Weng, "Probability estimates for multi-class classification by pairwise coupling", JMLR 5, 2004.
    """

    def __init__(
        self, kernel: str = "rbf", C: float = 1.0, gamma: float | str = "scale", class_weight: dict[Any, float] | str | None = None
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.gamma = gamma
        self.class_weight = class_weight

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Fit the machines, and a sigmoid for each.

        Raises
        ------
        ValueError
            There is a single class.
        """
        _check_two_classes(y)
        machine = svm.SVC(kernel=self.kernel, C=self.C, gamma=self.gamma, class_weight=self.class_weight, decision_function_shape="ovo")
        machine._validate_params()  # else cross_val_predict is blamed for what is wrong
        X, y = validate_data(self, X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.pairs_ = list(combinations(range(len(self.classes_)), 2))
        held_out = _as_pairs(cross_val_predict(machine, X, y, cv=ScarceFolds(), method="decision_function"))
        weight = compute_sample_weight(self.class_weight, y)
        self.sigmoids_ = np.array(
            [
                fit_sigmoid(held_out[of_pair, k], codes[of_pair] == first, weight[of_pair])
                for k, (first, second) in enumerate(self.pairs_)
                for of_pair in [(codes == first) | (codes == second)]
            ]
        )
        self.machine_ = machine.fit(X, y)
        return self

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        scores = _as_pairs(self.machine_.decision_function(X))
        first_wins = np.clip(expit(scores * self.sigmoids_[:, 0] + self.sigmoids_[:, 1]), CERTAIN, 1 - CERTAIN)
        k = len(self.classes_)
        step = max(1, AT_ONCE // k**2)
        return np.concatenate([couple(_table(first_wins[start : start + step], self.pairs_, k)) for start in range(0, len(scores), step)])

    def predict(self, X: NDArray) -> NDArray[Any]:
        """The most probable class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class LinearSVM(ClassifierMixin, BaseEstimator):
    """Linear machines with a squared hinge loss, one class against the rest: what ``sklearn.svm.LinearSVC`` minimises.

    Minimised for all classes at once by L-BFGS (Liu & Nocedal 1989), so that the work is two matrix products a step in the
    precision of the features. Changed: the intercept is not regularised. liblinear takes copies in double precision, and
    thirty times as long for 6,000 images of 3,200 features at the same accuracy.

    Parameters
    ----------
    C : float
        As in ``LinearSVC``: smaller is smoother.
    max_iter : int

    Attributes
    ----------
    classes_ : (n_classes,) array
    coef_ : (n_classes, d) array, (1, d) with two classes
    intercept_ : (n_classes,) or (1,) array
    n_iter_ : int
    """

    classes_: NDArray
    coef_: NDArray
    intercept_: NDArray

    def __init__(self, C: float = 1.0, max_iter: int = 1000) -> None:
        self.C = C
        self.max_iter = max_iter

    def fit(self, X: NDArray, y: NDArray, sample_weight: NDArray[np.floating] | None = None) -> Self:
        """Fit the machines; two classes are one machine.

        Raises
        ------
        ValueError
            There is a single class, C is not a positive number, or weights are negative or all zero.
        """
        if not isinstance(self.C, Real) or not 0 < self.C < np.inf:
            raise ValueError(f"C={self.C!r}: must be a number above 0")
        X, y = validate_data(self, X, y, dtype=(np.float32, np.float64))
        _check_two_classes(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        columns = np.arange(len(self.classes_)) if len(self.classes_) > 2 else np.array([1])
        side = np.where(codes[:, None] == columns, 1, -1).astype(X.dtype)
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        basis, X = _fewer_columns(X)
        start = np.zeros((X.shape[1] + 1) * len(columns))
        stretch = _preconditioner(X, 1 / (2 * self.C * weight.sum(dtype=np.float64)))
        options = {"maxiter": self.max_iter, "maxfun": 2 * self.max_iter, "gtol": 0, "ftol": 1e-7}
        found = minimize(_squared_hinge, start, (X, side, weight, self.C, stretch), "L-BFGS-B", jac=True, options=options)
        self.n_iter_ = found.nit
        if found.nit >= self.max_iter:
            warnings.warn(f"LinearSVM is not at its minimum after max_iter={self.max_iter} steps", ConvergenceWarning, stacklevel=2)
        solution = found.x.reshape(-1, len(columns))
        coef = stretch @ solution[:-1].astype(X.dtype)
        self.coef_, self.intercept_ = (coef if basis is None else basis @ coef).T, solution[-1].astype(X.dtype)
        return self

    def decision_function(self, X: NDArray) -> NDArray[np.floating]:
        """Scores, (n, n_classes), or (n,) of the second of two classes."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float32, np.float64), reset=False)
        scores = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: NDArray) -> NDArray[Any]:
        """The class of the highest score, for each row."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]


class AtMostNystroem(Nystroem):
    """scikit-learn's ``Nystroem`` for training parts that may be smaller than ``n_components``, without a warning."""

    def fit(self, X: NDArray, y: Any = None) -> Self:
        """Draw the components; all of X where it is smaller."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_components > n_samples")
            return super().fit(X)


def _fewer_columns(X: NDArray) -> tuple[NDArray | None, NDArray]:
    """Orthonormal basis of the images and what they are in it, where there are more features than images: no weight lies outside."""
    if X.shape[1] <= X.shape[0]:
        return None, X
    basis, coordinates = qr(X.T, mode="economic")
    return basis, np.ascontiguousarray(coordinates.T)


def _preconditioner(X: NDArray, penalty: float) -> NDArray:
    """Matrix that makes the objective nearly as steep in all directions, so that L-BFGS takes tens of steps and not hundreds.

    The inverse of the Cholesky factor of half its second derivative, as it is where every image is within the margin. It
    changes the way to the minimum, not the minimum.
    """
    n, d = X.shape
    curvature = X.T @ X / X.dtype.type(n)
    curvature[np.diag_indices(d)] += X.dtype.type(max(penalty, 1e-3 * curvature.trace() / d, np.finfo(X.dtype).tiny))
    factor = cholesky(curvature, lower=True, overwrite_a=True)
    return np.asarray(solve_triangular(factor, np.eye(d, dtype=X.dtype), lower=True, overwrite_b=True).T)


def _squared_hinge(
    flat: NDArray[np.float64], X: NDArray, side: NDArray, weight: NDArray, C: float, stretch: NDArray
) -> tuple[float, NDArray[np.float64]]:
    """LinearSVC's objective and its gradient, as multiples of its value at zero over ``START``; the last row is the intercept."""
    parameters = flat.reshape(-1, side.shape[1]).astype(X.dtype)
    W = stretch @ parameters[:-1]
    short = np.maximum(1 - side * (X @ W + parameters[-1]), 0)  # of the margin
    scale = START / (weight.sum(dtype=np.float64) * side.shape[1])
    weighted = short * weight[:, None]
    pull = (-2 * scale * (side * weighted)).astype(X.dtype)
    gradient = np.vstack([stretch.T @ (X.T @ pull + W * X.dtype.type(scale / C)), pull.sum(axis=0)])
    loss = scale * (np.vdot(weighted.astype(np.float64), short) + np.square(W.astype(np.float64)).sum() / (2 * C))
    return float(loss), gradient.ravel().astype(np.float64)


def fit_sigmoid(scores: NDArray[np.floating], positive: NDArray[np.bool_], weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """Slope and intercept of the sigmoid that best turns scores into probabilities (Platt 1999, with his softened targets)."""
    target = np.where(positive, 1 - 1 / (positive.sum() + 2), 1 / ((~positive).sum() + 2))

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        raw = line[0] * scores + line[1]
        error = weight * (expit(raw) - target)
        return float(weight @ (np.logaddexp(0, raw) - target * raw)), np.array([error @ scores, error.sum()])

    return np.asarray(minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x)


def couple(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of classes that fit those of the pairs best (Wu, Lin & Weng 2004, equation 21).

    Parameters
    ----------
    wins : (n, k, k) float64
        [i, a, b]: the probability that image i is of class a, were it of a or b; the diagonal is 0.

    Returns
    -------
    (n, k) float64
    """
    n, k, _ = wins.shape
    system = np.ones((n, k + 1, k + 1))  # the probabilities, and the multiplier that makes their sum 1
    losses = wins.transpose(0, 2, 1)
    system[:, :k, :k] = -losses * wins
    system[:, range(k), range(k)] = np.square(losses).sum(axis=2)
    system[:, k, k] = 0
    wanted = np.zeros((n, k + 1, 1))
    wanted[:, k] = 1
    found = np.maximum(np.linalg.solve(system, wanted)[:, :k, 0], 0)
    return found / found.sum(axis=1, keepdims=True)


def _table(first_wins: NDArray[np.float64], pairs: list[tuple[int, int]], k: int) -> NDArray[np.float64]:
    """Probabilities of pairs, (n, n_pairs), as ``couple`` takes them, (n, k, k)."""
    wins = np.zeros((len(first_wins), k, k))
    for column, (first, second) in enumerate(pairs):
        wins[:, first, second], wins[:, second, first] = first_wins[:, column], 1 - first_wins[:, column]
    return wins


def _as_pairs(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scores of pairs, (n, n_pairs), positive for the first class; those of two classes are turned round."""
    return -scores[:, None] if scores.ndim == 1 else scores


def _check_two_classes(y: NDArray) -> None:
    if len(np.unique(np.asarray(y))) < 2:
        raise ValueError("a support vector machine needs two classes; the training part has one")
