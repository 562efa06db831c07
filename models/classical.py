"""The scikit-learn models of the registry: each function returns an unfitted classifier with ``predict_proba``.

Defaults are scikit-learn's, since that is what a reader expects. Features that a model needs on one
scale are standardised inside its pipeline, so the scaler sees training features only. A model that
needs held-out images inside ``fit``, as calibration does, takes them as ``inner_folds``: what it
would cut itself may be resampled already, with copies of one image on both sides. ``random_state``
and ``class_weight`` are no arguments here: they are parameters of the estimators within, where
``get_params(deep=True)`` finds them.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import euclidean_distances
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from models.calibration import Calibrated
from models.faster import estimator_class
from models.linear_svm import LinearSVM
from models.one_vs_rest import OneVsRest
from models.svm import AtMostNystroem, CoupledSVC


def majority() -> DummyClassifier:
    """Class frequencies of the training set, whatever the image: the baseline every other model must clear."""
    return DummyClassifier(strategy="prior")


def logistic_regression(C: float = 1.0, max_iter: int = 1000) -> Pipeline:
    """Multinomial logistic regression, also called maximum entropy (Berger, Della Pietra & Della Pietra 1996)."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=max_iter))


def linear_svm(C: float = 1.0) -> Calibrated:
    """Linear support vector machines (Cortes & Vapnik 1995), one class against the rest, with calibrated probabilities."""
    return Calibrated(make_pipeline(StandardScaler(), LinearSVM(C=C)))


def rbf_svm(C: float = 1.0, gamma: float | str = "scale", standardize: bool = True) -> CoupledSVC:
    """Support vector machines with a Gaussian kernel (Cortes & Vapnik 1995), one a pair of classes, with probabilities.

    Histograms that are normalised already, such as those of ``hog``, may be better off without
    ``standardize``: it lifts directions in which nearly nothing happens to the weight of all
    others.
    """
    return CoupledSVC(C=C, gamma=gamma, standardize=standardize)


def nystroem_svm(
    C: float = 1.0, gamma: float | None = None, n_components: int = 1000
) -> Calibrated:
    """Linear support vector machines on an approximation of the Gaussian kernel (Williams & Seeger 2001), for many images.

    The features are similarities to at most ``n_components`` training images; ``gamma`` is 1 / the
    number of features by default.
    """
    return Calibrated(
        make_pipeline(
            StandardScaler(), AtMostNystroem(gamma=gamma, n_components=n_components), LinearSVM(C=C)
        )
    )


def knn(n_neighbors: int = 5, weights: str = "uniform") -> Pipeline:
    """Vote of the nearest training images (Fix & Hodges 1951; Cover & Hart 1967), on standardised features."""
    # brute force: with many features trees are no quicker, and one that comes from a file could not
    # be trusted
    return make_pipeline(
        StandardScaler(),
        KNeighborsClassifier(n_neighbors=n_neighbors, weights=weights, algorithm="brute"),
    )


def nearest_centroid() -> Pipeline:
    """Nearest class mean in standardised Euclidean distance, with probabilities."""
    return make_pipeline(StandardScaler(), CentroidClassifier())


def gaussian_nb(var_smoothing: float = 1e-9) -> Pipeline:
    """Naive Bayes with a normal density per class and feature.

    Constant features are dropped (they say nothing, and alone they give NaN); the rest is
    standardised because ``var_smoothing`` is a fraction of the largest variance.
    """
    return make_pipeline(
        VarianceThreshold(), StandardScaler(), StableGaussianNB(var_smoothing=var_smoothing)
    )


def multinomial_nb(alpha: float = 1.0) -> Pipeline:
    """Multinomial naive Bayes (McCallum & Nigam 1998); features are brought to 0..1 first, as it takes no negative ones."""
    return make_pipeline(MinMaxScaler(clip=True), MultinomialNB(alpha=alpha))


def random_forest(
    n_estimators: int = 100,
    max_depth: int | None = None,
    min_samples_leaf: int = 1,
    max_features: float | str | None = "sqrt",
) -> RandomForestClassifier:
    """Random forest (Breiman 2001)."""
    return estimator_class("ensemble:RandomForestClassifier")(
        n_estimators=n_estimators,
        max_depth=max_depth,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
    )


def gradient_boosting(
    max_iter: int = 100,
    learning_rate: float = 0.1,
    max_leaf_nodes: int | None = 31,
    min_samples_leaf: int = 20,
) -> HistGradientBoostingClassifier:
    """Gradient boosting (Friedman 2001) on binned features, as LightGBM does it (Ke et al. 2017).

    Without early stopping: it would hold out a stratified part from 10,000 images on, and fail on a
    class of one member.
    """
    return HistGradientBoostingClassifier(
        max_iter=max_iter,
        learning_rate=learning_rate,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        early_stopping=False,
    )


def one_vs_rest(estimator: Any) -> OneVsRest:
    """One copy of ``estimator`` per class, that class against all others."""
    return OneVsRest(estimator)


class StableGaussianNB(GaussianNB):
    """scikit-learn's ``GaussianNB``, with probabilities that sum to one also where features hardly vary and likelihoods are extreme."""

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes): the largest is subtracted first, not the logarithm of the sum, which is too coarse there."""
        return softmax(self.predict_joint_log_proba(X), axis=1)


class CentroidClassifier(ClassifierMixin, BaseEstimator):
    """Nearest class mean; probabilities are those of equally likely, round normal clouds of one common width.

    In place of scikit-learn's ``NearestCentroid``, which predicts with one distance and gives
    probabilities of another, and divides by zero where a feature is constant within every class, as
    happens with twenty digits.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Find the class means and the variance around them, pooled over classes and features."""
        features, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.centroids_ = np.array(
            [features[codes == k].mean(axis=0) for k in range(len(self.classes_))]
        )
        spread = np.square(features - self.centroids_[codes]).sum()
        freedom = features.shape[1] * (len(features) - len(self.classes_))
        self.variance_ = spread / freedom if spread > 0 else 1.0
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float64, reset=False)
        return softmax(
            -euclidean_distances(features, self.centroids_, squared=True) / (2 * self.variance_),
            axis=1,
        )

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class whose mean is nearest, for each row."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
