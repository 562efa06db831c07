"""Run a study: plan, minus what is stored, to an executor, into the store.

A cell that ends badly, however, is a row that says so, and the rest goes on. The run ends only when
the results folder cannot be written, no worker can be started because of how a script calls it, or
the Dask scheduler is lost.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from itertools import chain
from multiprocessing import current_process
from pathlib import Path

import pandas as pd

from benchmark.datasets.stored import open_dataset, store_dataset
from benchmark.engine.completeness import check_complete, settled_keys
from benchmark.engine.executor import Executor
from benchmark.engine.executors import executor_for
from benchmark.engine.schedule import CellTask, Outcome, Schedule, Task
from benchmark.engine.tasks import compute_matrix, evaluate_cell
from benchmark.engine.worker import EndedError, Limits
from benchmark.errors import StorageError, UserError, unknown_name_error
from benchmark.evaluation.accelerate import check_sklearnex_installed
from benchmark.evaluation.evaluate import build_row, failure_outcome
from benchmark.evaluation.plan import Plan, make_plan
from benchmark.plugins.source_digest import save_plugin_sources
from benchmark.reporting import leaderboard, text_tables
from benchmark.results.columns import REQUIRED
from benchmark.results.folder import ResultsFolder
from benchmark.results.locks import Claims
from benchmark.results.store import DuplicateKeyError, Store, load_results
from benchmark.results.stored_values import check_row
from benchmark.study.study import Study, load_study
from benchmark.utils.environment import collect_environment
from benchmark.utils.files import check_writable, write_text
from benchmark.utils.status import BAD

GRACE = 3  # seconds that running cells have to end after Ctrl-C, before they are killed
RECHECK = 0.5  # seconds between two looks at what other runners on the same folder have done
Report = Callable[[Task, Outcome], None]


def run(
    study: str | Path | Study,
    out: str | Path | None = None,
    data: str | Path | None = None,
    force: bool = False,
    retry: Collection[str] = (),
    scheduler: str | None = None,
    jobs: int | None = None,
    progress: Callable[[Plan, Schedule], Report] | None = None,
) -> pd.DataFrame:
    """Evaluate what is not yet stored of a study, and write its leaderboard.

    Parameters
    ----------
    study : str, Path or Study
        A shipped suite's name, a YAML file, or what ``load_study`` gave.
    out : str or Path, optional
        Results folder; ``results/<study>`` when not given.
    data : str or Path, optional
        Data folder; see ``data_folder``.
    force : bool
        Evaluate stored cells again, too.
    retry : list of 'failed', 'timeout', 'memory', 'crashed' or 'all'
        Evaluate cells again that ended so; 'all' is any of them.
    scheduler : str, optional
        'inline' (in this process), 'local' (worker processes), 'local-cluster' or the address of a
        Dask scheduler. When not given it is 'local' if jobs or a limit of the study ask for
        workers, else 'inline', which has a worker for the cells of plug-ins only. A script that
        uses workers must call this under ``if __name__ == "__main__":``.
    jobs : int, optional
        Workers; one for each physical core when not given.
    progress : callable, optional
        Called once with the plan and the schedule; what it returns is called with each task that
        ended, and its outcome.

    Returns
    -------
    DataFrame
        Rows of this study; ``load_results`` gives all that the folder holds.

    Raises
    ------
    UserError
        The study, its data or how it is to be run are wrong; nothing has been evaluated then. A
        ``StorageError``: the results folder cannot be written any more. A planned cell has no row
        at the end.
    """
    if getattr(current_process(), "_inheriting", False):
        raise UserError(
            "a script that calls run() with workers must do so under if __name__ == '__main__':, "
            "since every worker imports it"
        )
    _check_retry(retry)
    study = study if isinstance(study, Study) else load_study(study)
    limits = Limits(study.time_limit, study.memory_limit)
    start = executor_for(
        scheduler or ("inline" if jobs is None and limits == Limits() else "local"), jobs, limits
    )
    plan = make_plan(study, data)
    folder = Path(out) if out else Path("results") / plan.study.name
    evaluate_study(plan, folder, start, force, retry, progress)
    return load_plan_rows(plan, folder)


def _check_retry(retry: Iterable[str]) -> None:
    if isinstance(retry, str):
        raise UserError(f"retry is a list, such as ['{retry}']")
    for status in retry:
        if status not in (*BAD, "all"):
            raise unknown_name_error("status to retry", status, (*BAD, "all"))


def load_plan_rows(plan: Plan, folder: Path, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Rows of a plan's cells, of all that a results folder holds; see ``load_results``."""
    rows = load_results(folder, columns)
    return rows[rows["key"].isin({cell.key for cell in plan.cells()})].reset_index(drop=True)


def evaluate_study(
    plan: Plan,
    folder: Path,
    start: Callable[[bool], Executor],
    force: bool = False,
    retry: Collection[str] = (),
    progress: Callable[[Plan, Schedule], Report] | None = None,
) -> None:
    """Do the work of ``run``; ``start`` makes the executor if there is anything to run, given whether GPUs are wanted."""
    folder = folder.resolve()  # a worker may be elsewhere
    if plan.study.accelerate:
        check_sklearnex_installed()
    with Store(folder) as store:
        claims = Claims(folder)
        store.record_planned_cells((cell.identity, cell.key) for cell in plan.cells())
        with claims.hold_claim("tables"):
            _write_study_files(plan, folder)
        settled = set() if force else settled_keys(store, BAD if "all" in retry else retry)
        try:
            _Work(plan, store, claims, settled).evaluate_cells(start, progress)
            check_complete(plan, store)
        except BaseException:
            with suppress(
                UserError
            ):  # it is to be said what has ended the run, not what that has done to the folder
                _release_and_write_tables(claims, folder)
            raise
        _release_and_write_tables(claims, folder)


