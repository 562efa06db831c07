"""The union of results folders, as of one study run on several machines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from benchmark.errors import UserError
from benchmark.reporting.leaderboard import COLUMNS
from benchmark.reporting.text_tables import write_leaderboards
from benchmark.results.folder import ResultsFolder
from benchmark.results.locks import Claims
from benchmark.results.store import Store, StoredRows, load_results
from benchmark.scoring.metrics import METRICS
from benchmark.utils.files import write_atomic
from benchmark.utils.status import Status

KEPT = ("plugins", "studies")  # folders whose files are named by their content

SAME = 1e-6  # by which a metric of the same predictions may differ between machines

Row = dict[str, Any]


def merge_results(folders: Iterable[Path], out: Path) -> dict[Path, int]:
    """Bring the rows and predictions of several results folders together; matrices of features stay where they are.

    Parameters
    ----------
    folders : iterable of Path
    out : Path
        Results folder to write to; rows that it holds already take part.

    Returns
    -------
    dict
        Rows that each folder brought.

    Raises
    ------
    UserError
        There is none but ``out``, one holds no results, a key has two outcomes, or a label stands
        for two things. Nothing is written then.
    """
    sources = list(
        dict.fromkeys(
            Path(folder).resolve() for folder in folders if Path(folder).resolve() != out.resolve()
        )
    )
    if not sources:
        raise UserError(f"nothing to merge: name a results folder other than --out {out}")
    taking_part = [*([out.resolve()] if ResultsFolder(out).database.exists() else []), *sources]
    with ExitStack() as held:
        stores = [held.enter_context(StoredRows(folder)) for folder in taking_part]
        for store in stores:
            if store.folder.path in sources:
                store.check_has_planned_cells()
        _check_equal_outcomes(stores)
        _check_equal_keys(stores)
        target = held.enter_context(Store(out))
        brought = {
            store.folder.path: sum(_copy_row(store, row, target) for row in store.rows())
            for store in stores
            if store.folder.path in sources
        }
        for store in stores:
            target.merge_planned_cells(store)
            _copy_studies_and_plugins(store.folder.path, out)
    claims = Claims(out)
    with claims.hold_claim("tables"):
        write_leaderboards(load_results(out, COLUMNS), out)
    return brought


def _copy_row(store: StoredRows, row: Row, target: Store) -> bool:
    if target.read_status_and_end(row["key"]) is not None:
        return False
    if row["status"] == Status.OK:
        write_atomic(
            _predictions_path(target, row), partial(_copy_file, _predictions_path(store, row))
        )
    target.add_row(row)
    return True


def _copy_studies_and_plugins(folder: Path, out: Path) -> None:
    """Copy the studies and the sources of plug-ins that a folder keeps; equal names hold equal content."""
    for file in (file for name in KEPT for file in (folder / name).rglob("*") if file.is_file()):
        copy = out / file.relative_to(folder)
        if not copy.exists():
            write_atomic(copy, partial(_copy_file, file))


def _copy_file(source: Path, copy: BinaryIO) -> None:
    with source.open("rb") as file:
        shutil.copyfileobj(file, copy)


def _check_equal_outcomes(stores: list[StoredRows]) -> None:
    first: dict[str, tuple[StoredRows, Row]] = {}
    for store in stores:
        for row in store.rows():
            if row["status"] == Status.OK:
                store.folder.read_predictions(
                    row["key"], row.get("predictions")
                )  # refuses what is missing, corrupted or changed
            earlier = first.setdefault(row["key"], (store, _summarize_outcome(row)))
            if earlier[0] is not store and (
                difference := _describe_difference(*earlier, store, row)
            ):
                raise UserError(
                    f"{_describe_row(row)} has two outcomes: {difference}; take one of them out, or run it "
                    "again with --retry or --force"
                )


def _summarize_outcome(row: Row) -> Row:
    """What the outcome of a cell is known by: a row less what is of no account, for there may be a million."""
    return {name: row[name] for name in ("key", "status", *METRICS) if name in row}


def _describe_difference(one: StoredRows, first: Row, two: StoredRows, row: Row) -> str:
    if first["status"] != row["status"]:
        return f"'{first['status']}' in {one.folder}, '{row['status']}' in {two.folder}"
    if row["status"] != Status.OK:
        return ""
    values = ((name, first.get(name, np.nan), row.get(name, np.nan)) for name in METRICS)
    differing = next(
        (each for each in values if not np.isclose(*each[1:], rtol=0, atol=SAME, equal_nan=True)),
        None,
    )
    if differing:
        name, value, other = differing
        return f"{name} {value:.6g} in {one.folder}, {other:.6g} in {two.folder}"
    predictions = [
        store.folder.read_predictions(row["key"]) for store in (one, two)
    ]  # each was held against its row
    same = all(
        np.array_equal(getattr(predictions[0], name), getattr(predictions[1], name))
        for name in ("y_true", "proba", "test_index")
    )
    accuracies = [float((each.labels == each.y_true).mean()) for each in predictions]
    return (
        ""
        if same
        else f"other predictions in {one.folder} (accuracy {accuracies[0]:.4f}) than in {two.folder} ({accuracies[1]:.4f})"
    )


def _check_equal_keys(stores: list[StoredRows]) -> None:
    """Refuse a label whose code, parameters or data differ between folders that have both run it."""
    known: dict[str, tuple[StoredRows, str]] = {}
    for store in stores:
        for label, key in _list_stored_labels(store):
            other, other_key = known.setdefault(label, (store, key))
            if key != other_key:
                name = _describe_row(json.loads(label) | {"key": f"{other_key} or {key}"})
                raise UserError(
                    f"{name} is not the same in {other.folder} and {store.folder}: its code "
                    "differs; merge only one of them"
                )


def _list_stored_labels(store: StoredRows) -> Iterator[tuple[str, str]]:
    done = store.statuses_by_key()
    return ((label, key) for label, key in store.planned_cells() if key in done)


def _predictions_path(store: StoredRows, row: Row) -> Path:
    return store.folder.predictions_path(row["key"])


def _describe_row(row: Row) -> str:
    labels = " / ".join(str(row[axis]) for axis in ("dataset", "extractor", "strategy", "model"))
    return f"{labels} / seed {row['seed']}, fold {row['fold']} (key {row['key']})"
