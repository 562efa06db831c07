"""Units (images, or whole groups of them) dealt to parts, so that every part has its share of every label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def count_labels(
    targets: NDArray[np.int64], n_labels: int, groups: NDArray | None
) -> tuple[NDArray[np.int64], Counts]:
    """Unit of each image, and the number of images of each label in each unit.

    Parameters
    ----------
    targets : (n,) int64 class indices, or (n, n_labels) int64 of 0 and 1
    n_labels : int
        Number of classes, of class indices.
    groups : (n,) array or None
        Group of each image; None: each image is a unit of its own.

    Returns
    -------
    unit : (n,) int64
    counts : (n_units, n_labels) int64
    """
    one_hot = targets if targets.ndim == 2 else np.eye(n_labels, dtype=np.int64)[targets]
    if groups is None:
        return np.arange(len(targets)), one_hot
    names, unit = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), one_hot.shape[1]), dtype=np.int64)
    np.add.at(counts, unit, one_hot)
    return unit, counts


def deal_units(counts: Counts, shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Part of each unit, by iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011).

    The label with the fewest units left comes first; each of its units goes to the part that lacks
    most of that label, the largest units first. Changed: a unit may hold several images, which the
    libraries that implement the method (iterative-stratification, scikit-multilearn) do not
    provide for; and when a label has only as many units left as there are parts without it, each
    of these parts gets one. So every label with at least as many units as there are parts is in all
    of them, unless other labels of the same units prevent it.

    Parameters
    ----------
    counts : (n_units, n_labels) int64
        Images of each label in each unit.
    shares : (n_parts,) float64
        Share of each part.
    seed : int

    Returns
    -------
    (n_units,) int64
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(counts))
    if (counts.sum(axis=1) == 1).all() and np.ptp(shares) == 0:
        return _deal_single_labels(counts.argmax(axis=1), order, len(shares))
    present, part = counts > 0, np.full(len(counts), -1)
    wanted = np.outer(shares / shares.sum(), counts.sum(axis=0))
    has_label = np.zeros(wanted.shape, dtype=bool)
    while (left := present[part < 0].sum(axis=0)).any():
        label = int(np.where(left > 0, left, len(counts) + 1).argmin())
        members = order[(part[order] < 0) & present[order, label]]
        members = members[np.argsort(-counts[members, label], kind="stable")]
        for done, unit in enumerate(members):
            lacking = ~has_label[:, label]
            able = lacking if len(members) - done <= lacking.sum() else np.ones_like(lacking)
            keys = (rng.random(len(shares)), wanted.sum(axis=1), wanted[:, label].round(6), able)
            chosen = np.lexsort(keys)[-1]
            part[unit] = chosen
            wanted[chosen] -= counts[unit]
            has_label[chosen] |= present[unit]
    empty = order[part[order] < 0]  # units without any label
    part[empty] = rng.choice(len(shares), len(empty), p=shares / shares.sum())
    return part


def _deal_single_labels(
    codes: NDArray[np.int64], order: NDArray[np.int64], n: int
) -> NDArray[np.int64]:
    """Deal images of one label each to n equal parts: the members of one class after another."""
    part = np.empty(len(codes), dtype=np.int64)
    part[order[np.argsort(codes[order], kind="stable")]] = np.arange(len(codes)) % n
    return part


def find_missing_labels(counts: Counts, part: NDArray[np.int64], n_parts: int) -> NDArray[np.intp]:
    """Labels that some part does not have, of those that any unit has."""
    inside = np.stack([(counts[part == k] > 0).any(axis=0) for k in range(n_parts)])
    return np.flatnonzero((counts > 0).any(axis=0) & ~inside.all(axis=0))


def deal_inner_folds(counts: Counts, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Inner fold of each unit; -1 for a unit that is always trained on and never held out.

    Every label is in the training set of every fold: a unit that alone has some label stays there,
    and so do the units of a label that cannot be dealt to two folds.

    Parameters
    ----------
    counts : (n_units, n_labels) int64
    n_folds : int
        At least 2.
    seed : int

    Returns
    -------
    (n_units,) int64
    """
    present = counts > 0
    alone = present[:, present.sum(axis=0) == 1].any(axis=1)
    fold = np.full(len(counts), -1)
    able = np.flatnonzero(~alone)
    if len(able):
        n_folds = min(n_folds, max(2, len(able)))
        fold[able] = deal_units(counts[able], np.ones(n_folds), seed)
    for label in np.flatnonzero(present.any(axis=0)):
        if len(np.unique(fold[present[:, label]])) == 1:
            fold[present[:, label]] = -1
    return fold
