"""Feature matrices of data sets, computed once and cached on disk.

The feature matrix of a stateless extractor is computed once per data set, that of an extractor that
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
from benchmark.plugins.registry import build_component, describe_spec, import_target
from benchmark.plugins.spec import ResolvedSpec
from benchmark.sampling.occlusion import Occlusion
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
    of_occluded : bool
        Whether its features are of images occluded as the cell says, or of whole ones.
    from_occluded : bool
        Whether the training images that the extractor has learned from were occluded.
    """

    spec: ResolvedSpec
    of_occluded: bool = False
    from_occluded: bool = False


def required_matrices(cell: Cell) -> tuple[Matrix, ...]:
    """Feature matrices that a cell needs.

    There is one per extractor, or two if only the training or only the test images are occluded.
    """
    return _required_matrices(cell.extractor, cell.occlusion)


@lru_cache(maxsize=1024)
def _required_matrices(
    extractor: tuple[ResolvedSpec, ...], occlusion: ResolvedSpec
) -> tuple[Matrix, ...]:
    in_train, in_test = occluded_sets(import_target(occlusion.target)(**dict(occlusion.params)))
    return tuple(
        dict.fromkeys(
            Matrix(spec, occluded, in_train and learns_in_fit(spec))
            for spec in extractor
            for occluded in (in_train, in_test)
        )
    )


def occluded_sets(occlusion: Occlusion | None) -> tuple[bool, bool]:
    """Return whether the training images are occluded, and whether the test images are."""
    return (occlusion.in_train, occlusion.in_test) if occlusion else (False, False)


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
        Features of every image of the data set; a memory map.
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
    spec, *occluded = required_matrices(cell)[matrix_index]
    training = (
        [hashlib.sha256(np.ascontiguousarray(train).data).hexdigest(), cell.seed_for("extractor")]
        if learns_in_fit(spec)
        else None
    )
    versions = {
        name: version for name, version in library_versions().items() if name not in NOT_IN_FEATURES
    }
    covered = [[describe_spec(cell.occlusion), cell.seed, *occluded]] if any(occluded) else []
    return digest_of([cell.fingerprint, describe_spec(spec), versions, training, *covered])


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
    images = (
        components.select_images(np.arange(len(dataset.images)), occluded=True)
        if required.of_occluded
        else dataset.images
    )
    learned_from = (
        components.select_images(train, occluded=True) if required.from_occluded else None
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
        The training images if they differ from those of the data set, as occluded ones do.

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
