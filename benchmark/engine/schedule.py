"""What is to be done next: first the matrices of features, each once, then the cells whose matrices are there."""

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
    """

    cell: Cell
    on_gpu: bool = False

    @property
    def key(self) -> str:
        """Content key of the cell."""
        return self.cell.key

    @property
    def plugins(self) -> tuple[ResolvedSpec, ...]:
        """Plug-ins whose code it runs."""
        return plugins_of_cell(self.cell)


@dataclass(frozen=True)
class MatrixTask:
    """The computation of a matrix of features.

    Parameters
    ----------
    key : str
        Content key of the matrix.
    cell : Cell
        One of those that need it.
    part : int
        Which of the cell's matrices it is.
    """

    key: str
    cell: Cell
    part: int
    on_gpu = False

    @property
    def plugins(self) -> tuple[ResolvedSpec, ...]:
        """Plug-ins whose code it runs."""
        return select_external_specs([required_matrices(self.cell)[self.part].spec])


Task = CellTask | MatrixTask


def plugins_of_cell(cell: Cell) -> tuple[ResolvedSpec, ...]:
    """Plug-ins whose code evaluating a cell runs."""
    return select_external_specs((*cell.extractor, *cell.strategy, cell.model))


class Schedule:
    """Hands out tasks, each to one runner only.

    Work without plug-ins comes first, then that of each set of plug-ins, since a worker that has
    run one is used for no other. Within these the matrices that are missing come first: they keep
    every worker busy, and all cells share them. A cell is handed out when its matrices are there,
    and those behind it do not wait for it. Cells are drawn from a generator as they are needed.

    Parameters
    ----------
    wanted : callable giving an iterator of Cell
        The cells to be evaluated; called once more than there are sets of plug-ins.
    datasets : label to Dataset
    folder : Path
        Results folder.
    claims : Claims
    is_done : callable (key) -> bool
        Whether a cell was evaluated, by whomever, so that it is not to be again.

    Attributes
    ----------
    n_cells : int
    n_matrices : int
    plugins : list of tuple of ResolvedSpec
        Sets of plug-ins, in the order in which their work is handed out; the first is the empty
        one.
    wants_gpu : bool
        Whether some of the cells can use a GPU.
    has_gpu : bool
        Whether those are to be handed out apart.
    unevaluated : list of (Cell, outcome)
        Cells that cannot be evaluated since a matrix of theirs could not be computed; to be taken
        by the runner.
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
        self._elsewhere: list[Task] = []
        self.wants_gpu = self.has_gpu = False
        self.unevaluated: list[tuple[Cell, Outcome]] = []
        self.n_cells = self._survey_cells(wanted())
        self.n_matrices = len(self._missing)
        self._ready = {False: deque[Task](), True: deque[Task]()}
        self._undrawn = self._order_by_plugins(wanted)

    def claim_next_task(self, on_gpu: bool = False) -> Task | None:
        """Claim a task that can begin now; None when there is none at the moment."""
        queue = self._ready[on_gpu]
        while queue or self._fill_queue(queue):
            task = queue.popleft()
            if not self._claims.claim(task.key):
                self._elsewhere.append(task)
            elif self._has_result(task):  # another runner was quicker
                self.finish_task(task, {"status": Status.OK})
            else:
                return task
        return None

    def finish_task(self, task: Task, outcome: Outcome) -> None:
        """Take note of how a task ended (a cell's row is stored by now), and give its claim back."""
        self._claims.release(task.key)
        if isinstance(task, CellTask):
            return
        del self._missing[task.key]
        if outcome["status"] != Status.OK:
            label = required_matrices(task.cell)[task.part].spec.label
            self._failed[task.key] = {
                **outcome,
                "reason": f"extracting {label}: {outcome['reason']}",
            }
        for cell in self._blocked.pop(task.key, ()):
            self._queue_or_block_cell(cell)

    def requeue_claimed_tasks(self) -> bool:
        """Offer again what other runners were at; whether there is any."""
        elsewhere, self._elsewhere = self._elsewhere, []
        for task in elsewhere:
            self._ready[task.on_gpu].append(task)
        return bool(elsewhere)

    def _survey_cells(self, cells: Iterator[Cell]) -> int:
        keys: set[str] = set()
        plugins: dict[tuple[ResolvedSpec, ...], None] = {(): None}
        for cell in cells:
            keys.add(cell.key)
            plugins[plugins_of_cell(cell)] = None
            self.wants_gpu = self.wants_gpu or uses_gpu(cell.model)
            for part in range(len(required_matrices(cell))):
                task = MatrixTask(self._matrix_key(cell, part), cell, part)
                if task.key not in self._missing and not self._has_result(task):
                    self._missing[task.key] = task
                    plugins[task.plugins] = None
        self.plugins = sorted(
            plugins, key=len
        )  # the matrices of a cell are of some of its plug-ins: they come before it
        return len(keys)

    def _order_by_plugins(
        self, wanted: Callable[[], Iterator[Cell]]
    ) -> Iterator[MatrixTask | Cell]:
        """Matrices and cells, set of plug-ins by set of plug-ins."""
        missing = list(self._missing.values())
        for plugins in self.plugins:
            yield from (task for task in missing if task.plugins == plugins)
            yield from (cell for cell in wanted() if plugins_of_cell(cell) == plugins)

    def _fill_queue(self, queue: deque[Task]) -> bool:
        """Draw matrices and cells until one goes into the queue."""
        for drawn in self._undrawn:
            if isinstance(drawn, MatrixTask):
                self._ready[False].append(drawn)
            else:
                self._queue_or_block_cell(drawn)
            if queue:
                return True
        return False

    def _queue_or_block_cell(self, cell: Cell) -> None:
        for part in range(len(required_matrices(cell))):
            key = self._matrix_key(cell, part)
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
    """Content keys of matrices, each computed once.

    Parameters
    ----------
    datasets : label to Dataset
    """

    def __init__(self, datasets: dict[str, Dataset]) -> None:
        self._datasets = datasets
        self._known: dict[tuple[object, ...], str] = {}

    def __call__(self, cell: Cell, part: int) -> str:
        """Key of one of a cell's matrices."""
        spec, *occluded = required_matrices(cell)[part]
        training = (
            (cell.split, cell.fold, cell.imbalance, cell.train_size, cell.seed)
            if learns_in_fit(spec)
            else ()
        )
        covered = (cell.occlusion, cell.seed, *occluded) if any(occluded) else ()
        decided_by = (cell.fingerprint, spec, *training, *covered)
        if decided_by not in self._known:
            train, _ = train_test_indices(cell, self._datasets[cell.dataset.label])
            self._known[decided_by] = matrix_key(cell, part, train)
        return self._known[decided_by]


@lru_cache(maxsize=1024)
def uses_gpu(model: ResolvedSpec) -> bool:
    """Whether a model would run on a GPU where there is one."""
    return takes_images(model) and getattr(build_component(model), "uses_gpu", False)
