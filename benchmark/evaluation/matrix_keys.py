"""Which feature matrices a cell needs, of which images, and under which keys they are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.evaluation.components import (
    Components,
    attributes_refusal,
    build_components,
    may_use_held_out,
    train_test_indices,
)
from benchmark.evaluation.image_changes import Changes, find_changes
from benchmark.evaluation.matrix_file import Rows
from benchmark.plugins.registry import build_component, describe_spec, takes_attributes
from benchmark.plugins.spec import ResolvedSpec
from benchmark.sampling.splits import select_official_validation
from benchmark.study.cell import Cell
from benchmark.utils.environment import NOT_IN_FEATURES, library_versions
from benchmark.utils.hashing import digest_of


class Matrix(NamedTuple):
    """A feature matrix that a cell needs.

    Parameters
    ----------
    spec : ResolvedSpec
        The extractor.
    changes : tuple
        What was done to the images whose features it holds; see ``find_changes``.
    learned_changes : tuple
        What was done to the training images that the extractor has learned from.
    """

    spec: ResolvedSpec
    changes: Changes = ()
    learned_changes: Changes = ()


def required_matrices(cell: Cell) -> tuple[Matrix, ...]:
    """Feature matrices that a cell needs.

    There is one per extractor, or two if its training and its test images are changed differently.
    """
    return _required_matrices(
        cell.extractor, find_changes(cell, "train"), find_changes(cell, "test")
    )


@lru_cache(maxsize=1024)
def _required_matrices(
    extractor: tuple[ResolvedSpec, ...], in_train: Changes, in_test: Changes
) -> tuple[Matrix, ...]:
    return tuple(
        dict.fromkeys(
            Matrix(spec, changes, in_train if learns_in_fit(spec) else ())
            for spec in extractor
            for changes in (in_train, in_test)
        )
    )


def required_rows(components: Components, matrix_index: int) -> Rows:
    """Images of the dataset whose features a cell needs.

    These are its training images, its test images, external images, and those of the official
    validation set if its strategy or its model may use them.

    Parameters
    ----------
    components : Components
    matrix_index : int
        Index of the matrix in ``required_matrices(components.cell)``.

    Returns
    -------
    (n_images,) bool
    """
    cell, dataset = components.cell, components.dataset
    changes = required_matrices(cell)[matrix_index].changes
    rows = np.zeros(len(components.all_images.images), bool)
    if changes == find_changes(cell, "train"):
        rows[components.train] = True
        if components.may_use_validation_set:
            rows[select_official_validation(dataset)[0]] = True
    if changes == find_changes(cell, "test"):
        rows[components.test] = True
        rows[components.external_indices] = True
    return rows


def matrix_key(cell: Cell, matrix_index: int, train: NDArray[np.int64]) -> str:
    """Content key of one of a cell's feature matrices.

    It does not depend on which rows of the matrix are computed.

    Parameters
    ----------
    cell : Cell
    matrix_index : int
        Index of the matrix in ``required_matrices(cell)``.
    train : (n,) int64
        Indices of the training images.
    """
    spec, *changes = required_matrices(cell)[matrix_index]
    training = (
        [hashlib.sha256(np.ascontiguousarray(train).data).hexdigest(), cell.seed_for("extractor")]
        if learns_in_fit(spec)
        else None
    )
    versions = {
        name: version for name, version in library_versions().items() if name not in NOT_IN_FEATURES
    }
    changed = [[cell.seed, *map(_describe_changes, changes)]] if any(changes) else []
    attributes = [cell.attributes] if takes_attributes(spec) else []
    images = [cell.fingerprint, *([cell.external] if cell.external else [])]
    return digest_of([*images, describe_spec(spec), versions, training, *changed, *attributes])


def _describe_changes(changes: Changes) -> list[list[Any]]:
    return [
        [name, describe_spec(value) if isinstance(value, ResolvedSpec) else value]
        for name, value in changes
    ]


@lru_cache(maxsize=1024)
def learns_in_fit(spec: ResolvedSpec) -> bool:
    """Whether an extractor learns from training images, so that its features differ by fold."""
    return not getattr(build_component(spec), "stateless", False)


@dataclass
class MatrixNeed:
    """A feature matrix that cells need.

    Parameters
    ----------
    key : str
    cell : Cell
        The first of these cells.
    matrix_index : int
        Index of the matrix in ``required_matrices(cell)``.
    rows : (n_images,) bool
        Images whose features some of these cells need.
    """

    key: str
    cell: Cell
    matrix_index: int
    rows: Rows

    @property
    def matrix(self) -> Matrix:
        """The matrix."""
        return required_matrices(self.cell)[self.matrix_index]


class MatrixNeeds:
    """The feature matrices that cells need, and of which images.

    Parameters
    ----------
    datasets : label to Dataset
    """

    def __init__(self, datasets: dict[str, Dataset]) -> None:
        self._datasets = datasets
        self._keys: dict[tuple[object, ...], str] = {}
        self._by_key: dict[str, MatrixNeed] = {}
        self._counted: set[tuple[object, ...]] = set()

    def __iter__(self) -> Iterator[MatrixNeed]:
        return iter(self._by_key.values())

    def keys_of(self, cell: Cell) -> list[str]:
        """Content keys of a cell's matrices, in the order of ``required_matrices(cell)``."""
        return [self._key_of(cell, index) for index in range(len(required_matrices(cell)))]

    def add_cell(self, cell: Cell) -> None:
        """Add the matrices of a cell, and the images whose features it needs.

        A cell that is skipped since it lacks attributes of the images needs none.
        """
        dataset = self._datasets[cell.dataset.label]
        if any(
            attributes_refusal(spec, dataset) for spec in filter(takes_attributes, cell.extractor)
        ):
            return
        for matrix_index, key in enumerate(self.keys_of(cell)):
            decided_by = (key, _describe_sample(cell), matrix_index, may_use_held_out(cell))
            if decided_by in self._counted:
                continue
            self._counted.add(decided_by)
            rows = required_rows(build_components(cell, dataset), matrix_index)
            if key in self._by_key:
                self._by_key[key].rows |= rows
            else:
                self._by_key[key] = MatrixNeed(key, cell, matrix_index, rows)

    def _key_of(self, cell: Cell, matrix_index: int) -> str:
        spec, *changes = required_matrices(cell)[matrix_index]
        training = _describe_sample(cell) if learns_in_fit(spec) else ()
        changed = (cell.seed, *changes) if any(changes) else ()
        attributes = cell.attributes if takes_attributes(spec) else ""
        decided_by = (cell.fingerprint, cell.external, spec, training, changed, attributes)
        if decided_by not in self._keys:
            train, _ = train_test_indices(cell, self._datasets[cell.dataset.label])
            self._keys[decided_by] = matrix_key(cell, matrix_index, train)
        return self._keys[decided_by]


def _describe_sample(cell: Cell) -> tuple[object, ...]:
    """All that decides which images a cell trains on and is tested on."""
    return cell.split, cell.fold, cell.imbalance, cell.train_size, cell.seed
