"""The parts of a feature matrix, which several workers compute at the same time."""

from __future__ import annotations

import pickle
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.evaluation.fitting import tabulate_attributes
from benchmark.evaluation.image_batches import EMPTY, Batches, fill_batch
from benchmark.evaluation.image_changes import Changes, change_images
from benchmark.evaluation.matrix_file import write_rows
from benchmark.plugins.registry import build_component, takes_attributes
from benchmark.plugins.spec import ResolvedSpec
from benchmark.utils.memory import release_memory
from benchmark.utils.messages import describe_warnings


@dataclass
class Tally:
    """What is added up over the parts of a matrix.

    Parameters
    ----------
    seconds : float
        Time that fitting and extracting took.
    n_images : int
        Number of images whose features were extracted.
    n_zero : int
        Number of those whose features are all zero.
    warnings : list of str
    fit_seconds : float
        Part of ``seconds`` that fitting took.
    """

    seconds: float = 0.0
    n_images: int = 0
    n_zero: int = 0
    warnings: list[str] = field(default_factory=list)
    fit_seconds: float = 0.0

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.seconds += other.seconds
        self.fit_seconds += other.fit_seconds
        self.n_images += other.n_images
        self.n_zero += other.n_zero
        self.warnings = list(dict.fromkeys([*self.warnings, *other.warnings]))

    @contextmanager
    def record(self) -> Iterator[None]:
        """Add the seconds of this block and the warnings in it, which are not shown."""
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        self.add(Tally(time.perf_counter() - start, warnings=describe_warnings(caught)))


class Part(NamedTuple):
    """Rows of a matrix that are to be computed, and what is needed for that.

    Parameters
    ----------
    file : Path
        Temporary file of the matrix.
    spec : ResolvedSpec
        The extractor.
    fitted : bytes
        The fitted extractor, pickled.
    changes : tuple
        What is done to the images; see ``find_changes``.
    seed : int
        Seed of these changes.
    batches : (n_batches, size) int64
        See ``cut_into_batches``.
    n_features : int or None
        Number of columns of the matrix; None if no row is computed yet.
    """

    file: Path
    spec: ResolvedSpec
    fitted: bytes
    changes: Changes
    seed: int
    batches: Batches
    n_features: int | None = None


def extract_part(part: Part, dataset: Dataset) -> Tally:
    """Compute the rows of a part and write them into the file.

    Raises
    ------
    StorageError
        The file cannot be written.
    ValueError
        The extractor did not return a row per image, all of the same length.
    """
    from features.compiled import compile_kernels

    build_component(part.spec)  # imports the module of a plug-in file, which pickle cannot find
    compile_kernels()
    tally, _ = extract_batches(part, dataset, pickle.loads(part.fitted))  # noqa: S301  # our own
    return tally


def extract_batches(
    part: Part, dataset: Dataset, extractor: Any, seconds: float = inf
) -> tuple[Tally, int]:
    """Compute the rows of a part with its extractor, until the time is over.

    Returns
    -------
    tally : Tally
    n_done : int
        Number of batches that were extracted.
    """
    tally, n_done = Tally(), 0
    while n_done < len(part.batches) and tally.seconds < seconds:
        indices, features = extract_batch(part, dataset, extractor, part.batches[n_done], tally)
        write_rows(part.file, len(dataset.images), indices, features)
        n_done += 1
    release_memory(dataset.images)
    return tally, n_done


def extract_batch(
    part: Part, dataset: Dataset, extractor: Any, batch: NDArray[np.int64], tally: Tally
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Compute the features of a batch.

    Returns
    -------
    indices : (m,) int64
        The images of the batch, without those that only fill it.
    features : (m, d) float32
    """
    filled = fill_batch(batch)
    if takes_attributes(part.spec):
        images: Any = tabulate_attributes(dataset, filled)
    else:
        images = change_images(dataset.images[filled], filled, part.changes, part.seed)
        images.setflags(write=False)  # as those of the dataset, which a plug-in must not change
    with tally.record():
        features = extractor.transform(images)
    shape = getattr(features, "shape", None)
    if shape is None or len(shape) != 2 or len(features) != len(images):
        raise ValueError(
            f"{part.spec.label}: transform returned {type(features).__name__} of shape {shape} for "
            f"{len(images)} images; it must be an array ({len(images)}, d)"
        )
    if part.n_features not in (None, shape[1]):
        raise ValueError(
            f"{part.spec.label}: transform returned {part.n_features} features for one batch of "
            f"images and {shape[1]} for another; all images must have the same number"
        )
    indices, rows = batch[batch != EMPTY], np.asarray(features, np.float32)[batch != EMPTY]
    tally.add(Tally(0, len(rows), int((~rows.any(axis=1)).sum())))
    return indices, rows
