"""Commands for studies: run and plan."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.common_options import DataFolder
from benchmark.cli.study_options import with_study_options
from benchmark.study.labels import describe_setting, label_names
from benchmark.utils.console import console, print_line
from benchmark.utils.files import user_path
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.status import BAD, Status
from benchmark.utils.text import format_count

if TYPE_CHECKING:
    from benchmark.evaluation.plan import Plan
    from benchmark.study.study import Study

MAX_ANNOUNCED = 1000  # cells of a study up to which `run` looks for stored rows that tell its time
ANNOUNCED = (NoteKind.SIZE, NoteKind.LEFT_OUT, NoteKind.GROUPS)


class Retry(StrEnum):
    """Values of ``--retry``: the statuses of the cells to run again."""

    failed = Status.FAILED
    timeout = Status.TIMEOUT
    memory = Status.MEMORY
    crashed = Status.CRASHED
    all = "all"


_Metric = Annotated[str, typer.Option("--metric", help="Metric to rank by; see `list metrics`.")]
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Results folder. Default: results/<study>.", parser=user_path
    ),
]
_Force = Annotated[
    bool, typer.Option("--force", help="Run all cells again, including those that are stored.")
]
_Retry = Annotated[
    list[Retry],
    typer.Option("--retry", help="Run stored cells that ended with this status again; repeatable."),
]
_Jobs = Annotated[
    int | None,
    typer.Option("--jobs", help="Number of worker processes. Default: one per physical core."),
]
_Scheduler = Annotated[
    str,
    typer.Option(
        "--scheduler",
        help="Where cells run: 'local' (worker processes), 'inline' (this process), "
        "'local-cluster' (Dask on this machine), or the address of a Dask scheduler.",
    ),
]


@with_study_options
def run_command(
    study: Study,
    *,
    metric: _Metric = "f1",
    out: _Out = None,
    data: DataFolder = None,
    force: _Force = False,
    retry: _Retry = [],  # noqa: B006  # typer copies it
    jobs: _Jobs = None,
    scheduler: _Scheduler = "local",
) -> None:
    """Run the cells of a study that are not stored yet, and print its leaderboard."""
    from benchmark.cli.progress import show_progress
    from benchmark.cli.rich_output import print_leaderboards
    from benchmark.engine.executors import check_jobs, executor_for
    from benchmark.engine.runner import evaluate_study, load_plan_rows
    from benchmark.engine.worker import Limits
    from benchmark.evaluation.plan import make_plan
    from benchmark.reporting.leaderboard import COLUMNS
    from benchmark.results.folder import ResultsFolder
    from benchmark.scoring.metric_lookup import check_stored_metric

    check_stored_metric(metric)
    folder = out or Path("results") / study.name
    limits = Limits(study.time_limit, study.memory_limit)
    start_executor = executor_for(scheduler, jobs, limits)
    planned, interrupted = None, False
    try:
        planned = make_plan(study, data)
        for reason in planned.left_out:
            print_line(f"left out: {reason}")
        _print_datasets(planned)
        if scheduler == "local" and not (force or retry):
            _announce_duration(planned, folder, check_jobs(jobs))
        with show_progress(console, folder, metric) as progress:
            evaluate_study(planned, folder, start_executor, force, retry, progress)
    except KeyboardInterrupt:
        interrupted = True
    if planned is None or not ResultsFolder(folder).database.is_file():
        raise typer.Exit(130)
    rows = load_plan_rows(planned, folder, COLUMNS)
    print_leaderboards(console, rows, metric, ResultsFolder(folder).read_predictions)
    console.print(f"Rows, predictions and tables: {folder}", highlight=False, markup=False)
    if interrupted:
        console.print("Interrupted: run the same command again to continue.")
        raise typer.Exit(130)
    if rows["status"].isin(BAD).any():
        raise typer.Exit(1)


def _print_datasets(planned: Plan) -> None:
    from benchmark.datasets.external import describe_with_external

    for dataset in planned.datasets.values():
        notes = map(Note.from_text, dataset.notes)
        done = [note for note in notes if note.kind in ANNOUNCED]
        described, *external = describe_with_external(dataset)
        print_line("; ".join([described, *done]))
        for line in external:
            print_line(f"  {line}")


def _announce_duration(planned: Plan, folder: Path, n_workers: int) -> None:
    """Print how long a study will take, if stored rows tell it and reading them takes no time."""
    from benchmark.engine.estimate import estimate_remaining_work

    if planned.n_cells <= MAX_ANNOUNCED:
        estimate = estimate_remaining_work(planned, folder, n_workers, seconds=0)
        if estimate.n_cells and not estimate.unknown:
            print_line(next(estimate.summary_lines()))


@with_study_options
def plan_command(
    study: Study,
    *,
    metric: _Metric = "f1",
    out: _Out = None,
    data: DataFolder = None,
    jobs: _Jobs = None,
) -> None:
    """Show which cells a study has and how long they will take; nothing is written."""
    from benchmark.datasets.external import describe_with_external
    from benchmark.engine.estimate import estimate_remaining_work
    from benchmark.engine.executors import check_jobs
    from benchmark.evaluation.plan import make_plan
    from benchmark.scoring.metric_lookup import check_stored_metric

    check_stored_metric(metric)
    workers = check_jobs(jobs)
    planned = make_plan(study, data)
    for reason in planned.left_out:
        print_line(f"left out: {reason}")
    for dataset in planned.datasets.values():
        described, *external = describe_with_external(dataset)
        print_line(described)
        for line in (*external, *dataset.notes):
            print_line(f"  {line}")
    identities = [cell.identity for cell in planned.cells()]
    for axis in (name for name in label_names() if name not in ("fingerprint", "size")):
        values = dict.fromkeys(str(identity[axis]) for identity in identities)
        console.print(
            f"{axis:>10}  {len(values):>3}  {', '.join(values)}",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    skips = planned.refused_cells
    console.print(
        format_count(len(identities), "cell")
        + (f", {len(skips)} of them known to be skipped" if skips else ""),
        highlight=False,
    )
    counts = Counter((describe_setting(cell.identity), reason) for cell, reason in skips)
    for (label, reason), n in counts.items():
        print_line(f"  {n} skipped: {label}: {reason}")
    folder = out or Path("results") / planned.study.name
    for line in estimate_remaining_work(planned, folder, workers).summary_lines():
        print_line(line)
