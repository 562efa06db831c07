"""Commands for studies: run, plan."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli.axis_options import with_axis_options
from benchmark.study.axes import label_names
from benchmark.utils.console import console, print_line
from benchmark.utils.files import user_path
from benchmark.utils.status import BAD, Status
from benchmark.utils.text import format_count


class Retry(StrEnum):
    """How cells may have ended that are to be run again."""

    failed = Status.FAILED
    timeout = Status.TIMEOUT
    memory = Status.MEMORY
    crashed = Status.CRASHED
    all = "all"


_Study = Annotated[
    str,
    typer.Argument(metavar="[STUDY]", help="A suite's name (see `list suites`) or a YAML file."),
]
_Plugins = Annotated[
    list[str],
    typer.Option("--plugin", help="Python file whose plug-ins join the study; repeatable."),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Results folder; default results/<study>.", parser=user_path
    ),
]
_Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data folder; default $BENCHMARK_DATA, else the cache folder.",
        parser=user_path,
    ),
]
_Force = Annotated[bool, typer.Option("--force", help="Run stored cells again, too.")]
_Retry = Annotated[
    list[Retry], typer.Option("--retry", help="Run again what ended so; repeatable.")
]
_Jobs = Annotated[
    int | None,
    typer.Option("--jobs", help="Worker processes; default: one for each physical core."),
]
_Scheduler = Annotated[
    str,
    typer.Option(
        "--scheduler",
        help="'local' (workers), 'inline' (this process), 'local-cluster' or a Dask scheduler's "
        "address.",
    ),
]
_TimeLimit = Annotated[
    float | None,
    typer.Option("--time-limit", help="Seconds a cell may take before its worker is killed."),
]
_MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit", help="Memory a worker may hold before it is killed, such as 4GB."
    ),
]
_Accelerate = Annotated[
    bool,
    typer.Option(
        "--accelerate", help="scikit-learn-intelex for SVMs and random forests (extra 'fast')."
    ),
]


@with_axis_options
def run_command(
    study: _Study = "digits",
    *,
    entries: dict[str, list[str]],
    plugin: _Plugins = [],  # noqa: B006  # typer copies it
    out: _Out = None,
    data: _Data = None,
    force: _Force = False,
    retry: _Retry = [],  # noqa: B006
    jobs: _Jobs = None,
    scheduler: _Scheduler = "local",
    time_limit: _TimeLimit = None,
    memory_limit: _MemoryLimit = None,
    accelerate: _Accelerate = False,
) -> None:
    """Run a study and print its leaderboard; cells already stored are not run again."""
    from benchmark.cli.rich_output import print_leaderboards, show_progress_bar
    from benchmark.engine.executors import executor_for
    from benchmark.engine.runner import evaluate_study, load_plan_rows
    from benchmark.engine.worker import Limits
    from benchmark.evaluation.plan import make_plan
    from benchmark.reporting.leaderboard import COLUMNS
    from benchmark.results.folder import ResultsFolder
    from benchmark.study.study import load_study

    how = {"time_limit": time_limit, "memory_limit": memory_limit, "accelerate": accelerate or None}
    chosen = load_study(study, **entries, **how).with_plugins(plugin)
    folder, limits = (
        out or Path("results") / chosen.name,
        Limits(chosen.time_limit, chosen.memory_limit),
    )
    start = executor_for(scheduler, jobs, limits)
    planned, interrupted = None, False
    try:
        planned = make_plan(chosen, data)
        with show_progress_bar(console) as progress:
            evaluate_study(planned, folder, start, force, retry, progress)
    except KeyboardInterrupt:
        interrupted = True
    if planned is None or not ResultsFolder(folder).database.is_file():
        raise typer.Exit(130)
    rows = load_plan_rows(planned, folder, COLUMNS)
    print_leaderboards(console, rows)
    console.print(f"Rows, predictions and tables: {folder}", highlight=False, markup=False)
    if interrupted:
        console.print("Interrupted: the same command goes on from here.")
        raise typer.Exit(130)
    if rows["status"].isin(BAD).any():
        raise typer.Exit(1)


@with_axis_options
def plan_command(
    study: _Study = "digits",
    *,
    entries: dict[str, list[str]],
    plugin: _Plugins = [],  # noqa: B006  # typer copies it
    out: _Out = None,
    data: _Data = None,
    jobs: _Jobs = None,
) -> None:
    """Show the cells of a study, those that cannot be run, and what the rest will take; nothing is run or written."""
    from benchmark.engine.estimate import estimate_remaining_work
    from benchmark.engine.executors import check_jobs
    from benchmark.evaluation.plan import make_plan
    from benchmark.study.study import load_study

    workers = check_jobs(jobs)
    planned = make_plan(load_study(study, **entries).with_plugins(plugin), data)
    for label, found in planned.datasets.items():
        n, height, width, channels = found.images.shape
        images, classes = (
            format_count(n, "image"),
            format_count(len(found.classes), "class", "classes"),
        )
        print_line(f"{label}: {images} {height}x{width}x{channels}, {found.task}, {classes}")
        for note in found.notes:
            print_line(f"  {note}")
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
        f"{format_count(len(identities), 'cell')}, {len(skips)} of them skipped as far as the split "
        "tells",
        highlight=False,
    )
    for (label, reason), n in Counter(
        (_format_identity(cell.identity), reason) for cell, reason in skips
    ).items():
        print_line(f"  {n} skipped: {label}: {reason}")
    for line in estimate_remaining_work(
        planned, out or Path("results") / planned.study.name
    ).summary_lines(workers):
        print_line(line)


def _format_identity(identity: dict[str, Any]) -> str:
    return " / ".join(str(identity[axis]) for axis in ("dataset", "extractor", "strategy", "model"))
