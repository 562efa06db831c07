"""The order of tasks: each missing feature matrix once, then the cells whose matrices are ready."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from benchmark.datasets.base import Dataset
from benchmark.evaluation.components import train_test_indices
from benchmark.evaluation.feature_cache import (
    is_matrix_stored,
    learns_in_fit,
    matrix_key,
    required_matrices,
)
from benchmark.plugins.registry import build_component, takes_images
from benchmark.plugins.source_digest import select_external_specs
from benchmark.plugins.spec import ResolvedSpec
from benchmark.results.folder import ResultsFolder
from benchmark.results.locks import Claims
from benchmark.study.cell import Cell
from benchmark.utils.status import Status

Outcome = dict[str, Any]


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


@dataclass(frozen=True)
class MatrixTask:
    """The computation of a feature matrix.

    Parameters
    ----------
    key : str
        Content key of the matrix.
    cell : Cell
        One of the cells that need it.
    matrix_index : int
        Index of the matrix in ``required_matrices(cell)``.
    """

    key: str
    cell: Cell
    matrix_index: int
    on_gpu = False

    @property
    def plugins(self) -> tuple[ResolvedSpec, ...]:
        """Plug-ins whose code the task runs."""
        return select_external_specs([required_matrices(self.cell)[self.matrix_index].spec])


Task = CellTask | MatrixTask


def plugins_of_cell(cell: Cell) -> tuple[ResolvedSpec, ...]:
    """Plug-ins whose code runs when a cell is evaluated."""
    return select_external_specs((*cell.extractor, *cell.strategy, cell.model))


class Schedule:
    """Hand out tasks, each to one runner only.

    Tasks without plug-ins come first, followed by those of one set of plug-ins after the other,
    since a worker that has run one plug-in is used for no other. Within each of these groups,
    missing feature matrices come first: they keep every worker busy, and cells share them. A cell
    is handed out as soon as its matrices are stored; the cells behind it do not wait for it. Cells
    are drawn from a generator as they are needed.

    Parameters
    ----------
    wanted : callable () -> iterator of Cell
        Gives the cells to evaluate; called once, and again for each set of plug-ins.
    datasets : label to Dataset
    folder : ResultsFolder
    claims : Claims
    is_done : callable (key) -> bool
        Whether a cell has been evaluated by this runner or another one.

    Attributes
    ----------
    n_cells : int
        Number of cells to evaluate.
    n_matrices : int
        Number of feature matrices to compute.
    plugins : list of tuple of ResolvedSpec
        Sets of plug-ins, in the order in which their tasks are handed out; the first is empty.
    wants_gpu : bool
        Whether some of the cells can use a GPU.
    has_gpu : bool
        Whether cells that can use a GPU are handed out separately.
    unevaluated : list of (Cell, outcome)
        Cells that cannot be evaluated because one of their matrices could not be computed. The
        runner takes them from this list.
    """

    def __init__(
        self,
        wanted: Callable[[], Iterator[Cell]],
        datasets: dict[str, Dataset],
        folder: ResultsFolder,
        claims: Claims,
        is_done: Callable[[str], bool],
    ) -> None:
        self._datasets, self._cache, self._claims, self._is_done = (
            datasets,
            folder.features,
            claims,
            is_done,
        )
        self._matrix_key = MatrixKeys(datasets)
        self._missing: dict[str, MatrixTask] = {}
        self.plugins: list[tuple[ResolvedSpec, ...]] = []
        self._failed: dict[str, Outcome] = {}
        self._blocked: defaultdict[str, list[Cell]] = defaultdict(list)
        self._claimed_elsewhere: list[Task] = []
        self.wants_gpu = self.has_gpu = False
        self.unevaluated: list[tuple[Cell, Outcome]] = []
        self.n_cells = self._survey_cells(wanted())
        self.n_matrices = len(self._missing)
        self._ready = {False: deque[Task](), True: deque[Task]()}
        self._undrawn = self._order_by_plugins(wanted)

    def claim_next_task(self, on_gpu: bool = False) -> Task | None:
        """Claim a task that can start now.

        Returns
        -------
        Task or None
            None when there is no such task at the moment.
        """
        queue = self._ready[on_gpu]
        while queue or self._fill_queue(queue):
            task = queue.popleft()
            if not self._claims.claim(task.key):
                self._claimed_elsewhere.append(task)
            elif self._has_result(task):  # another runner was faster
                self.finish_task(task, {"status": Status.OK})
            else:
                return task
        return None

    def finish_task(self, task: Task, outcome: Outcome) -> None:
        """Record how a task ended, and release its claim; the row of a cell is already stored."""
        self._claims.release(task.key)
        if isinstance(task, CellTask):
            return
        del self._missing[task.key]
        if outcome["status"] != Status.OK:
            label = required_matrices(task.cell)[task.matrix_index].spec.label
            self._failed[task.key] = {
                **outcome,
                "reason": f"extracting {label}: {outcome['reason']}",
            }
        for cell in self._blocked.pop(task.key, ()):
            self._queue_or_block_cell(cell)

    def requeue_claimed_tasks(self) -> bool:
        """Queue the tasks again that other runners had claimed.

        Returns
        -------
        bool
            Whether there are such tasks.
        """
        tasks, self._claimed_elsewhere = self._claimed_elsewhere, []
        for task in tasks:
            self._ready[task.on_gpu].append(task)
        return bool(tasks)

    def _survey_cells(self, cells: Iterator[Cell]) -> int:
        """List missing matrices and sets of plug-ins, and return the number of distinct cells."""
        keys: set[str] = set()
        plugins: dict[tuple[ResolvedSpec, ...], None] = {(): None}
        for cell in cells:
            keys.add(cell.key)
            plugins[plugins_of_cell(cell)] = None
            self.wants_gpu = self.wants_gpu or uses_gpu(cell.model)
            for matrix_index in range(len(required_matrices(cell))):
                task = MatrixTask(self._matrix_key(cell, matrix_index), cell, matrix_index)
                if task.key not in self._missing and not self._has_result(task):
                    self._missing[task.key] = task
                    plugins[task.plugins] = None
        # The plug-ins of a matrix are a subset of those of its cells, so that smaller sets of
        # plug-ins come first.
        self.plugins = sorted(plugins, key=len)
        return len(keys)

    def _order_by_plugins(
        self, wanted: Callable[[], Iterator[Cell]]
    ) -> Iterator[MatrixTask | Cell]:
        """Yield matrix tasks and cells, grouped by their set of plug-ins."""
        missing = list(self._missing.values())
        for plugins in self.plugins:
            yield from (task for task in missing if task.plugins == plugins)
            yield from (cell for cell in wanted() if plugins_of_cell(cell) == plugins)

    def _fill_queue(self, queue: deque[Task]) -> bool:
        """Draw matrix tasks and cells until one is in the queue; return whether one is."""
        for task_or_cell in self._undrawn:
            if isinstance(task_or_cell, MatrixTask):
                self._ready[False].append(task_or_cell)
            else:
                self._queue_or_block_cell(task_or_cell)
            if queue:
                return True
        return False

    def _queue_or_block_cell(self, cell: Cell) -> None:
        """Queue a cell whose matrices are stored, else keep it until the first missing one is."""
        for matrix_index in range(len(required_matrices(cell))):
            key = self._matrix_key(cell, matrix_index)
            if key in self._failed:
                self.unevaluated.append((cell, self._failed[key]))
                return
            if key in self._missing:
                self._blocked[key].append(cell)
                return
        on_gpu = self.has_gpu and uses_gpu(cell.model)
        self._ready[on_gpu].append(CellTask(cell, on_gpu))

    def _has_result(self, task: Task) -> bool:
        if isinstance(task, CellTask):
            return self._is_done(task.key)
        return is_matrix_stored(
            task.key, len(self._datasets[task.cell.dataset.label].images), self._cache
        )


class MatrixKeys:
    """Content keys of feature matrices, each computed once.

    Parameters
    ----------
    datasets : label to Dataset
    """

    def __init__(self, datasets: dict[str, Dataset]) -> None:
        self._datasets = datasets
        self._known: dict[tuple[object, ...], str] = {}

    def __call__(self, cell: Cell, matrix_index: int) -> str:
        """Key of one of a cell's matrices, by its index in ``required_matrices(cell)``."""
        spec, *changes = required_matrices(cell)[matrix_index]
        training = (
            (cell.split, cell.fold, cell.imbalance, cell.train_size, cell.seed)
            if learns_in_fit(spec)
            else ()
        )
        changed = (cell.seed, *changes) if any(changes) else ()
        decided_by = (cell.fingerprint, spec, training, changed)
        if decided_by not in self._known:
            train, _ = train_test_indices(cell, self._datasets[cell.dataset.label])
            self._known[decided_by] = matrix_key(cell, matrix_index, train)
        return self._known[decided_by]


@lru_cache(maxsize=1024)
def uses_gpu(model: ResolvedSpec) -> bool:
    """Whether a model runs on a GPU if there is one."""
    return takes_images(model) and getattr(build_component(model), "uses_gpu", False)
