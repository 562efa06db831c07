"""Run a study: plan, minus what is stored, evaluate, store."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.cell import Cell
from benchmark.datasets.base import Dataset, data_folder
from benchmark.environment import environment
from benchmark.errors import UserError
from benchmark.evaluate import evaluate, refusal
from benchmark.files import write_text
from benchmark.leaderboard import write_leaderboards
from benchmark.plugins import load
from benchmark.store import DuplicateKeyError, Store, load_results
from benchmark.study import Study, cells, load_study, split_of


@dataclass(frozen=True)
class Plan:
    """What a study comes to on its data.

    Parameters
    ----------
    study : Study
        Resolved.
    datasets : label to Dataset
    cells : list of Cell
    """

    study: Study
    datasets: dict[str, Dataset]
    cells: list[Cell]

    def refusals(self) -> list[tuple[Cell, str]]:
        """Cells that cannot be run, with the reason."""
        reasons = ((cell, refusal(cell, self.datasets[cell.dataset.label])) for cell in self.cells)
        return [(cell, reason) for cell, reason in reasons if reason]


Progress = Callable[[Cell, dict[str, Any]], None]


def make_plan(study: Study, data: str | Path | None = None) -> Plan:
    """Find the code of a study, load its data sets and span its cells; nothing is evaluated or written.

    Raises
    ------
    UserError
        A name is unknown, a data set cannot be loaded or split, or there is nothing to run.
    """
    study = study.resolved()
    folder = data_folder(data)
    datasets = {spec.label: load(spec.target)(spec.name, folder, study.size, **dict(spec.params)) for spec in study.datasets}
    folds = {label: _n_folds(study, dataset) for label, dataset in datasets.items()}
    spanned = list(cells(study, datasets, folds))
    if not spanned:
        raise UserError(f"study '{study.name}' has no cells: its models take features, and it names no extractor")
    return Plan(study, datasets, spanned)


def _n_folds(study: Study, dataset: Dataset) -> int:
    split = split_of(study, dataset)
    return len(load(split.target)(dataset, **dict(split.params)))


def run(
    study: str | Path | Study,
    out: str | Path | None = None,
    data: str | Path | None = None,
    force: bool = False,
    progress: Callable[[Plan, list[Cell]], Progress] | None = None,
) -> pd.DataFrame:
    """Evaluate what is not yet stored of a study, and write its leaderboard.

    Parameters
    ----------
    study : str, Path or Study
        A shipped suite's name, a YAML file, or what ``load_study`` gave.
    out : str or Path, optional
        Results folder; ``results/<study>`` when not given.
    data : str or Path, optional
        Data folder; see ``data_folder``.
    force : bool
        Evaluate stored cells again, too.
    progress : callable, optional
        Called once with the plan and the cells to run; what it returns is called with each cell and its row.

    Returns
    -------
    DataFrame
        Rows of this study; ``load_results`` gives all that the folder holds.

    Raises
    ------
    UserError
        The study or its data are wrong; nothing has been written then.
    """
    plan = make_plan(study if isinstance(study, Study) else load_study(study), data)
    folder = Path(out) if out else Path("results") / plan.study.name
    store = Store(folder)
    store.plan(plan.cells)
    write_text(folder / "study.yaml", plan.study.to_yaml())
    write_text(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")
    stored = store.statuses()
    # two labels may mean one cell, as hog and hog(orientations=9) do: it is evaluated once
    waiting = list({cell.key: cell for cell in plan.cells if force or not _is_stored(cell.key, stored, folder)}.values())
    report = progress(plan, waiting) if progress else lambda cell, row: None
    try:
        for cell in waiting:
            row = evaluate(cell, plan.datasets[cell.dataset.label], folder)
            _add(store, row, replace=cell.key in stored)
            report(cell, row)
    finally:
        rows = load_results(folder)
        write_leaderboards(rows, folder)
    return rows[rows["key"].isin({cell.key for cell in plan.cells})].reset_index(drop=True)


def _is_stored(key: str, stored: dict[str, str], folder: Path) -> bool:
    """Whether a cell need not run: it has a row and, if that is 'ok', its predictions are still whole."""
    return key in stored and (stored[key] != "ok" or zipfile.is_zipfile(folder / "predictions" / f"{key}.npz"))


def _add(store: Store, row: dict[str, Any], replace: bool) -> None:
    """Commit a row; one that another run on the same folder has stored meanwhile stays as it is."""
    with suppress(DuplicateKeyError):
        store.add(row, replace=replace)
