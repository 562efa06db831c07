"""Features of the training and test images of a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluation.components import Components
from benchmark.evaluation.feature_cache import load_or_compute_matrix
from benchmark.evaluation.feature_rows import FeatureRows
from benchmark.evaluation.image_changes import Changes, find_changes
from benchmark.evaluation.matrix_file import StoredMatrix
from benchmark.evaluation.matrix_keys import required_matrices
from benchmark.plugins.spec import ResolvedSpec


@dataclass(frozen=True)
class Features:
    """Input of a model: features, or the images themselves.

    Parameters
    ----------
    train, test : (n, d) float32, or (n, h, w, c) uint8
        Of the training and the test images; FeatureRows if the model reads them in chunks.
    of_training : callable (indices) -> array or FeatureRows
        Gives the same for images of the official validation set, changed as the training images
        are.
    matrices : key to dict
        For each matrix its 'extractor', the 'seconds' that extracting the features of 'n_images'
        images took, even if they were read from the cache, and their size in 'mb'.
    notes : tuple of str
    external : (n, d) float32, (n, h, w, c) uint8, or None
        Of the external images, if they are to be predicted.
    """

    train: Any
    test: Any
    of_training: Callable[[NDArray[np.int64]], Any]
    matrices: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    external: Any = None

    @property
    def seconds(self) -> float:
        """Seconds that computing the matrices took."""
        return sum(matrix["seconds"] for matrix in self.matrices.values())

    @property
    def seconds_per_image(self) -> float:
        """Seconds that extracting the features of one image took."""
        return sum(matrix["seconds"] / matrix["n_images"] for matrix in self.matrices.values())


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
    cell = components.cell
    if not cell.extractor:
        return Features(
            components.select_images(components.train, "train"),
            components.select_images(components.test, "test"),
            lambda indices: components.select_images(indices, "train"),
            external=components.select_images(components.external_indices, "test"),
        )
    in_train, in_test = find_changes(cell, "train"), find_changes(cell, "test")
    matrices: dict[tuple[ResolvedSpec, Changes], NDArray] = {}
    costs: dict[str, dict[str, Any]] = {}
    notes: dict[str, None] = {}
    for matrix_index, required in enumerate(required_matrices(cell)):
        stored = load_or_compute_matrix(components, matrix_index, cache)
        matrices[required.spec, required.changes] = stored.values
        costs[stored.description["key"]] = _describe_cost(stored, len(components.dataset.images))
        notes |= dict.fromkeys(stored.description["notes"])

    def features_at(indices: NDArray[np.int64], changes: Changes) -> Any:
        rows = FeatureRows([matrices[spec, changes] for spec in cell.extractor], indices)
        return rows if components.reads_chunks else np.asarray(rows)

    return Features(
        features_at(components.train, in_train),
        features_at(components.test, in_test),
        lambda indices: features_at(indices, in_train),
        costs,
        tuple(notes),
        features_at(components.external_indices, in_test),
    )


def _describe_cost(stored: StoredMatrix, n_own: int) -> dict[str, Any]:
    """Extractor, seconds, number of images and MB of a matrix, without external images.

    No row has the time that external images take, as configurations are compared by the times of
    their own images.
    """
    described = stored.description
    fit_seconds = described["tally"].get("fit_seconds", 0.0)
    n_images = int(stored.computed[:n_own].sum())
    share = n_images / max(1, described["n_images"])
    return {
        "extractor": described["extractor"],
        "seconds": fit_seconds + share * (described["seconds"] - fit_seconds),
        "n_images": n_images,
        "mb": share * described["mb"],
    }
