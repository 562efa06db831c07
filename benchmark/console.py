"""Where the verbs print; nothing else does."""

from __future__ import annotations

import sys

from rich.console import Console

console = Console(width=None if sys.stdout.isatty() else 400)  # a pipe has no width: tables are not to be squeezed into 80 columns
error_console = Console(stderr=True)


def plain(text: str) -> str:
    """Text without what would command a terminal: a file or a class may be called anything."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(plain(line), highlight=False, soft_wrap=True, markup=False)
