"""The scikit-learn menu: each function returns an unfitted classifier with ``predict_proba``.

Defaults are scikit-learn's, since that is what a reader expects. Features that a model needs on one scale are standardised
inside its pipeline, so the scaler sees training features only. ``random_state`` and ``class_weight`` are no arguments here:
they are parameters of the estimators within, where ``get_params(deep=True)`` finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import euclidean_distances
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted, validate_data


def majority() -> DummyClassifier:
    """Class frequencies of the training part, whatever the image: the floor every other model must clear."""
    return DummyClassifier(strategy="prior")


def logistic_regression(C: float = 1.0, max_iter: int = 1000) -> Pipeline:
    """Multinomial logistic regression, also called maximum entropy (Berger, Della Pietra & Della Pietra 1996)."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=max_iter))


def linear_svm(C: float = 1.0) -> Pipeline:
    """Support vector machine with a linear kernel (Cortes & Vapnik 1995), with calibrated probabilities.

    Solved by libsvm: liblinear takes minutes on scaled features once there are more of them than images.
    """
    return make_pipeline(StandardScaler(), Calibrated(SVC(kernel="linear", C=C)))


def rbf_svm(C: float = 1.0, gamma: float | str = "scale") -> Pipeline:
    """Support vector machines with a Gaussian kernel (Cortes & Vapnik 1995), one a class, with calibrated probabilities.

    One against the rest, because a sigmoid fits a margin: scikit-learn's multi-class ``SVC`` gives votes of its pairs,
    and their sigmoid has two to three times the log loss at the same accuracy (measured on the digits).
    """
    return make_pipeline(StandardScaler(), OneVsRestClassifier(Calibrated(SVC(C=C, gamma=gamma))))


def knn(n_neighbors: int = 5, weights: str = "uniform") -> Pipeline:
    """Vote of the nearest training images (Fix & Hodges 1951; Cover & Hart 1967), on standardised features."""
    return make_pipeline(StandardScaler(), KNeighborsClassifier(n_neighbors=n_neighbors, weights=weights))


def nearest_centroid() -> Pipeline:
    """Nearest class mean in standardised Euclidean distance, with probabilities."""
    return make_pipeline(StandardScaler(), CentroidClassifier())


def gaussian_nb(var_smoothing: float = 1e-9) -> Pipeline:
    """Naive Bayes with a normal density per class and feature.

    Constant features are dropped (they say nothing, and alone they give NaN); the rest is standardised because
    ``var_smoothing`` is a fraction of the largest variance.
    """
    return make_pipeline(VarianceThreshold(), StandardScaler(), GaussianNB(var_smoothing=var_smoothing))


def multinomial_nb(alpha: float = 1.0) -> Pipeline:
    """Multinomial naive Bayes (McCallum & Nigam 1998); features are brought to 0..1 first, as it takes no negative ones."""
    return make_pipeline(MinMaxScaler(clip=True), MultinomialNB(alpha=alpha))


def random_forest(
    n_estimators: int = 100, max_depth: int | None = None, min_samples_leaf: int = 1, max_features: float | str | None = "sqrt"
) -> RandomForestClassifier:
    """Random forest (Breiman 2001)."""
    return RandomForestClassifier(
        n_estimators=n_estimators, max_depth=max_depth, min_samples_leaf=min_samples_leaf, max_features=max_features
    )


def gradient_boosting(
    max_iter: int = 100, learning_rate: float = 0.1, max_leaf_nodes: int | None = 31, min_samples_leaf: int = 20
) -> HistGradientBoostingClassifier:
    """Gradient boosting (Friedman 2001) on binned features, as LightGBM does it (Ke et al. 2017).

    Without early stopping: it would hold out a stratified part from 10,000 images on, and fail on a class of one member.
    """
    return HistGradientBoostingClassifier(
        max_iter=max_iter,
        learning_rate=learning_rate,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        early_stopping=False,
    )


def one_vs_rest(estimator: Any) -> OneVsRestClassifier:
    """One copy of ``estimator`` per class, that class against all others."""
    return OneVsRestClassifier(estimator)


class ScarceFolds:
    """Stratified folds for calibration that also serve rare classes, where scikit-learn's ask for five members of each.

    There are at most ``n_folds``, and no more than the rarest class of two or more has members. The members of a class are
    dealt to the folds like cards. A class of one member stays in every training part: the score of that one image is not
    held out, which is all that one image allows. The test parts are a partition.
    """

    def __init__(self, n_folds: int = 5) -> None:
        self.n_folds = n_folds

    def __repr__(self) -> str:
        return f"ScarceFolds({self.n_folds})"

    def get_n_splits(self, X: ArrayLike | None = None, y: ArrayLike | None = None, groups: Any = None) -> int:
        """At most so many."""
        return self.n_folds

    def split(self, X: ArrayLike, y: ArrayLike, groups: Any = None) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield (train, test) indices."""
        _, codes, counts = np.unique(np.asarray(y), return_inverse=True, return_counts=True)
        n_folds = min(self.n_folds, counts[counts > 1].min()) if counts.max() > 1 else 2
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

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the machine and its sigmoid.

        Raises
        ------
        ValueError
            There is a single class.
        """
        if len(np.unique(np.asarray(y))) < 2:
            raise ValueError("a support vector machine needs two classes; the training part has one")
        return super().fit(X, y, sample_weight=compute_sample_weight(self.class_weight, y))


class CentroidClassifier(ClassifierMixin, BaseEstimator):
    """Nearest class mean; probabilities are those of equally likely, round normal clouds of one common width.

    In place of scikit-learn's ``NearestCentroid``, which predicts with one distance and gives probabilities of another, and
    divides by zero where a feature is constant within every class, as happens with twenty digits.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Find the class means and the variance around them, pooled over classes and features."""
        features, labels = validate_data(self, X, y, dtype=np.float64)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.centroids_ = np.array([features[codes == k].mean(axis=0) for k in range(len(self.classes_))])
        spread = np.square(features - self.centroids_[codes]).sum()
        freedom = features.shape[1] * (len(features) - len(self.classes_))
        self.variance_ = spread / freedom if spread > 0 else 1.0
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        return softmax(-euclidean_distances(features, self.centroids_, squared=True) / (2 * self.variance_), axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class whose mean is nearest, for each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
