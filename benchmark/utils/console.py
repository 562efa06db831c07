"""Where commands print; nothing else does."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from benchmark.utils.text import escape_controls, escape_json_controls


class VisibleConsole(Console):
    """Console on which no text can command the terminal: see ``escape_controls``. Applied to all it prints, cells of tables included."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Text with its control characters written out."""
        return super().render_str(escape_controls(text), **how)


console = VisibleConsole(
    width=None if sys.stdout.isatty() else 400
)  # a pipe has no width: tables are not to be squeezed into 80 columns
error_console = VisibleConsole(stderr=True)


def print_line(line: str) -> None:
    """Print a line as it is."""
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def print_text(text: str) -> None:
    """Print text for a file or another program, such as a table in Markdown: without style, wrapping or a line feed."""
    sys.stdout.write(escape_controls(text))


def print_json(value: Any) -> None:
    """Print JSON that reads back to the same value, and commands no terminal."""
    sys.stdout.write(escape_json_controls(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")