def _write_study_files(plan: Plan, folder: Path) -> None:
    """Write what was asked for and where it is run; ``studies/`` keeps every study that has written into the folder."""
    text = plan.study.to_yaml()
    results = ResultsFolder(folder)
    write_text(results.study, text)
    write_text(
        results.studies
        / f"{plan.study.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml",
        text,
    )
    write_text(results.environment, json.dumps(collect_environment(), indent=2) + "\n")
    for place in (results.predictions_folder, results.features):
        place.mkdir(exist_ok=True)  # before a plug-in changes what a new folder may be used for


def _release_and_write_tables(claims: Claims, folder: Path) -> None:
    """Give back what is held, and write the tables of what there is."""
    claims.release_all()
    claims.remove_leftovers()
    with claims.hold_claim("tables"):
        text_tables.write_leaderboards(load_results(folder, leaderboard.COLUMNS), folder)


class _Work:
    """The cells of a plan that are to be evaluated, on their way from the schedule to an executor to the store."""

    def __init__(self, plan: Plan, store: Store, claims: Claims, settled: set[str]) -> None:
        self._plan, self._store, self._claims = plan, store, claims
        self._again = {
            key: store.read_status_and_end(key) for key in set(store.statuses_by_key()) - settled
        }
        self._schedule = Schedule(
            lambda: (cell for cell in plan.cells() if cell.key not in settled),
            plan.datasets,
            store.folder,
            claims,
            self._is_done,
        )
        self._running: dict[Future[Outcome], tuple[Task, int | None]] = {}
        self._ended: deque[tuple[CellTask, Outcome]] = deque()

    def evaluate_cells(
        self, start: Callable[[bool], Executor], progress: Callable[[Plan, Schedule], Report] | None
    ) -> None:
        """Evaluate every cell; on Ctrl-C those that are running may still end, for a moment."""
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
            self._store_rows()  # the workers are busy meanwhile
            if self._running:
                if not self._collect_outcomes(RECHECK):
                    self._schedule.requeue_claimed_tasks()
            elif self._schedule.requeue_claimed_tasks():
                time.sleep(RECHECK)
            elif not self._schedule.unevaluated:
                return

    def _submit_tasks(self) -> None:
        """Give every free worker and GPU a task."""
        busy = sum(not task.on_gpu for task, _ in self._running.values())
        for _ in range(self._executor.n_workers - busy):
            if (task := self._schedule.claim_next_task()) is None:
                break
            self._submit_task(task, None)
        while self._free_gpus and (task := self._schedule.claim_next_task(on_gpu=True)) is not None:
            self._submit_task(task, self._free_gpus.pop())

    def _submit_task(self, task: Task, gpu: int | None) -> None:
        data, folder = self._data[task.cell.dataset.label], self._store.folder.path
        if isinstance(task, CellTask):
            work = evaluate_cell, task.cell, data, folder, self._plan.study.accelerate, gpu
            future = self._executor.submit(*work, on_gpu=task.on_gpu, plugins=task.plugins)
        else:
            future = self._executor.submit(
                compute_matrix, task.cell, task.part, data, folder, plugins=task.plugins
            )
        self._running[future] = task, gpu

    def _collect_outcomes(self, patience: float) -> bool:
        """Wait for a task to end; whether one did."""
        done, _ = wait(self._running, patience, FIRST_COMPLETED)
        for future in done:
            task, gpu = self._running.pop(future)
            if task.on_gpu:
                self._free_gpus.append(gpu)
            outcome = self._task_outcome(task, future)
            if isinstance(task, CellTask):
                self._ended.append((task, outcome))
            else:
                self._schedule.finish_task(task, outcome)
                self._report(task, outcome)
        return bool(done)

    def _store_rows(self) -> None:
        while self._ended:
            task, outcome = self._ended[0]
            self._store_row(task, outcome)
            self._schedule.finish_task(task, outcome)
            self._ended.popleft()
        while self._schedule.unevaluated:
            cell, outcome = self._schedule.unevaluated.pop()
            self._store_row(CellTask(cell), outcome)

    def _store_row(self, task: CellTask, outcome: Outcome) -> None:
        dataset = self._plan.datasets[task.cell.dataset.label]
        row = outcome if outcome.get("key") == task.key else build_row(task.cell, outcome, dataset)
        row["workers"] = self._executor.n_workers
        with suppress(DuplicateKeyError):  # another runner has failed on the same matrix
            self._store.add_row(row, replace=task.key in self._again)
        self._again.pop(task.key, None)
        self._report(task, row)

    def _task_outcome(self, task: Task, future: Future[Outcome]) -> Outcome:
        """How a task ended: its own word, if that can be stored, or what befell it."""
        try:
            outcome = future.result()
            check_row(outcome, REQUIRED if isinstance(task, CellTask) else ())
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
        """Do what a task with plug-ins could not do: that may be the fault of the plug-ins, or of the folder."""
        check_writable(self._store.folder.predictions_folder)
        open_dataset.cache_clear()
        open_dataset(self._data[task.cell.dataset.label])

    def _is_done(self, key: str) -> bool:
        return self._store.read_status_and_end(key) not in (None, self._again.get(key))

    def _share_dataset(self, label: str) -> Path:
        """Put a data set where workers open it; from here on this process uses the shared one too."""
        with self._claims.hold_claim("images"):
            path = store_dataset(self._plan.datasets[label], self._store.folder.images)
        self._plan.datasets[label] = open_dataset(path)
        return path
