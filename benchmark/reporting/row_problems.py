"""What is wrong with rows, as lines below their tables."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    configuration_name,
    group_comparable_rows,
)
from benchmark.scoring.averages import describe_incomplete_folds
from benchmark.utils.notes import SHARED, NoteKind
from benchmark.utils.status import Status
from benchmark.utils.text import format_count, one_line


def list_problems(rows: pd.DataFrame) -> list[str]:
    """List the problems of rows.

    These are cells with a status other than 'ok', folds that averages leave out, notes on images
    and classes, and times that cannot be compared.
    """
    bad = rows[~rows["status"].isin([Status.OK, Status.PLANNED])]
    ended = [
        _describe_ended(str(status), str(why), cells)
        for (status, why), cells in bad.groupby(["status", "reason"], sort=False)
    ]
    groups = list(group_comparable_rows(rows))
    left_out = [
        f"{title}: {remark}" if len(groups) > 1 else remark
        for title, group in groups
        for remark in describe_incomplete_folds(group)
    ]
    environments = describe_environments(rows)
    mixed = (
        [
            "times were measured in different environments and cannot be compared: "
            + "; ".join(environments)
        ]
        if len(environments) > 1
        else []
    )
    by_dataset = list(rows.groupby("dataset", sort=False))
    notes = [
        f"{name}: {note}" if len(by_dataset) > 1 else note
        for name, own in by_dataset
        for note in _summarize_notes(own)
    ]
    return [*map(one_line, ended), *left_out, *notes, *mixed]


def _describe_ended(status: str, why: str, cells: pd.DataFrame) -> str:
    """Describe which cells ended with a status for one reason."""
    names = dict.fromkeys(
        configuration_name(labels)
        for labels in cells[CONFIGURATION_AXES].itertuples(index=False, name=None)
    )
    first, n_others = next(iter(names)), len(names) - 1
    others = f" and {format_count(n_others, 'other configuration')}" if n_others else ""
    return f"{len(cells)} {status}: {first}{others}: {why}"


def _summarize_notes(rows: pd.DataFrame) -> list[str]:
    """Distinct notes of the cells of one dataset, each with the number of cells that have it."""
    notes = [
        note
        for listed in rows.get("notes", ())
        if isinstance(listed, list)
        for note in listed
        if note.kind not in (NoteKind.DETAIL, NoteKind.GROUPS)
    ]
    shared = [note.n_images or 0 for note in notes if note.kind == NoteKind.COPIES]
    copied = (
        [f"{format_count(len(shared), 'cell')}: {_describe_test_images(shared)} {SHARED}"]
        if shared
        else []
    )
    counts = Counter(note for note in notes if note.kind != NoteKind.COPIES)
    return [*(f"{format_count(n, 'cell')}: {note}" for note, n in counts.items()), *copied]


def list_group_notes(rows: pd.DataFrame) -> list[str]:
    """List how many groups each dataset has and what they were made of, without repeats."""
    notes = {
        (str(dataset), str(note))
        for dataset, listed in zip(rows["dataset"], rows.get("notes", ()), strict=False)
        if isinstance(listed, list)
        for note in listed
        if note.kind == NoteKind.GROUPS
    }
    several = rows["dataset"].nunique() > 1
    return [f"{dataset}: {note}" if several else note for dataset, note in sorted(notes)]


def _describe_test_images(counts: list[int]) -> str:
    least, most = min(counts), max(counts)
    return (
        format_count(most, "test image is", "test images are")
        if least == most
        else f"{least} to {most} test images are"
    )


def describe_environments(rows: pd.DataFrame) -> list[str]:
    """List the environments in which cells were run, with the number of cells."""
    if not {"environment", "workers"} <= set(rows):
        return []
    run = rows[rows["environment"].map(lambda value: isinstance(value, dict))]
    run = run.drop_duplicates("key")
    counts = Counter(
        run["environment"].map(
            lambda machine: f"{machine['processor']}, {format_count(machine['cores'], 'core')}"
        )
        + run["workers"].map(_describe_workers)
        + _describe_acceleration(run)
    )
    return [f"{format_count(n, 'cell')} on {machine}" for machine, n in counts.most_common()]


def _describe_acceleration(rows: pd.DataFrame) -> pd.Series:
    return (
        rows.get("accelerated", pd.Series(False, rows.index))
        .map({1: ", with --accelerate"})
        .fillna("")
    )


def _describe_workers(workers: float) -> str:
    return f", {format_count(int(workers), 'worker')}" if pd.notna(workers) else ""
