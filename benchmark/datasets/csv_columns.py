"""Columns of a CSV file that somebody may have meant to be read, under another name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from benchmark.datasets.csv_rows import Row
from benchmark.datasets.parts import part_of
from benchmark.errors import UserError

_NUMBER = "(id|ids|no|nr|num|number|code|key|name|uid)"
_WHOSE = "(patient|lesion|subject|case|participant|person|individual)s?"
_GROUPING = re.compile(f"{_WHOSE}{_NUMBER}?|{_NUMBER}(of)?{_WHOSE}")


def refuse_other_spelling(where: str, columns: Sequence[str], parameter: str, used: Collection[str]) -> None:
    """Refuse a column such as 'Group' or 'splits' where the one that is read, 'group' or 'split', is absent.

    Raises
    ------
    UserError
        There is such a column that is not used for anything else.
    """
    similar = [column for column in columns if _plain(column).removesuffix("s") == parameter and column not in used]
    if similar:
        raise UserError(f"{where}: the column '{similar[0]}' would not be read, as it is not called '{parameter}'; rename it")


def notes_on_unused(columns: Sequence[str], rows: Sequence[Row], used: Collection[str], groups: bool, split: bool) -> tuple[str, ...]:
    """Name the columns that look like groups or a split, where there are none.

    Parameters
    ----------
    columns : sequence of str
    rows : sequence of Row
    used : collection of str
        Columns that are read for something.
    groups, split : bool
        Whether there are groups, and a split.
    """
    unused = {column: {row.cells[column] for row in rows} for column in columns if column not in used}
    notes = [] if groups else list(_groupings(unused, len(rows)))
    for column, cells in {} if split else unused.items():
        parts = {part_of(cell) for cell in cells}
        if {"train", "test"} <= parts and None not in parts:
            notes.append(f"column '{column}' is not used; split=\"{column}\" takes it for the official split")
    return tuple(notes)


def _groupings(unused: dict[str, set[str]], n_rows: int) -> Iterator[str]:
    for column, cells in unused.items():
        if _GROUPING.fullmatch(_plain(column)) and 1 < len(cells) < n_rows:
            yield (
                f"column '{column}' is not used, and images of one {column} may be in training and test set; "
                f'group="{column}" keeps them together'
            )


def _plain(column: str) -> str:
    return re.sub(r"[\W_]+", "", column).casefold()
