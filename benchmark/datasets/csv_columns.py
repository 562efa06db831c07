"""Recognize CSV columns that look like groups or a split but are not read as such."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from benchmark.datasets.csv_rows import Row
from benchmark.datasets.subsets import parse_subset_name
from benchmark.errors import UserError
from benchmark.utils.notes import Note, leak_note

_NUMBER = "(id|ids|no|nr|num|number|code|key|name|uid)"
_PERSON = "(patient|lesion|subject|case|participant|person|individual)s?"
_SOURCE = (
    "(group|family|study|exam|examination|series|scan|volume|slide|stack|video|accession|animal|"
    "mouse|donor|plate|well)"
)
_GROUPING = re.compile(
    f"{_PERSON}{_NUMBER}?|{_NUMBER}(of)?{_PERSON}|{_SOURCE}{_NUMBER}|"
    f"(mrn|pid|ptid|subj)({_NUMBER})?"
)


def refuse_misspelled_column(
    where: str, columns: Sequence[str], parameter: str, used: Collection[str]
) -> None:
    """Refuse a column such as 'Group' or 'splits' if there is no column 'group' or 'split'.

    Parameters
    ----------
    where : str
        The beginning of the message.
    columns : sequence of str
    parameter : str
        'group' or 'split'.
    used : collection of str
        Columns that are read for another purpose, which are not refused.

    Raises
    ------
    UserError
        There is such a column.
    """
    similar = [
        column
        for column in columns
        if _normalize_column_name(column).removesuffix("s") == parameter and column not in used
    ]
    if similar:
        raise UserError(
            f"{where}: the column '{similar[0]}' would not be read because it is not named "
            f"'{parameter}'; rename it"
        )


def describe_unused_columns(
    columns: Sequence[str],
    rows: Sequence[Row],
    used: Collection[str],
    has_groups: bool,
    subset: Sequence[str] | None,
) -> tuple[str, ...]:
    """Return notes on unused columns that look like groups or a split, if there are none.

    Parameters
    ----------
    columns : sequence of str
    rows : sequence of Row
    used : collection of str
        Columns that are read.
    has_groups : bool
        Whether a column of groups is read.
    subset : sequence of str or None
        The official split.
    """
    unused = {
        column: [row.cells[column] for row in rows] for column in columns if column not in used
    }
    notes = [
        leak_note(
            f"images with the same {column} may be in both training and test set, as this column "
            f'is not used; group="{column}" keeps them together'
        )
        for column, cells in unused.items()
        if not has_groups
        and _GROUPING.fullmatch(_normalize_column_name(column))
        and _may_span_subsets(cells, subset)
    ]
    for column, cells in {} if subset else unused.items():
        names = {parse_subset_name(cell) for cell in set(cells)}
        if {"train", "test"} <= names and None not in names:
            text = (
                f"column '{column}' is not used; split=\"{column}\" reads it as the official split"
            )
            notes.append(Note(text))
    return tuple(notes)


def _may_span_subsets(cells: Sequence[str], subset: Sequence[str] | None) -> bool:
    """Whether equal cells are in several subsets or, without a split, may come to be."""
    if subset is not None:
        return len(set(zip(cells, subset, strict=True))) > len(set(cells))
    return 1 < len(set(cells)) < len(cells)


def _normalize_column_name(column: str) -> str:
    return re.sub(r"[\W_]+", "", column).casefold()
