"""What scikit-learn's compiled code follows without a look, looked at before it may: trees, support vectors, neighbours.

A model from a file may hold any numbers. Python and NumPy check what they are given; loops in C and Cython follow indices and lengths
wherever they lead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree._tree import Tree

from benchmark.errors import UserError

DEEPEST = 50  # objects within objects


def check_compiled(model: Any, n_features: int) -> None:
    """Refuse a model whose parts do not fit each other, or the features that it is to be given.

    Parameters
    ----------
    model : fitted scikit-learn classifier
    n_features : int
        Columns of what it is given; 0: images.

    Raises
    ------
    UserError
    """
    sound = {Tree: _is_sound_tree, TreePredictor: _is_sound_predictor, SVC: _is_sound_svc, KNeighborsClassifier: _is_sound_knn}
    for part, width in _within(model, n_features, DEEPEST):
        check = sound.get(type(part))
        try:
            if check and not check(part, width):
                raise UserError(f"its {type(part).__name__} does not fit together")
        except (AttributeError, TypeError, ValueError, IndexError) as error:
            raise UserError(f"its {type(part).__name__} is not whole ({error})") from None


def _within(part: Any, width: int, depth: int) -> Iterator[tuple[Any, int]]:
    """A part and all inside it, each with the number of features that it can be given at most."""
    if depth < 0:
        raise UserError("its objects are nested without end")
    yield part, width
    held: Any = ()
    if isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
        held = part
    elif isinstance(part, dict):
        held = part.values()
    elif hasattr(part, "__dict__"):
        held, width = vars(part).values(), _narrowed(vars(part), width)
    for inner in held:
        if not isinstance(inner, str | bytes | int | float):
            yield from _within(inner, width, depth - 1)


def _narrowed(state: dict[str, Any], width: int) -> int:
    """Features that what is inside an estimator is given: no more than it takes, nor than it gives each member of an ensemble."""
    chosen = [len(columns) for columns in state.get("estimators_features_", ())]
    return min([width, int(state.get("n_features_in_", width)), *chosen])


def _is_sound_tree(tree: Any, width: int) -> bool:
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    of_leaves = bool((right[~inner] == -1).all())
    return of_leaves and tree.node_count == len(left) > 0 and _leads_on(inner, left, right, tree.feature, width)


def _is_sound_predictor(tree: Any, width: int) -> bool:
    nodes = tree.nodes
    inner = nodes["is_leaf"] == 0
    return (
        len(nodes) > 0
        and not nodes["is_categorical"].any()
        and _leads_on(inner, nodes["left"], nodes["right"], nodes["feature_idx"], width)
    )


def _leads_on(inner: NDArray[np.bool_], left: NDArray, right: NDArray, feature: NDArray, width: int) -> bool:
    """Whether every inner node leads to two later ones, by a feature there is."""
    here, n = np.flatnonzero(inner), len(inner)
    children = np.stack([left[here], right[here]]).astype(np.int64)
    chosen = feature[here].astype(np.int64)
    return bool((children > here).all() and (children < n).all() and (chosen >= 0).all() and (chosen < width).all())


def _is_sound_svc(machine: Any, width: int) -> bool:
    n, k = len(machine.support_vectors_), len(machine.classes_)
    pairs = k * (k - 1) // 2
    shapes = {
        "support_vectors_": ((n, machine.shape_fit_[1]), np.float64),
        "_dual_coef_": ((k - 1, n), np.float64),
        "_intercept_": ((pairs,), np.float64),
        "support_": ((n,), np.int32),
        "_n_support": ((k,), np.int32),
        "_probA": ((0,), np.float64),
        "_probB": ((0,), np.float64),
    }
    fits = all(_is_array(getattr(machine, name), *expected) for name, expected in shapes.items())
    counts = machine._n_support
    whole = fits and bool((counts >= 0).all()) and int(counts.sum()) == n and machine._sparse is False and "_impl" not in vars(machine)
    return whole and k > 1 and machine.shape_fit_[1] == machine.n_features_in_ <= width


def _is_sound_knn(neighbours: Any, width: int) -> bool:
    X, n_classes = neighbours._fit_X, len(neighbours.classes_)
    n = len(X)
    labels = neighbours._y
    known = _is_array(labels, (n,), labels.dtype.type) and labels.dtype.kind == "i" and labels.min() >= 0 and labels.max() < n_classes
    brute = neighbours._fit_method == "brute" and neighbours._tree is None and neighbours.effective_metric_ == "euclidean"
    return known and brute and _is_array(X, (n, neighbours.n_features_in_), X.dtype.type) and X.dtype.kind == "f" and X.shape[1] <= width


def _is_array(found: Any, shape: tuple[int, ...], kind: Any) -> bool:
    return isinstance(found, np.ndarray) and found.shape == shape and found.dtype == kind
