"""Read the groups of a published dataset, such as patients or lesions, from a CSV file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.csv_columns import refuse_misspelled_column
from benchmark.datasets.csv_rows import Row, read_csv_rows, require_column
from benchmark.datasets.subsets import parse_subset_name
from benchmark.errors import UserError


def read_groups(where: str, path: Path, subset: NDArray[np.str_]) -> NDArray[np.str_]:
    """Read the group of every image.

    Parameters
    ----------
    where : str
        The beginning of every message.
    path : Path
        CSV file with the columns ``index`` and ``id``. The index counts from 0 through the
        training, validation and test images, in this order; with a column ``split`` (train, val or
        test), it counts within that subset.
    subset : (n,) array of str
        The subset of every image.

    Returns
    -------
    (n,) array of str

    Raises
    ------
    UserError
        The file is not such a table, or an image has no id or more than one.
    """
    columns, rows = read_csv_rows(f"{where}: groups of '{path}'", path)
    for column in ("index", "id"):
        require_column(where, columns, "groups", column)
    if "split" not in columns:
        refuse_misspelled_column(f"{where}: groups of '{path}'", columns, "split", ())
    indices = {name: np.flatnonzero(subset == name) for name in dict.fromkeys(subset.tolist())}
    groups: list[str | None] = [None] * len(subset)
    lines: dict[int, int] = {}
    for row in rows:
        index = _read_image_index(row, indices, len(subset), "split" in columns)
        if index in lines:
            raise UserError(
                f"{row.where}: this image already has an id in line {lines[index]}; keep one of "
                "them"
            )
        lines[index] = row.line
        groups[index] = row.require_cell("id")
    missing = groups.count(None)
    if missing:
        raise UserError(
            f"{where}: groups: {missing} of {len(subset)} images have no id in '{path}', the first "
            f"is image {groups.index(None)}"
        )
    return np.array(groups)


def _read_image_index(
    row: Row, indices: dict[str, NDArray[np.int64]], n_images: int, is_within_subset: bool
) -> int:
    cell = row.require_cell("index")
    name = parse_subset_name(row.require_cell("split")) if is_within_subset else None
    if is_within_subset and name not in indices:
        raise UserError(
            f"{row.where}: split '{row.require_cell('split')}' is none of {', '.join(indices)}"
        )
    limit = len(indices[name]) if name else n_images
    if not cell.isascii() or not cell.isdigit() or len(cell) > 12 or int(cell) >= limit:
        of_subset = f" of {name}" if name else ""
        raise UserError(
            f"{row.where}: there is no image{of_subset} with the index '{cell}'; indices are 0 to "
            f"{limit - 1}"
        )
    return int(indices[name][int(cell)]) if name else int(cell)
