"""What a study comes to: its data sets and its cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.cell import Cell
from benchmark.datasets.base import Dataset, data_folder
from benchmark.errors import UserError
from benchmark.plugins import load
from benchmark.prepare import folds, refusal
from benchmark.study import Study, cells, split_of


@dataclass(frozen=True)
class Plan:
    """What a study comes to on its data.

    Parameters
    ----------
    study : Study
        Resolved.
    datasets : label to Dataset
    """

    study: Study
    datasets: dict[str, Dataset]

    def cells(self) -> Iterator[Cell]:
        """All cells, each made when it is asked for."""
        n_folds = {label: len(folds(dataset, split_of(self.study, dataset))) for label, dataset in self.datasets.items()}
        return cells(self.study, self.datasets, n_folds)

    @cached_property
    def n_cells(self) -> int:
        """Number of cells."""
        return sum(1 for _ in self.cells())

    def refusals(self) -> list[tuple[Cell, str]]:
        """Cells that cannot be run, with the reason."""
        reasons = ((cell, refusal(cell, self.datasets[cell.dataset.label])) for cell in self.cells())
        return [(cell, reason) for cell, reason in reasons if reason]


def make_plan(study: Study, data: str | Path | None = None) -> Plan:
    """Find the code of a study and load its data sets; nothing is evaluated or written.

    Raises
    ------
    UserError
        A name is unknown, a data set cannot be loaded or split, or there is nothing to run.
    """
    study = study.resolved()
    folder = data_folder(data)
    datasets = {spec.label: load(spec.target)(spec.name, folder, study.size, **dict(spec.params)) for spec in study.datasets}
    plan = Plan(study, datasets)
    if not any(True for _ in plan.cells()):
        raise UserError(
            f"study '{study.name}' has no cells: it names no model, or models that take features and no extractor "
            "(--extractor and --model replace a study's pipelines: name both)"
        )
    return plan
