"""Decision trees that come from a file: compiled code follows their indices without a look, so that they are looked at here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

from benchmark.errors import UserError

DEEPEST = 50  # objects within objects


def check_trees(part: Any) -> None:
    """Refuse trees that lead outside themselves, in a circle, or to a feature that their model does not take.

    Raises
    ------
    UserError
    """
    for tree, width in _trees(part, np.iinfo(np.int64).max, DEEPEST):
        sound = _is_sound_tree(tree, width) if isinstance(tree, Tree) else _is_sound_predictor(tree.nodes, width)
        if not sound:
            raise UserError("it holds a decision tree that leads nowhere")


def _trees(part: Any, width: int, depth: int) -> Iterator[tuple[Any, int]]:
    """Every tree inside, with the number of features that the models around it are given at least."""
    if depth < 0:
        raise UserError("its objects are nested without end")
    if isinstance(part, Tree | TreePredictor):
        yield part, width
        return
    held: Any = ()
    if isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
        held = part
    elif isinstance(part, dict):
        held = part.values()
    elif hasattr(part, "__dict__"):
        held = vars(part).values()
        width = min(width, vars(part).get("n_features_in_", width))
    for inner in held:
        if not isinstance(inner, str | bytes | int | float):
            yield from _trees(inner, width, depth - 1)


def _is_sound_tree(tree: Any, width: int) -> bool:
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    of_leaves = bool((right[~inner] == -1).all())
    return of_leaves and tree.node_count == len(left) > 0 and _leads_on(inner, left, right, tree.feature, width)


def _is_sound_predictor(nodes: NDArray, width: int) -> bool:
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
