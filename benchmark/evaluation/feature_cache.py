"""Features of a cell's images, computed once and kept on disk.

A stateless extractor is computed once per data set, one that learns once per training set. The key
of a stored matrix holds everything that decides it: the images, the extractor's parameters and
source, the versions of the libraries, and for one that learns the training indices and the seed.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
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
from features.base import enlarged_shape


class Matrix(NamedTuple):
    """A matrix of features that a cell needs.

    Parameters
    ----------
    spec : ResolvedSpec
        Of the extractor.
    of_occluded : bool
        Whether the images are occluded as the cell asks for, or whole.
    from_occluded : bool
        Whether the training images were, that the extractor has learned from.
    """

    spec: ResolvedSpec
    of_occluded: bool = False
    from_occluded: bool = False


@dataclass(frozen=True)
class Features:
    """What the model gets: features, or the images themselves.

    Parameters
    ----------
    train, test : (n, d) float32, or (n, h, w, c) uint8
    of_training : callable (indices) -> array
        The same of other images of the data set, treated as training images are.
    matrices : key to dict
        The 'extractor' of each matrix, the 'seconds' that computing it took for all images of the
        data set, also when it was read from the cache, and its size in 'mb'.
    n_images : int
        How many images that was for.
    notes : tuple of str
    """

    train: NDArray
    test: NDArray
    of_training: Callable[[NDArray[np.int64]], NDArray]
    matrices: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_images: int = 0
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """What extracting took, for all images of the data set."""
        return sum(matrix["seconds"] for matrix in self.matrices.values())


def extract_features(components: Components, cache: Path) -> Features:
    """Features of the training and test images; concatenated where the cell names several extractors.

    Parameters
    ----------
    components : Components
    cache : Path
        Folder of the stored matrices.
    """
    cell, dataset = components.cell, components.dataset
    in_train, in_test = _occluded_sets(components.occlusion)
    if not cell.extractor:
        return Features(
            components.select_images(components.train, in_train),
            components.select_images(components.test, in_test),
            lambda indices: components.select_images(indices, in_train),
        )
    found = {
        wanted: load_or_compute_matrix(components, part, cache)
        for part, wanted in enumerate(required_matrices(cell))
    }
    of = {(wanted.spec, wanted.of_occluded): matrix for wanted, (matrix, _) in found.items()}

    def features_at(indices: NDArray[np.int64], occluded: bool) -> NDArray:
        return join_features([of[spec, occluded][indices] for spec in cell.extractor])

    stored = [stored for _, stored in found.values()]
    used = {
        known["key"]: {name: known[name] for name in ("extractor", "seconds", "mb")}
        for known in stored
    }
    notes = dict.fromkeys(note for known in stored for note in known["notes"])
    of_train, of_test = (
        features_at(components.train, in_train),
        features_at(components.test, in_test),
    )
    return Features(
        of_train,
        of_test,
        lambda indices: features_at(indices, in_train),
        used,
        len(dataset.images),
        tuple(notes),
    )


def required_matrices(cell: Cell) -> tuple[Matrix, ...]:
    """Matrices that a cell needs: one an extractor, two where of training and test images only one kind is occluded."""
    return _required_matrices(cell.extractor, cell.occlusion)


@lru_cache(maxsize=1024)
def _required_matrices(
    extractor: tuple[ResolvedSpec, ...], occlusion: ResolvedSpec
) -> tuple[Matrix, ...]:
    in_train, in_test = _occluded_sets(import_target(occlusion.target)(**dict(occlusion.params)))
    return tuple(
        dict.fromkeys(
            Matrix(spec, side, in_train and learns_in_fit(spec))
            for spec in extractor
            for side in (in_train, in_test)
        )
    )


def _occluded_sets(occlusion: Occlusion | None) -> tuple[bool, bool]:
    """Whether training images are occluded, and whether test images are."""
    return (occlusion.in_train, occlusion.in_test) if occlusion else (False, False)


def join_features(matrices: list[NDArray]) -> NDArray:
    """Features of several extractors side by side."""
    return matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=1)


def load_or_compute_matrix(
    components: Components, part: int, cache: Path
) -> tuple[NDArray, dict[str, Any]]:
    """One of a cell's ``required_matrices``, from the cache if it is there.

    Returns
    -------
    matrix : (n, d) float32
        Of every image of the data set; a memory map.
    stored : dict
        What is known of it: 'key', 'seconds', 'notes', ...
    """
    cell, n_images = components.cell, len(components.dataset.images)
    path = cache / f"{matrix_key(cell, part, components.train)}.npy"
    found = _read_matrix(path, n_images)
    if found is None:
        _compute_and_store_matrix(components, required_matrices(cell)[part], path)
        found = _read_matrix(path, n_images)
        assert found is not None
    return found


def matrix_key(cell: Cell, part: int, train: NDArray[np.int64]) -> str:
    """Content key of one of a cell's matrices."""
    spec, *occluded = required_matrices(cell)[part]
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
    """Whether an extractor learns from training images, so that its features differ from fold to fold."""
    return not getattr(build_component(spec), "stateless", False)


