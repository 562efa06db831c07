"""Tasks of a worker: compute one feature matrix, or evaluate one cell.

Their arguments are small; datasets and feature matrices are files that the worker opens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.datasets.stored import open_dataset
from benchmark.evaluation.components import build_components
from benchmark.evaluation.evaluate import capture_outcome, evaluate_on_dataset
from benchmark.evaluation.feature_cache import load_or_compute_matrix
from benchmark.results.folder import ResultsFolder
from benchmark.study.cell import Cell


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


def compute_matrix(cell: Cell, matrix_index: int, data: Path, folder: Path) -> dict[str, Any]:
    """Compute one of a cell's feature matrices and store it in the cache.

    Parameters
    ----------
    cell : Cell
    matrix_index : int
        Index of the matrix in ``required_matrices(cell)``.
    data : Path
        Path of the stored dataset, as returned by ``store_dataset``.
    folder : Path
        Results folder.

    Returns
    -------
    dict
        How it ended: 'status', 'reason', and 'traceback' if an exception was raised.
    """
    dataset = open_dataset(data)

    def compute() -> dict[str, Any]:
        components, cache = build_components(cell, dataset), ResultsFolder(folder).features
        load_or_compute_matrix(components, matrix_index, cache)
        return {}

    return capture_outcome(compute)


def count_gpus() -> int:
    """Count the CUDA devices that torch can use on this machine."""
    import torch

    return torch.cuda.device_count()
