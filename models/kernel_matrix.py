"""Kernel matrices, computed as matrix products in double precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from sklearn.utils import gen_batches

KERNELS = ("linear", "poly", "rbf", "sigmoid")
DEGREE = 3  # of the polynomial kernel
LARGEST_MATRIX = 12_000  # rows of the matrices that models compute; such a matrix takes 1.15 GB
COLUMNS_AT_ONCE = 2048  # features that are converted to double precision together
VALUES_AT_ONCE = 2**17  # kernel values that are computed together, so that they stay in the cache
TILE = 256  # rows that are mirrored together

Matrix = NDArray[np.float64]


def kernel_matrix(A: NDArray, B: NDArray, kernel: str, gamma: float) -> Matrix:
    """Kernel values of all rows of A with all rows of B.

    Parameters
    ----------
    A : (n, d) float32 or float64
    B : (m, d) float32 or float64
        If it is A itself, half of the products are saved.
    kernel : {"linear", "poly", "rbf", "sigmoid"}
        As in ``sklearn.svm.SVC``, with its default degree of 3 and ``coef0`` of 0.
    gamma : float

    Returns
    -------
    (n, m) float64

    Examples
    --------
    >>> kernel_matrix(np.eye(2), np.eye(2), "rbf", gamma=0.5).round(2)
    array([[1.  , 0.37],
           [0.37, 1.  ]])
    """
    # Distances do not depend on the origin, and are most accurate if it is among the images.
    origin = np.asarray(B[0], dtype=np.float64) if kernel == "rbf" else np.zeros(B.shape[1])
    if A is B:
        values = _products_with_itself(A, origin)
        row_norms = column_norms = gamma * values.diagonal()
    else:
        values, row_norms, column_norms = _products(A, B, origin)
        row_norms, column_norms = gamma * row_norms, gamma * column_norms
    if kernel == "linear":
        return values
    for rows in gen_batches(len(A), max(1, VALUES_AT_ONCE // len(B))):
        part = values[rows]
        if kernel == "rbf":  # of squared distances |a|^2 + |b|^2 - 2 ab
            part *= 2 * gamma
            part -= np.add.outer(row_norms[rows], column_norms)
            np.exp(np.minimum(part, 0, out=part), out=part)
        elif kernel == "poly":
            np.power(np.multiply(part, gamma, out=part), DEGREE, out=part)
        else:
            np.tanh(np.multiply(part, gamma, out=part), out=part)
    return values


def _products_with_itself(A: NDArray, origin: Matrix) -> Matrix:
    """Dot products of the rows of A - origin."""
    n = len(A)
    products = np.zeros((n, n), order="F")
    for columns in gen_batches(A.shape[1], COLUMNS_AT_ONCE):
        part = A[:, columns] - origin[columns]
        products = dsyrk(1.0, part.T, beta=1.0, c=products, trans=1, lower=1, overwrite_c=1)
    products = products.T  # its upper triangle is complete, its lower one is zero
    for rows in gen_batches(n, TILE):
        products[rows.stop :, rows] = products[rows, rows.stop :].T
        products[rows, rows] += np.triu(products[rows, rows], 1).T
    return products


def _products(A: NDArray, B: NDArray, origin: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Dot products of the rows of A - origin with those of B - origin, and their squared norms."""
    products, of_a, of_b = np.zeros((len(A), len(B))), np.zeros(len(A)), np.zeros(len(B))
    for columns in gen_batches(A.shape[1], COLUMNS_AT_ONCE):
        a, b = A[:, columns] - origin[columns], B[:, columns] - origin[columns]
        products += a @ b.T
        of_a += np.einsum("ij,ij->i", a, a)
        of_b += np.einsum("ij,ij->i", b, b)
    return products, of_a, of_b
