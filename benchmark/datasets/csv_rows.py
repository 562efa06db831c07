"""Read the rows of a CSV file as text, each with its line number."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import chain
from pathlib import Path

from benchmark.errors import UserError, unknown_name_error
from benchmark.utils.text import normalize_unicode

_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}
_SIGNATURES = {  # first bytes of files that are not CSV in UTF-8
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PK\x03\x04": "an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    **dict.fromkeys(
        (b"\x1f\x8b", b"BZh91AY&SY", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf"), "compressed"
    ),
    b"PAR1": "a Parquet file",
    b"ARROW1": "a Feather file",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF-": "a PDF file",
}
_TEXT_SIGNATURES = {  # beginnings of text files that are not CSV
    re.compile(rb"\s*<(!doctype|!--|\?xml|html|table|[a-z:]+ xmlns)", re.IGNORECASE): "HTML or XML",
    re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[\]{\"])"): "JSON",
}
_EXCELS_FIRST_LINE = re.compile(r'"?sep=(.)"?,*\r?(?:\n|$)', re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One row of a CSV file.

    Parameters
    ----------
    where : str
        File and line, as messages begin.
    line : int
        Line number, from 1.
    cells : dict of str to str
        Cells by column.
    """

    where: str
    line: int
    cells: dict[str, str]

    def require_cell(self, column: str) -> str:
        """Return a cell; raise a UserError if it is empty."""
        if not self.cells[column]:
            raise UserError(f"{self.where}: the cell of column '{column}' is empty")
        return self.cells[column]


def require_column(where: str, columns: list[str], parameter: str, column: str) -> None:
    """Raise a UserError that suggests the most similar column, if a column is missing."""
    if column not in columns:
        raise UserError(
            f"{where}: {parameter}: {unknown_name_error('column', str(column), columns)}"
        )


def require_different_cells(rows: Iterable[Row], column: str, problem: str) -> list[str]:
    """Return the cells of a column; raise a UserError if two are equal or one is empty.

    Parameters
    ----------
    rows : iterable of Row
    column : str
    problem : str
        Message about a repeated cell, with ``{cell}`` and ``{line}``, that of its first row.
    """
    lines: dict[str, int] = {}
    for row in rows:
        cell = row.require_cell(column)
        if cell in lines:
            raise UserError(f"{row.where}: {problem.format(cell=cell, line=lines[cell])}")
        lines[cell] = row.line
    return list(lines)


def read_csv_rows(
    where: str, path: Path, may_be_empty: bool = False
) -> tuple[list[str], list[Row]]:
    """Read all rows of a CSV file.

    Parameters
    ----------
    where : str
        The beginning of every message.
    path : Path
        A file in UTF-8, with or without a byte-order mark, separated by commas. A first line
        ``sep=,`` is skipped.
    may_be_empty : bool
        Whether a header without rows is accepted.

    Returns
    -------
    columns : list of str
    rows : list of Row
        Rows without blank lines; cells stripped of surrounding spaces, in Unicode's composed form.

    Raises
    ------
    UserError
        There is no such file, it has another encoding or separator, it has no rows, two columns
        have the same name, or a row has more or fewer cells than the header.
    """
    text = _read_utf8_text(where, path)
    mark = _EXCELS_FIRST_LINE.match(text)
    if mark and mark[1] != ",":
        _refuse_separator(where, path, mark[1])
    lines = list(_parse_lines(where, text[mark.end() :] if mark else text, 2 if mark else 1))
    if lines:
        _check_separator(where, path, text[mark.end() :] if mark else text)
    if len(lines) < 2 - (may_be_empty and bool(lines)):
        raise UserError(f"{where}: '{path}' {'has a header but no rows' if lines else 'is empty'}")
    (_, columns), *body = lines
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated == [""]:
        raise UserError(
            f"{where}: '{path}' has {columns.count('')} columns without a name; name or remove them"
        )
    if repeated:
        raise UserError(f"{where}: '{path}' has two columns named '{repeated[-1]}'; rename one")
    return columns, [
        _build_row(f"{where}, line {line}", line, columns, cells) for line, cells in body
    ]


def _read_utf8_text(where: str, path: Path) -> str:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UserError(f"{where}: '{path}' is a device or a pipe, not a file")
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{where}: cannot open '{path}': {reason} (current folder: {Path.cwd()})"
        ) from None
    kind = _detect_other_format(data)
    if kind:
        raise UserError(
            f"{where}: '{path}' is {kind}; save it as CSV in UTF-8, separated by commas"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if 0 in data[:10_000]:
            raise UserError(
                f"{where}: '{path}' is not text; save it as CSV in UTF-8, separated by commas"
            ) from None
        raise UserError(
            f"{where}: '{path}' is not UTF-8 (byte {error.start}), perhaps Latin-1 or "
            "Windows-1252; save it as UTF-8"
        ) from None


def _detect_other_format(data: bytes) -> str | None:
    """Detect a file that is not CSV in UTF-8 by its first bytes; None if there is no sign of it."""
    without_mark = data.removeprefix(b"\xef\xbb\xbf")
    binary = (kind for signature, kind in _SIGNATURES.items() if data.startswith(signature))
    text = (kind for pattern, kind in _TEXT_SIGNATURES.items() if pattern.match(without_mark))
    return next(chain(binary, text), "UTF-16 text" if 0 in data[:4] else None)


def _check_separator(where: str, path: Path, text: str) -> None:
    """Refuse a header in which a character other than the comma separates the columns."""
    header = next(line for line in text.splitlines() if line.strip())
    outside_quotes = re.sub(r'"[^"]*"', "", header)
    most = max((",", *_SEPARATORS), key=outside_quotes.count)
    if most != ",":
        _refuse_separator(where, path, most)


def _refuse_separator(where: str, path: Path, separator: str) -> None:
    kind = _SEPARATORS.get(separator, f"'{separator}'")
    raise UserError(f"{where}: '{path}' is separated by {kind}; save it with commas")


def _parse_lines(where: str, text: str, line: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of each row; quoted cells may contain line breaks."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    first = line
    try:
        for cells in reader:
            if any(cells):
                yield line, [normalize_unicode(cell.strip()) for cell in cells]
            line = reader.line_num + first
    except csv.Error as error:
        raise UserError(f"{where}, line {line}: {error}") from None


def _build_row(where: str, line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        raise UserError(
            f"{where}: {len(cells)} cells, but the header has {len(columns)}; put quotes around "
            "cells that contain a comma"
        )
    return Row(where, line, dict(zip(columns, cells, strict=True)))
