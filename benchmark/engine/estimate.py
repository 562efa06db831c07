"""What a plan will take, judged by the rows already stored."""

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

NEAR = 0.1  # training sets whose sizes differ by a tenth are of the same size
_COLUMNS = ("resample_s", "fit_s", "predict_s", "matrices", "shape", "n_train", "n_images")


@dataclass
class Estimate:
    """What the cells of a plan that are not stored, and can be run, will take.

    Parameters
    ----------
    n_cells : int
    seconds : float
        Of one worker, for the cells and matrices that something is known of.
    mb : float
        Disk, for predictions and those matrices.
    n_known : int
        Cells judged by stored rows.
    unknown : counter of (noun, plural, label)
        Cells, and matrices, that no stored row is like.
    n_rows : int
        Rows judged by.
    sources : list of Path
        Folders that hold them.
    """

    n_cells: int = 0
    seconds: float = 0.0
    mb: float = 0.0
    n_known: int = 0
    unknown: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    n_rows: int = 0
    sources: list[Path] = field(default_factory=list)

    def summary_lines(self, workers: int) -> Iterator[str]:
        """Say it, and how it is known."""
        if not self.n_cells:
            yield "nothing is left to run"
            return
        together = (
            f"{_format_duration(self.seconds / workers)} with {format_count(workers, 'worker')}"
        )
        taking = (
            f": about {_format_duration(self.seconds)} of work, {together}" if self.n_known else ""
        )
        yield f"{format_count(self.n_cells, 'cell')} to run{taking}; {self.mb:.1f} MB of disk"
        where = ", ".join(map(str, self.sources)) or "no results folder"
        known, rows = format_count(self.n_known, "cell"), format_count(self.n_rows, "row")
        yield f"  {known} judged by the median of rows of the same extractor, model and size ({rows} in {where})"
        if self.unknown:
            unknown = (
                f"{format_count(n, noun, plural)} of {label}"
                for (noun, plural, label), n in self.unknown.items()
            )
            yield f"  not counted, since no row is like them: {', '.join(unknown)}"


def estimate_remaining_work(plan: Plan, folder: Path) -> Estimate:
    """Judge a plan by the rows of its results folder, and of those beside it.

    The time of a cell is the median over stored rows of the same extractor, model, image shape and
    size of the training set (within a tenth), of the same strategy if there are such; the time and
    size of a matrix of features the median over rows that used one of the same extractor, image
    shape and number of images.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Results folder of the study; it need not exist.
    """
    stored = dict(_load_sibling_results(folder))
    done = (
        set(stored[folder].loc[stored[folder]["status"] != Status.PLANNED, "key"])
        if folder in stored
        else set()
    )
    known = _Known(
        row
        for rows in stored.values()
        for row in rows[rows["status"] == Status.OK].to_dict("records")
    )
    found = Estimate(n_rows=known.n_rows, sources=list(stored))
    matrix_key, seen = (
        MatrixKeys(plan.datasets),
        done | {cell.key for cell, _ in plan.refused_cells},
    )
    for cell in plan.cells():
        if cell.key not in seen:
            seen.add(cell.key)
            dataset = plan.datasets[cell.dataset.label]
            _add_cell(found, cell, dataset, known)
            for part, (spec, *_) in enumerate(required_matrices(cell)):
                key = matrix_key(cell, part)
                if key not in seen:
                    seen.add(key)
                    if not is_matrix_stored(
                        key, len(dataset.images), ResultsFolder(folder).features
                    ):
                        _add_matrix(found, spec.label, dataset, known)
    return found


def _load_sibling_results(folder: Path) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Results folders beside one, and that one, with their rows."""
    for path in sorted(folder.parent.glob("*/results.sqlite")):
        try:
            yield path.parent, load_results(path.parent, _COLUMNS)
        except UserError:  # another program's, or corrupted: it tells nothing
            if path.parent == folder:
                raise


def _add_cell(found: Estimate, cell: Cell, dataset: Dataset, known: _Known) -> None:
    train, test = train_test_indices(cell, dataset)
    found.n_cells += 1
    found.mb += (
        len(test) * 8 * (len(dataset.classes) + 2) / 1e6
    )  # probabilities, target and index; before compression
    labels = cell.identity
    seconds = known.median_cell_seconds(
        labels["extractor"],
        labels["strategy"],
        labels["model"],
        format_image_shape(dataset),
        len(train),
    )
    if seconds is None:
        found.unknown["cell", "cells", f"{labels['extractor']} / {labels['model']}"] += 1
    else:
        found.n_known += 1
        found.seconds += seconds


def _add_matrix(found: Estimate, extractor: str, dataset: Dataset, known: _Known) -> None:
    matrix = known.median_matrix_cost(extractor, format_image_shape(dataset), len(dataset.images))
    if matrix is None:
        found.unknown["matrix", "matrices", extractor] += 1
    else:
        found.seconds += matrix[0]
        found.mb += matrix[1]


class _Known:
    """What stored rows tell."""

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
                continue  # of an earlier version
            self.n_rows += 1
            seconds = row["resample_s"] + row["fit_s"] + row["predict_s"]
            self._cells[row["extractor"], row["model"], row["shape"]].append(
                (row["n_train"], row["strategy"], seconds)
            )
            for key, matrix in (row["matrices"] or {}).items():
                used = row["n_images"], matrix["seconds"], matrix["mb"]
                self._matrices[matrix["extractor"], row["shape"]][key] = used

    @cache  # noqa: B019  # lives as long as the estimate
    def median_cell_seconds(
        self, extractor: str, strategy: str, model: str, shape: str, n_train: int
    ) -> float | None:
        alike = [
            row for row in self._cells[extractor, model, shape] if _is_similar_size(row[0], n_train)
        ]
        best = [row for row in alike if row[1] == strategy] or alike
        return median(seconds for _, _, seconds in best) if best else None

    def median_matrix_cost(
        self, extractor: str, shape: str, n_images: int
    ) -> tuple[float, float] | None:
        alike = [
            used
            for used in self._matrices[extractor, shape].values()
            if _is_similar_size(used[0], n_images)
        ]
        return (
            (median(used[1] for used in alike), median(used[2] for used in alike))
            if alike
            else None
        )


def _is_similar_size(one: float, other: float) -> bool:
    return abs(one - other) <= NEAR * max(one, other)


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {rest} s"
        if minutes
        else f"{seconds:.1f} s"
    )
