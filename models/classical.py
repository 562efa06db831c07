"""Scikit-learn models of the registry.

Each function returns an unfitted classifier with ``predict_proba``. Parameters and defaults are
those of scikit-learn. If a model needs features on a common scale, they are standardised inside its
pipeline, so that the scaler sees training features only.

A model that needs held-out images inside ``fit``, for instance for calibration, takes them as
``inner_folds``. If it split the training set itself, that might already be resampled, with copies
of one image on both sides.

``random_state`` and ``class_weight`` are not arguments of these functions. They are parameters of
the estimators inside, where ``get_params(deep=True)`` finds them.
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
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from models.calibration import Calibrated
from models.faster import estimator_class
from models.linear_svm import LinearSVM
from models.one_vs_rest import OneVsRest
from models.search_space import with_search_space
from models.standardizer import Standardizer
from models.svm import AtMostNystroem, CoupledSVC


def majority() -> DummyClassifier:
    """Class frequencies of the training set for every image, the baseline of all other models.

    See Also
    --------
    logistic_regression : A linear model.

    Examples
    --------
    >>> majority().fit([[0], [1], [2]], ["a", "b", "b"]).predict_proba([[7]])
    array([[0.33333333, 0.66666667]])
    """
    return DummyClassifier(strategy="prior")


@with_search_space(C="loguniform(0.0001, 100)")
def logistic_regression(C: float = 1.0, max_iter: int = 1000) -> Pipeline:
    """Multinomial logistic regression on standardised features.

    It is also called maximum entropy (Berger, Della Pietra & Della Pietra 1996).

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the strength of the L2 penalty.
    max_iter : int, default=1000
        Most iterations of the solver.

    See Also
    --------
    linear_svm : A linear model with a squared hinge loss.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> logistic_regression(C=1.0).fit(X, y).predict([[2.0], [7.0]])
    array(['a', 'b'], dtype='<U1')
    """
    return make_pipeline(Standardizer(), LogisticRegression(C=C, max_iter=max_iter))


@with_search_space(C="loguniform(0.000001, 10)")
def linear_svm(C: float = 1.0) -> Calibrated:
    """Linear support vector machines (Cortes & Vapnik 1995) with calibrated probabilities.

    There is one machine per class, that class against the rest.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the strength of the L2 penalty.

    See Also
    --------
    rbf_svm : Support vector machines with a Gaussian kernel.
    models.linear_svm.LinearSVM : The machines.
    models.calibration.Calibrated : The calibration.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> linear_svm(C=1.0).fit(X, y).predict([[2.0], [7.0]])
    array(['a', 'b'], dtype='<U1')
    """
    return Calibrated(make_pipeline(Standardizer(), LinearSVM(C=C)))


@with_search_space(C="loguniform(0.1, 1000)", gamma_factor="loguniform(0.1, 10)")
def rbf_svm(
    C: float = 1.0,
    gamma: float | str = "scale",
    gamma_factor: float = 1.0,
    standardize: bool = True,
) -> CoupledSVC:
    """Support vector machines with a Gaussian kernel (Cortes & Vapnik 1995) and probabilities.

    There is one machine per pair of classes. The kernel's gamma is multiplied by ``gamma_factor``,
    which tuning searches, as its best value hardly depends on the number of features. For
    histograms that are normalised already, such as those of ``hog``, ``standardize=False`` may be
    better: standardisation gives features that hardly vary the same weight as all others.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the strength of the L2 penalty.
    gamma : float or {"scale", "auto"}, default="scale"
        Coefficient of the kernel exp(-gamma ||x - x'||^2); "scale" is 1 / (number of features *
        variance of the features), "auto" is 1 / number of features.
    gamma_factor : float, default=1.0
        What gamma is multiplied by.
    standardize : bool, default=True
        Standardise the features first.

    See Also
    --------
    nystroem_svm : An approximation for many images.
    models.svm.CoupledSVC : The machines and their probabilities.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> rbf_svm(C=1.0).fit(X, y).predict([[0.5], [8.5]])
    array(['a', 'b'], dtype='<U1')
    """
    return CoupledSVC(C=C, gamma=gamma, gamma_factor=gamma_factor, standardize=standardize)


@with_search_space(C="loguniform(0.0001, 100)")
def nystroem_svm(
    C: float = 1.0, gamma: float | None = None, n_components: int = 1000
) -> Calibrated:
    """Support vector machines with an approximate Gaussian kernel (Williams & Seeger 2001).

    They are linear machines on the similarities to at most ``n_components`` training images, and
    suit many images. By default ``gamma`` is 1 / the number of features.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the strength of the L2 penalty.
    gamma : float or None, default=None
        Coefficient of the kernel exp(-gamma ||x - x'||^2); None is 1 / number of features.
    n_components : int, default=1000
        Number of training images that similarities are computed to, at most.

    See Also
    --------
    rbf_svm : The exact kernel.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> nystroem_svm(n_components=4).fit(X, y).predict([[0.5], [8.5]])
    array(['a', 'b'], dtype='<U1')
    """
    return Calibrated(
        make_pipeline(
            Standardizer(), AtMostNystroem(gamma=gamma, n_components=n_components), LinearSVM(C=C)
        )
    )


@with_search_space(n_neighbors=[1, 3, 5, 9, 15, 25], weights=["uniform", "distance"])
def knn(n_neighbors: int = 5, weights: str = "uniform") -> Pipeline:
    """Vote of the nearest training images (Fix & Hodges 1951; Cover & Hart 1967).

    Features are standardised.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of training images that vote.
    weights : {"uniform", "distance"}, default="uniform"
        Whether votes count the same, or in inverse proportion to the distance.

    See Also
    --------
    nearest_centroid : The nearest class mean.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> knn(n_neighbors=3).fit(X, y).predict_proba([[1.0]])
    array([[0.66666667, 0.33333333]])
    """
    # Brute force: with many features trees are no faster, and a tree from a file cannot be trusted.
    return make_pipeline(
        Standardizer(),
        KNeighborsClassifier(n_neighbors=n_neighbors, weights=weights, algorithm="brute"),
    )


def nearest_centroid() -> Pipeline:
    """Nearest class mean in standardised Euclidean distance, with probabilities.

    See Also
    --------
    CentroidClassifier : The classifier behind the standardisation.
    gaussian_nb : A model with one variance per class and feature.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> nearest_centroid().fit(X, y).predict([[2.0], [7.0]])
    array(['a', 'b'], dtype='<U1')
    """
    return make_pipeline(Standardizer(), CentroidClassifier())


@with_search_space(var_smoothing="loguniform(1e-9, 1)")
def gaussian_nb(var_smoothing: float = 1e-9) -> Pipeline:
    """Naive Bayes with a normal density per class and feature.

    Constant features are dropped, because they carry no information and would give NaN if there
    were no others. The rest is standardised, because ``var_smoothing`` is a fraction of the largest
    variance.

    Parameters
    ----------
    var_smoothing : float, default=1e-9
        Share of the largest variance of a feature that is added to all variances.

    See Also
    --------
    multinomial_nb : Naive Bayes for histograms.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> gaussian_nb().fit(X, y).predict([[2.0], [7.0]])
    array(['a', 'b'], dtype='<U1')
    """
    return make_pipeline(
        VarianceThreshold(), Standardizer(), StableGaussianNB(var_smoothing=var_smoothing)
    )


@with_search_space(alpha="loguniform(0.001, 10)")
def multinomial_nb(alpha: float = 1.0) -> Pipeline:
    """Multinomial naive Bayes (McCallum & Nigam 1998).

    Features are scaled to [0, 1] first, because the model takes no negative ones.

    Parameters
    ----------
    alpha : float, default=1.0
        Count that is added to every feature of every class.

    See Also
    --------
    gaussian_nb : Naive Bayes with normal densities.

    Examples
    --------
    >>> X, y = [[9.0, 1.0], [8.0, 2.0], [1.0, 9.0]], ["a", "a", "b"]
    >>> multinomial_nb().fit(X, y).predict([[9.0, 2.0], [0.0, 9.0]])
    array(['a', 'b'], dtype='<U1')
    """
    return make_pipeline(MinMaxScaler(clip=True), MultinomialNB(alpha=alpha))


@with_search_space(max_features=["sqrt", 0.1, 0.3], min_samples_leaf=[1, 2, 4, 8])
def random_forest(
    n_estimators: int = 100,
    max_depth: int | None = None,
    min_samples_leaf: int = 1,
    max_features: float | str | None = "sqrt",
) -> RandomForestClassifier:
    """Random forest (Breiman 2001).

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    max_depth : int or None, default=None
        Largest depth of a tree; None is no limit.
    min_samples_leaf : int, default=1
        Fewest training images in a leaf.
    max_features : int, float, {"sqrt", "log2"} or None, default="sqrt"
        Features that are drawn for each division: a number, a share, or a function of their number;
        None is all.

    See Also
    --------
    models.imbalanced.balanced_random_forest : A forest for imbalanced classes.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> random_forest(n_estimators=10).set_params(random_state=0).fit(X, y).predict([[0.0], [9.0]])
    array(['a', 'b'], dtype='<U1')
    """
    return estimator_class("ensemble:RandomForestClassifier")(
        n_estimators=n_estimators,
        max_depth=max_depth,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
    )


@with_search_space(
    max_iter=[50, 100, 200],
    learning_rate="loguniform(0.02, 0.3)",
    max_leaf_nodes=[7, 15, 31],
    min_samples_leaf=[5, 10, 20, 40],
)
def gradient_boosting(
    max_iter: int = 100,
    learning_rate: float = 0.1,
    max_leaf_nodes: int | None = 31,
    min_samples_leaf: int = 20,
) -> HistGradientBoostingClassifier:
    """Gradient boosting (Friedman 2001) on binned features, as in LightGBM (Ke et al. 2017).

    Early stopping is off, because scikit-learn would hold out a stratified sample of 10,000 or more
    images, which fails with a class of a single image.

    Parameters
    ----------
    max_iter : int, default=100
        Number of trees per class.
    learning_rate : float, default=0.1
        What each tree is multiplied by.
    max_leaf_nodes : int or None, default=31
        Most leaves of a tree; None is no limit.
    min_samples_leaf : int, default=20
        Fewest training images in a leaf.

    See Also
    --------
    random_forest : An ensemble of independent trees.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> gradient_boosting(max_iter=5, min_samples_leaf=1).fit(X, y).predict([[0.0], [9.0]])
    array(['a', 'b'], dtype='<U1')
    """
    return HistGradientBoostingClassifier(
        max_iter=max_iter,
        learning_rate=learning_rate,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        early_stopping=False,
    )


def one_vs_rest(estimator: Any) -> OneVsRest:
    """One copy of ``estimator`` per class, trained on that class against all others.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``
        In a study, the name of a model, such as ``one_vs_rest(estimator=logistic_regression)``.

    See Also
    --------
    models.one_vs_rest.OneVsRest : The classifier.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [4.0], [5.0], [8.0], [9.0]], [0, 0, 1, 1, 2, 2]
    >>> one_vs_rest(linear_svm()).fit(X, y).predict([[0.0], [9.0]])
    array([0, 2])
    """
    return OneVsRest(estimator)


class StableGaussianNB(GaussianNB):
    """``GaussianNB`` of scikit-learn with probabilities that sum to 1 for extreme likelihoods, too.

    Likelihoods are extreme if features hardly vary. Then scikit-learn's normalisation, which
    subtracts the logarithm of their sum, is too coarse; here the largest is subtracted first.

    See Also
    --------
    gaussian_nb : The model of the registry.

    Examples
    --------
    >>> model = StableGaussianNB().fit([[0.0], [1.0], [8.0], [9.0]], [0, 0, 1, 1])
    >>> model.predict_proba([[4.5]])
    array([[0.5, 0.5]])
    """

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``."""
        return softmax(self.predict_joint_log_proba(X), axis=1)


class CentroidClassifier(ClassifierMixin, BaseEstimator):
    """Nearest class mean, with the probabilities of a normal distribution around each mean.

    The distributions are spherical, of one common width, and equally likely. scikit-learn's
    ``NearestCentroid`` predicts with one distance and computes probabilities with another, and
    divides by zero if a feature is constant within every class, as happens with twenty digits.

    Attributes
    ----------
    classes_ : (n_classes,) array
    centroids_ : (n_classes, d) float64
        The class means.
    variance_ : float
        Variance around the class means, pooled over classes and features.

    See Also
    --------
    nearest_centroid : The model of the registry, on standardised features.

    Examples
    --------
    >>> model = CentroidClassifier().fit([[0.0], [1.0], [8.0], [9.0]], [0, 0, 1, 1])
    >>> model.predict_proba([[4.5]])
    array([[0.5, 0.5]])
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Compute the class means and the pooled variance around them."""
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
        """The class of the nearest mean, for each row of X."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
