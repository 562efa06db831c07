"""Linear support vector machines for many images.

They minimise the objective of scikit-learn's ``LinearSVC``, which calls liblinear. liblinear copies
the features to double precision, and at the same accuracy takes thirty times as long for 6,000
images of 3,200 features. The machines here compute in the precision of the features, all classes at
once.
"""

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

# Value of the objective at zero: scipy's tolerance is relative only while the value is above 1.
START = 1e6


class LinearSVM(ClassifierMixin, BaseEstimator):
    """Linear support vector machines with a squared hinge loss, one class against the rest.

    The objective is that of ``sklearn.svm.LinearSVC``, except that the intercept is not
    regularised. L-BFGS (Liu & Nocedal 1989) minimises it for all classes at once, with two matrix
    products per step.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the regularisation, as in ``LinearSVC``.
    max_iter : int, default=1000
        Largest number of steps.

    Attributes
    ----------
    classes_ : (n_classes,) array
    coef_ : (n_classes, d) array, (1, d) with two classes
    intercept_ : (n_classes,) array, (1,) with two classes
    n_iter_ : int
        Number of steps.

    See Also
    --------
    models.classical.linear_svm : The model of the registry, with calibrated probabilities.
    models.svm.CoupledSVC : Machines with other kernels.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> LinearSVM(C=1.0).fit(X, y).predict([[2.0], [7.0]])
    array(['a', 'b'], dtype='<U1')
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
        """Fit one machine per class, or a single machine for two classes.

        Parameters
        ----------
        X : (n, d) array
        y : (n,) array
        sample_weight : (n,) array or None

        Raises
        ------
        ValueError
            There is a single class, C is not a positive number, or weights are negative or all
            zero.

        Warns
        -----
        ConvergenceWarning
            The minimum was not reached within ``max_iter`` steps.
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
        preconditioner = _preconditioning_matrix(X, 1 / (2 * self.C * weight.sum(dtype=np.float64)))
        options = {"maxiter": self.max_iter, "maxfun": 2 * self.max_iter, "gtol": 0, "ftol": 1e-7}
        minimum = minimize(
            _squared_hinge,
            start,
            (X, side, weight, self.C, preconditioner),
            "L-BFGS-B",
            jac=True,
            options=options,
        )
        self.n_iter_ = minimum.nit
        if minimum.nit >= self.max_iter:
            warnings.warn(
                f"LinearSVM is not at its minimum after max_iter={self.max_iter} steps",
                ConvergenceWarning,
                stacklevel=2,
            )
        solution = minimum.x.reshape(-1, len(columns))
        coef = preconditioner @ solution[:-1].astype(X.dtype)
        self.coef_ = (coef if basis is None else basis @ coef).T
        self.intercept_ = solution[-1].astype(X.dtype)
        return self

    def decision_function(self, X: NDArray) -> NDArray[np.floating]:
        """Scores, (n, n_classes), or those of the second of two classes, (n,)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float32, np.float64), reset=False)
        scores = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: NDArray) -> NDArray[Any]:
        """The class of the highest score, for each row of X."""
        scores = self.decision_function(X)
        return self.classes_[
            (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        ]


def _reduce_columns(X: NDArray) -> tuple[NDArray | None, NDArray]:
    """Orthonormal basis of the rows of X, (d, n), and X in this basis, (n, n).

    The coefficients lie in the span of the rows, so that with more features than images a problem
    of n columns is equivalent. With fewer features there is no basis, and X is returned unchanged.
    """
    if X.shape[1] <= X.shape[0]:
        return None, X
    basis, coordinates = qr(X.T, mode="economic")
    return basis, np.ascontiguousarray(coordinates.T)


def _preconditioning_matrix(X: NDArray, penalty: float) -> NDArray:
    """Matrix that makes the curvature of the objective nearly equal in all directions.

    With it L-BFGS takes tens of steps instead of hundreds; the minimum is the same. It is the
    inverse of the Cholesky factor of half the second derivative at a point where every image is
    within the margin.
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
    preconditioner: NDArray,
) -> tuple[float, NDArray[np.float64]]:
    """Objective of ``LinearSVC`` and its gradient, scaled such that it is ``START`` at zero.

    Reshaped to (d + 1, n_machines), the last row of the parameters is the intercept.
    """
    parameters = flat.reshape(-1, side.shape[1]).astype(X.dtype)
    W = preconditioner @ parameters[:-1]
    shortfall = np.maximum(1 - side * (X @ W + parameters[-1]), 0)  # below the margin
    scale = START / (weight.sum(dtype=np.float64) * side.shape[1])
    weighted = shortfall * weight[:, None]
    pull = (-2 * scale * (side * weighted)).astype(X.dtype)
    of_weights = preconditioner.T @ (X.T @ pull + W * X.dtype.type(scale / C))
    gradient = np.vstack([of_weights, pull.sum(axis=0)])
    loss = scale * (
        np.vdot(weighted.astype(np.float64), shortfall)
        + np.square(W.astype(np.float64)).sum() / (2 * C)
    )
    return float(loss), gradient.ravel().astype(np.float64)
