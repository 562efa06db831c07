"""Feature matrices of datasets, computed once and cached on disk.

The matrix of a stateless extractor is computed once per dataset, that of an extractor that learns
once per training set. Its key is a digest of everything that its rows depend on: the images, the
extractor's parameters and source, the versions of the libraries, and for an extractor that learns
the training indices and the seed. It has the rows of those images that cells have needed so far;
others are added when a cell needs them.

``start_matrix`` fits the extractor, creates the file and computes the first rows. Several workers
can compute the others, with ``extract_part``. ``finish_matrix`` puts the file in its place.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.datasets.base import Dataset
from benchmark.errors import StorageError
from benchmark.evaluation.components import Components
from benchmark.evaluation.fitting import fit_extractor
from benchmark.evaluation.image_batches import cut_into_batches
from benchmark.evaluation.matrix_file import (
    Rows,
    StoredMatrix,
    copy_rows,
    create_matrix,
    publish_matrix,
    read_matrix,
    write_rows,
)
from benchmark.evaluation.matrix_keys import (
    matrix_key,
    required_matrices,
    required_rows,
)
from benchmark.evaluation.matrix_parts import (
    Part,
    Tally,
    extract_batch,
    extract_batches,
    extract_part,
)
from benchmark.plugins.spec import ResolvedSpec
from features.base import enlarged_shape, images_per_batch

_LOG = logging.getLogger(__name__)
MAX_ATTEMPTS = 5  # to compute a matrix whose file other processes replace
PART_SECONDS = 0.5  # of work, beside which the time to start a part does not matter
SENT_PER_SECOND = 10e6  # bytes of a fitted extractor, so that sending it takes no tenth of the time
MAX_PICKLED = 2**26  # bytes of a fitted extractor that is sent to other workers


class Draft(NamedTuple):
    """A matrix whose computation has begun.

    Parameters
    ----------
    path : Path
        Where the complete matrix will be.
    file : Path
        Temporary file that the rows are written into.
    computed : (n_images,) bool
        Rows that the file holds when all parts are done.
    description : dict
        'extractor', 'dataset', 'shape' and 'notes'.
    tally : Tally
        Of the rows that it holds already.
    parts : list of Part
        The rows that it lacks.
    """

    path: Path
    file: Path
    computed: Rows
    description: dict[str, Any]
    tally: Tally
    parts: list[Part]


def load_or_compute_matrix(components: Components, matrix_index: int, cache: Path) -> StoredMatrix:
    """Load a feature matrix from the cache, after the rows that it lacks are computed.

    Parameters
    ----------
    components : Components
    matrix_index : int
        Index of the matrix in ``required_matrices(components.cell)``.
    cache : Path
        Folder of the stored matrices.

    Returns
    -------
    StoredMatrix
        It has the rows that the cell needs, and may have others.

    Raises
    ------
    StorageError
        The matrix cannot be read after it was written.
    """
    rows = required_rows(components, matrix_index)
    key = matrix_key(components.cell, matrix_index, components.train)
    attempts = 0
    # another process may replace the file at any time, by one that lacks the same rows
    while (stored := read_covering_matrix(key, rows, cache)) is None:
        if attempts == MAX_ATTEMPTS:
            raise StorageError(
                f"cannot read {cache / key}.npy after it was written; use a results folder on "
                "another disk"
            )
        attempts += 1
        draft = start_matrix(components, matrix_index, rows, cache)
        if draft:
            with discard_on_error(draft.file):
                tallies = [extract_part(part, components.all_images) for part in draft.parts]
            finish_matrix(draft, tallies)
    return stored


def read_covering_matrix(key: str, rows: Rows, cache: Path) -> StoredMatrix | None:
    """Read the matrix with this key from the cache; None if there is none with these rows."""
    stored = read_matrix(cache / f"{key}.npy", len(rows))
    return stored if stored and stored.covers(rows) else None


def start_matrix(
    components: Components, matrix_index: int, rows: Rows, cache: Path
) -> Draft | None:
    """Fit the extractor of a matrix, create its file, and compute rows for ``PART_SECONDS``.

    All rows are computed if the fitted extractor cannot be sent to other workers.

    Parameters
    ----------
    components : Components
        Of a cell that needs the matrix.
    matrix_index : int
        Index of the matrix in ``required_matrices(components.cell)``.
    rows : (n_images,) bool
        Images whose features are needed, by this cell or another one.
    cache : Path
        Folder of the stored matrices.

    Returns
    -------
    Draft or None
        None if the cache has these rows.
    """
    cell, dataset = components.cell, components.all_images
    path = cache / f"{matrix_key(cell, matrix_index, components.train)}.npy"
    stored = read_matrix(path, len(rows))
    if stored and stored.covers(rows):
        return None
    required, tally = required_matrices(cell)[matrix_index], Tally()
    extractor = components.build_extractor(required.spec)
    with tally.record():
        fit_extractor(extractor, dataset, components.train, required.learned_changes, cell.seed)
    tally.fit_seconds = tally.seconds
    fitted, extractor = _pickle_and_restore(extractor)
    batches = cut_into_batches(
        np.flatnonzero(rows & ~stored.computed if stored else rows),
        len(rows),
        images_per_batch(extractor, dataset.images.shape[1:]),
    )
    first = Part(path, required.spec, fitted, required.changes, cell.seed, batches[:1])
    indices, features = extract_batch(first, dataset, extractor, batches[0], tally)
    shape = len(rows), features.shape[1]
    file = create_matrix(path, shape)
    with discard_on_error(file):
        write_rows(file, len(rows), indices, features)
        remaining = first._replace(file=file, batches=batches[1:], n_features=features.shape[1])
        more, n_done = extract_batches(
            remaining, dataset, extractor, PART_SECONDS if fitted else inf
        )
        tally.add(more)
        parts = _cut_into_parts(remaining, n_done, more.seconds / max(1, n_done))
        computed = rows
        if stored:
            copy_rows(stored, file)
            tally.add(Tally(**stored.description["tally"]))
            computed = rows | stored.computed
    description = {
        "extractor": required.spec.label,
        "dataset": dataset.name,
        "shape": shape,
        "notes": _note_enlargement(extractor, required.spec, dataset),
    }
    return Draft(path, file, computed, description, tally, parts)


def finish_matrix(draft: Draft, tallies: Iterable[Tally]) -> None:
    """Put the file of a matrix in its place; all of its parts are done.

    Parameters
    ----------
    draft : Draft
    tallies : iterable of Tally
        Of its parts.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    total = Tally()
    for tally in (draft.tally, *tallies):
        total.add(tally)
    label, n_bytes = draft.description["extractor"], 4 * draft.description["shape"][1]
    zero = (
        [f"{label}: {total.n_zero} of {total.n_images} images have an all-zero feature vector"]
        if total.n_zero
        else []
    )
    publish_matrix(
        draft.file,
        draft.path,
        draft.computed,
        {
            **draft.description,
            "seconds": total.seconds,
            "n_images": total.n_images,
            "mb": total.n_images * n_bytes / 1e6,
            "notes": [*draft.description["notes"], *zero, *total.warnings],
            "tally": asdict(total),
        },
    )


