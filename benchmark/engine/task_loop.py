"""The loop that takes tasks from the schedule to an executor, and their outcomes to the store."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from benchmark.datasets.stored import open_dataset, store_dataset
from benchmark.engine.executor import Executor
from benchmark.engine.matrix_job import RESULTS, Outcome
from benchmark.engine.schedule import Schedule
from benchmark.engine.task_types import CellTask, Task
from benchmark.engine.tasks import begin_matrix, continue_matrix, evaluate_cell
from benchmark.engine.worker import EndedError
from benchmark.errors import StorageError, UserError
from benchmark.evaluation.evaluate import build_row, failure_outcome
from benchmark.evaluation.plan import Plan
from benchmark.plugins.source_digest import save_plugin_sources
from benchmark.results.columns import REQUIRED
from benchmark.results.locks import Claims
from benchmark.results.store import DuplicateKeyError, Store
from benchmark.results.stored_values import check_row
from benchmark.utils.files import check_writable

GRACE = 3  # seconds that running cells have to end after Ctrl-C, before they are killed
RECHECK = 0.5  # seconds between two checks of what other runners on the same folder have done
Report = Callable[[Task, Outcome], None]


class TaskLoop:
    """Evaluate the cells of a plan that are not settled.

    Parameters
    ----------
    plan : Plan
    store : Store
    claims : Claims
    settled : set of str
        Keys of stored cells, which are left as they are.
    """

    def __init__(self, plan: Plan, store: Store, claims: Claims, settled: set[str]) -> None:
        self._plan, self._store, self._claims = plan, store, claims
        self._to_replace = {
            key: store.read_status_and_end(key) for key in set(store.statuses_by_key()) - settled
        }
        self._schedule = Schedule(plan, settled, store.folder, claims, self._is_done)
        self._running: dict[Future[Outcome], tuple[Task, int | None]] = {}
        self._ended: deque[tuple[CellTask, Outcome]] = deque()

    def evaluate_cells(
        self, start: Callable[[bool], Executor], progress: Callable[[Plan, Schedule], Report] | None
    ) -> None:
        """Evaluate every cell; on Ctrl-C, wait a moment for those that are running.

        Parameters
        ----------
        start : callable (wants_gpu) -> Executor
        progress : callable, optional
            See ``benchmark.run``.
        """
        if not self._schedule.n_cells:
            if progress:
                progress(self._plan, self._schedule)
            return
        self._data = {label: self._share_dataset(label) for label in self._plan.datasets}
        save_plugin_sources(chain.from_iterable(self._schedule.plugins), self._store.folder.plugins)
        with start(self._schedule.wants_gpu) as self._executor:
            self._report = (
                progress(self._plan, self._schedule) if progress else lambda task, outcome: None
            )
            self._free_gpus = list(self._executor.gpus)
            self._schedule.has_gpu = bool(self._free_gpus)
            self._schedule.n_workers = self._executor.n_workers + len(self._free_gpus)
            try:
                self._run_until_done()
            except KeyboardInterrupt:
                wait(self._running, GRACE)
                self._collect_outcomes(0)
                self._store_rows()
                raise

    def _run_until_done(self) -> None:
        while True:
            self._submit_tasks()
            self._store_rows()  # while the workers are busy
            if self._running:
                if not self._collect_outcomes(RECHECK):
                    self._schedule.requeue_claimed_tasks()
            elif self._schedule.requeue_claimed_tasks():
                time.sleep(RECHECK)
            elif not self._schedule.unevaluated:
                return

    def _submit_tasks(self) -> None:
        """Give a task to every free worker and GPU."""
        busy = sum(not task.on_gpu for task, _ in self._running.values())
        for _ in range(self._executor.n_workers - busy):
            if (task := self._schedule.claim_next_task()) is None:
                break
            self._submit_task(task, None)
        while self._free_gpus and (task := self._schedule.claim_next_task(on_gpu=True)) is not None:
            self._submit_task(task, self._free_gpus.pop())

    def _submit_task(self, task: Task, gpu: int | None) -> None:
        data, folder = self._data[task.cell.dataset.label], self._store.folder.path
        work: tuple[Any, ...]
        if isinstance(task, CellTask):
            work = evaluate_cell, task.cell, data, folder, self._plan.study.accelerate, gpu
        elif task.part is None:
            need = task.need
            work = begin_matrix, need.cell, need.matrix_index, need.rows, data, folder
        else:
            work = continue_matrix, task.part, data
        future = self._executor.submit(*work, on_gpu=task.on_gpu, plugins=task.plugins)
        self._running[future] = task, gpu

    def _collect_outcomes(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for tasks to end; return whether one has ended."""
        done, _ = wait(self._running, timeout, FIRST_COMPLETED)
        for future in done:
            task, gpu = self._running.pop(future)
            if task.on_gpu:
                self._free_gpus.append(gpu)
            outcome = self._task_outcome(task, future)
            if isinstance(task, CellTask):
                self._ended.append((task, outcome))
            else:
                whole = self._schedule.finish_task(task, outcome)
                if whole is not None:
                    self._report(task, whole)
        return bool(done)

    def _store_rows(self) -> None:
        self._ended.extend(self._schedule.unevaluated)
        self._schedule.unevaluated.clear()
        while self._ended:
            row = self._store_row(*self._ended[0])
            task, outcome = self._ended.popleft()
            self._schedule.finish_task(task, outcome)
            self._report(task, row)

    def _store_row(self, task: CellTask, outcome: Outcome) -> Outcome:
        dataset = self._plan.datasets[task.cell.dataset.label]
        row = outcome if outcome.get("key") == task.key else build_row(task.cell, outcome, dataset)
        row["workers"] = self._executor.n_workers
        with suppress(DuplicateKeyError):  # two runners may both record the failure of one matrix
            self._store.add_row(row, replace=task.key in self._to_replace)
        self._to_replace.pop(task.key, None)
        return row

    def _task_outcome(self, task: Task, future: Future[Outcome]) -> Outcome:
        """Return the result of a task if it can be stored, else a failure with its reason."""
        try:
            outcome = future.result()
            if isinstance(task, CellTask):
                check_row(outcome, REQUIRED)
            else:
                check_row({name: outcome[name] for name in outcome if name not in RESULTS}, ())
            return outcome
        except EndedError as error:
            return {"status": error.status, "reason": error.reason, "peak_mb": error.peak_mb}
        except StorageError as error:
            if not task.plugins:
                raise
            self._check_storage(task)
            return failure_outcome(error)
        except UserError:
            raise
        except Exception as error:
            return failure_outcome(error)

    def _check_storage(self, task: Task) -> None:
        """Check that the results folder can be written and the dataset of a task can be read.

        If so, plug-ins are to blame for a task of theirs that could not do so.

        Raises
        ------
        StorageError
            It is the folder.
        """
        check_writable(self._store.folder.predictions_folder)
        open_dataset.cache_clear()
        open_dataset(self._data[task.cell.dataset.label])

    def _is_done(self, key: str) -> bool:
        """Whether another runner has stored the cell since this run began."""
        return self._store.read_status_and_end(key) not in (None, self._to_replace.get(key))

    def _share_dataset(self, label: str) -> Path:
        """Write a dataset to a file that workers open; from then on this process uses it, too."""
        with self._claims.hold_claim("images"):
            path = store_dataset(self._plan.datasets[label], self._store.folder.images)
        self._plan.datasets[label] = open_dataset(path)
        return path
