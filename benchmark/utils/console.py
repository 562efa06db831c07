"""The consoles through which commands print; other modules do not print."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from benchmark.utils.text import escape_controls, escape_json_controls


class VisibleConsole(Console):
    """Console that escapes control characters in everything it prints, cells of tables included.

    See ``escape_controls``.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a text after escaping its control characters."""
        return super().render_str(escape_controls(text), **options)


# a pipe has no width; a large one keeps tables from being squeezed into 80 columns
console = VisibleConsole(width=None if sys.stdout.isatty() else 400, emoji=False)
error_console = VisibleConsole(stderr=True, emoji=False)


def print_line(line: str) -> None:
    """Print a line without wrapping, markup or highlighting."""
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def print_text(text: str) -> None:
    """Print text for a file or another program, without styles, wrapping or a line feed."""
    sys.stdout.write(escape_controls(text))


def print_json(value: Any) -> None:
    """Print a value as JSON, with control characters escaped."""
    sys.stdout.write(escape_json_controls(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")
