"""Time and disk space that a plan will take, estimated from the rows already stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from benchmark.datasets.base import Dataset, format_image_shape
from benchmark.engine.schedule import MatrixKeys
from benchmark.errors import UserError
from benchmark.evaluation.components import train_test_indices
from benchmark.evaluation.feature_cache import is_matrix_stored, required_matrices
from benchmark.evaluation.plan import Plan
from benchmark.results.folder import ResultsFolder
from benchmark.results.store import load_results
from benchmark.study.cell import Cell
from benchmark.utils.status import Status
from benchmark.utils.text import format_count

SIZE_TOLERANCE = 0.1  # sets whose sizes differ by at most a tenth count as equally large
_COLUMNS = ("resample_s", "fit_s", "predict_s", "matrices", "shape", "n_train", "n_images")


@dataclass
class Estimate:
    """Cost of the cells of a plan that can be run and are not yet stored.

    Parameters
    ----------
    n_cells : int
        Number of these cells.
    seconds : float
        Seconds of one worker, for the cells and matrices with comparable stored rows.
    mb : float
        Disk space in MB, for the predictions and those matrices.
    n_known : int
        Number of cells with comparable stored rows.
    unknown : counter of (noun, plural, label)
        Cells and matrices without a comparable stored row.
    n_rows : int
        Number of stored rows that the estimate is based on.
    sources : list of Path
        Results folders that hold these rows.
    """

    n_cells: int = 0
    seconds: float = 0.0
    mb: float = 0.0
    n_known: int = 0
    unknown: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    n_rows: int = 0
    sources: list[Path] = field(default_factory=list)

    def summary_lines(self, workers: int) -> Iterator[str]:
        """Yield lines of text that state the cost and what it is based on.

        Parameters
        ----------
        workers : int
            Number of workers that share the work.
        """
        if not self.n_cells:
            yield "nothing is left to run"
            return
        total = _format_duration(self.seconds)
        shared = _format_duration(self.seconds / workers)
        duration = (
            f": about {total} of work, {shared} with {format_count(workers, 'worker')}"
            if self.n_known
            else ""
        )
        yield f"{format_count(self.n_cells, 'cell')} to run{duration}; {self.mb:.1f} MB of disk"
        if not self.n_known:
            yield "  the time is unknown, since no stored row is comparable"
            return
        where = ", ".join(map(str, self.sources))
        known, rows = format_count(self.n_known, "cell"), format_count(self.n_rows, "row")
        yield (
            f"  {known} estimated from the median of rows with the same extractor, model and size "
            f"({rows} in {where})"
        )
        if self.unknown:
            unknown = (
                f"{format_count(n, noun, plural)} of {label}"
                for (noun, plural, label), n in self.unknown.items()
            )
            yield f"  not counted, since no stored row is comparable: {', '.join(unknown)}"


def estimate_remaining_work(plan: Plan, folder: Path) -> Estimate:
    """Estimate the cost of a plan from its results folder and the results folders beside it.

    The time of a cell is the median over the stored rows with the same extractor, model, image
    shape and training set size (within a tenth), restricted to the same strategy if there are such
    rows. The time and size of a feature matrix are the medians over the rows that used a matrix of
    the same extractor, image shape and number of images.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Results folder of the study; it need not exist.

    Returns
    -------
    Estimate

    Raises
    ------
    UserError
        The results folder exists and cannot be read.
    """
    stored = dict(_load_sibling_results(folder))
    done = (
        set(stored[folder].loc[stored[folder]["status"] != Status.PLANNED, "key"])
        if folder in stored
        else set()
    )
    costs = _StoredCosts(
        row
        for rows in stored.values()
        for row in rows[rows["status"] == Status.OK].to_dict("records")
    )
    estimate = Estimate(n_rows=costs.n_rows, sources=list(stored))
    cache = ResultsFolder(folder).features
    matrix_key = MatrixKeys(plan.datasets)
    seen = done | {cell.key for cell, _ in plan.refused_cells}
    for cell in plan.cells():
        if cell.key in seen:
            continue
        seen.add(cell.key)
        dataset = plan.datasets[cell.dataset.label]
        _add_cell(estimate, cell, dataset, costs)
        for matrix_index, (spec, *_) in enumerate(required_matrices(cell)):
            key = matrix_key(cell, matrix_index)
            if key in seen:
                continue
            seen.add(key)
            if not is_matrix_stored(key, len(dataset.images), cache):
                _add_matrix(estimate, spec.label, dataset, costs)
    return estimate


def _load_sibling_results(folder: Path) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Yield the results folders in the parent of ``folder``, itself included, with their rows."""
    for path in sorted(folder.parent.glob(f"*/{ResultsFolder(folder).database.name}")):
        try:
            yield path.parent, load_results(path.parent, _COLUMNS)
        except UserError:  # another program's file, or a corrupted one: nothing to learn from
            if path.parent == folder:
                raise


