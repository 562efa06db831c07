"""Features of a cell's images, computed once and kept on disk.

A stateless extractor is computed once per data set, one that learns once per training part. The key of a stored matrix
holds everything that decides it: the images, the extractor's parameters and source, the versions of the libraries, and
for one that learns the training indices and the seed.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.cell import Cell, digest_of
from benchmark.datasets.base import Dataset
from benchmark.environment import libraries
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
    seconds : float
        What extracting cost for all images of the data set, also when it was read from the cache.
    n_images : int
        How many images that was for.
    notes : tuple of str
    """

    train: NDArray
    test: NDArray
    seconds: float = 0.0
    n_images: int = 0
    notes: tuple[str, ...] = ()


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
    parts = [_matrix(spec, cell.seed_for("extractor"), dataset, train, cache) for spec in cell.extractor]
    return Features(
        np.concatenate([matrix[train] for matrix, _ in parts], axis=1),
        np.concatenate([matrix[test] for matrix, _ in parts], axis=1),
        sum(stored["seconds"] for _, stored in parts),
        len(dataset.images),
        tuple(note for _, stored in parts for note in stored["notes"]),
    )


def _matrix(spec: Spec, seed: int, dataset: Dataset, train: NDArray[np.int64], cache: Path) -> tuple[NDArray, dict[str, Any]]:
    """(n, d) features of every image of the data set, as a memory map, and what is known of them."""
    extractor = seeded(build(spec), seed)
    path = cache / f"{_key(spec, extractor, dataset, train, seed)}.npy"
    found = _read(path, len(dataset.images))
    if found is None:
        _compute(extractor, spec, dataset, train, path)
        found = _read(path, len(dataset.images))
        assert found is not None
    return found


def _key(spec: Spec, extractor: Any, dataset: Dataset, train: NDArray[np.int64], seed: int) -> str:
    learned = not getattr(extractor, "stateless", False)
    training = [hashlib.sha256(np.ascontiguousarray(train).data).hexdigest(), seed] if learned else None
    return digest_of([dataset.fingerprint, describe(spec), libraries(), training])


def _read(path: Path, n: int) -> tuple[NDArray, dict[str, Any]] | None:
    """Read a stored matrix, or None when it is absent or torn."""
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        stored = json.loads(path.with_suffix(".json").read_text())
        whole = list(matrix.shape) == stored["shape"] and len(matrix) == n and stored["seconds"] >= 0
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    return (matrix, stored) if whole else None


def _compute(extractor: Any, spec: Spec, dataset: Dataset, train: NDArray[np.int64], path: Path) -> None:
    start = time.perf_counter()
    matrix = extractor.fit(dataset.images[train]).transform(dataset.images)
    seconds = time.perf_counter() - start
    stored = {"extractor": spec.label, "dataset": dataset.name, "shape": matrix.shape, "seconds": seconds}
    stored["notes"] = _notes(extractor, spec, dataset, matrix)
    write_text(path.with_suffix(".json"), json.dumps(stored))
    write_atomic(path, lambda file: np.save(file, matrix))


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


def seeded(estimator: Any, seed: int) -> Any:
    """Give every unset ``random_state`` of an estimator, and of those inside it, the seed."""
    unset = [name for name, value in estimator.get_params().items() if name.split("__")[-1] == "random_state" and value is None]
    return estimator.set_params(**dict.fromkeys(unset, seed)) if unset else estimator
