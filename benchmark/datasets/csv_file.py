"""Datasets from a CSV file with one row per image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmark.datasets.base import SUBSETS, Dataset
from benchmark.datasets.csv_columns import describe_unused_columns, refuse_misspelled_column
from benchmark.datasets.csv_rows import (
    Row,
    read_csv_rows,
    require_column,
    require_different_cells,
)
from benchmark.datasets.images.decoded import MAX_PIXELS
from benchmark.datasets.images.options import Options
from benchmark.datasets.listing import (
    Listing,
    build_dataset,
    parse_dataset_path,
    relative_paths,
)
from benchmark.datasets.subsets import parse_subset_name
from benchmark.errors import UserError
from benchmark.utils.files import PathFinder
from benchmark.utils.text import join_names, normalize_unicode, short_repr

# distinct numbers that a column of classes may have: grades have fewer, measurements more
MAX_NUMBERS = 10
NUMBER = re.compile(
    r"(?:[<>≤≥~$€£]\s*)?([-+]?(?:\d[\d.,' ]*|[.,]\d+))(e[-+]?\d{1,2})?"
    r"\s*([%°]?[^\W\d_]{0,20})",
    re.IGNORECASE,
)
LONGEST_UNIT = 3  # letters that are taken for a unit even if only one number has them
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
    id: str | None = None,
    attributes: Sequence[str] = (),
    percentiles: tuple[float, float] = (1, 99),
    on_error: str = "raise",
    max_pixels: int = MAX_PIXELS,
    allow_outside: bool = False,
    numeric_classes: bool = False,
    drop_duplicates: bool = False,
    licence: str | None = None,
    citation: str | None = None,
) -> Dataset:
    """Load the images that a CSV file lists.

    Parameters
    ----------
    name : str
        "csv:PATH", relative to the current folder, or to the data folder if it exists only there.
        The file is in UTF-8, separated by commas, with a header; spaces around cells are ignored.
    data : Path
        The data folder. Nothing is downloaded.
    size, percentiles, on_error, max_pixels
        See `benchmark.datasets.images.options.Options`.
    image : str
        Column with the path of the image, relative to the CSV file; or a template such as
        ``images/{image_id}.jpg``, filled from the columns of the row.
    label : str
        Column with the class. If any cell contains ``|``, the task is multi-label (``a|b``), and an
        empty cell means no class.
    group, split : str
        Columns with the group (patient, lesion) and the subset (train, val or test; ``Training``,
        ``valid`` and the like are understood). They are optional under their default names.
    id : str or None
        Column that names each image; None: its path relative to the CSV file.
    attributes : sequence of str
        Further columns to keep, such as ``("sex", "age", "site")``, for tables by subgroup; see
        `benchmark.datasets.attributes.parse_attribute`.
    allow_outside : bool
        Whether paths may lead outside the folder of the CSV file.
    numeric_classes : bool
        Whether every number in the label column is a class. If False, more than 10 distinct
        numbers, with or without a unit, are refused: they are more likely ages or measurements.
    drop_duplicates : bool
        Whether to keep one of each set of exact copies, and of each set of equal rows; see
        `benchmark.datasets.duplicates.drop_copies`.
    licence, citation : str or None
        Licence and citation of the images, stored in the rows.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        The file, a column or a cell is wrong (the message has the line), or an image is unreadable.

    See Also
    --------
    benchmark.datasets.folder.load_folder : Load images from a folder per class.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("1.png", "2.png"):
    ...         Image.new("L", (8, 8)).save(Path(folder, name))
    ...     table = Path(folder, "table.csv")
    ...     rows = pd.DataFrame({"image": ["1.png", "2.png"], "label": ["cat", "dog"]})
    ...     rows.to_csv(table, index=False)
    ...     dataset = load_csv(f"csv:{table}", Path(folder), None)
    >>> dataset.classes, dataset.targets.tolist()
    (('cat', 'dog'), [0, 1])
    """
    options = Options(size, percentiles, on_error, max_pixels)
    path = parse_dataset_path(name, data)
    where = f"dataset '{name}'"
    named = {"image": image, "label": label, "group": group, "split": split}
    _check_types(where, named, str, "the name of a column")
    attributes = _check_attributes(where, attributes)
    flags = {
        "allow_outside": allow_outside,
        "numeric_classes": numeric_classes,
        "drop_duplicates": drop_duplicates,
    }
    _check_types(where, flags, bool, "true or false")
    image, label, group, split = map(normalize_unicode, named.values())
    columns, rows = read_csv_rows(where, path)
    if label == "label" and label not in columns:
        raise UserError(
            f"{where}: no column 'label'; name the column of classes, as label=\"diagnosis\", "
            f"from {join_names(columns)}"
        )
    require_column(where, columns, "label", label)
    _require_attributes(where, columns, attributes, label)
    rows, notes = _drop_repeated_rows(rows) if drop_duplicates else (rows, ())
    used = {label, group, split, *_find_template_columns(image)}
    groups = _read_optional_column(where, columns, rows, "group", group, used)
    subset = _parse_subsets(rows, _read_optional_column(where, columns, rows, "split", split, used))
    notes += describe_unused_columns(
        columns, rows, {label, group, split}, groups is not None, subset
    )
    paths = _find_image_paths(where, columns, rows, image, path.parent, allow_outside)
    if id is None:
        ids = relative_paths(paths, path.parent.resolve())
    else:
        ids = _read_ids(where, columns, rows, normalize_unicode(id))
    labels, multilabel = _parse_labels(rows, label)
    if not numeric_classes:
        _refuse_measurements(where, label, (name for names in labels for name in names))
    names = [f"{path} (line {row.line})" for path, row in zip(paths, rows, strict=True)]
    listing = Listing(
        paths,
        names,
        labels,
        ids,
        multilabel,
        groups,
        f"the column '{group}'",
        subset,
        {column: [row.cells[column] for row in rows] for column in attributes},
        notes,
    )
    return build_dataset(name, listing, options, drop_duplicates, licence, citation)


def _require_attributes(
    where: str, columns: list[str], attributes: Sequence[str], label: str
) -> None:
    """Refuse attributes that are no columns of the file, and the label."""
    for column in attributes:
        require_column(where, columns, "attributes", column)
        if column == label:
            raise UserError(
                f"{where}: attributes: '{column}' is the label, which is not known beforehand"
            )


def _check_attributes(where: str, attributes: Sequence[str]) -> list[str]:
    """Return the names of columns, in Unicode's composed form."""
    if isinstance(attributes, str):
        raise UserError(
            f'{where}: attributes: write a list of columns, such as ("{attributes}",), not '
            f"{short_repr(attributes)}"
        )
    _check_types(where, {"attributes": attributes}, (tuple, list), "a list of columns")
    for column in attributes:
        _check_types(where, {"attributes": column}, str, "the name of a column")
    return [normalize_unicode(column) for column in attributes]