def _add_cell(estimate: Estimate, cell: Cell, dataset: Dataset, costs: _StoredCosts) -> None:
    train, test = train_test_indices(cell, dataset)
    estimate.n_cells += 1
    # 8 bytes each for the probabilities, the target and the index; before compression
    estimate.mb += len(test) * 8 * (len(dataset.classes) + 2) / 1e6
    labels = cell.identity
    seconds = costs.median_cell_seconds(
        labels["extractor"],
        labels["strategy"],
        labels["model"],
        format_image_shape(dataset),
        len(train),
    )
    if seconds is None:
        estimate.unknown["cell", "cells", f"{labels['extractor']} / {labels['model']}"] += 1
    else:
        estimate.n_known += 1
        estimate.seconds += seconds


def _add_matrix(estimate: Estimate, extractor: str, dataset: Dataset, costs: _StoredCosts) -> None:
    cost = costs.median_matrix_cost(extractor, format_image_shape(dataset), len(dataset.images))
    if cost is None:
        estimate.unknown["matrix", "matrices", extractor] += 1
    else:
        seconds, mb = cost
        estimate.seconds += seconds
        estimate.mb += mb


class _StoredCosts:
    """Seconds of cells, and seconds and sizes of feature matrices, in stored rows."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self.n_rows = 0
        self._cells: defaultdict[tuple[str, ...], list[tuple[float, str, float]]] = defaultdict(
            list
        )
        self._matrices: defaultdict[tuple[str, ...], dict[str, tuple[float, float, float]]] = (
            defaultdict(dict)
        )
        for row in rows:
            if not isinstance(row.get("shape"), str):
                continue  # the row was written by an earlier version
            self.n_rows += 1
            seconds = row["resample_s"] + row["fit_s"] + row["predict_s"]
            self._cells[row["extractor"], row["model"], row["shape"]].append(
                (row["n_train"], row["strategy"], seconds)
            )
            for key, matrix in (row["matrices"] or {}).items():
                cost = row["n_images"], matrix["seconds"], matrix["mb"]
                self._matrices[matrix["extractor"], row["shape"]][key] = cost

    @cache  # noqa: B019  # lives as long as the estimate
    def median_cell_seconds(
        self, extractor: str, strategy: str, model: str, shape: str, n_train: int
    ) -> float | None:
        comparable = [
            row for row in self._cells[extractor, model, shape] if _is_similar_size(row[0], n_train)
        ]
        best = [row for row in comparable if row[1] == strategy] or comparable
        return median(seconds for _, _, seconds in best) if best else None

    def median_matrix_cost(
        self, extractor: str, shape: str, n_images: int
    ) -> tuple[float, float] | None:
        comparable = [
            cost
            for cost in self._matrices[extractor, shape].values()
            if _is_similar_size(cost[0], n_images)
        ]
        if not comparable:
            return None
        return median(cost[1] for cost in comparable), median(cost[2] for cost in comparable)


def _is_similar_size(a: float, b: float) -> bool:
    return abs(a - b) <= SIZE_TOLERANCE * max(a, b)


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
