"""Data sets from a CSV file: a row per image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmark.datasets.base import PARTS, Dataset
from benchmark.datasets.csv_columns import describe_unused_columns, refuse_misspelled_column
from benchmark.datasets.csv_rows import Row, read_csv_rows, require_column
from benchmark.datasets.images.decoded import MAX_PIXELS
from benchmark.datasets.images.options import Options
from benchmark.datasets.listing import Listing, build_dataset, parse_dataset_path
from benchmark.datasets.subsets import parse_subset_name
from benchmark.errors import UserError
from benchmark.utils.files import PathFinder
from benchmark.utils.text import normalize_unicode, short_repr

MOST_NUMBERS = 10  # distinct numbers that a class column may have; scales of grades have fewer, measurements more
NUMBER = re.compile(
    r"(?:[<>≤≥~$€£]\s*)?([-+]?(?:\d[\d.,' ]*|[.,]\d+))(e[-+]?\d{1,2})?\s*([%°]?[^\W\d_]{0,20})",
    re.IGNORECASE,
)
LONGEST_UNIT = 3  # letters of what is taken for a unit, however few numbers have it
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def load_csv(
    name: str,
    data: Path,
    size: int | None,
    *,
    image: str = "image",
    label: str = "label",
    group: str = "group",
    split: str = "split",
    percentiles: tuple[float, float] = (1, 99),
    on_error: str = "raise",
    max_pixels: int = MAX_PIXELS,
    allow_outside: bool = False,
    numeric_classes: bool = False,
    drop_duplicates: bool = False,
    licence: str | None = None,
    citation: str | None = None,
) -> Dataset:
    """Load the images that a CSV file names.

    Parameters
    ----------
    name : str
        "csv:PATH", relative to the current folder, or to the data folder if it is only there. The
        file is UTF-8, separated by commas, with a header; spaces around cells do not count.
    data : Path
        The data folder; nothing is downloaded.
    size, percentiles, on_error, max_pixels
        See `benchmark.datasets.images.options.Options`.
    image : str
        Column of the image's path, relative to the CSV; or a template such as
        ``images/{image_id}.jpg``, filled from the row's columns.
    label : str
        Column of the class. If any row has a ``|``, the task is multi-label (``a|b``) and an empty
        label means no class.
    group, split : str
        Columns of the group (patient, lesion) and of train, val or test (``Training``, ``valid``,
        ... are understood). Where the default name is absent, there is none.
    allow_outside : bool
        Let paths leave the CSV's folder.
    numeric_classes : bool
        Take every number in the column of the class for a class of its own. Otherwise more than 10
        distinct ones, with a unit or without, are refused, as they are of ages or measurements.
    drop_duplicates : bool
        Keep one of each set of exact copies; see `benchmark.datasets.duplicates.drop_copies`. Rows
        that repeat another are dropped, too.
    licence, citation : str or None
        Of the images, for the rows.

    Raises
    ------
    UserError
        The file, a column or a cell is wrong (with its line), or images are unreadable.
    """
    options = Options(size, percentiles, on_error, max_pixels)
    path = parse_dataset_path(name, data)
    where = f"dataset '{name}'"
    _check_types(
        where,
        {"image": image, "label": label, "group": group, "split": split},
        str,
        "the name of a column",
    )
    flags = {
        "allow_outside": allow_outside,
        "numeric_classes": numeric_classes,
        "drop_duplicates": drop_duplicates,
    }
    _check_types(where, flags, bool, "true or false")
    image, label, group, split = (
        normalize_unicode(column) for column in (image, label, group, split)
    )
    columns, rows = read_csv_rows(where, path)
    require_column(where, columns, "label", label)
    rows, notes = _drop_repeated_rows(rows) if drop_duplicates else (rows, ())
    used = {label, group, split, *_find_template_columns(image)}
    groups = _read_optional_column(where, columns, rows, "group", group, used)
    part = _parse_subsets(rows, _read_optional_column(where, columns, rows, "split", split, used))
    notes += describe_unused_columns(columns, rows, {label, group, split}, groups is not None, part)
    paths = _find_image_paths(where, columns, rows, image, path.parent, allow_outside)
    labels, multilabel = _parse_labels(rows, label)
    if not numeric_classes:
        _refuse_measurements(where, label, (name for names in labels for name in names))
    names = [f"{path} (line {row.line})" for path, row in zip(paths, rows, strict=True)]
    listing = Listing(paths, names, labels, multilabel, groups, part, notes)
    return build_dataset(name, listing, options, drop_duplicates, licence, citation)


def _drop_repeated_rows(rows: list[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """Drop rows that say again what another says."""
    first = {tuple(row.cells.values()): row for row in reversed(rows)}
    kept = sorted(first.values(), key=lambda row: row.line)
    n_dropped = len(rows) - len(kept)
    which = "row that repeats" if n_dropped == 1 else "rows that repeat"
    return kept, (f"drop_duplicates: {n_dropped} {which} another left out",) if n_dropped else ()


def _refuse_measurements(where: str, column: str, labels: Iterable[str]) -> None:
    """Refuse a column of more numbers than grades have, with a unit or without, whatever else is in it."""
    read = {number for label in set(labels) if (number := _parse_quantity(label)) is not None}
    with_unit = Counter(unit for _, unit in read)
    numbers = sorted(
        {value for value, unit in read if len(unit) <= LONGEST_UNIT or with_unit[unit] > 1}
    )  # none of "0 cat", "1 dog"
    if len(numbers) > MOST_NUMBERS:
        raise UserError(
            f"{where}: label: column '{column}' holds {len(numbers)} distinct numbers "
            f"({numbers[0]:g} to {numbers[-1]:g}), "
            "as of a measurement, and each would be a class; make a column of classes, or set "
            "numeric_classes=True if they are meant"
        )


def _parse_quantity(label: str) -> tuple[float, str] | None:
    """Read a label as a number and its unit, as of 1,200.5, 0,5 %, <3 or 40 years; None for other labels."""
    found = NUMBER.fullmatch(label.strip().replace("\u2212", "-").replace("\u00a0", " "))
    if found is None:
        return None
    digits = re.sub("[' ]", "", found[1])
    last = max(digits.rfind("."), digits.rfind(","))
    is_decimal = (
        last >= 0 and digits.count(digits[last]) == 1
    )  # a mark that is there several times stands between thousands
    whole, fraction = (digits[:last], digits[last + 1 :]) if is_decimal else (digits, "")
    return float(f"{re.sub('[.,]', '', whole)}.{fraction}0{found[2] or ''}"), found[3].casefold()


def _check_types(where: str, values: Mapping[str, object], kind: type, what: str) -> None:
    for parameter, value in values.items():
        if not isinstance(value, kind):
            raise UserError(f"{where}: {parameter}: {short_repr(value)} is not {what}")


def _read_optional_column(
    where: str, columns: list[str], rows: list[Row], parameter: str, column: str, used: set[str]
) -> list[str] | None:
    """Return the cells of a column, or None if it is absent and has the name it has by default."""
    if column not in columns and column == parameter:
        refuse_misspelled_column(where, columns, parameter, used)
        return None
    require_column(where, columns, parameter, column)
    return [row.require_cell(column) for row in rows]


def _parse_subsets(rows: list[Row], cells: list[str] | None) -> list[str] | None:
    if cells is None:
        return None
    parts = []
    for row, cell in zip(rows, cells, strict=True):
        part = parse_subset_name(cell)
        if part is None:
            raise UserError(f"{row.where}: split '{cell}' is none of {', '.join(PARTS)}")
        parts.append(part)
    return parts


def _parse_labels(rows: list[Row], column: str) -> tuple[list[tuple[str, ...]], bool]:
    multilabel = any("|" in row.cells[column] for row in rows)
    if not multilabel:
        return [(row.require_cell(column),) for row in rows], False
    split = [(label.strip() for label in row.cells[column].split("|")) for row in rows]
    return [tuple(dict.fromkeys(filter(None, labels))) for labels in split], True


def _find_template_columns(image: str) -> list[str]:
    return PLACEHOLDER.findall(image) if "{" in image else [image]


def _find_image_paths(
    where: str, columns: list[str], rows: list[Row], image: str, folder: Path, allow_outside: bool
) -> list[Path]:
    """Find every row's file, inside the CSV's folder and named once."""
    template = image if "{" in image else f"{{{image}}}"
    for column in _find_template_columns(image):
        require_column(where, columns, "image", column)
    home = folder.resolve()
    finder = PathFinder()
    first: dict[Path, Row] = {}
    for row in rows:
        # all placeholders at once, so that a cell with braces in it stays text
        cell = PLACEHOLDER.sub(lambda found, row=row: row.require_cell(found[1]), template)  # type: ignore[misc]
        path = _resolve_path(row, finder.find(folder / cell))
        if not allow_outside and not path.is_relative_to(home):
            raise UserError(
                f"{row.where}: '{cell}' lies outside the CSV's folder; if that is meant, set "
                "allow_outside: true"
            )
        if path in first:
            raise UserError(
                f"{row.where}: '{cell}' is the image of line {first[path].line} "
                f"too{_describe_difference(first[path], row)}"
            )
        first[path] = row
    return list(first)


def _describe_difference(first: Row, row: Row) -> str:
    """Say in what two rows of one image differ, and what to do."""
    columns = [column for column, cell in row.cells.items() if cell != first.cells[column]]
    if not columns:
        return "; keep one of them, or it may be on both sides of a split (drop_duplicates=True drops rows that are the same in every column)"
    return f", with another cell in the column '{columns[-1]}'; keep the right one, or it may be on both sides of a split"


def _resolve_path(row: Row, path: Path) -> Path:
    """Follow links and '..'."""
    try:
        return path.resolve()
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # too long, a null character, links in a circle
        raise UserError(f"{row.where}: not a path: '{path}' ({error})") from None
