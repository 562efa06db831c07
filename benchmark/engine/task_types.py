"""The tasks that workers are given: to evaluate a cell, or to compute a part of a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from benchmark.engine.pace import Kind
from benchmark.evaluation.matrix_keys import MatrixNeed
from benchmark.evaluation.matrix_parts import Part
from benchmark.plugins.registry import build_component, takes_images
from benchmark.plugins.source_digest import select_external_specs
from benchmark.plugins.spec import ResolvedSpec
from benchmark.study.axes import Role, axes_with_roles
from benchmark.study.cell import Cell
from benchmark.study.labels import describe_setting


@dataclass(frozen=True)
class CellTask:
    """The evaluation of a cell.

    Parameters
    ----------
    cell : Cell
    on_gpu : bool
        Whether it runs on a GPU.
    """

    cell: Cell
    on_gpu: bool = False

    @property
    def key(self) -> str:
        """Content key of the cell."""
        return self.cell.key

    @property
    def plugins(self) -> tuple[ResolvedSpec, ...]:
        """Plug-ins whose code the task runs."""
        return plugins_of_cell(self.cell)

    @property
    def label(self) -> str:
        """Extractor, strategy and model, and conditions other than the default."""
        return describe_setting(self.cell.identity)

    @property
    def kind(self) -> Kind:
        """What its duration depends on."""
        cell = self.cell
        exact = (axis.name for axis in axes_with_roles(Role.CONDITION, Role.CONFIGURATION))
        return Kind(
            hash(("cell", *(cell.values[name] for name in exact))),
            hash(("cell", cell.dataset, cell.train_size, cell.model, cell.tuning)),
            "cell",
        )


@dataclass(frozen=True, eq=False)
class MatrixTask:
    """The computation of a part of a feature matrix.

    Parameters
    ----------
    need : MatrixNeed
    part : Part or None
        None for the first part, which creates the file.
    """

    need: MatrixNeed
    part: Part | None = None
    on_gpu = False

    @property
    def key(self) -> str:
        """Content key of the matrix."""
        return self.need.key

    @property
    def cell(self) -> Cell:
        """One of the cells that need it."""
        return self.need.cell

    @property
    def plugins(self) -> tuple[ResolvedSpec, ...]:
        """Plug-ins whose code the task runs."""
        return select_external_specs([self.need.matrix.spec])

    @property
    def label(self) -> str:
        """Label of the extractor."""
        return self.need.matrix.spec.label

    @property
    def kind(self) -> Kind:
        """What the duration of the whole matrix depends on."""
        matrix, dataset = self.need.matrix, self.cell.dataset
        return Kind(
            hash(("matrix", dataset, matrix)), hash(("matrix", dataset, matrix.spec)), "matrix"
        )


Task = CellTask | MatrixTask


def plugins_of_cell(cell: Cell) -> tuple[ResolvedSpec, ...]:
    """Plug-ins whose code runs when a cell is evaluated."""
    return select_external_specs((*cell.extractor, *cell.strategy, cell.model))


@lru_cache(maxsize=1024)
def uses_gpu(model: ResolvedSpec) -> bool:
    """Whether a model runs on a GPU if there is one."""
    return takes_images(model) and getattr(build_component(model), "uses_gpu", False)
