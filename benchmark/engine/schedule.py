"""The order of tasks: one cell of every configuration first, and each missing matrix once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from benchmark.engine.matrix_job import MatrixJob, Outcome
from benchmark.engine.pace import Pace, TimeLeft
from benchmark.engine.task_types import CellTask, MatrixTask, Task, plugins_of_cell, uses_gpu
from benchmark.evaluation.feature_cache import read_covering_matrix
from benchmark.evaluation.matrix_keys import MatrixNeeds
from benchmark.evaluation.plan import Plan
from benchmark.plugins.registry import takes_images
from benchmark.plugins.spec import ResolvedSpec
from benchmark.results.folder import ResultsFolder
from benchmark.results.locks import Claims
from benchmark.study.cell import Cell
from benchmark.utils.status import Status


class Schedule:
    """Hand out tasks, each to one runner only.

    The first round comes first: the cells of the first fold and seed, so that there is an early
    result of every configuration. The remaining cells follow, fold by fold. In the first round
    and in the rest, tasks without plug-ins come first, followed by those of one set of plug-ins
    after the other, since a worker that has run one plug-in is used for no other. Within each of
    these groups, networks come first, since they take longest.

    A missing feature matrix is computed once. Those of the first round follow its networks: they
    keep every worker busy, and cells share them. Later ones are computed when the first cell that
    needs them is drawn. A cell is handed out as soon as its matrices are stored; the cells behind
    it do not wait for it. Cells are drawn from a generator as they are needed.

    Parameters
    ----------
    plan : Plan
    settled : set of str
        Keys of the cells that are not evaluated.
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
    n_cells_done, n_matrices_done : int
        Number of those that are done, by this runner or another one.
    n_first_round : int
        Number of cells of the first round that are not done.
    n_workers : int
        Number of tasks that run at once.
    plugins : list of tuple of ResolvedSpec
        Sets of plug-ins, in the order in which their tasks are handed out; the first is empty.
    wants_gpu : bool
        Whether some of the cells can use a GPU.
    has_gpu : bool
        Whether cells that can use a GPU are handed out separately.
    unevaluated : list of (CellTask, outcome)
        Cells that cannot be evaluated because one of their matrices could not be computed. The
        runner takes them from this list and finishes them.
    """

    def __init__(
        self,
        plan: Plan,
        settled: set[str],
        folder: ResultsFolder,
        claims: Claims,
        is_done: Callable[[str], bool],
    ) -> None:
        self._plan, self._settled = plan, settled
        self._cache, self._claims, self._is_done = folder.features, claims, is_done
        self._needs = MatrixNeeds(plan.datasets)
        self._missing: dict[str, MatrixJob] = {}
        self.plugins: list[tuple[ResolvedSpec, ...]] = []
        self._failed: dict[str, Outcome] = {}
        self._blocked: dict[str, list[Cell]] = {}  # by the matrix they wait for, once it is queued
        self._claimed_elsewhere: list[Task] = []
        self.wants_gpu = self.has_gpu = False
        self.unevaluated: list[tuple[CellTask, Outcome]] = []
        self.n_cells = self.n_cells_done = self.n_matrices_done = self.n_first_round = 0
        self._pace, self.n_workers = Pace(), 1
        self._survey_cells()
        self.n_matrices = len(self._missing)
        # tasks for the workers (False) and for the GPUs (True)
        self._ready = {False: deque[Task](), True: deque[Task]()}
        self._undrawn = {on_gpu: self._order_tasks(on_gpu) for on_gpu in self._ready}

    def claim_next_task(self, on_gpu: bool = False) -> Task | None:
        """Claim a task that can start now.

        Returns
        -------
        Task or None
            None when there is no such task at the moment.
        """
        queue = self._ready[on_gpu]
        while queue or self._fill_queue(on_gpu):
            task = queue.popleft()
            # a matrix is claimed when its first part begins
            is_claimed = isinstance(task, MatrixTask) and task.part is not None
            if not is_claimed and not self._claims.claim(task.key):
                self._claimed_elsewhere.append(task)
            elif not is_claimed and self._has_result(task):  # another runner was faster
                self.finish_task(task, {"status": Status.OK})
            else:
                self._pace.start_part(id(task), task.key, task.kind)
                return task
        return None

    def time_left(self) -> TimeLeft | None:
        """Estimate the time until all tasks are done; None as long as nothing is known."""
        return self._pace.time_left(self.n_workers)

    def finish_task(self, task: Task, outcome: Outcome) -> Outcome | None:
        """Record how a task ended, and release its claim; the row of a cell is already stored.

        Returns
        -------
        dict or None
            How the cell ended, or the whole matrix; None while other parts of the matrix remain.

        Raises
        ------
        StorageError
            A matrix cannot be written.
        """
        self._pace.end_part(id(task))
        if isinstance(task, MatrixTask):
            return self._finish_part(task, outcome)
        self._claims.release(task.key)
        self._pace.end_task(task.key, task.kind)
        self.n_cells_done += 1
        self.n_first_round -= self._plan.is_in_first_round(task.cell)
        return outcome

    def _finish_part(self, task: MatrixTask, outcome: Outcome) -> Outcome | None:
        job = self._missing[task.key]
        self._ready[False].extendleft(reversed(job.record(task, outcome)))
        if job.has_failed:
            kept = deque(other for other in self._ready[False] if other.key != task.key)
            job.drop_tasks(len(self._ready[False]) - len(kept))
            self._ready[False] = kept
        if not job.has_ended:
            return None
        whole = job.end()
        self._claims.release(task.key)
        self._pace.end_task(task.key, task.kind)
        self.n_matrices_done += 1
        del self._missing[task.key]
        if whole["status"] != Status.OK:
            self._failed[task.key] = whole
        for cell in self._blocked.pop(task.key, ()):
            self._queue_or_block_cell(cell)
        return whole

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

    def _survey_cells(self) -> None:
        """Count the cells, and list missing matrices and sets of plug-ins."""
        plugins: dict[tuple[ResolvedSpec, ...], None] = {(): None}
        for cell in self._plan.cells():
            if cell.key in self._settled:
                continue
            self.n_cells += 1
            self.n_first_round += self._plan.is_in_first_round(cell)
            self._pace.add_task(CellTask(cell).kind)
            plugins[plugins_of_cell(cell)] = None
            self.wants_gpu = self.wants_gpu or uses_gpu(cell.model)
            self._needs.add_cell(cell)
        for job in map(MatrixJob, self._needs):
            if not self._has_result(job.first):
                self._missing[job.first.key] = job
                self._pace.add_task(job.first.kind)
                plugins[job.first.plugins] = None
        # The plug-ins of a matrix are a subset of those of its cells, so that smaller sets of
        # plug-ins come first.
        self.plugins = sorted(plugins, key=len)

    def _order_tasks(self, on_gpu: bool) -> Iterator[MatrixTask | Cell]:
        """Yield matrix tasks and cells in the order in which they are handed out."""
        for in_first_round in (True, False):
            for plugins in self.plugins:
                yield from self._select_cells(in_first_round, plugins, on_gpu, networks=True)
                if not on_gpu:
                    yield from self._matrices_to_prepare(in_first_round, plugins)
                    yield from self._select_cells(in_first_round, plugins, on_gpu, networks=False)

    def _matrices_to_prepare(
        self, in_first_round: bool, plugins: tuple[ResolvedSpec, ...]
    ) -> list[MatrixTask]:
        """List missing matrices to compute before the first cell that needs them is drawn.

        They are those of the first round, and those that need fewer plug-ins than their cells.
        """
        return [
            task
            for task in (job.first for job in self._missing.values())
            if task.plugins == plugins
            and self._plan.is_in_first_round(task.cell) == in_first_round
            and (in_first_round or plugins_of_cell(task.cell) != plugins)
        ]

    def _select_cells(
        self, in_first_round: bool, plugins: tuple[ResolvedSpec, ...], on_gpu: bool, networks: bool
    ) -> Iterator[Cell]:
        return (
            cell
            for cell in self._plan.cells()
            if self._plan.is_in_first_round(cell) == in_first_round
            and takes_images(cell.model) == networks
            and self._runs_on_gpu(cell) == on_gpu
            and plugins_of_cell(cell) == plugins
            and cell.key not in self._settled
        )

    def _runs_on_gpu(self, cell: Cell) -> bool:
        return self.has_gpu and uses_gpu(cell.model)

    def _fill_queue(self, on_gpu: bool) -> bool:
        """Draw matrix tasks and cells until one is in the queue; return whether one is."""
        for task_or_cell in self._undrawn[on_gpu]:
            if isinstance(task_or_cell, MatrixTask):
                self._queue_matrix(task_or_cell)
            else:
                self._queue_or_block_cell(task_or_cell)
            if self._ready[on_gpu]:
                return True
        return False

    def _queue_or_block_cell(self, cell: Cell) -> None:
        """Queue a cell whose matrices are stored, else its missing ones, and keep it until then."""
        keys = self._needs.keys_of(cell)
        for key in keys:
            if key in self._failed:
                self.unevaluated.append((CellTask(cell), self._failed[key]))
                return
        missing = [key for key in keys if key in self._missing]
        for key in missing:
            self._queue_matrix(self._missing[key].first)
        if missing:
            self._blocked[missing[0]].append(cell)
        else:
            on_gpu = self._runs_on_gpu(cell)
            self._ready[on_gpu].append(CellTask(cell, on_gpu))

    def _queue_matrix(self, task: MatrixTask) -> None:
        """Queue the computation of a missing matrix, unless it was queued before."""
        if task.key in self._missing and task.key not in self._blocked:
            self._blocked[task.key] = []
            self._ready[False].append(task)

    def _has_result(self, task: Task) -> bool:
        if isinstance(task, CellTask):
            return self._is_done(task.key)
        return read_covering_matrix(task.key, task.need.rows, self._cache) is not None
