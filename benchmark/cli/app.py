"""The command line: each command parses its options, calls the library and prints the result.

Heavy imports are inside the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli import (
    datasets,
    documentation,
    errors,
    external,
    pipelines,
    report,
    results,
    study,
)
from benchmark.utils.console import console, print_line

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


app.command("describe")(datasets.describe_command)
app.command("audit")(datasets.audit_command)
app.command("table")(results.table_command)
app.command("compare")(results.compare_command)
app.command("errors")(errors.errors_command)
app.command("plot")(results.plot_command)
app.command("report")(report.report_command)
app.command("info")(results.info_command)
app.command("merge")(results.merge_command)
app.command("fit")(pipelines.fit_command)
app.command("evaluate")(external.evaluate_command)
app.command("predict")(pipelines.predict_command)
app.command("serve")(pipelines.serve_command)
app.command("docs")(documentation.docs_command)

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
