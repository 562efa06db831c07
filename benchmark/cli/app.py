"""The command line: each command parses its options, calls the library and prints the result.

Heavy imports are inside the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli import pipelines, study
from benchmark.utils.console import console, print_line, print_text
from benchmark.utils.files import user_path
from benchmark.utils.text import format_count

if TYPE_CHECKING:
    from benchmark.checks import Outcome, Run
    from benchmark.plugins.spec import ResolvedSpec

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


app.command("run")(study.run_command)
app.command("plan")(study.plan_command)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        print_line(f"classical-vs-deep {version('classical-vs-deep')}")
        raise typer.Exit


@app.callback()
def global_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Benchmark classical image features against neural networks."""


@app.command("list")
def list_command(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="WHAT",
            help="datasets, extractors, models, strategies, tunings, metrics, suites or columns "
            "(of the rows); or one name, such as hog. Default: everything except the columns.",
        ),
    ] = None,
) -> None:
    """List everything that a study can name, or show the parameters of one component."""
    from benchmark.cli.catalogue import GROUPS, NAMED, describe_component, names_with_summaries

    if what and what not in GROUPS:
        for line in describe_component(what):
            print_line(line)
        return
    for group in [what] if what else NAMED:
        console.print(f"[bold]{group}[/bold]")
        names = names_with_summaries(group)
        width = max(map(len, names))
        for name, line in names.items():
            console.print(
                f"  {name:<{width}}  {line}", highlight=False, soft_wrap=True, markup=False
            )


@app.command("table")
def table_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
    metric: Annotated[
        str,
        typer.Option(
            help="Metric to rank by, or with --by the metric to show; see `list metrics`."
        ),
    ] = "f1",
    rows: Annotated[
        bool, typer.Option("--rows", help="Print one line per cell, not one per configuration.")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="VIEW",
            help="class, occlusion or dataset: show one metric, with one column for each. "
            "tuning: show tuned configurations beside untuned ones.",
        ),
    ] = None,
    common: Annotated[
        bool,
        typer.Option(
            "--common",
            help="With --by dataset: keep only the configurations that every dataset has.",
        ),
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Print as md, csv, latex or json instead of a table for the terminal.",
        ),
    ] = None,
) -> None:
    """Print the leaderboard of a results folder, or another table of its rows."""
    from benchmark.cli.rich_output import print_leaderboards, print_view
    from benchmark.errors import UserError
    from benchmark.reporting import text_tables
    from benchmark.reporting.dataset_table import DatasetTable
    from benchmark.results.folder import ResultsFolder
    from benchmark.results.store import load_results

    if common and by != "dataset":
        raise UserError("--common keeps what every dataset has: use it with --by dataset")
    view = DatasetTable(common=True) if common else text_tables.find_view(by or "leaderboard")
    stored, read = load_results(folder), ResultsFolder(folder).read_predictions
    if rows:
        print_text(text_tables.render_rows(stored, form or "md"))
    elif form:
        print_text(text_tables.render_tables(stored, form, metric, view, read))
    elif by and by != "leaderboard":
        print_view(console, stored, metric, view, read)
    else:
        print_leaderboards(console, stored, metric, read)


@app.command("check")
def check_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A component's name, such as hog; a plug-in file.py; or file.py:Class.",
        ),
    ],
) -> None:
    """Run the contract checks on a plug-in; each failure says what to change."""
    from benchmark.checks import find_plugins_to_check, own_process

    n_failed = n_not_run = 0
    with own_process() as run:
        for kind, spec in run(find_plugins_to_check, name):
            console.print(f"{kind} {spec.name}", style="bold", highlight=False, markup=False)
            outcomes = _print_outcomes(kind, spec, run)
            n_failed += sum(bool(outcome.problem) for outcome in outcomes)
            n_not_run += sum(bool(outcome.needs) for outcome in outcomes)
    if n_failed:
        print_line(f"{n_failed} failed" + (f", {n_not_run} not run" if n_not_run else ""))
        raise typer.Exit(1)
    print_line("all checks passed")


def _print_outcomes(kind: str, spec: ResolvedSpec, run: Run) -> list[Outcome]:
    """Print the outcome of each check of a plug-in as soon as it is known."""
    from benchmark.checks import describe_measurements, run_checks

    outcomes = []
    for outcome in run_checks(kind, spec, run):
        outcomes.append(outcome)
        if outcome.problem:
            line = f"  FAILED  {outcome.name}: {outcome.problem}"
            console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
            print_line(f"          expected: {outcome.expected}")
        elif outcome.passed:
            print_line(f"  passed  {outcome.name}")
    for cause in dict.fromkeys(outcome.needs for outcome in outcomes if outcome.needs):
        names = ", ".join(outcome.name for outcome in outcomes if outcome.needs == cause)
        print_line(f"  not run: {names} (after {cause} passes)")
    for line in run(describe_measurements, kind, spec, outcomes):
        print_line(f"  {line}")
    return outcomes


