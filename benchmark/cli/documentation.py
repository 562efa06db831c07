"""The command that opens the documentation."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from benchmark.errors import UserError
from benchmark.utils.console import print_line

PAGES = Path(__file__).parents[1] / "documentation"  # written by sphinx-build


def docs_command() -> None:
    """Open the installed documentation in a browser, and print its address."""
    page = PAGES / "index.html"
    if not page.exists():
        raise UserError(
            "no documentation is installed; in the folder of the source code, run "
            "python -m pip install -e '.[docs]', then sphinx-build docs benchmark/documentation, "
            "or read docs/index.md"
        )
    print_line(page.as_uri())
    webbrowser.open(page.as_uri())