def is_matrix_stored(key: str, n_images: int, cache: Path) -> bool:
    """Whether a matrix is in the cache, whole."""
    return _read_matrix(cache / f"{key}.npy", n_images) is not None


def _read_matrix(path: Path, n: int) -> tuple[NDArray, dict[str, Any]] | None:
    """Read a stored matrix, or None when it is missing or corrupted."""
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        stored = json.loads(path.with_suffix(".json").read_text())
        whole = (
            list(matrix.shape) == stored["shape"]
            and len(matrix) == n
            and stored["key"] == path.stem
        )
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    return (matrix, stored) if whole else None


def _compute_and_store_matrix(components: Components, wanted: Matrix, path: Path) -> None:
    spec, dataset, train = wanted.spec, components.dataset, components.train
    extractor = components.build_extractor(spec)
    images = (
        components.select_images(np.arange(len(dataset.images)), occluded=True)
        if wanted.of_occluded
        else dataset.images
    )
    learned_from = components.select_images(train, occluded=True) if wanted.from_occluded else None
    start = time.perf_counter()
    with warnings.catch_warnings(
        record=True
    ) as caught:  # said to every cell that uses the matrix, not to the first
        warnings.simplefilter("always")
        matrix = fit_extractor(extractor, dataset, train, learned_from).transform(images)
    seconds = time.perf_counter() - start
    stored = {
        "key": path.stem,
        "extractor": spec.label,
        "dataset": dataset.name,
        "shape": matrix.shape,
        "seconds": seconds,
    }
    stored["mb"] = matrix.nbytes / 1e6
    stored["notes"] = [
        *_extraction_notes(extractor, spec, dataset, matrix),
        *describe_warnings(caught),
    ]
    write_text(path.with_suffix(".json"), json.dumps(stored))
    write_atomic(path, lambda file: np.save(file, matrix))


def fit_extractor(
    extractor: Any,
    dataset: Dataset,
    train: NDArray[np.int64],
    images: NDArray[np.uint8] | None = None,
) -> Any:
    """Fit an extractor to the training images, or to others in their place, with their labels if it uses them."""
    if images is None:
        train = (
            train[:1] if getattr(extractor, "stateless", False) else train
        )  # one that learns nothing needs no copy of the images
        images = dataset.images[train]
    labels = (dataset.targets[train],) if getattr(extractor, "uses_labels", False) else ()
    return extractor.fit(images, *labels)


def _extraction_notes(
    extractor: Any, spec: ResolvedSpec, dataset: Dataset, matrix: NDArray
) -> list[str]:
    notes = []
    native = (dataset.images.shape[1], dataset.images.shape[2])
    seen = enlarged_shape(*native, getattr(extractor, "min_size", 1))
    if seen != native:
        notes.append(
            f"{spec.label}: images enlarged from {native[0]}x{native[1]} to {seen[0]}x{seen[1]} "
            "(bicubic)"
        )
    empty = int((~matrix.any(axis=1)).sum())
    if empty:
        notes.append(
            f"{spec.label}: {empty} of {len(matrix)} images have an all-zero feature vector"
        )
    return notes


def describe_warnings(caught: list[warnings.WarningMessage]) -> list[str]:
    """Warnings in words, each once."""
    return list(
        dict.fromkeys(
            f"{item.category.__name__}: {exception_text(item.message).partition(chr(10))[0]}"
            for item in caught
        )
    )


def exception_text(message: object) -> str:
    """Text of an exception or a warning of a plug-in's, which may have none or one that is no Unicode."""
    try:
        return str(message).encode(errors="replace").decode()
    except BaseException:  # of any kind: it is the plug-in's own
        return f"a {type(message).__name__} that cannot say what it is"