def _read_ids(where: str, columns: list[str], rows: list[Row], column: str) -> list[str]:
    require_column(where, columns, "id", column)
    return require_different_cells(
        rows,
        column,
        "id '{cell}' is also that of line {line}; name a column whose cells are all different, or "
        "leave id out to name images by their paths",
    )


def _drop_repeated_rows(rows: list[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """Drop rows whose cells are all equal to those of an earlier row."""
    first = {tuple(row.cells.values()): row for row in reversed(rows)}
    distinct = sorted(first.values(), key=lambda row: row.line)
    n_dropped = len(rows) - len(distinct)
    if not n_dropped:
        return distinct, ()
    which = "row that repeats" if n_dropped == 1 else "rows that repeat"
    return distinct, (f"drop_duplicates: {n_dropped} {which} another left out",)


def _refuse_measurements(where: str, column: str, labels: Iterable[str]) -> None:
    """Refuse a label column with more distinct numbers than grades have, with or without units."""
    quantities = {
        quantity for label in set(labels) if (quantity := _parse_quantity(label)) is not None
    }
    n_with_unit = Counter(unit for _, unit in quantities)
    # a long word that only one number has, as in "0 cat" and "1 dog", is not a unit
    numbers = sorted(
        {value for value, unit in quantities if len(unit) <= LONGEST_UNIT or n_with_unit[unit] > 1}
    )
    if len(numbers) > MAX_NUMBERS:
        raise UserError(
            f"{where}: label: column '{column}' has {len(numbers)} distinct numbers "
            f"({numbers[0]:g} to {numbers[-1]:g}), like a measurement, and each would be a class; "
            "add a column of classes, or set numeric_classes=True if the numbers are classes"
        )


def _parse_quantity(label: str) -> tuple[float, str] | None:
    """Parse a label such as 1,200.5, 0,5 %, <3 or 40 years as a number and its unit.

    Examples
    --------
    >>> _parse_quantity("1,200.5"), _parse_quantity("40 years"), _parse_quantity("benign")
    ((1200.5, ''), (40.0, 'years'), None)
    """
    match = NUMBER.fullmatch(label.strip().replace("\u2212", "-").replace("\u00a0", " "))
    if match is None:
        return None
    digits = re.sub("[' ]", "", match[1])
    last = max(digits.rfind("."), digits.rfind(","))
    # a mark that occurs several times separates thousands
    is_decimal = last >= 0 and digits.count(digits[last]) == 1
    whole, fraction = (digits[:last], digits[last + 1 :]) if is_decimal else (digits, "")
    return float(f"{re.sub('[.,]', '', whole)}.{fraction}0{match[2] or ''}"), match[3].casefold()


def _check_types(
    where: str, values: Mapping[str, object], kind: type | tuple[type, ...], what: str
) -> None:
    for parameter, value in values.items():
        if not isinstance(value, kind):
            raise UserError(f"{where}: {parameter}: {short_repr(value)} is not {what}")


def _read_optional_column(
    where: str, columns: list[str], rows: list[Row], parameter: str, column: str, used: set[str]
) -> list[str] | None:
    """Return the cells of a column; None if it is missing and has its default name."""
    if column not in columns and column == parameter:
        refuse_misspelled_column(where, columns, parameter, used)
        return None
    require_column(where, columns, parameter, column)
    return [row.require_cell(column) for row in rows]


def _parse_subsets(rows: list[Row], cells: list[str] | None) -> list[str] | None:
    if cells is None:
        return None
    subsets = []
    for row, cell in zip(rows, cells, strict=True):
        subset = parse_subset_name(cell)
        if subset is None:
            raise UserError(f"{row.where}: split '{cell}' is none of {', '.join(SUBSETS)}")
        subsets.append(subset)
    return subsets


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
    """Find the file of every row; refuse files outside the CSV's folder and repeated ones."""
    template = image if "{" in image else f"{{{image}}}"
    for column in _find_template_columns(image):
        require_column(where, columns, "image", column)
    home = folder.resolve()
    finder = PathFinder()
    first: dict[Path, Row] = {}
    for row in rows:
        cell = _fill_template(template, row)
        path = _resolve_path(row, finder.find(folder / cell))
        if not allow_outside and not path.is_relative_to(home):
            raise UserError(
                f"{row.where}: '{cell}' is outside the CSV's folder; add allow_outside=True to the "
                "dataset to allow that"
            )
        if path in first:
            raise UserError(
                f"{row.where}: '{cell}' is also the image of line {first[path].line}"
                f"{_describe_difference(first[path], row)}"
            )
        first[path] = row
    return list(first)


def _fill_template(template: str, row: Row) -> str:
    """Fill in all placeholders at once, so that braces in a cell stay text."""
    return PLACEHOLDER.sub(lambda match: row.require_cell(match[1]), template)


def _describe_difference(first: Row, row: Row) -> str:
    """Describe how two rows with the same image differ, and what to do."""
    columns = [column for column, cell in row.cells.items() if cell != first.cells[column]]
    if not columns:
        return (
            "; keep one of them, or it may be on both sides of a split (drop_duplicates=True drops "
            "rows that are equal in every column)"
        )
    return (
        f", with a different cell in the column '{columns[-1]}'; keep the right one, or the image "
        "may be on both sides of a split"
    )


def _resolve_path(row: Row, path: Path) -> Path:
    """Resolve links and '..'."""
    try:
        return path.resolve()
    # the path is too long, has a null character, or leads through circular links
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{row.where}: not a path: '{path}' ({error})") from None
