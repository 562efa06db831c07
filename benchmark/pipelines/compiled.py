"""What compiled code follows without a look, looked at before it may: trees, support vectors, neighbours, words and centroids.

A model from a file may hold any numbers. Python and NumPy check what they are given; loops in C,
Cython and numba follow indices and lengths wherever they lead. Whatever they read is checked here
for its shape, its type and its range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import decomposition
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.kernel_approximation import Nystroem
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import BaseDecisionTree
from sklearn.tree._tree import Tree

from benchmark.errors import UserError
from benchmark.pipelines.schema import DEEPEST
from features.dense_sift import LENGTH
from features.kmeans_patches import KMeansPatches
from features.pca import PCA
from features.sift_bovw import SIFTBoVW
from features.visual_words import ENCODINGS, Fisher

KERNELS = ("rbf", "linear", "poly", "sigmoid")
CHECKS_WIDTH = (
    BaseDecisionTree,
    HistGradientBoostingClassifier,
)  # scikit-learn does so unless the attribute is missing
AS_WIDE = (StandardScaler, MinMaxScaler)  # what they give has as many columns as what they take
NOT_ALIKE = ("random_state", "class_weight")
KEPT_ONLY = {
    KNeighborsClassifier: ", or is not one that a file keeps: "
    "KNeighborsClassifier(algorithm='brute') with Euclidean distances",
}
ALONE = {"n_jobs": (None, 1), "verbose": (0, False, None), "memory": (None,)}


@dataclass(frozen=True)
class Place:
    """Where a part of a pipeline stands.

    Parameters
    ----------
    width : int or None
        Columns of what it is given; None: only a plug-in knows.
    depth : int
        Objects around it.
    """

    width: int | None
    depth: int = 0

    def has_columns(self, n_features: int, features: NDArray[np.int64]) -> bool:
        """Whether features are columns of what is given to something that takes ``n_features``."""
        width = n_features if self.width is None else min(self.width, n_features)
        return bool((features >= 0).all() and (features < width).all())


def check_fitted_state(part: Any, n_features: int) -> None:
    """Refuse a part whose parts do not fit each other, or the features that it is to be given.

    Parameters
    ----------
    part : fitted classifier, extractor or strategy
    n_features : int
        Columns of what it is given; 0: images or probabilities.

    Raises
    ------
    UserError
    """
    try:
        for inner, place in _walk_objects(part, Place(n_features)):
            _check_attributes(inner)
            if _is_unfitted(inner):
                continue
            checks = (SOUND[kind] for kind in type(inner).__mro__ if kind in SOUND)
            if not all(check(inner, place) for check in checks):
                raise UserError(
                    f"its {type(inner).__name__} does not fit "
                    f"together{KEPT_ONLY.get(type(inner), '')}"
                )
    except (AttributeError, TypeError, ValueError, LookupError, OverflowError) as error:
        raise UserError(f"a part of it is not whole ({error})") from None


def _check_attributes(part: Any) -> None:
    """Refuse attributes in the place of methods, parameters that scikit-learn refuses, and those that ask for other processes."""
    held = getattr(part, "__dict__", {})
    is_estimator = isinstance(part, BaseEstimator)
    params = part.get_params(deep=False) if is_estimator else {}
    hidden = [name for name in held if name not in params and hasattr(type(part), name)]
    if hidden:
        raise UserError(
            f"its {type(part).__name__} has an attribute '{hidden[0]}', which no pipeline's has"
        )
    for name, allowed in ALONE.items():
        if name in params and not any(params[name] is value for value in allowed):
            raise UserError(
                f"its {type(part).__name__} has {name}={params[name]!r:.60}; a pipeline's has "
                f"{name}={allowed[0]}"
            )
    if is_estimator and getattr(part, "_parameter_constraints", None):
        part._validate_params()


def _is_unfitted(part: Any) -> bool:
    """Whether an estimator holds its parameters alone, as one that is kept to be cloned: there is nothing to be followed."""
    return isinstance(part, BaseEstimator) and {
        name for name, value in vars(part).items() if value is not None
    } <= set(part.get_params(deep=False))


def _walk_objects(part: Any, place: Place) -> Iterator[tuple[Any, Place]]:
    """A part and all inside it, each with the columns that it can be given at most."""
    if place.depth > DEEPEST:
        raise UserError("its objects are nested without end")
    yield part, place
    deeper = replace(place, depth=place.depth + 1)
    held: Any = ()
    if isinstance(part, list | tuple | set):
        held = part
    elif isinstance(part, dict):
        held = part.values()
    elif isinstance(part, Pipeline):
        yield from _walk_steps(part.steps, deeper)
        held = [value for name, value in vars(part).items() if name != "steps"]
    elif hasattr(part, "__dict__"):
        held = [
            value for name, value in vars(part).items() if name != "network_"
        ]  # torch checks what it is given
        deeper = replace(deeper, width=_width_inside(part, place.width))
    for inner in held:
        if not isinstance(inner, str | bytes | int | float | np.ndarray | np.generic | type(None)):
            yield from _walk_objects(inner, deeper)


def _walk_steps(steps: Any, place: Place) -> Iterator[tuple[Any, Place]]:
    """Steps of a pipeline: behind one that may change the number of columns, nothing is followed that needs to know it."""
    for _, step in steps:
        yield from _walk_objects(step, place)
        if hasattr(type(step), "transform") and type(step) not in AS_WIDE:
            place = replace(place, width=0 if place.width is not None else None)


def _width_inside(part: Any, width: int | None) -> int | None:
    """Columns that what is inside an object is given: no more than it takes, nor than it gives each member of an ensemble.

    Inside a plug-in nobody knows, but for what compares its input with its own ``n_features_in_``
    before it is followed.
    """
    if type(part).__module__.startswith("plugin_"):
        return None
    held = vars(part)
    if width is None:
        own = held.get("n_features_in_")
        return own if isinstance(part, CHECKS_WIDTH) and type(own) is int else None
    chosen = [len(columns) for columns in held.get("estimators_features_", ())]
    return min([width, int(held.get("n_features_in_", width)), *chosen])


def _is_sound_tree(tree: Any, place: Place) -> bool:
    if not tree.n_outputs == 1 <= tree.node_count <= tree.capacity:
        return False
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    of_leaves = bool((right[~inner] == -1).all())
    known = place.width is not None and place.has_columns(tree.n_features, tree.feature[inner])
    return of_leaves and known and _children_follow_parents(inner, left, right)


def _is_sound_predictor(tree: Any, place: Place) -> bool:
    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    features = nodes["feature_idx"][inner].astype(np.int64)
    known = place.has_columns(2**31, features) and place.width is not None
    return (
        known
        and len(nodes) > 0
        and not nodes["is_categorical"].any()
        and _children_follow_parents(inner, nodes["left"], nodes["right"])
    )


def _is_sound_boosting(model: Any, place: Place) -> bool:
    k = len(model.classes_)
    per_round = 1 if k == 2 else k
    rounds = all(isinstance(trees, list) and len(trees) == per_round for trees in model._predictors)
    only_trees = all(type(tree) is TreePredictor for trees in model._predictors for tree in trees)
    plain = (
        model._preprocessor is None
        and model.is_categorical_ is None
        and not model._bin_mapper.is_categorical_.any()
    )
    return rounds and only_trees and plain and model.n_trees_per_iteration_ == per_round


def _children_follow_parents(inner: NDArray[np.bool_], left: NDArray, right: NDArray) -> bool:
    """Whether every inner node leads to two later ones."""
    here, n = np.flatnonzero(inner), len(inner)
    children = np.stack([left[here], right[here]]).astype(np.int64)
    return bool((children > here).all() and (children < n).all())


def _is_sound_svc(machine: Any, place: Place) -> bool:
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
    if not fits or k < 2 or machine._sparse is not False or machine.kernel not in KERNELS:
        return False
    counts, places = machine._n_support.astype(np.int64), machine.support_
    placed = bool(
        (counts >= 0).all()
        and counts.sum() == n
        and (places >= 0).all()
        and (places < n_fitted).all()
    )
    given = machine.n_features_in_ if place.width is None else place.width
    return (
        placed and width == machine.n_features_in_ <= given and 0 < float(machine._gamma) < np.inf
    )


def _is_sound_knn(neighbours: Any, place: Place) -> bool:
    X, labels, n_classes = neighbours._fit_X, neighbours._y, len(neighbours.classes_)
    n, width = X.shape
    known = (
        _is_array(labels, (n,), np.int64)
        and n > 0
        and labels.min() >= 0
        and labels.max() < n_classes
    )
    brute = (
        neighbours._fit_method == "brute"
        and neighbours._tree is None
        and neighbours.algorithm == "brute"
    )
    metrics = {neighbours.metric, neighbours.effective_metric_} <= {
        "minkowski",
        "euclidean",
    } and neighbours.p == 2
    plain = (
        neighbours.metric_params is None
        and not neighbours.effective_metric_params_
        and neighbours.outputs_2d_ is False
    )
    given = neighbours.n_features_in_ if place.width is None else place.width
    fits = (
        X.dtype in (np.float32, np.float64)
        and X.flags.c_contiguous
        and width == neighbours.n_features_in_ <= given
    )
    return bool(
        known
        and brute
        and metrics
        and plain
        and fits
        and 1 <= neighbours.n_neighbors <= n == neighbours.n_samples_fit_
    )


def _is_sound_nystroem(part: Any, place: Place) -> bool:
    return part.kernel == "rbf" and part.kernel_params is None


def _has_sound_vocabulary(extractor: Any, place: Place) -> bool:
    """Whether the words of a vocabulary are those of its extractor: compiled code writes at the place of each."""
    words = extractor.vocabulary_
    n = len(words.words)
    fits = (
        _is_array(words.words, (n, LENGTH), np.float32)
        and type(words) is ENCODINGS[extractor.encoding]
    )
    if not fits or not n <= words.n_words == extractor.n_words:
        return False
    if type(words) is not Fisher or n == 0:
        return True
    return _is_array(words.deviations, (n, LENGTH), np.float32) and _is_array(
        words.weights, (n,), np.float32
    )


def _has_sound_centroids(extractor: Any, place: Place) -> bool:
    d = extractor.patch_size**2 * int(extractor.image_shape_[2])
    n = len(extractor.centroids_)
    shapes = {"mean_": (d,), "whitener_": (d, d), "centroids_": (n, d)}
    return 1 <= n <= extractor.n_centroids and all(
        _is_array(getattr(extractor, name), shape, np.float32) for name, shape in shapes.items()
    )


def _is_sound_pca(extractor: Any, place: Place) -> bool:
    """Whether the fitted extractor is the one that images are enlarged for."""
    return type(extractor.projection_) is decomposition.PCA and _comparable_params(
        extractor.extractor_
    ) == _comparable_params(extractor._inner_extractor())


def _comparable_params(estimator: Any) -> list[Any]:
    deep = {
        name: value
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] not in NOT_ALIKE
    }
    return [
        type(estimator),
        *(
            (name, type(value) if isinstance(value, BaseEstimator) else value)
            for name, value in sorted(deep.items())
        ),
    ]


def _is_array(found: Any, shape: tuple[int, ...], kind: Any) -> bool:
    return (
        isinstance(found, np.ndarray)
        and found.shape == shape
        and found.dtype == kind
        and found.flags.c_contiguous
    )


SOUND: dict[type, Callable[[Any, Place], bool]] = {
    Tree: _is_sound_tree,
    TreePredictor: _is_sound_predictor,
    HistGradientBoostingClassifier: _is_sound_boosting,
    SVC: _is_sound_svc,
    KNeighborsClassifier: _is_sound_knn,
    Nystroem: _is_sound_nystroem,
    SIFTBoVW: _has_sound_vocabulary,
    KMeansPatches: _has_sound_centroids,
    PCA: _is_sound_pca,
}
