"""Splits into training and test sets that never divide a group (patient, lesion) between them."""

from __future__ import annotations

from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from benchmark.datasets.base import Dataset
from benchmark.datasets.duplicates import image_digests
from benchmark.errors import UserError
from benchmark.sampling.stratify import (
    assign_folds,
    assign_inner_folds,
    count_labels,
    find_missing_labels,
)
from benchmark.utils.notes import SHARED, Note, NoteKind
from benchmark.utils.text import format_count

MAX_REPEATS = 1000
TRIES = 20  # attempts at assigning units that contain several classes

Indices = NDArray[np.int64]
Fold = tuple[Indices, Indices]


def official_split(dataset: Dataset) -> list[Fold]:
    """Train on the official training set and test on the official test set.

    If there is an official validation set, early stopping and tuned thresholds use it in place of
    inner folds (see ``select_official_validation``). It is neither trained on nor tested on.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    folds : list of (train, test)
        One pair of (n,) int64 index arrays.

    Raises
    ------
    UserError
        The dataset has no official split, or a group is on both sides of it.

    See Also
    --------
    validation_split : Tests on the official validation set.
    holdout_split, stratified_kfold : Splits of a dataset without an official one.

    Examples
    --------
    >>> images, targets = np.zeros((4, 8, 8, 1), dtype=np.uint8), np.array([0, 1, 0, 1])
    >>> subset = np.array(["train", "train", "val", "test"])
    >>> official_split(Dataset("d", images, targets, ("a", "b"), subset=subset))
    [(array([0, 1]), array([3]))]
    """
    if not has_official_split(dataset):
        raise UserError(
            f"dataset '{dataset.name}' has no official split; use holdout or stratified_kfold"
        )
    return [_make_official_fold(dataset, "train", "test")]


def select_official_validation(dataset: Dataset) -> tuple[Indices, int]:
    """Select the official validation images that share no group with the training or test set.

    Returns
    -------
    indices : (n,) int64
        Empty if there is no validation set.
    n_left_out : int
        Number of validation images that were left out because of their group.
    """
    if dataset.subset is None:
        return np.empty(0, dtype=np.int64), 0
    validation = np.flatnonzero(dataset.subset == "val")
    if dataset.groups is None:
        return validation, 0
    kept = ~np.isin(dataset.groups[validation], dataset.groups[dataset.subset != "val"])
    return validation[kept], int((~kept).sum())


def validation_split(dataset: Dataset) -> list[Fold]:
    """Train on the official training set and test on the official validation set.

    Use it to choose among configurations; report results on the test set.

    Raises
    ------
    UserError
        The dataset has no official validation set, or a group is on both sides of the split.

    See Also
    --------
    official_split : Tests on the official test set.

    Examples
    --------
    >>> images, targets = np.zeros((4, 8, 8, 1), dtype=np.uint8), np.array([0, 1, 0, 1])
    >>> subset = np.array(["train", "train", "val", "test"])
    >>> validation_split(Dataset("d", images, targets, ("a", "b"), subset=subset))
    [(array([0, 1]), array([2]))]
    """
    if dataset.subset is None or not {"train", "val"} <= set(dataset.subset):
        raise UserError(
            f"dataset '{dataset.name}' has no official validation set; use holdout or "
            "stratified_kfold"
        )
    return [_make_official_fold(dataset, "train", "val")]


def _make_official_fold(dataset: Dataset, train_name: str, test_name: str) -> Fold:
    train, test = (np.flatnonzero(dataset.subset == name) for name in (train_name, test_name))
    if dataset.groups is not None:
        shared = np.intersect1d(dataset.groups[train], dataset.groups[test])
        if len(shared):
            raise UserError(
                f"dataset '{dataset.name}': {len(shared)} groups (such as '{shared[0]}') are in "
                f"both {train_name} and {test_name} of its official split; write split: "
                "stratified_kfold into a study file, or correct the split"
            )
    return train, test


