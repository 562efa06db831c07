"""``python -m benchmark``."""

from __future__ import annotations

import sys

from benchmark.cli import app
from benchmark.console import error_console, plain
from benchmark.errors import UserError


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    try:
        app(prog_name="python -m benchmark")
    except UserError as error:
        error_console.print(plain(f"error: {error}"), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
