"""Commands for studies: run and plan."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.axis_options import with_axis_options
from benchmark.study.axes import describe_setting, label_names
from benchmark.utils.console import console, print_line
from benchmark.utils.files import user_path
from benchmark.utils.status import BAD, Status
from benchmark.utils.text import format_count


class Retry(StrEnum):
    """Values of ``--retry``: the statuses of the cells to run again."""

    failed = Status.FAILED
    timeout = Status.TIMEOUT
    memory = Status.MEMORY
    crashed = Status.CRASHED
    all = "all"


_Study = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="Name of a suite (see `list suites`), or path of a YAML file."
    ),
]
_Plugins = Annotated[
    list[str],
    typer.Option("--plugin", help="Python file with plug-ins to add to the study; repeatable."),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Results folder. Default: results/<study>.", parser=user_path
    ),
]
_Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of the datasets. Default: $BENCHMARK_DATA, or else the platform's cache.",
        parser=user_path,
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
_TimeLimit = Annotated[
    float | None,
    typer.Option("--time-limit", help="Seconds after which a cell is stopped."),
]
_MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit", help="Memory of a worker above which its cell is stopped, such as 4GB."
    ),
]
_Accelerate = Annotated[
    bool,
    typer.Option(
        "--accelerate",
        help="Use scikit-learn-intelex for SVMs and random forests (needs the extra 'fast').",
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
    """Run the cells of a study that are not stored yet, and print its leaderboard."""
    from benchmark.cli.rich_output import print_leaderboards, show_progress_bar
    from benchmark.engine.executors import executor_for
    from benchmark.engine.runner import evaluate_study, load_plan_rows
    from benchmark.engine.worker import Limits
    from benchmark.evaluation.plan import make_plan
    from benchmark.reporting.leaderboard import COLUMNS
    from benchmark.results.folder import ResultsFolder
    from benchmark.study.study import load_study

    overrides = {
        "time_limit": time_limit,
        "memory_limit": memory_limit,
        "accelerate": accelerate or None,
    }
    chosen = load_study(study, **entries, **overrides).with_plugins(plugin)
    folder = out or Path("results") / chosen.name
    limits = Limits(chosen.time_limit, chosen.memory_limit)
    start_executor = executor_for(scheduler, jobs, limits)
    planned, interrupted = None, False
    try:
        planned = make_plan(chosen, data)
        with show_progress_bar(console) as progress:
            evaluate_study(planned, folder, start_executor, force, retry, progress)
    except KeyboardInterrupt:
        interrupted = True
    if planned is None or not ResultsFolder(folder).database.is_file():
        raise typer.Exit(130)
    rows = load_plan_rows(planned, folder, COLUMNS)
    print_leaderboards(console, rows)
    console.print(f"Rows, predictions and tables: {folder}", highlight=False, markup=False)
    if interrupted:
        console.print("Interrupted: run the same command again to continue.")
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
    """Show which cells a study has and how long they will take, without running anything."""
    from benchmark.engine.estimate import estimate_remaining_work
    from benchmark.engine.executors import check_jobs
    from benchmark.evaluation.plan import make_plan
    from benchmark.study.study import load_study

    workers = check_jobs(jobs)
    planned = make_plan(load_study(study, **entries).with_plugins(plugin), data)
    for label, dataset in planned.datasets.items():
        n, height, width, channels = dataset.images.shape
        images = format_count(n, "image")
        classes = format_count(len(dataset.classes), "class", "classes")
        print_line(f"{label}: {images} {height}x{width}x{channels}, {dataset.task}, {classes}")
        for note in dataset.notes:
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
        format_count(len(identities), "cell")
        + (f", {len(skips)} of them known to be skipped" if skips else ""),
        highlight=False,
    )
    counts = Counter((describe_setting(cell.identity), reason) for cell, reason in skips)
    for (label, reason), n in counts.items():
        print_line(f"  {n} skipped: {label}: {reason}")
    estimate = estimate_remaining_work(planned, out or Path("results") / planned.study.name)
    for line in estimate.summary_lines(workers):
        print_line(line)
