"""Groups of a published set from a CSV file: the patient or lesion of each image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.csv_columns import refuse_misspelled_column
from benchmark.datasets.csv_rows import Row, read_csv_rows, require_column
from benchmark.datasets.subsets import parse_subset_name
from benchmark.errors import UserError


def read_groups(where: str, path: Path, part: NDArray[np.str_]) -> NDArray[np.str_]:
    """Read the group of every image.

    Parameters
    ----------
    where : str
        The beginning of every message.
    path : Path
        CSV with the columns ``index`` and ``id``. The index counts from 0 through the training,
        validation and test images, in this order; where there is a column ``split`` (train, val,
        test), within that part.
    part : (n,) array of str
        The part of every image.

    Returns
    -------
    (n,) array of str

    Raises
    ------
    UserError
        The file is no such table, or an image has no id, or two.
    """
    columns, rows = read_csv_rows(f"{where}: groups of '{path}'", path)
    for column in ("index", "id"):
        require_column(where, columns, "groups", column)
    if "split" not in columns:
        refuse_misspelled_column(f"{where}: groups of '{path}'", columns, "split", ())
    places = {name: np.flatnonzero(part == name) for name in dict.fromkeys(part.tolist())}
    groups: list[str | None] = [None] * len(part)
    lines: dict[int, int] = {}
    for row in rows:
        index = _read_image_index(row, places, len(part), "split" in columns)
        if index in lines:
            raise UserError(
                f"{row.where}: this image has an id in line {lines[index]} already; keep one of "
                "them"
            )
        lines[index] = row.line
        groups[index] = row.require_cell("id")
    missing = groups.count(None)
    if missing:
        raise UserError(
            f"{where}: groups: {missing} of {len(part)} images have no id in '{path}', the first "
            f"is image {groups.index(None)}"
        )
    return np.array(groups)


def _read_image_index(
    row: Row, places: dict[str, NDArray[np.int64]], n_images: int, is_within_part: bool
) -> int:
    cell = row.require_cell("index")
    name = parse_subset_name(row.require_cell("split")) if is_within_part else None
    if is_within_part and name not in places:
        raise UserError(
            f"{row.where}: split '{row.require_cell('split')}' is none of {', '.join(places)}"
        )
    limit = len(places[name]) if name else n_images
    if not cell.isascii() or not cell.isdigit() or len(cell) > 12 or int(cell) >= limit:
        whose = f" of {name}" if name else ""
        raise UserError(
            f"{row.where}: index '{cell}' is no image{whose}: they are counted from 0 to "
            f"{limit - 1}"
        )
    return int(places[name][int(cell)]) if name else int(cell)