def holdout_split(dataset: Dataset, test_size: float = 0.2, seed: int = 42) -> list[Fold]:
    """One stratified split into a training and a test set, with every class in both.

    Groups are never divided.

    Parameters
    ----------
    dataset : Dataset
    test_size : float in (0, 1), default=0.2
        Share of the images in the test set; approximate for groups and for multi-label targets.
    seed : int, default=42

    Returns
    -------
    folds : list of (train, test)
        One pair of (n,) int64 index arrays, sorted.

    Raises
    ------
    UserError
        ``test_size`` is out of range, or a class would be missing from one side.

    See Also
    --------
    stratified_kfold : Every image is in one test set.

    Examples
    --------
    >>> targets = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    >>> images = np.zeros((8, 4, 4, 1), dtype=np.uint8)
    >>> ((train, test),) = holdout_split(Dataset("d", images, targets, ("a", "b")), test_size=0.25)
    >>> len(train), targets[test].tolist()
    (6, [0, 1])
    """
    if not 0 < test_size < 1:
        raise UserError(f"holdout: test_size is a share between 0 and 1, not {test_size}")
    unit, counts = _find_units(dataset)
    _check_enough_units(dataset, counts, 2, f"holdout(test_size={test_size:g})")
    if dataset.groups is None and not dataset.multilabel:
        try:
            train, test = train_test_split(
                np.arange(len(unit)),
                test_size=test_size,
                random_state=seed,
                stratify=dataset.targets,
            )
            if (
                len(np.unique(dataset.targets[test]))
                == len(np.unique(dataset.targets[train]))
                == counts.any(axis=0).sum()
            ):
                return [(np.sort(train), np.sort(test))]
        except ValueError:  # too few images for scikit-learn to put every class on both sides
            pass
    fold_of_unit = _assign_complete_folds(
        dataset, counts, np.array([1 - test_size, test_size]), seed
    )
    if fold_of_unit is None:
        raise UserError(
            f"dataset '{dataset.name}': found no holdout with every class in the training and in "
            f"the test set; use stratified_kfold(folds=2), or {_suggest_class_change(dataset)}"
        )
    return [_make_fold(fold_of_unit[unit], 1)]


def stratified_kfold(
    dataset: Dataset, folds: int = 3, repeats: int = 1, seed: int = 42
) -> list[Fold]:
    """Stratified k-fold cross-validation, optionally repeated, with every class in every test set.

    Groups are never divided. Images with one label each and without groups are assigned by
    scikit-learn's ``StratifiedKFold``, others by iterative stratification (see ``assign_folds``).

    Parameters
    ----------
    dataset : Dataset
    folds : int, default=3
    repeats : int, default=1
        Repetition r shuffles with ``seed + r``.
    seed : int, default=42

    Returns
    -------
    folds : list of (train, test)
        ``folds * repeats`` pairs of (n,) int64 index arrays.

    Raises
    ------
    UserError
        ``folds`` or ``repeats`` is out of range, or a class would be missing from a test set.

    See Also
    --------
    holdout_split : A single split.

    Examples
    --------
    >>> targets = np.array([0, 0, 0, 1, 1, 1])
    >>> images = np.zeros((6, 4, 4, 1), dtype=np.uint8)
    >>> folds = stratified_kfold(Dataset("d", images, targets, ("a", "b")), folds=3)
    >>> [sorted(targets[test].tolist()) for _, test in folds]
    [[0, 1], [0, 1], [0, 1]]
    """
    if folds < 2 or repeats < 1:
        raise UserError(
            f"stratified_kfold(folds={folds}, repeats={repeats}) is not possible: there must be at "
            "least 2 folds and 1 repeat"
        )
    if repeats > MAX_REPEATS:
        raise UserError(f"stratified_kfold: at most {MAX_REPEATS} repeats, not {repeats}")
    return [
        fold for repeat in range(repeats) for fold in _make_folds(dataset, folds, seed + repeat)
    ]


