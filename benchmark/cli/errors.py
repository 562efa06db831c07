"""The command that shows the mistakes of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.utils.console import print_line
from benchmark.utils.files import user_path
from benchmark.utils.text import format_count


def errors_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
    configuration: Annotated[
        str,
        typer.Argument(
            metavar="CONFIGURATION",
            help="A configuration, such as 'hog / none / rbf_svm', or its rank in the leaderboard "
            "of the metric.",
        ),
    ] = "1",
    metric: Annotated[str, typer.Option(help="Metric that ranks are by; see `list metrics`.")] = (
        "f1"
    ),
    most: Annotated[
        int, typer.Option(help="Number of images on a contact sheet.", min=1, max=120)
    ] = 24,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder to write to. Default: DIR/errors.",
            parser=user_path,
        ),
    ] = None,
) -> None:
    """Show the most confident mistakes, and images whose label may be wrong (PNG and CSV)."""
    from benchmark.errors import UserError
    from benchmark.reporting.compare import find_named_configuration
    from benchmark.reporting.error_sheets import write_error_sheets
    from benchmark.reporting.errors import find_mistakes
    from benchmark.reporting.results_view import ResultsView

    view = ResultsView(folder)
    rows = view.load_rows(metrics=[metric])
    chosen = find_named_configuration(configuration, rows, view, metric)
    found = list(find_mistakes(view, rows, chosen))
    if not found:
        raise UserError(f"not all cells of {configuration} are completed in {folder}")
    for mistakes in found:
        wrong, suspected = len(mistakes.mistakes), len(mistakes.suspected)
        print_line(
            f"{mistakes.title}: {mistakes.configuration} is wrong on "
            f"{format_count(wrong, 'image')} of {len(mistakes.table):,}; "
            f"{format_count(suspected, 'label')} suspected to be wrong"
        )
        for path in write_error_sheets(view, mistakes, out or view.folder.path / "errors", most):
            print_line(str(path))
