"""Features of a cell's images, computed once and kept on disk.

A stateless extractor is computed once per data set, one that learns once per training part. The key of a stored matrix
holds everything that decides it: the images, the extractor's parameters and source, the versions of the libraries, and
for one that learns the training indices and the seed.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.cell import Cell, digest_of
from benchmark.datasets.base import Dataset
from benchmark.environment import NOT_IN_FEATURES, libraries
from benchmark.files import write_atomic, write_text
from benchmark.plugins import build, describe
from benchmark.spec import Spec
from features.base import enlarged_shape


@dataclass(frozen=True)
class Features:
    """What the model gets: features, or the images themselves.

    Parameters
    ----------
    train, test : (n, d) float32, or (n, h, w, c) uint8
    matrices : key to dict
        The 'extractor' of each matrix, the 'seconds' that computing it took for all images of the data set, also when it
        was read from the cache, and its size in 'mb'.
    n_images : int
        How many images that was for.
    notes : tuple of str
    """

    train: NDArray
    test: NDArray
    matrices: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_images: int = 0
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """What extracting took, for all images of the data set."""
        return sum(matrix["seconds"] for matrix in self.matrices.values())


def featurize(cell: Cell, dataset: Dataset, train: NDArray[np.int64], test: NDArray[np.int64], cache: Path) -> Features:
    """Features of the training and test images; concatenated where the cell names several extractors.

    Parameters
    ----------
    cell : Cell
    dataset : Dataset
    train, test : indices
    cache : Path
        Folder of the stored matrices.
    """
    if not cell.extractor:
        return Features(dataset.images[train], dataset.images[test])
    parts = [matrix_of(cell, part, dataset, train, cache) for part in range(len(cell.extractor))]
    return Features(
        joined([matrix[train] for matrix, _ in parts]),
        joined([matrix[test] for matrix, _ in parts]),
        {stored["key"]: {name: stored[name] for name in ("extractor", "seconds", "mb")} for _, stored in parts},
        len(dataset.images),
        tuple(note for _, stored in parts for note in stored["notes"]),
    )


def joined(matrices: list[NDArray]) -> NDArray:
    """Features of several extractors side by side."""
    return matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=1)


def matrix_of(cell: Cell, part: int, dataset: Dataset, train: NDArray[np.int64], cache: Path) -> tuple[NDArray, dict[str, Any]]:
    """Features of one of a cell's extractors, from the cache if they are there.

    Returns
    -------
    matrix : (n, d) float32
        Of every image of the data set; a memory map.
    stored : dict
        What is known of it: 'key', 'seconds', 'notes', ...
    """
    spec, path = cell.extractor[part], cache / f"{matrix_key(cell, part, train)}.npy"
    found = _read(path, len(dataset.images))
    if found is None:
        _compute(seeded(build(spec), cell.seed_for("extractor")), spec, dataset, train, path)
        found = _read(path, len(dataset.images))
        assert found is not None
    return found


def matrix_key(cell: Cell, part: int, train: NDArray[np.int64]) -> str:
    """Content key of the matrix of one of a cell's extractors."""
    spec = cell.extractor[part]
    training = [hashlib.sha256(np.ascontiguousarray(train).data).hexdigest(), cell.seed_for("extractor")] if learns(spec) else None
    versions = {name: version for name, version in libraries().items() if name not in NOT_IN_FEATURES}
    return digest_of([cell.fingerprint, describe(spec), versions, training])


@lru_cache(maxsize=1024)
def learns(spec: Spec) -> bool:
    """Whether an extractor learns from training images, so that its features differ from fold to fold."""
    return not getattr(build(spec), "stateless", False)


def is_stored(key: str, n_images: int, cache: Path) -> bool:
    """Whether a matrix is in the cache, whole."""
    return _read(cache / f"{key}.npy", n_images) is not None


def _read(path: Path, n: int) -> tuple[NDArray, dict[str, Any]] | None:
    """Read a stored matrix, or None when it is absent or torn."""
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        stored = json.loads(path.with_suffix(".json").read_text())
        whole = list(matrix.shape) == stored["shape"] and len(matrix) == n and stored["key"] == path.stem
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    return (matrix, stored) if whole else None


def _compute(extractor: Any, spec: Spec, dataset: Dataset, train: NDArray[np.int64], path: Path) -> None:
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:  # said to every cell that uses the matrix, not to the first
        warnings.simplefilter("always")
        matrix = fit_extractor(extractor, dataset, train).transform(dataset.images)
    seconds = time.perf_counter() - start
    stored = {"key": path.stem, "extractor": spec.label, "dataset": dataset.name, "shape": matrix.shape, "seconds": seconds}
    stored["mb"] = matrix.nbytes / 1e6
    stored["notes"] = [*_notes(extractor, spec, dataset, matrix), *said(caught)]
    write_text(path.with_suffix(".json"), json.dumps(stored))
    write_atomic(path, lambda file: np.save(file, matrix))


def fit_extractor(extractor: Any, dataset: Dataset, train: NDArray[np.int64]) -> Any:
    """Fit an extractor to the training images, with their labels if it uses them."""
    seen = train[:1] if getattr(extractor, "stateless", False) else train  # one that learns nothing needs no copy of the images
    labels = (dataset.targets[seen],) if getattr(extractor, "uses_labels", False) else ()
    return extractor.fit(dataset.images[seen], *labels)


def _notes(extractor: Any, spec: Spec, dataset: Dataset, matrix: NDArray) -> list[str]:
    notes = []
    native = (dataset.images.shape[1], dataset.images.shape[2])
    seen = enlarged_shape(*native, getattr(extractor, "min_size", 1))
    if seen != native:
        notes.append(f"{spec.label}: images enlarged from {native[0]}x{native[1]} to {seen[0]}x{seen[1]} (bicubic)")
    empty = int((~matrix.any(axis=1)).sum())
    if empty:
        notes.append(f"{spec.label}: {empty} of {len(matrix)} images have an all-zero feature vector")
    return notes


def said(caught: list[warnings.WarningMessage]) -> list[str]:
    """Warnings in words, each once."""
    return list(dict.fromkeys(f"{item.category.__name__}: {words(item.message).partition(chr(10))[0]}" for item in caught))


def words(message: object) -> str:
    """Text of an exception or a warning of a plug-in's, which may have none or one that is no Unicode."""
    try:
        return str(message).encode(errors="replace").decode()
    except Exception:
        return f"a {type(message).__name__} that cannot say what it is"


def seeded(estimator: Any, seed: int) -> Any:
    """Give every unset ``random_state`` of an estimator, and of those inside it, the seed."""
    unset = [name for name, value in estimator.get_params().items() if name.split("__")[-1] == "random_state" and value is None]
    return estimator.set_params(**dict.fromkeys(unset, seed)) if unset else estimator
