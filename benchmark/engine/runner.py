"""Run a study: evaluate the cells of its plan that are not yet stored, and write its leaderboard.

A cell that fails becomes a row with its status and reason, and the other cells are run. The run
itself stops only if the results folder cannot be written, the calling script does not let workers
start, or the connection to the Dask scheduler is lost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from itertools import takewhile
from multiprocessing import current_process
from pathlib import Path

import pandas as pd

from benchmark.datasets.stored import stored_name
from benchmark.engine.completeness import check_complete, settled_keys
from benchmark.engine.executor import Executor
from benchmark.engine.executors import executor_for
from benchmark.engine.schedule import Schedule
from benchmark.engine.task_loop import Report, TaskLoop
from benchmark.engine.worker import Limits
from benchmark.errors import UserError, unknown_name_error
from benchmark.evaluation.accelerate import check_sklearnex_installed
from benchmark.evaluation.plan import Plan, make_plan
from benchmark.reporting import leaderboard, text_tables
from benchmark.results.dataset_record import write_dataset_record
from benchmark.results.folder import ResultsFolder
from benchmark.results.locks import Claims
from benchmark.results.store import Store, load_results
from benchmark.study.load import load_study
from benchmark.study.study import Study
from benchmark.utils.environment import collect_environment
from benchmark.utils.files import write_text
from benchmark.utils.status import BAD


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
    """Evaluate the cells of a study that are not yet stored, and write its leaderboard.

    Parameters
    ----------
    study : str, Path or Study
        Name of a suite that ships with the library, path of a YAML file, or a ``Study``.
    out : str or Path, optional
        Results folder; ``results/<study>`` by default.
    data : str or Path, optional
        Data folder; see ``benchmark.datasets.base.data_folder``.
    force : bool
        Whether to evaluate stored cells again, too.
    retry : list of 'failed', 'timeout', 'memory', 'crashed' or 'all'
        Statuses of stored cells that are evaluated again; 'all' stands for all four.
    scheduler : str, optional
        'inline' (this process), 'local' (worker processes), 'local-cluster' or the address of a
        Dask scheduler. The default is 'local' if ``jobs`` or a limit of the study requires
        workers, else 'inline', which uses a worker only for the cells of plug-ins. A script that
        uses workers must call this function under ``if __name__ == "__main__":``.
    jobs : int, optional
        Number of workers; one per physical core by default.
    progress : callable, optional
        Called once with the plan and the schedule. It returns a function that is called with each
        task that has ended and its outcome.

    Returns
    -------
    DataFrame
        Rows of this study; ``load_results`` returns all rows of the folder.

    Raises
    ------
    UserError
        The study, its data or an argument is invalid; nothing has been evaluated then. Or a
        planned cell has no row at the end.
    StorageError
        The results folder cannot be written.

    See Also
    --------
    load_study : Read a study, and replace some of its axes.
    load_results : Load the rows of a results folder.

    Examples
    --------
    >>> import tempfile
    >>> from benchmark import load_study, run
    >>> study = load_study("digits", extractors=["pixels"], models=["knn"], split="holdout")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = run(study, out=folder)
    >>> rows[["extractor", "model", "status", "n_test"]].to_dict("records")
    [{'extractor': 'pixels', 'model': 'knn', 'status': 'ok', 'n_test': 360}]
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
        raise UserError(f"retry must be a list, such as ['{retry}']")
    for status in retry:
        if status not in (*BAD, "all"):
            raise unknown_name_error("status to retry", status, (*BAD, "all"))


def load_plan_rows(
    plan: Plan, folder: Path, columns: Iterable[str] | None = None, first_round: bool = False
) -> pd.DataFrame:
    """Rows of the cells of a plan in a results folder; see ``load_results``.

    Parameters
    ----------
    plan : Plan
    folder : Path
    columns : iterable of str, optional
    first_round : bool
        Whether to load only the first result of every configuration.
    """
    cells = takewhile(plan.is_in_first_round, plan.cells()) if first_round else plan.cells()
    rows = load_results(folder, columns)
    return rows[rows["key"].isin({cell.key for cell in cells})].reset_index(drop=True)


def evaluate_study(
    plan: Plan,
    folder: Path,
    start: Callable[[bool], Executor],
    force: bool = False,
    retry: Collection[str] = (),
    progress: Callable[[Plan, Schedule], Report] | None = None,
) -> None:
    """Evaluate the cells of a plan that are not yet stored, and write its leaderboard.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Results folder.
    start : callable (wants_gpu) -> Executor
        Starts the executor; called only if there are cells to evaluate.
    force, retry, progress
        See ``run``.
    """
    folder = folder.resolve()  # a worker may have another working directory
    if plan.study.accelerate:
        check_sklearnex_installed()
    with Store(folder) as store:
        claims = Claims(folder)
        store.record_planned_cells((cell.identity, cell.key) for cell in plan.cells())
        with claims.hold_claim("tables"):
            _write_study_files(plan, folder)
        if force:
            for cell in plan.cells():
                store.folder.tuning_journal(cell.key).unlink(missing_ok=True)
        settled = set() if force else settled_keys(store, BAD if "all" in retry else retry)
        try:
            TaskLoop(plan, store, claims, settled).evaluate_cells(start, progress)
            check_complete(plan, store)
        except BaseException:
            with suppress(UserError):  # report what ended the run, not a consequence of it
                _release_and_write_tables(claims, folder)
            raise
        _release_and_write_tables(claims, folder)


def _write_study_files(plan: Plan, folder: Path) -> None:
    """Write study, datasets and environment of this run, and create the folders of workers.

    ``studies/`` keeps every study that has written into the folder.
    """
    text = plan.study.to_yaml()
    results = ResultsFolder(folder)
    write_text(results.study, text)
    write_text(
        results.studies
        / f"{plan.study.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml",
        text,
    )
    write_text(results.environment, json.dumps(collect_environment(), indent=2) + "\n")
    for dataset in plan.datasets.values():
        stored = stored_name(dataset)
        own = dataset.own
        write_dataset_record(results.dataset_record(own.fingerprint), own, stored)
        if dataset.external is not None:
            write_dataset_record(results.dataset_record(dataset.fingerprint), dataset)
    for subfolder in (results.predictions_folder, results.features):
        subfolder.mkdir(exist_ok=True)  # before a plug-in changes the permissions of new folders


def _release_and_write_tables(claims: Claims, folder: Path) -> None:
    """Release all claims, remove leftover files, and write the leaderboards of all stored rows."""
    claims.release_all()
    claims.remove_leftovers()
    with claims.hold_claim("tables"):
        text_tables.write_leaderboards(load_results(folder, leaderboard.COLUMNS), folder)
