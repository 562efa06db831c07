"""Which images train and which test; images of one group (patient, lesion) are never on both sides."""

from __future__ import annotations

import hashlib
import warnings
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, train_test_split

from benchmark.datasets.base import Dataset
from benchmark.errors import UserError

MOST_REPEATS = 1000
SHARED = " test images are also in the training part, pixel for pixel"

Indices = NDArray[np.int64]
Fold = tuple[Indices, Indices]


def official(dataset: Dataset) -> list[Fold]:
    """Train on the official training part, test on the official test part.

    The validation part is for whatever tunes or stops early; it never trains and never counts in a test figure.

    Raises
    ------
    UserError
        The data set has no official split, or a group is on both sides of it.
    """
    if not has_official(dataset):
        raise UserError(f"dataset '{dataset.name}' has no official split; use holdout or stratified_kfold")
    return [_parts(dataset, "train", "test")]


def validation(dataset: Dataset) -> list[Fold]:
    """Train on the official training part, test on the official validation part: for choosing among entries, not for citing.

    Raises
    ------
    UserError
        The data set has no official training and validation part, or a group is on both sides of it.
    """
    if dataset.part is None or not {"train", "val"} <= set(dataset.part):
        raise UserError(f"dataset '{dataset.name}' has no official validation part; use holdout or stratified_kfold")
    return [_parts(dataset, "train", "val")]


def _parts(dataset: Dataset, train_part: str, test_part: str) -> Fold:
    train, test = (np.flatnonzero(dataset.part == part) for part in (train_part, test_part))
    if dataset.groups is not None:
        shared = np.intersect1d(dataset.groups[train], dataset.groups[test])
        if len(shared):
            raise UserError(
                f"dataset '{dataset.name}': {len(shared)} groups (such as '{shared[0]}') are in both {train_part} and {test_part} "
                "of its official split; use stratified_kfold, or mend the split"
            )
    return train, test


def holdout(dataset: Dataset, test_size: float = 0.2, seed: int = 42) -> list[Fold]:
    """One stratified split; with groups, the fold of a stratified grouped k-fold nearest to the size asked for.

    Parameters
    ----------
    dataset : Dataset
    test_size : float in (0, 1)
        Share of the images that test.
    seed : int
    """
    if not 0 < test_size < 1:
        raise UserError(f"holdout: test_size is a share between 0 and 1, not {test_size}")
    if dataset.groups is not None:
        folds = _kfold(dataset, max(2, round(1 / test_size)), seed)
        return [min(folds, key=lambda fold: abs(len(fold[1]) / len(dataset.images) - test_size))]
    stratify = None if dataset.multilabel else dataset.targets
    try:
        train, test = train_test_split(np.arange(len(dataset.images)), test_size=test_size, random_state=seed, stratify=stratify)
    except ValueError as error:
        raise UserError(f"holdout of dataset '{dataset.name}': {error}") from None
    return [(np.sort(train), np.sort(test))]


def stratified_kfold(dataset: Dataset, folds: int = 3, repeats: int = 1, seed: int = 42) -> list[Fold]:
    """Stratified k-fold, repeated with other shuffles; multi-label targets are shuffled without stratification.

    Parameters
    ----------
    dataset : Dataset
    folds, repeats : int
    seed : int
        Repeat r shuffles with seed + r.
    """
    if folds < 2 or repeats < 1:
        raise UserError(f"stratified_kfold needs at least 2 folds and 1 repeat, not {folds} and {repeats}")
    if repeats > MOST_REPEATS:
        raise UserError(f"stratified_kfold: at most {MOST_REPEATS} repeats, not {repeats}")
    return [fold for repeat in range(repeats) for fold in _kfold(dataset, folds, seed + repeat)]


def _kfold(dataset: Dataset, folds: int, seed: int) -> list[Fold]:
    return _fold(dataset.name, dataset.targets, dataset.multilabel, dataset.groups, folds, seed)


def _fold(name: str, targets: NDArray[np.int64], multilabel: bool, groups: NDArray | None, folds: int, seed: int) -> list[Fold]:
    plain, stratified = (KFold, StratifiedKFold) if groups is None else (GroupKFold, StratifiedGroupKFold)
    kind = plain if multilabel else stratified
    target = np.zeros(len(targets)) if multilabel else targets
    with warnings.catch_warnings():  # a class with fewer images than folds is absent from a fold: the row says so
        warnings.filterwarnings("ignore", message="The least populated class")
        try:
            return list(kind(folds, shuffle=True, random_state=seed).split(target, target, groups))
        except ValueError as error:
            raise UserError(f"{folds} folds of dataset '{name}': {error} Use fewer folds.") from None


def inner_folds(dataset: Dataset, train: Indices, folds: int = 3) -> list[Fold]:
    """Split a training part again, stratified and grouped as the data set is; positions in ``train``, not indices.

    Parameters
    ----------
    dataset : Dataset
    train : indices
    folds : int
        Fewer where there are fewer images or groups.

    Raises
    ------
    UserError
        There is a single image or group.
    """
    groups = None if dataset.groups is None else dataset.groups[train]
    units = len(train) if groups is None else len(np.unique(groups))
    return _fold(dataset.name, dataset.targets[train], dataset.multilabel, groups, min(folds, units), seed=0)


def shared_images(dataset: Dataset, train: Indices, test: Indices) -> list[str]:
    """Say how many test images are also in the training part, pixel for pixel: copies made before the split, as by resampling."""
    digests = _digests(dataset)
    n = int(np.isin(digests[test], digests[train]).sum())
    return [f"{n}{SHARED}"] if n else []


def _digests(dataset: Dataset) -> NDArray[np.uint64]:
    """Digest of each image; computed once as long as the data set is in use."""
    if dataset not in _DIGESTS:
        found = (hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).digest() for image in dataset.images)
        _DIGESTS[dataset] = np.frombuffer(b"".join(found), dtype=np.uint64)
    return _DIGESTS[dataset]


_DIGESTS: WeakKeyDictionary[Dataset, NDArray[np.uint64]] = WeakKeyDictionary()


def has_official(dataset: Dataset) -> bool:
    """Whether the data set came with both a training and a test part."""
    return dataset.part is not None and {"train", "test"} <= set(dataset.part)


MENU = MappingProxyType(
    {
        "official": "benchmark.splits:official",
        "validation": "benchmark.splits:validation",
        "holdout": "benchmark.splits:holdout",
        "stratified_kfold": "benchmark.splits:stratified_kfold",
    }
)
