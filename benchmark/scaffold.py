"""The plug-in file that ``new extractor`` writes."""

from __future__ import annotations

from keyword import iskeyword
from pathlib import Path

from benchmark.errors import UserError

_TEMPLATE = '''"""An extractor; see `python -m benchmark check {file}`."""

import numpy as np

from features.base import Extractor, to_gray


class {cls}(Extractor):
    """Mean and spread of the gray values in each cell of a grid."""

    def __init__(self, grid=4):
        self.grid = grid

    @property
    def min_size(self):
        return self.grid

    def extract(self, batch):
        rows = np.array_split(to_gray(batch) / 255, self.grid, axis=1)
        cells = [cell for row in rows for cell in np.array_split(row, self.grid, axis=2)]
        return np.stack([f(cell, axis=(1, 2)) for f in (np.mean, np.std) for cell in cells], axis=1)
'''


def write_extractor(name: str, folder: Path) -> Path:
    """Write ``<name>.py`` into a folder, and return its path.

    Raises
    ------
    UserError
        The name is not a Python name, or the file is there already.
    """
    if not name.isidentifier() or iskeyword(name):
        raise UserError(f"'{name}' cannot name a class: use letters, digits and _, as in my_texture")
    file = folder / f"{name}.py"
    cls = "".join(word.capitalize() for word in name.split("_"))
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(_TEMPLATE.format(file=file, cls=cls))
    except FileExistsError:
        raise UserError(f"{file} exists; nothing was written over, choose another name") from None
    return file
