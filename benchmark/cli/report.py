"""The command that writes the report of a results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.common_options import Aggregate, Unit
from benchmark.utils.console import print_line
from benchmark.utils.files import user_path
from benchmark.utils.text import format_megabytes


def report_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
    metric: Annotated[
        str, typer.Option(help="Metric that configurations are ranked by; see `list metrics`.")
    ] = "f1",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.html",
            help="File to write. Default: DIR/report.html.",
            parser=user_path,
        ),
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Audit the datasets, too; see `audit`.")
    ] = False,
    unit: Unit = "image",
    aggregate: Aggregate = None,
) -> None:
    """Write a report of a results folder: one HTML file that needs no server and no other file."""
    from benchmark.reporting.report import write_report
    from benchmark.reporting.results_view import ResultsView

    path = write_report(ResultsView(folder, unit, aggregate), metric, out, audit)
    print_line(f"{path} ({format_megabytes(path.stat().st_size / 1e6)})")
