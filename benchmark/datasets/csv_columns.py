"""Columns of a CSV file that somebody may have meant to be read, under another name."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from benchmark.datasets.csv_rows import Row
from benchmark.datasets.subsets import parse_subset_name
from benchmark.errors import UserError
from benchmark.utils.notes import Note, leak_note

_NUMBER = "(id|ids|no|nr|num|number|code|key|name|uid)"
_WHOSE = "(patient|lesion|subject|case|participant|person|individual)s?"
_OF_WHAT = "(group|family|study|exam|examination|series|scan|volume|slide|stack|video|accession|animal|mouse|donor|plate|well)"
_GROUPING = re.compile(
    f"{_WHOSE}{_NUMBER}?|{_NUMBER}(of)?{_WHOSE}|{_OF_WHAT}{_NUMBER}|(mrn|pid|ptid|subj)({_NUMBER})?"
)


def refuse_misspelled_column(
    where: str, columns: Sequence[str], parameter: str, used: Collection[str]
) -> None:
    """Refuse a column such as 'Group' or 'splits' where the one that is read, 'group' or 'split', is absent.

    Raises
    ------
    UserError
        There is such a column that is not used for anything else.
    """
    similar = [
        column
        for column in columns
        if _normalize_column_name(column).removesuffix("s") == parameter and column not in used
    ]
    if similar:
        raise UserError(
            f"{where}: the column '{similar[0]}' would not be read, as it is not called "
            f"'{parameter}'; rename it"
        )


def describe_unused_columns(
    columns: Sequence[str],
    rows: Sequence[Row],
    used: Collection[str],
    has_groups: bool,
    part: Sequence[str] | None,
) -> tuple[str, ...]:
    """Name the columns that look like groups or a split, where there are none.

    Parameters
    ----------
    columns : sequence of str
    rows : sequence of Row
    used : collection of str
        Columns that are read for something.
    has_groups : bool
        Whether there are groups.
    part : sequence of str or None
        The official split.
    """
    unused = {
        column: [row.cells[column] for row in rows] for column in columns if column not in used
    }
    notes = [
        leak_note(
            f'images of one {column} may be in training and test set, as this column is not used; group="{column}" keeps them together'
        )
        for column, cells in unused.items()
        if not has_groups
        and _GROUPING.fullmatch(_normalize_column_name(column))
        and _may_span_subsets(cells, part)
    ]
    for column, cells in {} if part else unused.items():
        parts = {parse_subset_name(cell) for cell in set(cells)}
        if {"train", "test"} <= parts and None not in parts:
            notes.append(
                Note(
                    f"column '{column}' is not used; split=\"{column}\" takes it for the official "
                    "split"
                )
            )
    return tuple(notes)


def _may_span_subsets(cells: Sequence[str], part: Sequence[str] | None) -> bool:
    """Whether equal cells are in several parts of a split, or may be where there is none."""
    if part is not None:
        return len(set(zip(cells, part, strict=True))) > len(set(cells))
    return 1 < len(set(cells)) < len(cells)


def _normalize_column_name(column: str) -> str:
    return re.sub(r"[\W_]+", "", column).casefold()
