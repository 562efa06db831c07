"""Samples of the images of a cell: the same work on fewer images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.stored import open_dataset, store_dataset
from benchmark.evaluation.components import Components
from benchmark.sampling.splits import Fold, select_official_validation
from benchmark.study.cell import Cell


class Sample(NamedTuple):
    """A few images of a dataset, stored for the workers: training images, then test images.

    Parameters
    ----------
    path : Path
        Path of the stored dataset.
    fingerprint : str
        Its fingerprint.
    n_train, n_test : int
    """

    path: Path
    fingerprint: str
    n_train: int
    n_test: int

    def build_components(self, cell: Cell) -> Components:
        """Return the components of a cell on this sample in place of its dataset."""
        cell = replace(cell, fingerprint=self.fingerprint, external="")
        n_used = self.n_train + self.n_test
        fold = np.arange(self.n_train), np.arange(self.n_train, n_used)
        return Components(cell, open_dataset(self.path), fold)


def shuffle_fold(dataset: Dataset, fold: Fold) -> Fold:
    """Order the images of a fold so that the first of them are a stratified sample.

    Two training images of each class come first. Those of a multi-label task are in random order.

    Parameters
    ----------
    dataset : Dataset
    fold : (train, test)
        Indices of the training and the test images.

    Returns
    -------
    train, test : (n,) int64
    """
    random = np.random.default_rng(0)
    train, test = (random.permutation(indices) for indices in fold)
    return (train if dataset.multilabel else train[stratified_order(dataset.targets[train])]), test


def stratified_order(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return an order in which the first images are a stratified sample, however many they are.

    Two images of each class come first.

    Parameters
    ----------
    targets : (n,) int64

    Returns
    -------
    (n,) int64
        Positions.
    """
    rank = _rank_in_class(targets)
    place = (rank + 0.5) / np.bincount(targets)[targets]
    return np.lexsort((place, rank > 1))


def _rank_in_class(targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of earlier images of the same class, for each image."""
    order = np.argsort(targets, kind="stable")
    first = np.searchsorted(targets[order], targets[order])
    rank = np.empty(len(targets), dtype=np.int64)
    rank[order] = np.arange(len(targets)) - first
    return rank


def store_sample(dataset: Dataset, fold: Fold, n_train: int, folder: Path) -> Sample:
    """Store the first images of a shuffled fold, and as large a share of the validation set.

    Parameters
    ----------
    dataset : Dataset
    fold : (train, test)
        As returned by ``shuffle_fold``.
    n_train : int
        Number of training images.
    folder : Path

    Returns
    -------
    Sample
    """
    train, test = fold
    dataset = dataset.own
    validation, _ = select_official_validation(dataset)
    share = n_train / len(train)
    n_test, n_validation = (round(share * len(indices)) for indices in (test, validation))
    n_test = min(len(test), max(10, n_test))
    chosen = np.concatenate([train[:n_train], test[:n_test], validation[:n_validation]])
    small = replace(dataset.select(chosen), notes=(), split_notes=None)
    return Sample(store_dataset(small, folder), small.fingerprint, min(n_train, len(train)), n_test)
