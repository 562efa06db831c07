"""The file with the captions of all plots in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from benchmark.utils.files import write_text

HEADING = re.compile(r"^## (.*)\n\n", re.MULTILINE)


class Captions:
    """Markdown file with a section per plot, which is written after each plot.

    Parameters
    ----------
    path : Path
    keep : bool
        Whether the sections of an existing file are kept, for plots that are not drawn again.
    """

    def __init__(self, path: Path, keep: bool) -> None:
        self.path = path
        stored = path.read_text("utf-8") if keep and path.is_file() else ""
        _, *parts = HEADING.split(stored)
        self.sections = dict(zip(parts[::2], parts[1::2], strict=True))

    def write(self, name: str, paragraphs: Iterable[str]) -> None:
        """Add the section of a plot, or replace it."""
        text = "\n\n".join(each.replace("<", "&lt;") for each in paragraphs)
        self.sections[name] = f"{text}\n\n"
        content = "".join(f"## {title}\n\n{body}" for title, body in self.sections.items())
        write_text(self.path, content.rstrip() + "\n")
