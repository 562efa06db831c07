"""Times of cells and feature matrices in stored rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pandas as pd

from benchmark.errors import UserError
from benchmark.results.folder import ResultsFolder
from benchmark.results.store import load_results
from benchmark.study.axes import NONE

SIZE_TOLERANCE = 0.1  # sets whose sizes differ by at most a tenth count as equally large
_COLUMNS = (
    "tune_s",
    "resample_s",
    "fit_s",
    "predict_s",
    "matrices",
    "shape",
    "n_train",
    "n_images",
)


def load_sibling_results(folder: Path) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Yield the results folders in the parent of ``folder``, itself included, with their rows."""
    for path in sorted(folder.parent.glob(f"*/{ResultsFolder(folder).database.name}")):
        try:
            yield path.parent, load_results(path.parent, _COLUMNS)
        except UserError:  # another program's file, or a corrupted one: nothing to learn from
            if path.parent == folder:
                raise


class _CellCost(NamedTuple):
    position: int
    n_train: float
    strategy: str
    seconds: float


class _MatrixCost(NamedTuple):
    position: int
    n_images: float
    seconds: float
    mb: float


class StoredCosts:
    """Seconds of cells, and seconds and sizes of feature matrices, in stored rows.

    The time of a cell is the median over the rows with the same extractor, model, tuning, image
    shape and training set size (within a tenth), restricted to the same strategy if there are such
    rows. The time and size of a feature matrix are the medians over the rows that used a matrix of
    the same extractor, image shape and number of images.

    Parameters
    ----------
    rows : iterable of dict
        Rows with the status 'ok'.
    """

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self.used: set[int] = set()  # positions of the rows whose times were used
        self._cells = defaultdict[tuple[str, ...], list[_CellCost]](list)
        self._matrices = defaultdict[tuple[str, ...], dict[str, _MatrixCost]](dict)
        for position, row in enumerate(rows):
            if not isinstance(row.get("shape"), str):
                continue  # the row was written by an earlier version
            seconds = row["resample_s"] + row["fit_s"] + row["predict_s"]
            seconds += row["tune_s"] if row["tuning"] != NONE else 0
            self._cells[row["extractor"], row["model"], row["tuning"], row["shape"]].append(
                _CellCost(position, row["n_train"], row["strategy"], seconds)
            )
            for key, matrix in (row["matrices"] or {}).items():
                n_images = matrix.get("n_images") or row["n_images"]
                cost = _MatrixCost(position, n_images, matrix["seconds"], matrix["mb"])
                self._matrices[matrix["extractor"], row["shape"]][key] = cost

    @cache  # noqa: B019  # lives as long as the estimate
    def median_cell_seconds(
        self, extractor: str, strategy: str, model: str, tuning: str, shape: str, n_train: int
    ) -> float | None:
        """Median seconds of the comparable cells; None if there are none."""
        comparable = [
            cost
            for cost in self._cells[extractor, model, tuning, shape]
            if _is_similar_size(cost.n_train, n_train)
        ]
        best = [cost for cost in comparable if cost.strategy == strategy] or comparable
        self.used.update(cost.position for cost in best)
        return median(cost.seconds for cost in best) if best else None

    def median_matrix_cost(
        self, extractor: str, shape: str, n_images: int
    ) -> tuple[float, float] | None:
        """Median seconds and MB of the comparable matrices; None if there are none."""
        comparable = [
            cost
            for cost in self._matrices[extractor, shape].values()
            if _is_similar_size(cost.n_images, n_images)
        ]
        if not comparable:
            return None
        self.used.update(cost.position for cost in comparable)
        return median(cost.seconds for cost in comparable), median(cost.mb for cost in comparable)


def _is_similar_size(a: float, b: float) -> bool:
    return abs(a - b) <= SIZE_TOLERANCE * max(a, b)
