"""Linear support vector machines for many images, or for many features.

They minimise the objective of scikit-learn's ``LinearSVC``, which calls liblinear. liblinear copies
the features to double precision, and at the same accuracy takes thirty times as long for 6,000
images of 3,200 features. The machines here compute in the precision of the features, all classes at
once. If there are far more features than images, they are fitted to the dot products of the images.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC
from sklearn.utils import gen_batches
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from models.calibration import check_two_classes
from models.constraints import RealNumber, WholeNumber
from models.kernel_matrix import COLUMNS_AT_ONCE, kernel_matrix

# from these values on L-BFGS takes longer than libsvm: number of features by number of images, and
# C times the mean squared norm of an image
WIDE, STEEP = 2, 20
UNLIMITED = np.finfo(np.float64).max
# Value of the objective at zero: scipy's tolerance is relative only while the value is above 1.
START = 1e6


class LinearSVM(ClassifierMixin, BaseEstimator):
    """Linear support vector machines with a squared hinge loss, one class against the rest.

    The objective is that of ``sklearn.svm.LinearSVC``, except that the intercept is not
    regularised. L-BFGS (Liu & Nocedal 1989) minimises it for all classes at once, with two matrix
    products per step. If there are more features than images, the machines are fitted to the dot
    products of the images. If there are more than twice as many, and C is large, libsvm fits them,
    since L-BFGS would need far more steps.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the regularisation, as in ``LinearSVC``.
    max_iter : int, default=1000
        Largest number of steps; in libsvm, per image.

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
        fit = self._fit_features if X.shape[1] <= len(X) else self._fit_products
        coef, intercept = fit(X, side, weight)
        self.coef_, self.intercept_ = coef.T.astype(X.dtype), intercept.astype(X.dtype)
        return self

    def _fit_features(self, X: NDArray, side: NDArray, weight: NDArray) -> tuple[NDArray, NDArray]:
        """Fit all machines at once by L-BFGS.

        Returns
        -------
        coef : (d, n_machines) array
        intercept : (n_machines,) array
        """
        start = np.zeros((X.shape[1] + 1) * side.shape[1])
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
                stacklevel=3,
            )
        solution = minimum.x.reshape(-1, side.shape[1])
        return preconditioner @ solution[:-1].astype(X.dtype), solution[-1]

    def _fit_products(self, X: NDArray, side: NDArray, weight: NDArray) -> tuple[NDArray, NDArray]:
        """Fit all machines to the dot products of the images, which have more features than rows.

        The coefficients are sums of images, so that this is a problem of n columns: those of the
        Cholesky factor of the dot products.
        """
        n, d = X.shape
        products = kernel_matrix(X, X, "linear", 1.0)
        steepness = self.C * products.trace() / n
        if d > WIDE * n and steepness > STEEP:
            of_images, intercept = self._fit_dual(products, side, weight)
        else:
            products[np.diag_indices(n)] += 1e-10 * products.trace() / n + np.finfo(float).tiny
            factor = cholesky(products, lower=True, overwrite_a=True)
            coef, intercept = self._fit_features(factor.astype(X.dtype), side, weight)
            of_images = solve_triangular(factor, coef, lower=True, trans=1)
        batches = gen_batches(d, COLUMNS_AT_ONCE)
        return np.vstack([X[:, columns].T @ of_images for columns in batches]), intercept

    def _fit_dual(
        self, products: NDArray, side: NDArray, weight: NDArray
    ) -> tuple[NDArray, NDArray]:
        """Fit one machine after the other by libsvm (Chang & Lin 2011).

        The squared hinge loss is the hinge loss without a limit on the coefficients of the images,
        for a kernel whose diagonal is increased by 1 / (2 C weight) (Cristianini & Shawe-Taylor
        2000).

        Returns
        -------
        of_images : (n, n_machines) float64
            Coefficients of the images.
        intercept : (n_machines,) float64
        """
        rows = np.flatnonzero(weight)
        kernel = products if len(rows) == len(products) else products[np.ix_(rows, rows)]
        kernel[np.diag_indices(len(rows))] += 1 / (2 * self.C * weight[rows].astype(np.float64))
        svc = SVC(kernel="precomputed", C=UNLIMITED, tol=1e-5, max_iter=self.max_iter * len(rows))
        of_images, intercept = np.zeros(side.shape), side[rows[0]].astype(np.float64)
        self.n_iter_ = 0
        for k, labels in enumerate(side[rows].T):
            if (labels == labels[0]).all():  # the images of the other side have a weight of 0
                continue
            svc.fit(kernel, labels)
            of_images[rows[svc.support_], k] = svc.dual_coef_[0]
            intercept[k] = svc.intercept_[0]
            self.n_iter_ = max(self.n_iter_, int(svc.n_iter_[0]))
        return of_images, intercept

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
