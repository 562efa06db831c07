"""Gradient boosting that reads its training set in chunks, with LightGBM."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight

from models.chunks import READ, check_new_rows, check_rows, iterate_chunks
from models.constraints import OneOf, RealNumber, WholeNumber

SAMPLED_ROWS = 100_000  # that the borders of the bins are computed from
SAMPLED_BYTES = 2**28  # of these rows, at most

_LOG = logging.getLogger(__name__)
_LOG.setLevel(logging.ERROR)  # it warns of small samples, whatever its verbosity


class LightGBM(ClassifierMixin, BaseEstimator):
    """Gradient boosting of trees on binned features (Ke et al. 2017), read in chunks.

    Every feature is kept as one byte per row, a quarter of its size or less; the rows themselves
    are read twice and not kept. LightGBM is installed with the extra ``boosting``.

    Parameters
    ----------
    max_iter : int, default=100
        Number of trees per class.
    learning_rate : float, default=0.1
    max_leaf_nodes : int, default=31
        Largest number of leaves of a tree.
    min_samples_leaf : int, default=20
        Smallest number of rows in a leaf.
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes in the loss, as in scikit-learn.
    random_state : int, RandomState or None, default=None
        Draws the rows that the bins are computed from.

    Attributes
    ----------
    classes_ : (n_classes,) array
    booster_ : lightgbm.Booster
    n_iter_ : int
        Number of trees per class.

    See Also
    --------
    models.classical.gradient_boosting : Scikit-learn's, for features that fit into memory.
    models.chunked_logistic_regression.ChunkedLogisticRegression : A linear model.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> LightGBM(max_iter=5, min_samples_leaf=1).fit(X, y).predict([[0.0], [9.0]])
    array(['a', 'b'], dtype='<U1')
    """

    reads_chunks = True
    packages: ClassVar[dict[str, str]] = {"lightgbm": "boosting"}

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_iter": [WholeNumber(1)],
        "learning_rate": [RealNumber(0)],
        "max_leaf_nodes": [WholeNumber(2)],
        "min_samples_leaf": [WholeNumber(1)],
        "class_weight": [None, OneOf(("balanced",)), dict],
        "random_state": ["random_state"],
    }
    search_space: ClassVar[dict[str, Any]] = {
        "max_iter": [50, 100, 200],
        "learning_rate": "loguniform(0.02, 0.3)",
        "max_leaf_nodes": [7, 15, 31],
        "min_samples_leaf": [5, 10, 20, 40],
    }

    def __init__(
        self,
        max_iter: int = 100,
        learning_rate: float = 0.1,
        max_leaf_nodes: int = 31,
        min_samples_leaf: int = 20,
        class_weight: dict[Any, float] | str | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(self, X: Any, y: NDArray) -> Self:
        """Fit the trees.

        Parameters
        ----------
        X : (n, d) array, or rows on disk; see ``check_rows``
        y : (n,) array

        Raises
        ------
        ImportError
            LightGBM is not installed.
        ValueError
            There is a single class, or X and y have different lengths.
        """
        lightgbm = _import_lightgbm()
        self._validate_params()
        X, y = check_rows(self, X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError("gradient boosting needs two classes; the data have one class")
        of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        parameters = {
            "objective": "binary" if n_classes == 2 else "multiclass",
            "num_class": 1 if n_classes == 2 else n_classes,
            "learning_rate": self.learning_rate,
            "num_leaves": self.max_leaf_nodes,
            "min_data_in_leaf": self.min_samples_leaf,
            "bin_construct_sample_cnt": max(
                1_000, min(SAMPLED_ROWS, SAMPLED_BYTES // (8 * X.shape[1]))
            ),
            "feature_pre_filter": False,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        rows = lightgbm.Dataset(
            _make_sequence(lightgbm, X),
            codes,
            weight=None if self.class_weight is None else of_class[codes],
            params=parameters,
        )
        self.booster_ = lightgbm.train(parameters, rows, self.max_iter)
        self.n_iter_ = self.booster_.current_iteration()
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``."""
        X = check_new_rows(self, X)
        proba = np.empty((len(X), len(self.classes_)))
        for rows, chunk in iterate_chunks(X):
            predicted = np.asarray(self.booster_.predict(chunk, num_threads=1))
            if predicted.ndim == 1:
                predicted = np.stack([1 - predicted, predicted], axis=1)
            proba[rows] = predicted
        return proba

    def predict(self, X: Any) -> NDArray[Any]:
        """The most likely class, for each row of X."""
        most_likely = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_likely]


def _import_lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError:
        raise ImportError(
            "lightgbm is not installed: python -m pip install 'classical-vs-deep[boosting]'"
        ) from None
    lightgbm.register_logger(_LOG)
    return lightgbm


def _make_sequence(lightgbm: Any, X: Any) -> Any:
    """Make the object that LightGBM reads rows from."""

    class Rows(lightgbm.Sequence):
        batch_size = max(1, READ // (X.dtype.itemsize * X.shape[1]))

        def __getitem__(self, which: Any) -> NDArray:
            return np.asarray(X[which], np.float64)

        def __len__(self) -> int:
            return len(X)

    return Rows()
