"""Lists of images that a user, or an audit, writes: their groups, or those to leave out."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.csv_rows import (
    Row,
    read_csv_rows,
    require_column,
    require_different_cells,
)
from benchmark.datasets.duplicates import check_duplicates
from benchmark.errors import UserError
from benchmark.utils.files import check_output_path, write_text
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.text import format_count, join_names

ID, GROUP = "id", "group"
GROUP_COLUMNS, DROP_COLUMNS = (ID, GROUP), (ID,)


def check_list_path(path: Path, columns: Sequence[str]) -> None:
    """Refuse a path that a list must not be written to; see ``check_output_path``."""
    check_output_path(path, ".csv", ",".join(columns) + "\n")


def write_group_list(path: Path, ids: Iterable[str], groups: Iterable[str]) -> None:
    """Write the group of every image as a CSV file with the columns id and group."""
    _write(path, GROUP_COLUMNS, zip(ids, groups, strict=True))


def write_drop_list(path: Path, ids: Iterable[str]) -> None:
    """Write the images to leave out as a CSV file with the column id."""
    _write(path, DROP_COLUMNS, ((each,) for each in ids))


def _write(path: Path, header: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def apply_lists(dataset: Dataset, group_file: Path | None, drop_file: Path | None) -> Dataset:
    """Leave out the images that one CSV file names, and group the others by another.

    Parameters
    ----------
    dataset : Dataset
    group_file : Path or None
        CSV file with the columns id and group, for every image that is kept.
    drop_file : Path or None
        CSV file with the column id.

    Returns
    -------
    Dataset
        Its notes on copies and groups are computed again.

    Raises
    ------
    UserError
        A file cannot be read, names an image that is unknown or named before, or an image has no
        group.
    """
    if group_file is None and drop_file is None:
        return dataset
    known = {str(name) for name in dataset.image_ids}
    dataset = replace(dataset, notes=dataset.loader_notes, split_notes=None)
    if drop_file is not None:
        dataset = _leave_out(dataset, drop_file)
    if group_file is not None:
        dataset = _group(dataset, group_file, known)
    return check_duplicates(dataset, drop=False)


def _group(dataset: Dataset, path: Path, known: Collection[str]) -> Dataset:
    where = f"dataset '{dataset.name}': group_file"
    rows = _read(where, path, GROUP_COLUMNS)
    _refuse_unknown(rows, known)
    named = {row.require_cell(ID): row.require_cell(GROUP) for row in rows}
    missing = [str(name) for name in dataset.image_ids if str(name) not in named]
    if missing:
        images = format_count(len(missing), "image has", "images have")
        raise UserError(f"{where}: {images} no group in '{path}', the first is '{missing[0]}'")
    groups = np.array([named[str(name)] for name in dataset.image_ids])
    return replace(dataset, groups=groups, group_source=path.name)


def _leave_out(dataset: Dataset, path: Path) -> Dataset:
    rows = _read(f"dataset '{dataset.name}': drop_file", path, DROP_COLUMNS, may_be_empty=True)
    known = {str(name): index for index, name in enumerate(dataset.image_ids)}
    _refuse_unknown(rows, known)
    dropped = {known[row.cells[ID]] for row in rows}
    kept = np.array([i for i in range(len(dataset.images)) if i not in dropped], np.int64)
    _refuse_lost_classes(dataset, kept, path)
    images = format_count(len(dataset.images), "image")
    text = f"{len(dropped):,} of {images} left out, as {path.name} says"
    # an index would be that of another image
    named = replace(dataset, ids=dataset.image_ids)
    note = Note(text, NoteKind.LEFT_OUT, len(dropped))
    return replace(named.select(kept), notes=(*dataset.notes, note))


def _refuse_unknown(rows: Sequence[Row], known: Collection[str]) -> None:
    for row in rows:
        if row.require_cell(ID) not in known:
            raise UserError(f"{row.where}: no image has the id '{row.cells[ID]}'")


def _refuse_lost_classes(dataset: Dataset, kept: NDArray[np.int64], path: Path) -> None:
    before, after = (_list_classes(dataset, which) for which in (slice(None), kept))
    lost = [dataset.classes[k] for k in sorted(before - after)]
    if lost:
        raise UserError(
            f"dataset '{dataset.name}': drop_file '{path}' leaves no image of {join_names(lost)}"
        )


def _list_classes(dataset: Dataset, which: slice | NDArray[np.int64]) -> set[int]:
    targets = dataset.targets[which]
    if dataset.multilabel:
        return set(np.flatnonzero(targets.any(axis=0)).tolist())
    return set(np.unique(targets).tolist())


def _read(where: str, path: Path, needed: Sequence[str], may_be_empty: bool = False) -> list[Row]:
    columns, rows = read_csv_rows(where, path, may_be_empty)
    for column in needed:
        require_column(f"{where}: '{path}'", columns, "columns", column)
    require_different_cells(rows, ID, "'{cell}' is also in line {line}; keep one of them")
    return rows
