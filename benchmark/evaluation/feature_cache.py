"""Feature matrices of datasets, computed once and cached on disk.

The feature matrix of a stateless extractor is computed once per dataset, that of an extractor that
learns once per training set. Its key is a digest of everything that it depends on: the images, the
extractor's parameters and source, the versions of the libraries, and for an extractor that learns
the training indices and the seed.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.evaluation.components import Components
from benchmark.evaluation.image_changes import Changes, change_images, find_changes
from benchmark.plugins.registry import build_component, describe_spec
from benchmark.plugins.spec import ResolvedSpec
from benchmark.study.cell import Cell
from benchmark.utils.environment import NOT_IN_FEATURES, library_versions
from benchmark.utils.files import write_atomic, write_text
from benchmark.utils.hashing import digest_of
from benchmark.utils.messages import describe_warnings
from features.base import enlarged_shape


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


def load_or_compute_matrix(
    components: Components, matrix_index: int, cache: Path
) -> tuple[NDArray, dict[str, Any]]:
    """Load a feature matrix from the cache, or compute and store it.

    Parameters
    ----------
    components : Components
    matrix_index : int
        Index of the matrix in ``required_matrices(components.cell)``.
    cache : Path
        Folder of the stored matrices.

    Returns
    -------
    matrix : (n, d) float32
        Features of every image of the dataset; a memory map.
    description : dict
        'key', 'extractor', 'seconds', 'mb', 'notes', ...
    """
    cell, n_images = components.cell, len(components.dataset.images)
    path = cache / f"{matrix_key(cell, matrix_index, components.train)}.npy"
    stored = _read_matrix(path, n_images)
    if stored is None:
        _compute_and_store_matrix(components, required_matrices(cell)[matrix_index], path)
        stored = _read_matrix(path, n_images)
        assert stored is not None
    return stored


def matrix_key(cell: Cell, matrix_index: int, train: NDArray[np.int64]) -> str:
    """Content key of one of a cell's feature matrices.

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
    return digest_of([cell.fingerprint, describe_spec(spec), versions, training, *changed])


def _describe_changes(changes: Changes) -> list[list[Any]]:
    return [
        [name, describe_spec(value) if isinstance(value, ResolvedSpec) else value]
        for name, value in changes
    ]


@lru_cache(maxsize=1024)
def learns_in_fit(spec: ResolvedSpec) -> bool:
    """Whether an extractor learns from training images, so that its features differ by fold."""
    return not getattr(build_component(spec), "stateless", False)


def is_matrix_stored(key: str, n_images: int, cache: Path) -> bool:
    """Whether a complete matrix with this key is in the cache."""
    return _read_matrix(cache / f"{key}.npy", n_images) is not None


def _read_matrix(path: Path, n_images: int) -> tuple[NDArray, dict[str, Any]] | None:
    """Read a stored matrix and its description; None when it is missing or corrupted."""
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        description = json.loads(path.with_suffix(".json").read_text())
        is_complete = (
            list(matrix.shape) == description["shape"]
            and len(matrix) == n_images
            and description["key"] == path.stem
        )
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    return (matrix, description) if is_complete else None


def _compute_and_store_matrix(components: Components, required: Matrix, path: Path) -> None:
    spec, dataset, train = required.spec, components.dataset, components.train
    extractor = components.build_extractor(spec)
    everything, seed = np.arange(len(dataset.images)), components.cell.seed
    images = change_images(dataset.images, everything, required.changes, seed)
    learned_from = (
        change_images(dataset.images[train], train, required.learned_changes, seed)
        if required.learned_changes
        else None
    )
    start = time.perf_counter()
    # warnings are stored with the matrix, so that every cell that uses it reports them
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        matrix = fit_extractor(extractor, dataset, train, learned_from).transform(images)
    seconds = time.perf_counter() - start
    notes = [*_extraction_notes(extractor, spec, dataset, matrix), *describe_warnings(caught)]
    description = {
        "key": path.stem,
        "extractor": spec.label,
        "dataset": dataset.name,
        "shape": matrix.shape,
        "seconds": seconds,
        "mb": matrix.nbytes / 1e6,
        "notes": notes,
    }
    write_text(path.with_suffix(".json"), json.dumps(description))
    write_atomic(path, lambda file: np.save(file, matrix))


def fit_extractor(
    extractor: Any,
    dataset: Dataset,
    train: NDArray[np.int64],
    images: NDArray[np.uint8] | None = None,
) -> Any:
    """Fit an extractor to training images, and to their labels if it uses labels.

    Parameters
    ----------
    extractor : Extractor
    dataset : Dataset
    train : (n,) int64
        Indices of the training images.
    images : (n, h, w, c) uint8, optional
        The training images if they differ from those of the dataset, as occluded ones do.

    Returns
    -------
    Extractor
        The fitted extractor.
    """
    if images is None:
        if getattr(extractor, "stateless", False):
            train = train[:1]  # it learns nothing: avoid a copy of all training images
        images = dataset.images[train]
    labels = (dataset.targets[train],) if getattr(extractor, "uses_labels", False) else ()
    return extractor.fit(images, *labels)


def _extraction_notes(
    extractor: Any, spec: ResolvedSpec, dataset: Dataset, matrix: NDArray
) -> list[str]:
    notes = []
    native = (dataset.images.shape[1], dataset.images.shape[2])
    enlarged = enlarged_shape(*native, getattr(extractor, "min_size", 1))
    if enlarged != native:
        notes.append(
            f"{spec.label}: images enlarged from {native[0]}x{native[1]} to "
            f"{enlarged[0]}x{enlarged[1]} (bicubic)"
        )
    n_zero = int((~matrix.any(axis=1)).sum())
    if n_zero:
        notes.append(
            f"{spec.label}: {n_zero} of {len(matrix)} images have an all-zero feature vector"
        )
    return notes
