"""One model per class, that class against all others, with inner folds."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import has_fit_parameter

from models.calibration import Pair


class OneVsRest(OneVsRestClassifier):
    """``OneVsRestClassifier`` of scikit-learn that passes inner folds on to its models.

    Parameters
    ----------
    estimator : scikit-learn classifier
        Cloned for each class.

    See Also
    --------
    models.calibration.Calibrated : A model that takes inner folds.

    Examples
    --------
    >>> from models.classical import linear_svm
    >>> X, y = [[0.0], [1.0], [4.0], [5.0], [8.0], [9.0]], [0, 0, 1, 1, 2, 2]
    >>> OneVsRest(linear_svm()).fit(X, y).predict([[0.0], [9.0]])
    array([0, 2])
    """

    def __init__(self, estimator: Any) -> None:
        super().__init__(estimator)

    @property
    def uses_inner_folds(self) -> bool:
        """Whether the estimator takes inner folds."""
        return has_fit_parameter(self.estimator, "inner_folds") and getattr(
            self.estimator, "uses_inner_folds", True
        )

    def fit(self, X: NDArray, y: NDArray, inner_folds: Iterable[Pair] | None = None) -> Self:
        """Fit one model per class.

        Parameters
        ----------
        X : (n, d) array
        y : (n,) labels, or (n, n_labels) of 0 and 1
        inner_folds : iterable of X_train, y_train, X_held, y_held
            Passed to models that take them.
        """
        if inner_folds is None or not self.uses_inner_folds:
            return super().fit(X, y)
        self.label_binarizer_ = LabelBinarizer(sparse_output=True)
        truth = self._binarize_labels(y, fit=True)
        self.classes_ = self.label_binarizer_.classes_
        folds = [
            (X_in, self._binarize_labels(y_in), X_held, self._binarize_labels(y_held))
            for X_in, y_in, X_held, y_held in inner_folds
        ]
        self.estimators_ = [
            self._fit_class(
                k,
                X,
                column,
                [(X_in, y_in[:, k], X_held, y_held[:, k]) for X_in, y_in, X_held, y_held in folds],
            )
            for k, column in enumerate(truth.T)
        ]
        if hasattr(self.estimators_[0], "n_features_in_"):
            self.n_features_in_ = self.estimators_[0].n_features_in_
        return self

    def _fit_class(
        self, k: int, X: NDArray, column: NDArray[np.int64], inner_folds: list[Pair]
    ) -> Any:
        """Fit the model of one class; a constant model if all or no images belong to it."""
        if column.min() < column.max():
            return clone(self.estimator).fit(X, column, inner_folds=inner_folds)
        always = int(column[0])
        warnings.warn(
            f"{'every' if always else 'no'} training image has the label {self.classes_[k]}",
            stacklevel=3,
        )
        return DummyClassifier(strategy="constant", constant=always).fit(
            np.zeros((2, *X.shape[1:])), [0, 1]
        )

    def _binarize_labels(self, y: NDArray, fit: bool = False) -> NDArray[np.int64]:
        """Whether each image has each label, (n, n_labels)."""
        binarizer = self.label_binarizer_
        return np.asarray((binarizer.fit_transform(y) if fit else binarizer.transform(y)).toarray())
