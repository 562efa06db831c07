"""Logistic regression that reads its training set in chunks, which may be larger than memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_class_weight

from models.chunks import Chunks, check_new_rows, check_rows, iterate_chunks
from models.constraints import OneOf, RealNumber, WholeNumber

SAMPLED_ROWS = 20_000  # that the first solution is computed from, at least
SAMPLED_BYTES = 2**28  # of these rows, at most
GRADIENT, CHANGE = 1e-5, 1e-9  # of the objective, at the minimum
WIDEST = 4_096  # features up to which their correlations are used


class ChunkedLogisticRegression(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression on standardised features, read in chunks.

    The objective is that of ``logistic_regression``. L-BFGS (Liu & Nocedal 1989) minimises it over
    all rows, which are read once per step: memory is bounded by a chunk and a sample, and sums over
    chunks are in double precision. It starts from the solution for a sample of the rows, and is
    preconditioned with the correlations of up to 4,096 features in the sample (Boehning 1992), so
    that tens of steps are enough.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the regularisation, as in scikit-learn's ``LogisticRegression``.
    max_iter : int, default=100
        Largest number of steps.
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes in the loss, as in scikit-learn.

    Attributes
    ----------
    classes_ : (n_classes,) array
    mean_, scale_ : (d,) float64
        Of the features.
    coef_ : (n_classes, d) float64
        For standardised features.
    intercept_ : (n_classes,) float64
    n_iter_ : int
        Number of steps over all rows.

    See Also
    --------
    models.classical.logistic_regression : The same for features that fit into memory.
    models.lightgbm_boosting.LightGBM : Boosted trees that read chunks.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> ChunkedLogisticRegression().fit(X, y).predict([[2.0], [7.0]])
    array(['a', 'b'], dtype='<U1')
    """

    reads_chunks = True

    classes_: NDArray
    coef_: NDArray
    intercept_: NDArray

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "C": [RealNumber(0)],
        "max_iter": [WholeNumber(1)],
        "class_weight": [None, OneOf(("balanced",)), dict],
    }
    search_space: ClassVar[dict[str, Any]] = {"C": "loguniform(0.0001, 100)"}

    def __init__(
        self,
        C: float = 1.0,
        max_iter: int = 100,
        class_weight: dict[Any, float] | str | None = None,
    ) -> None:
        self.C = C
        self.max_iter = max_iter
        self.class_weight = class_weight

    def fit(self, X: Any, y: NDArray) -> Self:
        """Fit the coefficients.

        Parameters
        ----------
        X : (n, d) array, or rows on disk; see ``check_rows``
        y : (n,) array

        Raises
        ------
        ValueError
            There is a single class, or X and y have different lengths.

        Warns
        -----
        ConvergenceWarning
            The minimum was not reached within ``max_iter`` steps.
        """
        self._validate_params()
        X, y = check_rows(self, X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("logistic regression needs two classes; the data have one class")
        weight = compute_class_weight(self.class_weight, classes=self.classes_, y=y)[codes]
        self.mean_, self.scale_ = _mean_and_scale(X)
        n_sampled = min(
            max(SAMPLED_ROWS, 5 * X.shape[1]),
            max(1, SAMPLED_BYTES // (X.dtype.itemsize * X.shape[1])),
        )
        every = max(1, len(X) // n_sampled)
        sample = np.concatenate([chunk for _, chunk in self._standardized_chunks(X, every)])
        penalty = 1 / (self.C * weight.sum())
        basis = _preconditioning_matrix(sample, penalty) if X.shape[1] <= WIDEST else None
        n_columns = len(self.classes_) if len(self.classes_) > 2 else 1
        fixed = n_columns, penalty, basis
        start = np.zeros((X.shape[1] + 1) * n_columns)
        options = {"maxiter": self.max_iter, "gtol": GRADIENT, "ftol": CHANGE}
        if every > 1:
            drawn = slice(None, None, every)
            given = partial(iterate_chunks, sample), codes[drawn], weight[drawn], *fixed
            start = minimize(_objective, start, given, "L-BFGS-B", jac=True, options=options).x
        given = partial(self._standardized_chunks, X), codes, weight, *fixed
        minimum = minimize(_objective, start, given, "L-BFGS-B", jac=True, options=options)
        self.n_iter_ = minimum.nit
        if minimum.nit >= self.max_iter:
            warnings.warn(
                f"the minimum is not reached after max_iter={self.max_iter} steps",
                ConvergenceWarning,
                stacklevel=2,
            )
        solution = minimum.x.reshape(-1, n_columns)
        self.coef_, self.intercept_ = _apply(basis, solution[:-1]).T, solution[-1]
        return self

    def _standardized_chunks(self, X: Any, every: int = 1) -> Chunks:
        """Yield the rows that chunks begin at, and standardised chunks of every k-th row."""
        mean, inverse = self.mean_.astype(X.dtype), (1 / self.scale_).astype(X.dtype)
        for rows, chunk in iterate_chunks(X):
            kept = chunk[-rows.start % every :: every]
            kept -= mean
            kept *= inverse
            yield rows, kept

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores, (n, n_classes), or those of the second of two classes, (n,)."""
        X = check_new_rows(self, X)
        coef = self.coef_.T.astype(X.dtype)
        scores = np.empty((len(X), len(self.intercept_)))
        for rows, chunk in self._standardized_chunks(X):
            scores[rows] = chunk @ coef + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``."""
        scores = self.decision_function(X)
        if scores.ndim == 2:
            return np.asarray(softmax(scores, axis=1))
        second = expit(scores)
        return np.stack([1 - second, second], axis=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most likely class, for each row of X."""
        most_likely = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_likely]


def _mean_and_scale(X: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each feature; 1 in place of the deviation of constant ones."""
    first = X[:1].astype(np.float64)[0]  # subtracted so that large values do not cancel
    total, squares = np.zeros((2, X.shape[1]))
    for _, chunk in iterate_chunks(X):
        chunk -= first.astype(X.dtype)
        total += chunk.sum(axis=0, dtype=np.float64)
        squares += np.einsum("nd,nd->d", chunk, chunk, dtype=np.float64)
    mean = first + total / len(X)
    scale = np.sqrt(np.maximum(squares / len(X) - (total / len(X)) ** 2, 0))
    is_constant = scale <= 10 * np.finfo(X.dtype).eps * np.abs(mean)
    return mean, np.where(is_constant, 1.0, scale)


def _preconditioning_matrix(sample: NDArray, penalty: float) -> NDArray[np.float64]:
    """Matrix that makes the curvature of the objective nearly equal in all directions.

    It is the inverse of the Cholesky factor of the correlations of the features, (d, d).
    """
    n, d = sample.shape
    curvature = (sample.T @ sample).astype(np.float64) / n
    curvature[np.diag_indices(d)] += max(penalty, 1e-3 * curvature.trace() / d, 1e-12)
    factor = cholesky(curvature, lower=True, overwrite_a=True)
    return np.asarray(solve_triangular(factor, np.eye(d), lower=True, overwrite_b=True).T)


def _apply(basis: NDArray[np.float64] | None, values: NDArray) -> NDArray[np.float64]:
    return values if basis is None else np.asarray(basis @ values)


def _objective(
    flat: NDArray[np.float64],
    make_chunks: Callable[[], Chunks],
    codes: NDArray[np.intp],
    weight: NDArray[np.float64],
    n_columns: int,
    penalty: float,
    basis: NDArray[np.float64] | None,
) -> tuple[float, NDArray[np.float64]]:
    """Mean loss plus penalty, and its gradient.

    Reshaped to (d + 1, n_columns), the last row of the parameters is the intercept. There is one
    column for two classes, else one per class.
    """
    parameters = flat.reshape(-1, n_columns)
    coef, intercept = _apply(basis, parameters[:-1]), parameters[-1]
    loss, gradient = 0.0, np.zeros_like(parameters)
    for rows, chunk in make_chunks():
        scores = chunk @ coef.astype(chunk.dtype) + intercept
        losses, residual = _losses_and_residuals(scores, codes[rows])
        loss += float(weight[rows] @ losses)
        residual *= weight[rows, None]
        gradient[:-1] += chunk.T @ residual.astype(chunk.dtype)
        gradient[-1] += residual.sum(axis=0)
    gradient /= weight.sum()
    gradient[:-1] = _apply(None if basis is None else basis.T, gradient[:-1] + penalty * coef)
    return loss / weight.sum() + penalty / 2 * np.vdot(coef, coef), gradient.ravel()


def _losses_and_residuals(
    scores: NDArray[np.float64], codes: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log loss of each row, (m,), and its derivative by the scores, (m, n_columns)."""
    if scores.shape[1] == 1:
        losses = np.logaddexp(0, scores[:, 0]) - codes * scores[:, 0]
        return losses, expit(scores) - codes[:, None]
    logarithms, each = log_softmax(scores, axis=1), np.arange(len(codes))
    residual = np.exp(logarithms)
    residual[each, codes] -= 1
    return -logarithms[each, codes], residual
