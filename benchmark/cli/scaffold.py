"""The plug-in file that ``new extractor`` writes as a starting point."""

from __future__ import annotations

from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

from benchmark.errors import UserError
from benchmark.plugins.plugin_files import name_in_studies
from benchmark.plugins.registry import KINDS, registered_targets

_TEMPLATE = '''"""An extractor; see `python -m benchmark check {file}`."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from features.base import Extractor, Images, to_gray
from models.constraints import WholeNumber


class {cls}(Extractor):
    """Mean and spread of the gray values in each cell of a grid."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {{"grid": [WholeNumber(1)]}}

    def __init__(self, grid: int = 4) -> None:
        self.grid = grid

    @property
    def min_size(self) -> int:
        """Each cell needs a pixel."""
        return self.grid

    def extract(self, batch: Images) -> NDArray[np.floating]:
        """Means of all cells, then their standard deviations, (b, 2 * grid * grid)."""
        rows = np.array_split(to_gray(batch) / 255, self.grid, axis=1)
        cells = [cell for row in rows for cell in np.array_split(row, self.grid, axis=2)]
        return np.stack([f(cell, axis=(1, 2)) for f in (np.mean, np.std) for cell in cells], axis=1)
'''


def write_extractor(name: str, folder: Path) -> Path:
    """Write a working extractor to ``<name>.py`` in a folder, and return the path.

    Raises
    ------
    UserError
        No class name can be derived from the name, it is the name of a Python package or of a
        component, or the file exists already.
    """
    cls = "".join(word.capitalize() for word in name.split("_"))
    if not name.isidentifier() or iskeyword(name) or name_in_studies(cls) != name:
        raise UserError(
            f"'{name}' cannot name an extractor: use lower-case letters and digits, and _ before a "
            "letter, as in my_texture"
        )
    kinds = [kind for kind in KINDS if name in registered_targets(kind)]
    if kinds:
        raise UserError(
            f"the name '{name}' is taken ({kinds[0]}); choose another, such as my_{name}"
        )
    file = folder / f"{name}.py"
    if not file.exists() and find_spec(name):
        raise UserError(
            f"'{name}' is the name of a Python package, which {file} would hide; choose another, "
            f"such as my_{name}"
        )
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(_TEMPLATE.format(file=file, cls=cls))
    except FileExistsError:
        raise UserError(f"{file} exists and was not overwritten; choose another name") from None
    return file