@app.command("info")
def info_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
) -> None:
    """Show how complete a results folder is, which cells failed and why, and what they cost."""
    from benchmark.cli.rich_output import print_table
    from benchmark.reporting import info
    from benchmark.results.store import load_results

    rows = load_results(folder, info.COLUMNS)
    print_table(console, "cells", info.make_completeness_table(rows))
    cost = info.make_cost_table(rows)
    as_text = {
        "seconds": cost["seconds"].map("{:,.1f}".format),
        "share": cost["share"].map("{:.1%}".format),
    }
    print_table(console, "cost", cost.assign(**as_text))
    for line in info.describe_results(rows):
        print_line(line)


@app.command("merge")
def merge_command(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Results folders to merge.", parser=user_path),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Results folder to write; rows that it already holds are kept.",
            parser=user_path,
        ),
    ],
) -> None:
    """Merge results folders into one; two different outcomes of one cell are an error."""
    from benchmark.engine.merge import merge_results

    for source, n in merge_results(folders, out).items():
        print_line(f"{format_count(n, 'row')} from {source}")
    print_line(f"python -m benchmark table {out}")


@app.command("compare")
def compare_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
    a: Annotated[
        str | None,
        typer.Argument(
            metavar="A",
            help="A configuration, such as 'hog / smote / rbf_svm', a component that no other "
            "configuration has, or a rank in the leaderboard of the metric, such as 1.",
        ),
    ] = None,
    b: Annotated[
        str | None, typer.Argument(metavar="B", help="The configuration to compare A with.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Metric to compare; see `list metrics`.")] = "f1",
    against: Annotated[
        str | None,
        typer.Option(
            help="Instead of A and B: compare every configuration with this one; or, if this is a "
            "strategy, with its own extractor and model under this strategy."
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="Test also whether A is no more than this worse than B, and whether the two are "
            "equivalent; in the units of the metric, such as 0.02."
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="Print a table as md, csv, latex or json instead."
        ),
    ] = None,
) -> None:
    """Test whether two configurations differ; print the difference, its interval and a p-value."""
    from benchmark.cli.rich_output import print_comparisons
    from benchmark.errors import UserError
    from benchmark.reporting.compare import compare_all_configurations, compare_configurations
    from benchmark.reporting.comparison_table import render_comparisons

    if against is not None and a is None:
        comparisons = compare_all_configurations(folder, against, metric, margin)
    elif against is None and a is not None and b is not None:
        comparisons = compare_configurations(folder, a, b, metric, margin)
    else:
        raise UserError(
            "name two configurations, or one with --against: compare DIR A B, or compare DIR "
            "--against A"
        )
    if form:
        print_text(render_comparisons(comparisons, form))
    elif against is not None:
        print_comparisons(console, comparisons)
    else:
        for comparison in comparisons:
            print_line(comparison.summary)


@app.command("plot")
def plot_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
    metric: Annotated[
        str, typer.Option(help="Metric to plot and to rank by; see `list metrics`.")
    ] = "f1",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder to write the plots to. Default: DIR/plots.",
            parser=user_path,
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Configuration that the forest plot takes differences to. Default: the best one.",
        ),
    ] = "",
) -> None:
    """Draw every plot that the rows allow, as PNG and SVG files with captions."""
    from benchmark.reporting.plots import draw_plots

    for outcome in draw_plots(folder, metric, out, against):
        print_line(str(outcome))


app.command("fit")(pipelines.fit_command)
app.command("predict")(pipelines.predict_command)
app.command("serve")(pipelines.serve_command)

new = typer.Typer(help="Write a working plug-in file to start from.")
app.add_typer(new, name="new")


@new.command("extractor")
def new_extractor_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Name of the extractor in studies, such as my_texture."
        ),
    ],
) -> None:
    """Write a working extractor to NAME.py, and print how to check and run it."""
    from benchmark.cli.scaffold import write_extractor

    file = write_extractor(name, Path())
    print_line(
        f"wrote {file}\ncheck it:  python -m benchmark check {file}\nrank it:   python -m "
        f"benchmark run --plugin {file}"
    )
