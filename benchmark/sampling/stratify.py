"""Stratified assignment of units (images, or whole groups of images) to folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def count_labels(
    targets: NDArray[np.int64], n_labels: int, groups: NDArray | None
) -> tuple[NDArray[np.int64], Counts]:
    """Return the unit of each image, and the number of images per unit and label.

    Parameters
    ----------
    targets : (n,) int64 class indices, or (n, n_labels) int64 of 0 and 1
    n_labels : int
        Number of classes, if the targets are class indices.
    groups : (n,) array or None
        Group of each image; None if each image is a unit of its own.

    Returns
    -------
    unit : (n,) int64
    counts : (n_units, n_labels) int64

    Examples
    --------
    >>> unit, counts = count_labels(np.array([0, 1, 1]), 2, groups=np.array(["p", "p", "q"]))
    >>> unit.tolist(), counts.tolist()
    ([0, 0, 1], [[1, 1], [0, 1]])
    """
    one_hot = targets if targets.ndim == 2 else np.eye(n_labels, dtype=np.int64)[targets]
    if groups is None:
        return np.arange(len(targets)), one_hot
    names, unit = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), one_hot.shape[1]), dtype=np.int64)
    np.add.at(counts, unit, one_hot)
    return unit, counts


def assign_folds(counts: Counts, shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Assign units to folds by iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011).

    The label with the fewest remaining units is assigned first. Each of its units, the largest
    first, goes to the fold that lacks most images of that label, relative to its share.

    Changed: a unit may contain several images, which the libraries that implement the method
    (iterative-stratification, scikit-multilearn) do not support; what a fold lacks is divided by
    its share, since a small fold would otherwise get no large unit, and its patients would be
    others than those of the large one; and when a label has only as many
    remaining units as there are folds without it, each of these folds gets one. Every label with at
    least as many units as there are folds is therefore in all folds, unless other labels of the
    same units prevent it.

    Parameters
    ----------
    counts : (n_units, n_labels) int64
        Images per unit and label.
    shares : (n_folds,) float64
        Relative size of each fold.
    seed : int

    Returns
    -------
    fold : (n_units,) int64
        Fold of each unit.

    Examples
    --------
    >>> counts = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> fold = assign_folds(counts, np.ones(2), seed=0)
    >>> sorted(fold[:2].tolist()), sorted(fold[2:].tolist())
    ([0, 1], [0, 1])
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(counts))
    if (counts.sum(axis=1) == 1).all() and np.ptp(shares) == 0:
        return _assign_single_labels(counts.argmax(axis=1), order, len(shares))
    present, fold = counts > 0, np.full(len(counts), -1)
    wanted = np.outer(shares / shares.sum(), counts.sum(axis=0))
    has_label = np.zeros(wanted.shape, dtype=bool)
    while (left := present[fold < 0].sum(axis=0)).any():
        label = int(np.where(left > 0, left, len(counts) + 1).argmin())
        members = order[(fold[order] < 0) & present[order, label]]
        members = members[np.argsort(-counts[members, label], kind="stable")]
        for n_assigned, unit in enumerate(members):
            lacking = ~has_label[:, label]
            able = lacking if len(members) - n_assigned <= lacking.sum() else np.ones_like(lacking)
            keys = (
                rng.random(len(shares)),
                wanted.sum(axis=1) / shares,
                (wanted[:, label] / shares).round(6),
                able,
            )
            chosen = np.lexsort(keys)[-1]
            fold[unit] = chosen
            wanted[chosen] -= counts[unit]
            has_label[chosen] |= present[unit]
    empty = order[fold[order] < 0]  # units without any label
    fold[empty] = rng.choice(len(shares), len(empty), p=shares / shares.sum())
    return fold


def _assign_single_labels(
    codes: NDArray[np.int64], order: NDArray[np.int64], n: int
) -> NDArray[np.int64]:
    """Assign images with one label each to n equal folds, class by class."""
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order[np.argsort(codes[order], kind="stable")]] = np.arange(len(codes)) % n
    return fold


def find_missing_labels(counts: Counts, fold: NDArray[np.int64], n_folds: int) -> NDArray[np.intp]:
    """Return the labels that are missing from at least one fold, of those that any unit has."""
    inside = np.stack([(counts[fold == k] > 0).any(axis=0) for k in range(n_folds)])
    return np.flatnonzero((counts > 0).any(axis=0) & ~inside.all(axis=0))


def assign_inner_folds(counts: Counts, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Assign units to inner folds; -1 marks a unit that is always trained on and never held out.

    Every label is in the training set of every fold: the only unit of a label stays there, and so
    do the units of a label that cannot be assigned to two folds.

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
        fold[able] = assign_folds(counts[able], np.ones(n_folds), seed)
    for label in np.flatnonzero(present.any(axis=0)):
        if len(np.unique(fold[present[:, label]])) == 1:
            fold[present[:, label]] = -1
    return fold
