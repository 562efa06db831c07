"""Rows of features that a model reads in chunks, from memory or from disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

Chunks = Iterator[tuple[slice, NDArray[np.floating]]]

READ = 2**25  # bytes that are read at once
COMPUTED = 2**20  # bytes of a chunk, which stays in the processor's cache


def check_rows(estimator: Any, X: Any, y: Any) -> tuple[Any, NDArray]:
    """Check a training set as scikit-learn does, or only its shape if it is on disk.

    Parameters
    ----------
    estimator : scikit-learn estimator
    X : (n, d) array, or an object with ``shape`` and ``dtype`` of which slices can be read
        In the second case it has the attribute ``on_disk = True``.
    y : (n,) array of labels

    Returns
    -------
    X : float32 or float64 array, or the same object
    y : (n,) array
    """
    if not getattr(X, "on_disk", False):
        X, y = validate_data(estimator, X, y, dtype=(np.float32, np.float64))
    else:
        y = column_or_1d(y)
        check_consistent_length(X, y)
        estimator.n_features_in_ = X.shape[1]
    check_classification_targets(y)
    return X, y


def check_new_rows(estimator: Any, X: Any) -> Any:
    """Check rows to predict; see ``check_rows``."""
    check_is_fitted(estimator)
    if not getattr(X, "on_disk", False):
        return validate_data(estimator, X, dtype=(np.float32, np.float64), reset=False)
    if X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    return X


def iterate_chunks(X: Any) -> Chunks:
    """Yield all rows in order, as chunks of about ``COMPUTED`` bytes that may be modified.

    Yields
    ------
    rows : slice
    chunk : (m, d) float array
    """
    width = X.dtype.itemsize * X.shape[1]
    read, computed = max(1, READ // width), max(1, COMPUTED // width)
    read = -(-read // computed) * computed
    for start in range(0, len(X), read):
        block = X[start : start + read]
        block = block.copy() if isinstance(X, np.ndarray) else block  # which is new
        for first in range(0, len(block), computed):
            chunk = block[first : first + computed]
            yield slice(start + first, start + first + len(chunk)), chunk
