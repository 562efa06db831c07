"""Merge results folders, such as those of one study run on several machines."""

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
from benchmark.results.store import Store, load_results
from benchmark.results.stored_rows import StoredRows
from benchmark.scoring.metrics import METRICS
from benchmark.study.labels import describe_cell
from benchmark.utils.files import write_atomic
from benchmark.utils.status import Status

TOLERANCE = 1e-6  # by which a metric of the same predictions may differ between machines

Row = dict[str, Any]


def merge_results(folders: Iterable[Path], out: Path) -> dict[Path, int]:
    """Merge the rows and predictions of several results folders; cached features are not copied.

    Parameters
    ----------
    folders : iterable of Path
    out : Path
        Results folder to write to; rows that it already holds are part of the result.

    Returns
    -------
    dict
        Number of rows that were copied from each folder.

    Raises
    ------
    UserError
        No folder other than ``out`` is named, a folder holds no results, a key has two different
        outcomes, or a label stands for different code in two folders. Nothing is written then.
    """
    sources = list(
        dict.fromkeys(
            Path(folder).resolve() for folder in folders if Path(folder).resolve() != out.resolve()
        )
    )
    if not sources:
        raise UserError(f"nothing to merge: name a results folder other than --out {out}")
    merged = [*([out.resolve()] if ResultsFolder(out).database.exists() else []), *sources]
    with ExitStack() as resources:
        stores = [resources.enter_context(StoredRows(folder)) for folder in merged]
        for store in stores:
            if store.folder.path in sources:
                store.check_has_planned_cells()
        _check_equal_outcomes(stores)
        _check_equal_keys(stores)
        target = resources.enter_context(Store(out))
        n_copied = {
            store.folder.path: sum(_copy_row(store, row, target) for row in store.rows())
            for store in stores
            if store.folder.path in sources
        }
        for store in stores:
            target.merge_planned_cells(store)
            _copy_missing_files(store.folder.path, out)
    claims = Claims(out)
    with claims.hold_claim("tables"):
        write_leaderboards(load_results(out, COLUMNS), out)
    return n_copied


def _copy_row(store: StoredRows, row: Row, target: Store) -> bool:
    if target.read_status_and_end(row["key"]) is not None:
        return False
    if row["status"] == Status.OK:
        write_atomic(
            _predictions_path(target, row), partial(_copy_file, _predictions_path(store, row))
        )
    target.add_row(row)
    return True


def _copy_missing_files(folder: Path, out: Path) -> None:
    """Copy studies, sources of plug-ins and records of datasets, which are named by content."""
    results = ResultsFolder(folder)
    for copied in (results.plugins, results.studies, results.dataset_records):
        for file in (file for file in copied.rglob("*") if file.is_file()):
            copy = out / file.relative_to(folder)
            if not copy.exists():
                write_atomic(copy, partial(_copy_file, file))


def _copy_file(source: Path, copy: BinaryIO) -> None:
    with source.open("rb") as file:
        shutil.copyfileobj(file, copy)


def _check_equal_outcomes(stores: list[StoredRows]) -> None:
    """Check that the rows of one key agree in all folders, and that all predictions are intact."""
    first_outcomes: dict[str, tuple[StoredRows, Row]] = {}
    for store in stores:
        for row in store.rows():
            if row["status"] == Status.OK:  # reading raises when they are missing or damaged
                store.folder.read_predictions(row["key"], row.get("predictions"))
            first_store, first = first_outcomes.setdefault(
                row["key"], (store, _summarize_outcome(row))
            )
            if first_store is store:
                continue
            difference = _describe_difference(first_store, first, store, row)
            if difference:
                raise UserError(
                    f"{_describe_row(row)} has two outcomes: {difference}; remove one of them, or "
                    "run the cell again with --retry or --force"
                )


def _summarize_outcome(row: Row) -> Row:
    """Return the columns that outcomes are compared by; a million whole rows would fill memory."""
    return {name: row[name] for name in ("key", "status", *METRICS) if name in row}


def _describe_difference(first_store: StoredRows, first: Row, store: StoredRows, row: Row) -> str:
    """Describe how two outcomes of one key differ; "" if they are equal."""
    if first["status"] != row["status"]:
        return f"'{first['status']}' in {first_store.folder}, '{row['status']}' in {store.folder}"
    if row["status"] != Status.OK:
        return ""
    for name in METRICS:
        values = first.get(name, np.nan), row.get(name, np.nan)
        if not np.isclose(*values, rtol=0, atol=TOLERANCE, equal_nan=True):
            in_first, in_second = (f"{value:.6g}" for value in values)
            return f"{name} {in_first} in {first_store.folder}, {in_second} in {store.folder}"
    # each file has been compared with the digest in its row already
    for external in (False, True) if row.get("external") else (False,):
        predictions = [
            each.folder.read_predictions(row["key"], external=external)
            for each in (first_store, store)
        ]
        if any(
            not np.array_equal(getattr(predictions[0], name), getattr(predictions[1], name))
            for name in ("y_true", "proba", "test_index")
        ):
            accuracies = [float((each.labels == each.y_true).mean()) for each in predictions]
            kind = "external predictions" if external else "predictions"
            return (
                f"different {kind} in {first_store.folder} (accuracy {accuracies[0]:.4f}) "
                f"and {store.folder} (accuracy {accuracies[1]:.4f})"
            )
    return ""


def _check_equal_keys(stores: list[StoredRows]) -> None:
    """Refuse a label whose code, parameters or data differ between folders that both ran it."""
    first_keys: dict[str, tuple[StoredRows, str]] = {}
    for store in stores:
        for label, key in _list_stored_labels(store):
            first_store, first_key = first_keys.setdefault(label, (store, key))
            if key != first_key:
                name = _describe_row(json.loads(label) | {"key": f"{first_key} or {key}"})
                raise UserError(
                    f"{name} is not the same in {first_store.folder} and {store.folder}: its code, "
                    "or the external datasets, differ; merge only one of them"
                )


def _list_stored_labels(store: StoredRows) -> Iterator[tuple[str, str]]:
    stored = store.statuses_by_key()
    return ((label, key) for label, key in store.planned_cells() if key in stored)


def _predictions_path(store: StoredRows, row: Row) -> Path:
    return store.folder.predictions_path(row["key"])


def _describe_row(row: Row) -> str:
    return f"{describe_cell(row)}, fold {row['fold']} (key {row['key']})"
