"""Tasks of a worker: compute a part of a feature matrix, evaluate a cell, or time a small one.

Their arguments are small; datasets and feature matrices are files that the worker opens.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.datasets.stored import open_dataset
from benchmark.evaluation.accelerate import accelerate_models
from benchmark.evaluation.components import Components, build_components
from benchmark.evaluation.evaluate import (
    capture_outcome,
    evaluate_components,
    evaluate_on_dataset,
)
from benchmark.evaluation.extraction import extract_features
from benchmark.evaluation.feature_cache import start_matrix
from benchmark.evaluation.matrix_file import Rows
from benchmark.evaluation.matrix_parts import Part, extract_part
from benchmark.evaluation.sample import Sample
from benchmark.results.folder import ResultsFolder
from benchmark.study.cell import Cell

QUICK = 0.5  # seconds of a small cell after which a larger one is measured at once


def evaluate_cell(
    cell: Cell, data: Path, folder: Path, accelerate: bool = False, gpu: int | None = None
) -> dict[str, Any]:
    """Evaluate a cell: write its predictions and return its row; see ``evaluate_on_dataset``.

    Parameters
    ----------
    cell : Cell
    data : Path
        Path of the stored dataset, as returned by ``store_dataset``.
    folder : Path
        Results folder.
    accelerate : bool
        Whether to use scikit-learn-intelex.
    gpu : int, optional
        CUDA device to use.

    Returns
    -------
    dict
    """
    if gpu is not None:
        import torch

        torch.cuda.set_device(gpu)
    return evaluate_on_dataset(cell, open_dataset(data), folder, accelerate)


def begin_matrix(
    cell: Cell, matrix_index: int, rows: Rows, data: Path, folder: Path
) -> dict[str, Any]:
    """Begin the computation of one of a cell's feature matrices; see ``start_matrix``.

    Parameters
    ----------
    cell : Cell
    matrix_index : int
        Index of the matrix in ``required_matrices(cell)``.
    rows : (n_images,) bool
        Images whose features are needed.
    data : Path
        Path of the stored dataset, as returned by ``store_dataset``.
    folder : Path
        Results folder.

    Returns
    -------
    dict
        How it ended: 'status', 'reason', 'traceback' if an exception was raised, and 'draft', a
        Draft, or None if the matrix is in the cache.
    """

    def start() -> dict[str, Any]:
        components, cache = build_components(cell, open_dataset(data)), ResultsFolder(folder)
        return {"draft": start_matrix(components, matrix_index, rows, cache.features)}

    return capture_outcome(start)


def continue_matrix(part: Part, data: Path) -> dict[str, Any]:
    """Compute a part of a feature matrix; see ``extract_part``.

    Returns
    -------
    dict
        How it ended: 'status', 'reason', 'traceback' if an exception was raised, and 'tally'.
    """
    return capture_outcome(lambda: {"tally": extract_part(part, open_dataset(data))})


def time_small_cells(
    cell: Cell, samples: Sequence[Sample], folder: Path, accelerate: bool = False
) -> list[dict[str, Any]]:
    """Measure how long a cell takes on samples of its images, until one takes long.

    Parameters
    ----------
    cell : Cell
    samples : sequence of Sample
        The smallest one first.
    folder : Path
        Folder for features and predictions.
    accelerate : bool
        Whether to use scikit-learn-intelex.

    Returns
    -------
    list of dict
        For each sample how it ended ('status', 'reason'), 'seconds', without the extraction of
        features, and 'matrices', the costs of these.
    """
    outcomes: list[dict[str, Any]] = []
    with warnings.catch_warnings(), accelerate_models(accelerate):
        warnings.simplefilter("ignore")
        for sample in samples:
            components = sample.build_components(cell)
            outcomes.append(capture_outcome(partial(_time_components, components, folder)))
            if outcomes[-1].get("seconds", 0) > QUICK and len(outcomes) > 1:
                break
    return outcomes


def _time_components(components: Components, folder: Path) -> dict[str, Any]:
    features = extract_features(components, ResultsFolder(folder).features)
    start = time.perf_counter()
    evaluate_components(components, folder)
    return {"seconds": time.perf_counter() - start, "matrices": features.matrices}


def count_gpus() -> int:
    """Count the CUDA devices that torch can use on this machine."""
    import torch

    return torch.cuda.device_count()
