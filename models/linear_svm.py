"""Linear support vector machines for many images, in the precision of the features."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, qr, solve_triangular
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from models.calibration import check_two_classes
from models.constraints import RealNumber, WholeNumber

START = 1e6  # value of LinearSVM's objective at zero: scipy's tolerance is relative only as long as it is above 1


class LinearSVM(ClassifierMixin, BaseEstimator):
    """Linear machines with a squared hinge loss, one class against the rest: what ``sklearn.svm.LinearSVC`` minimises.

    Minimised for all classes at once by L-BFGS (Liu & Nocedal 1989), so that the work is two matrix
    products a step in the precision of the features. Changed: the intercept is not regularised.
    liblinear takes copies in double precision, and thirty times as long for 6,000 images of 3,200
    features at the same accuracy.

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

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "C": [RealNumber(0)],
        "max_iter": [WholeNumber(1)],
    }

    def __init__(self, C: float = 1.0, max_iter: int = 1000) -> None:
        self.C = C
        self.max_iter = max_iter

    def fit(
        self, X: NDArray, y: NDArray, sample_weight: NDArray[np.floating] | None = None
    ) -> Self:
        """Fit the machines; two classes are one machine.

        Raises
        ------
        ValueError
            There is a single class, C is not a positive number, or weights are negative or all
            zero.
        """
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=(np.float32, np.float64))
        check_two_classes(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        columns = np.arange(len(self.classes_)) if len(self.classes_) > 2 else np.array([1])
        side = np.where(codes[:, None] == columns, 1, -1).astype(X.dtype)
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        basis, X = _reduce_columns(X)
        start = np.zeros((X.shape[1] + 1) * len(columns))
        stretch = _preconditioning_matrix(X, 1 / (2 * self.C * weight.sum(dtype=np.float64)))
        options = {"maxiter": self.max_iter, "maxfun": 2 * self.max_iter, "gtol": 0, "ftol": 1e-7}
        found = minimize(
            _squared_hinge,
            start,
            (X, side, weight, self.C, stretch),
            "L-BFGS-B",
            jac=True,
            options=options,
        )
        self.n_iter_ = found.nit
        if found.nit >= self.max_iter:
            warnings.warn(
                f"LinearSVM is not at its minimum after max_iter={self.max_iter} steps",
                ConvergenceWarning,
                stacklevel=2,
            )
        solution = found.x.reshape(-1, len(columns))
        coef = stretch @ solution[:-1].astype(X.dtype)
        self.coef_, self.intercept_ = (
            (coef if basis is None else basis @ coef).T,
            solution[-1].astype(X.dtype),
        )
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
        return self.classes_[
            (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        ]


def _reduce_columns(X: NDArray) -> tuple[NDArray | None, NDArray]:
    """Orthonormal basis of the images and what they are in it, where there are more features than images: no weight lies outside."""
    if X.shape[1] <= X.shape[0]:
        return None, X
    basis, coordinates = qr(X.T, mode="economic")
    return basis, np.ascontiguousarray(coordinates.T)


def _preconditioning_matrix(X: NDArray, penalty: float) -> NDArray:
    """Matrix that makes the objective nearly as steep in all directions, so that L-BFGS takes tens of steps and not hundreds.

    The inverse of the Cholesky factor of half its second derivative, as it is where every image is
    within the margin. It changes the way to the minimum, not the minimum.
    """
    n, d = X.shape
    curvature = X.T @ X / X.dtype.type(n)
    curvature[np.diag_indices(d)] += X.dtype.type(
        max(penalty, 1e-3 * curvature.trace() / d, np.finfo(X.dtype).tiny)
    )
    factor = cholesky(curvature, lower=True, overwrite_a=True)
    return np.asarray(
        solve_triangular(factor, np.eye(d, dtype=X.dtype), lower=True, overwrite_b=True).T
    )


def _squared_hinge(
    flat: NDArray[np.float64],
    X: NDArray,
    side: NDArray,
    weight: NDArray,
    C: float,
    stretch: NDArray,
) -> tuple[float, NDArray[np.float64]]:
    """LinearSVC's objective and its gradient, as multiples of its value at zero over ``START``; the last row is the intercept."""
    parameters = flat.reshape(-1, side.shape[1]).astype(X.dtype)
    W = stretch @ parameters[:-1]
    short = np.maximum(1 - side * (X @ W + parameters[-1]), 0)  # of the margin
    scale = START / (weight.sum(dtype=np.float64) * side.shape[1])
    weighted = short * weight[:, None]
    pull = (-2 * scale * (side * weighted)).astype(X.dtype)
    gradient = np.vstack([stretch.T @ (X.T @ pull + W * X.dtype.type(scale / C)), pull.sum(axis=0)])
    loss = scale * (
        np.vdot(weighted.astype(np.float64), short)
        + np.square(W.astype(np.float64)).sum() / (2 * C)
    )
    return float(loss), gradient.ravel().astype(np.float64)