def _make_folds(dataset: Dataset, folds: int, seed: int) -> list[Fold]:
    unit, counts = _find_units(dataset)
    _check_enough_units(dataset, counts, folds, f"stratified_kfold(folds={folds})")
    if dataset.groups is None and not dataset.multilabel:
        kfold = StratifiedKFold(folds, shuffle=True, random_state=seed)
        return list(kfold.split(dataset.targets, dataset.targets))
    fold_of_unit = _assign_complete_folds(dataset, counts, np.ones(folds), seed)
    if fold_of_unit is None:
        fewer = (
            k
            for k in range(folds - 1, 1, -1)
            if _assign_complete_folds(dataset, counts, np.ones(k), seed) is not None
        )
        feasible = next(fewer, None)
        unit_with_article = "an image" if dataset.groups is None else "a group"
        raise UserError(
            f"dataset '{dataset.name}': found no {folds} folds with every class in every test set, "
            f"because {unit_with_article} can have several classes: "
            + (_suggest_folds(feasible) if feasible else _suggest_class_change(dataset))
        )
    return [_make_fold(fold_of_unit[unit], k) for k in range(folds)]


def _suggest_folds(n: int) -> str:
    return f"use folds={n} (in a study file, split: stratified_kfold(folds={n}))"


def _suggest_class_change(dataset: Dataset) -> str:
    if len(dataset.classes) > 2:
        return "leave out the rarest classes, or merge them with others"
    return f"add images of the rarer class{_suggest_other_groups(dataset)}"


def _suggest_other_groups(dataset: Dataset) -> str:
    return "" if dataset.groups is None else " from other groups"


def _make_fold(fold_of_image: NDArray[np.int64], test: int) -> Fold:
    return np.flatnonzero(fold_of_image != test), np.flatnonzero(fold_of_image == test)


def _unit_name(dataset: Dataset) -> str:
    return "image" if dataset.groups is None else "group"


def _check_enough_units(
    dataset: Dataset, counts: NDArray[np.int64], folds: int, split: str
) -> None:
    """Refuse a number of folds with which a class would be missing; suggest one that works."""
    unit = _unit_name(dataset)
    if len(counts) < 2:
        raise UserError(
            f"dataset '{dataset.name}': all {len(dataset.targets)} images are of 1 {unit}"
            f"{' (patient, lesion), which is never divided' if unit == 'group' else ''}; "
            f"{split} needs at least 2 {unit}s"
        )
    counts = counts[:, : len(dataset.classes)]
    units, images = (counts > 0).sum(axis=0), counts.sum(axis=0)
    rarest = int(np.where(units > 0, units, len(counts) + 1).argmin())
    if units[rarest] >= folds:
        return
    single = int((units == 1).sum())
    if single > 1:
        names = ", ".join(f"'{dataset.classes[k]}'" for k in np.flatnonzero(units == 1)[:3])
        raise UserError(
            f"dataset '{dataset.name}': {single} of {int((units > 0).sum())} classes have images "
            f"of only 1 {unit} (such as {names}); {split} needs at least {folds} in each class: "
            f"add images{_suggest_other_groups(dataset)}, or leave these classes out or merge them"
        )
    n_units, n_images = int(units[rarest]), int(images[rarest])
    in_groups = "" if unit == "image" else f" in {n_units} group{'s' if n_units > 1 else ''}"
    more = dataset.classes[2:]  # of only two classes, none can be left out
    advice = (
        "leave the class out, or merge it with another"
        if more
        else f"add images of it{_suggest_other_groups(dataset)}"
    )
    if n_units > 1:
        advice = _suggest_folds(n_units) + (
            ", or merge the class with another" if folds > 2 and more else ""
        )
    raise UserError(
        f"dataset '{dataset.name}': class '{dataset.classes[rarest]}' has {n_images} "
        f"image{'s' if n_images > 1 else ''}{in_groups}; "
        f"{split} would leave a test or training set without it: {advice}"
    )


def _assign_complete_folds(
    dataset: Dataset, counts: NDArray[np.int64], shares: NDArray[np.float64], seed: int
) -> NDArray[np.int64] | None:
    """Assign units to folds so that every fold has every class; None if ``TRIES`` attempts fail."""
    for attempt in range(TRIES):
        assigned = assign_folds(counts, shares, seed + 1000 * attempt)
        if not len(find_missing_labels(counts[:, : len(dataset.classes)], assigned, len(shares))):
            return assigned
    return None


