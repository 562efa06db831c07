"""Features of the training and test images of a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluation.components import Components
from benchmark.evaluation.feature_cache import load_or_compute_matrix, required_matrices
from benchmark.evaluation.image_changes import Changes, find_changes
from benchmark.plugins.spec import ResolvedSpec


@dataclass(frozen=True)
class Features:
    """Input of a model: features, or the images themselves.

    Parameters
    ----------
    train, test : (n, d) float32, or (n, h, w, c) uint8
        Of the training and the test images.
    of_training : callable (indices) -> array
        Gives the same for other images of the dataset, changed as the training images are.
    matrices : key to dict
        For each matrix its 'extractor', the 'seconds' that it took to compute for all images of
        the dataset, even if it was read from the cache, and its size in 'mb'.
    n_images : int
        Number of images that each matrix was computed for; 0 without extractors.
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
        """Seconds that extracting the features of all images of the dataset took."""
        return sum(matrix["seconds"] for matrix in self.matrices.values())


def extract_features(components: Components, cache: Path) -> Features:
    """Extract the features of the training and test images, or read them from the cache.

    The features of several extractors are concatenated.

    Parameters
    ----------
    components : Components
    cache : Path
        Folder of the stored matrices.

    Returns
    -------
    Features
        The images themselves if the model takes images.
    """
    cell, dataset = components.cell, components.dataset
    if not cell.extractor:
        return Features(
            components.select_images(components.train, "train"),
            components.select_images(components.test, "test"),
            lambda indices: components.select_images(indices, "train"),
        )
    in_train, in_test = find_changes(cell, "train"), find_changes(cell, "test")
    matrices: dict[tuple[ResolvedSpec, Changes], NDArray] = {}
    descriptions: list[dict[str, Any]] = []
    for matrix_index, required in enumerate(required_matrices(cell)):
        matrix, description = load_or_compute_matrix(components, matrix_index, cache)
        matrices[required.spec, required.changes] = matrix
        descriptions.append(description)

    def features_at(indices: NDArray[np.int64], changes: Changes) -> NDArray:
        return join_features([matrices[spec, changes][indices] for spec in cell.extractor])

    costs = {
        description["key"]: {name: description[name] for name in ("extractor", "seconds", "mb")}
        for description in descriptions
    }
    notes = dict.fromkeys(note for description in descriptions for note in description["notes"])
    return Features(
        features_at(components.train, in_train),
        features_at(components.test, in_test),
        lambda indices: features_at(indices, in_train),
        costs,
        len(dataset.images),
        tuple(notes),
    )


def join_features(matrices: list[NDArray]) -> NDArray:
    """Concatenate the features of several extractors, (n, d_k) each, to (n, d)."""
    return matrices[0] if len(matrices) == 1 else np.concatenate(matrices, axis=1)
