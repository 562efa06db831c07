"""Consistency checks of fitted objects whose arrays are read by native code.

Python and NumPy check what they are given. Loops in C, Cython and numba follow indices and lengths
out of the bounds of an array. A model from a file may hold any numbers, so what such loops read
(trees, support vectors, neighbours, visual words, centroids) is checked here first for its shape,
type and range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import decomposition
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.kernel_approximation import Nystroem
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree._tree import Tree

from features.dense_sift import LENGTH
from features.kmeans_patches import KMeansPatches
from features.pca import PCA
from features.sift_bovw import SIFTBoVW
from features.visual_words import ENCODINGS, Fisher

SVC_KERNELS = ("rbf", "linear", "poly", "sigmoid")
NOT_COMPARED = ("random_state", "class_weight")


@dataclass(frozen=True)
class Context:
    """Where an object stands in a pipeline.

    Parameters
    ----------
    width : int or None
        Number of columns of its input at most; None inside a plug-in, where it is unknown.
    depth : int
        Number of objects around it.
    """

    width: int | None
    depth: int = 0

    def has_columns(self, n_features: int, features: NDArray[np.int64]) -> bool:
        """Whether features are columns of the input of an object that takes ``n_features``."""
        width = n_features if self.width is None else min(self.width, n_features)
        return bool((features >= 0).all() and (features < width).all())


def _is_consistent_tree(tree: Any, context: Context) -> bool:
    if not tree.n_outputs == 1 <= tree.node_count <= tree.capacity:
        return False
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    leaves_have_no_child = bool((right[~inner] == -1).all())
    has_columns = context.width is not None and context.has_columns(
        tree.n_features, tree.feature[inner]
    )
    return leaves_have_no_child and has_columns and _children_follow_parents(inner, left, right)


def _is_consistent_predictor(tree: Any, context: Context) -> bool:
    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    features = nodes["feature_idx"][inner].astype(np.int64)
    has_columns = context.has_columns(2**31, features) and context.width is not None
    return (
        has_columns
        and len(nodes) > 0
        and not nodes["is_categorical"].any()
        and _children_follow_parents(inner, nodes["left"], nodes["right"])
    )


def _is_consistent_boosting(model: Any, context: Context) -> bool:
    k = len(model.classes_)
    per_round = 1 if k == 2 else k
    rounds = all(isinstance(trees, list) and len(trees) == per_round for trees in model._predictors)
    only_trees = all(type(tree) is TreePredictor for trees in model._predictors for tree in trees)
    no_categories = (
        model._preprocessor is None
        and model.is_categorical_ is None
        and not model._bin_mapper.is_categorical_.any()
    )
    return rounds and only_trees and no_categories and model.n_trees_per_iteration_ == per_round


def _children_follow_parents(inner: NDArray[np.bool_], left: NDArray, right: NDArray) -> bool:
    """Whether the children of every inner node come after it, so that every path ends."""
    parents, n = np.flatnonzero(inner), len(inner)
    children = np.stack([left[parents], right[parents]]).astype(np.int64)
    return bool((children > parents).all() and (children < n).all())


def _is_consistent_svc(machine: Any, context: Context) -> bool:
    n, k = len(machine.support_vectors_), len(machine.classes_)
    n_fitted, width = (int(side) for side in machine.shape_fit_)
    pairs = k * (k - 1) // 2
    n_sigmoids = pairs if len(machine._probA) else 0
    shapes = {
        "support_vectors_": ((n, width), np.float64),
        "_dual_coef_": ((k - 1, n), np.float64),
        "_intercept_": ((pairs,), np.float64),
        "support_": ((n,), np.int32),
        "_n_support": ((k,), np.int32),
        "_probA": ((n_sigmoids,), np.float64),
        "_probB": ((n_sigmoids,), np.float64),
    }
    fits = all(_is_array(getattr(machine, name), *expected) for name, expected in shapes.items())
    if not fits or k < 2 or machine._sparse is not False or machine.kernel not in SVC_KERNELS:
        return False
    counts, indices = machine._n_support.astype(np.int64), machine.support_
    in_range = bool(
        (counts >= 0).all()
        and counts.sum() == n
        and (indices >= 0).all()
        and (indices < n_fitted).all()
    )
    given = machine.n_features_in_ if context.width is None else context.width
    return (
        in_range and width == machine.n_features_in_ <= given and 0 < float(machine._gamma) < np.inf
    )


def _is_consistent_knn(neighbours: Any, context: Context) -> bool:
    X, labels, n_classes = neighbours._fit_X, neighbours._y, len(neighbours.classes_)
    n, width = X.shape
    valid_labels = (
        _is_array(labels, (n,), np.int64)
        and n > 0
        and labels.min() >= 0
        and labels.max() < n_classes
    )
    brute_force = (
        neighbours._fit_method == "brute"
        and neighbours._tree is None
        and neighbours.algorithm == "brute"
    )
    metrics = {neighbours.metric, neighbours.effective_metric_}
    euclidean = metrics <= {"minkowski", "euclidean"} and neighbours.p == 2
    no_options = (
        neighbours.metric_params is None
        and not neighbours.effective_metric_params_
        and neighbours.outputs_2d_ is False
    )
    given = neighbours.n_features_in_ if context.width is None else context.width
    fits = (
        X.dtype in (np.float32, np.float64)
        and X.flags.c_contiguous
        and width == neighbours.n_features_in_ <= given
    )
    return bool(
        valid_labels
        and brute_force
        and euclidean
        and no_options
        and fits
        and 1 <= neighbours.n_neighbors <= n == neighbours.n_samples_fit_
    )


def _is_consistent_nystroem(transformer: Any, context: Context) -> bool:
    return transformer.kernel == "rbf" and transformer.kernel_params is None


def _has_consistent_vocabulary(extractor: Any, context: Context) -> bool:
    """Whether a vocabulary has no more words than the histogram that numba code counts them in."""
    vocabulary = extractor.vocabulary_
    n = len(vocabulary.words)
    fits = (
        _is_array(vocabulary.words, (n, LENGTH), np.float32)
        and type(vocabulary) is ENCODINGS[extractor.encoding]
    )
    if not fits or not n <= vocabulary.n_words == extractor.n_words:
        return False
    if type(vocabulary) is not Fisher or n == 0:
        return True
    return _is_array(vocabulary.deviations, (n, LENGTH), np.float32) and _is_array(
        vocabulary.weights, (n,), np.float32
    )


def _has_consistent_centroids(extractor: Any, context: Context) -> bool:
    d = extractor.patch_size**2 * int(extractor.image_shape_[2])
    n = len(extractor.centroids_)
    shapes = {"mean_": (d,), "whitener_": (d, d), "centroids_": (n, d)}
    return 1 <= n <= extractor.n_centroids and all(
        _is_array(getattr(extractor, name), shape, np.float32) for name, shape in shapes.items()
    )


def _is_consistent_pca(extractor: Any, context: Context) -> bool:
    """Whether the fitted extractor inside is the one whose minimum size images are enlarged to."""
    return type(extractor.projection_) is decomposition.PCA and _comparable_params(
        extractor.extractor_
    ) == _comparable_params(extractor._inner_extractor())


def _comparable_params(estimator: Any) -> list[Any]:
    params = {
        name: type(value) if isinstance(value, BaseEstimator) else value
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] not in NOT_COMPARED
    }
    return [type(estimator), *sorted(params.items())]


def _is_array(value: Any, shape: tuple[int, ...], dtype: Any) -> bool:
    return (
        isinstance(value, np.ndarray)
        and value.shape == shape
        and value.dtype == dtype
        and value.flags.c_contiguous
    )


CONSISTENCY_CHECKS: dict[type, Callable[[Any, Context], bool]] = {
    Tree: _is_consistent_tree,
    TreePredictor: _is_consistent_predictor,
    HistGradientBoostingClassifier: _is_consistent_boosting,
    SVC: _is_consistent_svc,
    KNeighborsClassifier: _is_consistent_knn,
    Nystroem: _is_consistent_nystroem,
    SIFTBoVW: _has_consistent_vocabulary,
    KMeansPatches: _has_consistent_centroids,
    PCA: _is_consistent_pca,
}