def _find_units(
    dataset: Dataset, indices: Indices | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the unit of each image, and the number of images per unit and class.

    For multi-label targets, further columns count the images without each label.
    """
    chosen = slice(None) if indices is None else indices
    targets, groups = dataset.targets[chosen], dataset.groups
    if dataset.multilabel:  # the absence of a label is stratified as its presence is
        targets = np.concatenate([targets, 1 - targets], axis=1)
    return count_labels(targets, len(dataset.classes), None if groups is None else groups[chosen])


def inner_folds(dataset: Dataset, train: Indices, folds: int = 3) -> list[Fold]:
    """Split a training set again, stratified and grouped as the dataset is.

    Every class is in the training set of every inner fold: the only image, or the only group, of a
    class is always trained on and never held out.

    Parameters
    ----------
    dataset : Dataset
    train : (n,) int64
        Indices of the training set.
    folds : int, default=3
        Fewer are made if there are fewer images or groups.

    Returns
    -------
    list of (positions to train on, positions held out)
        Positions in ``train``, not indices; empty if nothing can be held out.
    """
    unit, counts = _find_units(dataset, train)
    fold = assign_inner_folds(counts, folds, seed=0)[unit]
    return [_make_fold(fold, k) for k in np.unique(fold[fold >= 0])]


def note_shared_images(dataset: Dataset, train: Indices, test: Indices) -> list[Note]:
    """Note how many test images are also in the training set, pixel for pixel."""
    if dataset not in _DIGESTS:
        _DIGESTS[dataset] = image_digests(dataset.images)
    digests = _DIGESTS[dataset]
    n = int(np.isin(digests[test], digests[train]).sum())
    return (
        [
            Note(
                f"{format_count(n, 'test image is', 'test images are')} {SHARED}",
                NoteKind.COPIES,
                n,
            )
        ]
        if n
        else []
    )


# computed once per dataset, as long as it is in use
_DIGESTS: WeakKeyDictionary[Dataset, NDArray[np.uint64]] = WeakKeyDictionary()


def has_official_split(dataset: Dataset) -> bool:
    """Whether the dataset has an official training set and an official test set."""
    return dataset.subset is not None and {"train", "test"} <= set(dataset.subset)


def official_or_kfold(dataset: Dataset, folds: int = 3) -> list[Fold]:
    """The official split of a dataset that has one, else stratified k-fold cross-validation.

    Rows name the split that was used.

    Parameters
    ----------
    dataset : Dataset
    folds : int, default=3

    Returns
    -------
    folds : list of (train, test)
        Pairs of (n,) int64 index arrays.

    Raises
    ------
    UserError
        As ``official_split`` and ``stratified_kfold``.

    See Also
    --------
    official_split, stratified_kfold : The two splits.

    Examples
    --------
    >>> images, targets = np.zeros((4, 8, 8, 1), dtype=np.uint8), np.array([0, 1, 0, 1])
    >>> len(official_or_kfold(Dataset("d", images, targets, ("a", "b")), folds=2))
    2
    """
    return (
        official_split(dataset) if has_official_split(dataset) else stratified_kfold(dataset, folds)
    )


# parameters of splits that name an attribute of the images
ATTRIBUTE_PARAMETERS = ("attribute", "column")
REGISTRY = MappingProxyType(
    {
        "official_or_kfold": "benchmark.sampling.splits:official_or_kfold",
        "official": "benchmark.sampling.splits:official_split",
        "validation": "benchmark.sampling.splits:validation_split",
        "holdout": "benchmark.sampling.splits:holdout_split",
        "stratified_kfold": "benchmark.sampling.splits:stratified_kfold",
        "leave_one_group_out": "benchmark.sampling.attribute_splits:leave_one_group_out",
        "predefined": "benchmark.sampling.attribute_splits:predefined",
    }
)
