"""Read the rows of a CSV file as text, each with its line number."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import UserError, unknown


@dataclass(frozen=True)
class Row:
    """One row: where it stands, as a message says it; its line; its cells by column."""

    where: str
    line: int
    cells: dict[str, str]

    def cell(self, column: str) -> str:
        """Return a cell that must not be empty."""
        if not self.cells[column]:
            raise UserError(f"{self.where}: the cell of column '{column}' is empty")
        return self.cells[column]


def need_column(where: str, columns: list[str], parameter: str, column: str) -> None:
    """Raise a UserError that names the nearest column, if this one is absent."""
    if column not in columns:
        raise UserError(f"{where}: {parameter}: {unknown('column', str(column), columns)}")


def read_rows(where: str, path: Path) -> tuple[list[str], list[Row]]:
    """Read a whole file.

    Parameters
    ----------
    where : str
        The beginning of every message.
    path : Path
        UTF-8, with or without a byte-order mark.

    Returns
    -------
    columns : list of str
    rows : list of Row
        Blank lines left out, cells without the spaces around them.

    Raises
    ------
    UserError
        No such file, not UTF-8, no rows, a column twice, a row with more or fewer cells than the header.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(_lines(where, csv.reader(file, strict=True)))
    except OSError as error:
        raise UserError(f"{where}: cannot open '{path}': {error.strerror} (looked from {Path.cwd()})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: '{path}' is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    if len(lines) < 2:
        raise UserError(f"{where}: '{path}' {'has a header but no rows' if lines else 'is empty'}")
    (_, columns), *body = lines
    if len(columns) == 1 and ";" in columns[0]:
        raise UserError(f"{where}: '{path}' is separated by semicolons; save it with commas")
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise UserError(f"{where}: '{path}' has two columns named '{twice[0]}'; rename one")
    return columns, [_row(f"{where}, line {line}", line, columns, cells) for line, cells in body]


def _lines(where: str, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row with the line on which it begins: a quoted cell may hold line breaks."""
    line = 1
    try:
        for cells in reader:
            if any(cells):
                yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1  # type: ignore[attr-defined]
    except csv.Error as error:
        raise UserError(f"{where}, line {line}: {error}") from None


def _row(where: str, line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise UserError(f"{where}: {len(cells)} cells, but the header has {len(columns)}; a cell with a comma in it needs quotes")
    return Row(where, line, dict(zip(columns, cells, strict=True)))
