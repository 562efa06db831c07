"""A plot with its caption, and how it is written."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmark.utils.files import write_atomic
from benchmark.utils.hashing import digest_of

DPI = 150
CAPTION_SIZE = 8
LONGEST = 100  # letters of a file's name
TITLE_SIZE = 10
SPACING = 1.3  # of lines, in sizes of their letters
NARROWEST = 6.0  # inches of a figure's width
MARGIN = 0.4  # inches of height around the panels
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be named $x$
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "classical-vs-deep",  # the same plot is the same file
}


@dataclass(frozen=True)
class Missing:
    """Why there is no plot of a kind."""

    name: str
    reason: str


@dataclass(frozen=True)
class Plot:
    """A drawn figure.

    Parameters
    ----------
    name : str
        Stem of its files.
    title : str
        Of which rows it is; drawn over the figure, and written before the caption.
    figure : Figure
    caption : str
        What it shows, and what there is to see; computed from the rows.
    """

    name: str
    title: str
    figure: Figure
    caption: str

    def save(self, out: Path) -> Path:
        """Write PNG and SVG, the caption below the figure; returns the PNG's path."""
        with mpl.rc_context(STYLE):
            text = textwrap.fill(self.caption, int(self.figure.get_figwidth() * 16.5))
            _add_text_height(self.figure, text, CAPTION_SIZE)
            self.figure.supxlabel(text, x=0.01, ha="left", fontsize=CAPTION_SIZE, color="0.3")
            for kind, extra in (("png", {"dpi": DPI}), ("svg", {"metadata": {"Date": None}})):
                write_atomic(
                    out / f"{self.name}.{kind}",
                    partial(self.figure.savefig, format=kind, facecolor="white", **extra),
                )
        return out / f"{self.name}.png"


@contextmanager
def create_panels(
    n: int, width: float, height: float, columns: int = 1
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of n panels (inches each) in the common style, row by row, with common axes; what is drawn within the block has it."""
    columns = min(columns, n)
    lines = -(-n // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(max(NARROWEST, width * columns), height * lines + MARGIN), layout="constrained"
        )
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).flat)
        for ax in axes[n:]:
            ax.remove()
        yield figure, axes[:n]


def add_title(figure: Figure, title: str) -> None:
    """Write a title over the whole figure, in as many lines as it takes."""
    text = textwrap.fill(title, int(figure.get_figwidth() * 13))
    figure.suptitle(text, fontsize=TITLE_SIZE, x=0.01, ha="left")
    _add_text_height(figure, text, TITLE_SIZE)


def make_panels_square(figure: Figure, axes: list[Axes]) -> None:
    """Give a figure the height with which its panels are square.

    With an equal aspect the constrained layout would measure panels that it has shrunk, and lay
    texts over each other.
    """
    for _ in range(2):
        figure.draw_without_rendering()
        rows = len({round(ax.get_position().y0, 3) for ax in axes})
        box = axes[0].get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        figure.set_figheight(figure.get_figheight() + rows * (box.width - box.height))


def _add_text_height(figure: Figure, text: str, size: float) -> None:
    """Make room for the lines of a text, in points, above or below the panels."""
    lines = text.count("\n") + 1
    figure.set_figheight(figure.get_figheight() + lines * size * SPACING / 72)


def make_file_stem(*parts: str) -> str:
    """Stem of a file, of letters, digits, dots, dashes and underscores; what is long is cut, and told apart by a digest."""
    name = "-".join(re.sub(r"[^\w.-]+", "_", part).strip("_") for part in parts if part)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{digest_of(parts)[:8]}"


def wrap_name(name: str, width: float) -> str:
    """The whole name of a configuration in as many lines as a panel of so many inches needs."""
    letters = max(16, int(width * 14))
    lines = textwrap.wrap(name, letters) if len(name) > letters else [name]
    return "\n".join([*lines[:3], "…"] if len(lines) > 4 else lines)


def shorten_name(name: str, most: int = 24) -> str:
    """A name as far as a plot has room for it."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
