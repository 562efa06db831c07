"""What a worker is asked to do: compute one matrix of features, or evaluate one cell.

The arguments are small; data sets and matrices are files that the worker opens.
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
    """Row of a cell, whose predictions are written; see ``evaluate_on_dataset``.

    Parameters
    ----------
    cell : Cell
    data : Path
        As ``store_dataset`` gave it.
    folder : Path
        Results folder.
    accelerate : bool
    gpu : int, optional
        The CUDA device to be used.
    """
    if gpu is not None:
        import torch

        torch.cuda.set_device(gpu)
    return evaluate_on_dataset(cell, open_dataset(data), folder, accelerate)


def compute_matrix(cell: Cell, part: int, data: Path, folder: Path) -> dict[str, Any]:
    """Compute one of a cell's matrices of features into the cache.

    Returns
    -------
    dict
        What a row says of how it ended: 'status', 'reason', and the traceback if there is one.
    """
    dataset = open_dataset(data)
    return capture_outcome(
        lambda: (
            load_or_compute_matrix(
                build_components(cell, dataset), part, ResultsFolder(folder).features
            )
            and {}
        )
    )


def count_gpus() -> int:
    """Count the CUDA devices that torch can use here."""
    import torch

    return torch.cuda.device_count()
