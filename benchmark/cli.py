"""The verbs: parse, call, print. Heavy imports wait until a verb needs them."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark import cli_pipelines
from benchmark.console import console, say

if TYPE_CHECKING:
    from benchmark.study import Study

app = typer.Typer(
    help="Benchmark classical image features against a CNN.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Form(StrEnum):
    """Formats of a table."""

    md = "md"
    csv = "csv"
    latex = "latex"
    json = "json"


class By(StrEnum):
    """What a table has columns for instead of metrics."""

    class_ = "class"
    occlusion = "occlusion"


class Ended(StrEnum):
    """How a cell may have ended that did not work."""

    failed = "failed"
    timeout = "timeout"
    memory = "memory"
    crashed = "crashed"
    all = "all"


class Listed(StrEnum):
    """What can be listed."""

    datasets = "datasets"
    extractors = "extractors"
    models = "models"
    strategies = "strategies"
    metrics = "metrics"
    suites = "suites"


_Study = Annotated[str, typer.Argument(metavar="[STUDY]", help="A suite's name (see `list suites`) or a YAML file.")]
_Datasets = Annotated[list[str], typer.Option("--dataset", help="Data set instead of the study's; repeatable.")]
_Extractors = Annotated[
    list[str], typer.Option("--extractor", help="Extractor instead of the study's, such as 'hog + pixels'; repeatable.")
]
_Models = Annotated[list[str], typer.Option("--model", help="Model instead of the study's, such as 'rbf_svm(C=10)'; repeatable.")]
_Strategies = Annotated[list[str], typer.Option("--strategy", help="Strategy instead of the study's; repeatable.")]
_Imbalances = Annotated[
    list[str], typer.Option("--imbalance", help="Imbalance instead of the study's, such as 'step(ratio=10)'; repeatable.")
]
_TrainSizes = Annotated[
    list[str], typer.Option("--train-size", help="Share (0.5) or number (100) of the training images instead of the study's; repeatable.")
]
_Occlusions = Annotated[
    list[str], typer.Option("--occlusion", help="Occlusion instead of the study's, such as 'boxes(share=0.25)'; repeatable.")
]
_Seeds = Annotated[list[int], typer.Option("--seed", help="Seed instead of the study's; repeatable.")]
_Plugins = Annotated[list[str], typer.Option("--plugin", help="Python file whose plug-ins join the study; repeatable.")]
_Out = Annotated[Path | None, typer.Option("--out", help="Results folder; default results/<study>.")]
_Data = Annotated[Path | None, typer.Option("--data", help="Data folder; default $BENCHMARK_DATA, else the cache folder.")]
_Force = Annotated[bool, typer.Option("--force", help="Run stored cells again, too.")]
_Retry = Annotated[list[Ended], typer.Option("--retry", help="Run again what ended so; repeatable.")]
_Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Worker processes; default: one for each physical core.")]
_Scheduler = Annotated[
    str, typer.Option("--scheduler", help="'local' (workers), 'inline' (this process), 'local-cluster' or a Dask scheduler's address.")
]
_TimeLimit = Annotated[float | None, typer.Option("--time-limit", help="Seconds a cell may take before its worker is killed.")]
_MemoryLimit = Annotated[str | None, typer.Option("--memory-limit", help="Memory a worker may hold before it is killed, such as 4GB.")]
_Accelerate = Annotated[bool, typer.Option("--accelerate", help="scikit-learn-intelex for SVMs and random forests (extra 'fast').")]


@app.command()
def run(
    study: _Study = "digits",
    dataset: _Datasets = [],  # noqa: B006  # typer copies it
    extractor: _Extractors = [],  # noqa: B006
    model: _Models = [],  # noqa: B006
    strategy: _Strategies = [],  # noqa: B006
    imbalance: _Imbalances = [],  # noqa: B006
    train_size: _TrainSizes = [],  # noqa: B006
    occlusion: _Occlusions = [],  # noqa: B006
    seed: _Seeds = [],  # noqa: B006
    plugin: _Plugins = [],  # noqa: B006
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
    from benchmark.executors import executor_for
    from benchmark.leaderboard import COLUMNS
    from benchmark.plan import make_plan
    from benchmark.runner import BAD, evaluate_study, rows_of
    from benchmark.terminal import bar, print_leaderboards
    from benchmark.worker import Limits

    how = {"time_limit": time_limit, "memory_limit": memory_limit, "accelerate": accelerate or None}
    chosen = _chosen(study, dataset, extractor, model, strategy, imbalance, train_size, occlusion, seed, plugin, **how)
    folder, limits = out or Path("results") / chosen.name, Limits(chosen.time_limit, chosen.memory_limit)
    start = executor_for(scheduler, jobs, limits)
    planned, interrupted = None, False
    try:
        planned = make_plan(chosen, data)
        with bar(console) as progress:
            evaluate_study(planned, folder, start, force, retry, progress)
    except KeyboardInterrupt:
        interrupted = True
    if planned is None or not (folder / "results.sqlite").is_file():
        raise typer.Exit(130)
    rows = rows_of(planned, folder, COLUMNS)
    print_leaderboards(console, rows)
    console.print(f"Rows, predictions and tables: {folder}", highlight=False, markup=False)
    if interrupted:
        console.print("Interrupted: the same command goes on from here.")
        raise typer.Exit(130)
    if rows["status"].isin(BAD).any():
        raise typer.Exit(1)


@app.command()
def plan(
    study: _Study = "digits",
    dataset: _Datasets = [],  # noqa: B006
    extractor: _Extractors = [],  # noqa: B006
    model: _Models = [],  # noqa: B006
    strategy: _Strategies = [],  # noqa: B006
    imbalance: _Imbalances = [],  # noqa: B006
    train_size: _TrainSizes = [],  # noqa: B006
    occlusion: _Occlusions = [],  # noqa: B006
    seed: _Seeds = [],  # noqa: B006
    plugin: _Plugins = [],  # noqa: B006
    out: _Out = None,
    data: _Data = None,
    jobs: _Jobs = None,
) -> None:
    """Show the cells of a study, those that cannot be run, and what the rest will take; nothing is run or written."""
    from benchmark.estimate import estimate
    from benchmark.executors import default_jobs
    from benchmark.plan import make_plan

    planned = make_plan(_chosen(study, dataset, extractor, model, strategy, imbalance, train_size, occlusion, seed, plugin), data)
    for label, found in planned.datasets.items():
        n, height, width, channels = found.images.shape
        console.print(
            f"{label}: {n} images {height}x{width}x{channels}, {found.task}, {len(found.classes)} classes", highlight=False, markup=False
        )
    identities = [cell.identity for cell in planned.cells()]
    for axis in ("dataset", "split", "imbalance", "train_size", "occlusion", "extractor", "strategy", "model", "seed", "fold"):
        values = dict.fromkeys(str(identity[axis]) for identity in identities)
        console.print(f"{axis:>10}  {len(values):>3}  {', '.join(values)}", highlight=False, soft_wrap=True, markup=False)
    skips = planned.refusals()
    console.print(f"{len(identities)} cells, {len(skips)} of them skipped", highlight=False)
    for (label, reason), n in Counter((_label(cell.identity), reason) for cell, reason in skips).items():
        say(f"  {n} skipped: {label}: {reason}")
    for line in estimate(planned, out or Path("results") / planned.study.name).lines(jobs or default_jobs()):
        say(line)


@app.command("list")
def list_(what: Annotated[Listed | None, typer.Argument()] = None) -> None:
    """List data sets, extractors, models, strategies, metrics or suites; all of them when none is named."""
    from benchmark.catalogue import catalogue

    for group in [what] if what else Listed:
        console.print(f"[bold]{group.value}[/bold]")
        names = catalogue(group.value)
        width = max(map(len, names))
        for name, line in names.items():
            console.print(f"  {name:<{width}}  {line}", highlight=False, soft_wrap=True, markup=False)


@app.command()
def table(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder.")],
    metric: Annotated[str, typer.Option(help="Metric that ranks; see `list metrics`. With --by class: of each class.")] = "f1",
    rows: Annotated[bool, typer.Option("--rows", help="One line a cell instead of one an entry.")] = False,
    by: Annotated[By | None, typer.Option(help="One column a class, or an occlusion, instead of one a metric.")] = None,
    form: Annotated[Form | None, typer.Option("--format", help="Text to print instead of a table for the terminal.")] = None,
) -> None:
    """Print the leaderboard, the rows or the classes of a results folder."""
    from benchmark import tables
    from benchmark.store import load_results
    from benchmark.terminal import print_leaderboards, print_tables_by

    found = load_results(folder)
    if rows:
        typer.echo(tables.render_rows(found, form.value if form else "md"), nl=False)
    elif form:
        typer.echo(tables.render_by(found, form.value, metric, by) if by else tables.render(found, form.value, metric), nl=False)
    elif by:
        print_tables_by(console, found, metric, by)
    else:
        print_leaderboards(console, found, metric)


@app.command()
def check(name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name on a menu, file.py, or file.py:Class.")]) -> None:
    """Check that a plug-in keeps its contract; each broken promise is named, with what to change."""
    from benchmark.checks import run_checks
    from benchmark.plugins import find

    broken = 0
    for kind, spec in find(name):
        console.print(f"{kind} {spec.name}", style="bold", highlight=False, markup=False)
        for outcome in run_checks(kind, spec):
            broken += bool(outcome.problem)
            console.print(
                f"  {'BROKEN' if outcome.problem else 'ok    '}  {outcome.name}", style="red" if outcome.problem else None, highlight=False
            )
            if outcome.problem:
                console.print(
                    f"          found: {outcome.problem}\n          promise: {outcome.promise}",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )
    if broken:
        console.print(f"{broken} broken")
        raise typer.Exit(1)
    console.print("every promise is kept")


@app.command()
def info(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder.")]) -> None:
    """Show how complete a results folder is, what failed, what it cost, and what the cache of features saved."""
    from benchmark import info
    from benchmark.store import load_results
    from benchmark.terminal import print_table

    rows = load_results(folder, info.COLUMNS)
    print_table(console, "cells", info.completeness(rows))
    cost = info.cost(rows)
    as_text = {"seconds": cost["seconds"].map("{:,.1f}".format), "share": cost["share"].map("{:.1%}".format)}
    print_table(console, "cost", cost.assign(**as_text))
    for line in info.lines(rows):
        say(line)


@app.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Results folders, such as of several machines.")],
    out: Annotated[Path, typer.Option("--out", help="Results folder to write; what it holds already takes part.")],
) -> None:
    """Bring several results folders together; a cell with two different outcomes is an error that names both."""
    from benchmark.merge import merge as merge_folders

    for source, n in merge_folders(folders, out).items():
        say(f"{n} rows from {source}")
    say(f"python -m benchmark table {out}")


@app.command()
def compare(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder.")],
    a: Annotated[str, typer.Argument(metavar="A", help="An entry, such as 'hog / smote / rbf_svm', or what only it has of that.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another entry.")],
    metric: Annotated[str, typer.Option(help="Metric to compare; see `list metrics`.")] = "f1",
) -> None:
    """Say by how much entry A differs from entry B, and whether chance explains it: effect, interval, test, verdict."""
    from benchmark.compare import compare as compare_entries

    for comparison in compare_entries(folder, a, b, metric):
        say(comparison.text)


@app.command()
def plot(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results folder.")],
    metric: Annotated[str, typer.Option(help="Metric on the axis, and that ranks; see `list metrics`.")] = "f1",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the pictures; default DIR/plots.")] = None,
) -> None:
    """Draw what the rows allow: curves, cost, confusion, calibration, recall, ranks; PNG and SVG, with captions."""
    from benchmark.plots import plot as draw

    for found in draw(folder, metric, out):
        say(str(found))


app.command()(cli_pipelines.fit)
app.command()(cli_pipelines.predict)
app.command()(cli_pipelines.serve)

new = typer.Typer(help="Write a working plug-in file to start from.", no_args_is_help=True)
app.add_typer(new, name="new")


@new.command("extractor")
def new_extractor(name: Annotated[str, typer.Argument(help="Its name in studies, such as my_texture.")]) -> None:
    """Write NAME.py, an extractor that works, and say how to check and run it."""
    from benchmark.scaffold import write_extractor

    file = write_extractor(name, Path())
    console.print(
        f"wrote {file}\ncheck it:  python -m benchmark check {file}\nrank it:   python -m benchmark run --plugin {file}", highlight=False
    )


def _chosen(
    study: str,
    dataset: list[str],
    extractor: list[str],
    model: list[str],
    strategy: list[str],
    imbalance: list[str],
    train_size: list[str],
    occlusion: list[str],
    seed: list[int],
    plugin: list[str],
    **limits: Any,
) -> Study:
    from benchmark.study import load_study

    replaced: dict[str, Any] = {"datasets": dataset, "extractors": extractor, "models": model, "strategies": strategy, "seeds": seed}
    replaced |= {"imbalances": imbalance, "train_sizes": train_size, "occlusions": occlusion}
    return load_study(study, **replaced, **limits).with_plugins(plugin)


def _label(identity: dict[str, Any]) -> str:
    return " / ".join(str(identity[axis]) for axis in ("dataset", "extractor", "strategy", "model"))