@contextmanager
def discard_on_error(file: Path) -> Iterator[None]:
    """Remove the temporary file of a matrix if an exception is raised in this block."""
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _cut_into_parts(remaining: Part, n_done: int, seconds_per_batch: float) -> list[Part]:
    """Cut batches that are still to be extracted into parts of about ``PART_SECONDS``."""
    seconds = max(PART_SECONDS, len(remaining.fitted) / SENT_PER_SECOND)
    n = max(1, round(seconds / max(seconds_per_batch, 1e-6)))
    return [
        remaining._replace(batches=remaining.batches[start : start + n])
        for start in range(n_done, len(remaining.batches), n)
    ]


def _pickle_and_restore(extractor: Any) -> tuple[bytes, Any]:
    """Pickle a fitted extractor, and restore it, so that every worker uses an equal copy.

    Returns
    -------
    pickled : bytes
        Empty if it cannot be sent to other workers.
    extractor : Extractor
        The copy, or the same object then.
    """
    try:
        pickled = pickle.dumps(extractor)
        if len(pickled) <= MAX_PICKLED:
            return pickled, pickle.loads(pickled)  # noqa: S301  # our own
    except Exception as error:  # a plug-in may hold anything
        _LOG.info("one worker extracts all images, since the extractor cannot be sent: %s", error)
    return b"", extractor


def _note_enlargement(extractor: Any, spec: ResolvedSpec, dataset: Dataset) -> list[str]:
    native = (dataset.images.shape[1], dataset.images.shape[2])
    enlarged = enlarged_shape(*native, getattr(extractor, "min_size", 1))
    if enlarged == native:
        return []
    return [
        f"{spec.label}: images enlarged from {native[0]}x{native[1]} to "
        f"{enlarged[0]}x{enlarged[1]} (bicubic)"
    ]
