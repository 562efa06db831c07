"""A plot with its caption, and the functions that lay it out and write it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
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
FORMS = ("png", "svg")  # by default
SAVED: dict[str, dict[str, Any]] = {  # arguments of savefig, by format
    "png": {"dpi": DPI},
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}
CAPTION_SIZE = 8
LONGEST = 100  # maximum number of letters of a file name
TITLE_SIZE = 10
SPACING = 1.3  # line height, in font sizes
LETTER = 0.075  # inches, of the names of configurations
NARROWEST = 6.0  # minimum width of a figure, in inches
MARGIN = 0.4  # height around the panels, in inches
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
    "pdf.fonttype": 42,  # text that can be selected and edited
    "svg.fonttype": "none",  # text is written as text, not as paths
    "svg.hashsalt": "classical-vs-deep",  # the same plot gives the same file
}


@dataclass(frozen=True)
class Missing:
    """A plot that cannot be drawn.

    Parameters
    ----------
    name : str
        Kind of plot.
    reason : str
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Plot:
    """A figure with its title and caption.

    Parameters
    ----------
    name : str
        Stem of the file names.
    title : str
        The rows that it shows; drawn above the figure, and written before the caption.
    figure : Figure
    caption : str
        What it shows and its main results, computed from the rows.
    """

    name: str
    title: str
    figure: Figure
    caption: str

    def save(self, out: Path, forms: Sequence[str] = FORMS) -> Path:
        """Write files, with the caption below the figure; return the path of the first.

        Parameters
        ----------
        out : Path
        forms : sequence of {'png', 'svg', 'pdf'}
        """
        with mpl.rc_context(STYLE):
            text = textwrap.fill(self.caption, int(self.figure.get_figwidth() * 16.5))
            _add_text_height(self.figure, text, CAPTION_SIZE)
            self.figure.supxlabel(text, x=0.01, ha="left", fontsize=CAPTION_SIZE, color="0.3")
            for form in forms:
                write_atomic(
                    out / f"{self.name}.{form}",
                    partial(self.figure.savefig, format=form, facecolor="white", **SAVED[form]),
                )
        return out / f"{self.name}.{forms[0]}"


@contextmanager
def create_panels(
    n: int, width: float, height: float, columns: int = 1
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Create a figure of panels that share their axes, within the common style.

    What is drawn inside the ``with`` block has the style, too.

    Parameters
    ----------
    n : int
        Number of panels, which are filled row by row.
    width, height : float
        Size of a panel, in inches.
    columns : int

    Yields
    ------
    figure : Figure
    axes : list of Axes
    """
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


def label_outer_panels(axes: Sequence[Axes]) -> None:
    """Keep the labels of the horizontal axis in the lowest panel of each column only.

    Those of the vertical axis are kept in the first column. Matplotlib's ``label_outer`` also
    leaves out those of a panel that has no other below it, where the last line is not full.
    """
    columns = [ax.get_subplotspec().colspan.start for ax in axes]  # type: ignore[union-attr]
    lowest = dict(zip(columns, axes, strict=True))  # the last of each column
    for column, ax in zip(columns, axes, strict=True):
        ax.tick_params(labelbottom=ax is lowest[column], labelleft=column == 0)
        if ax is not lowest[column]:
            ax.set_xlabel("")
        if column:
            ax.set_ylabel("")


def add_title(figure: Figure, title: str) -> None:
    """Write a title above the whole figure, on as many lines as it needs."""
    text = textwrap.fill(title, int(figure.get_figwidth() * 13))
    figure.suptitle(text, fontsize=TITLE_SIZE, x=0.01, ha="left")
    _add_text_height(figure, text, TITLE_SIZE)


def make_panels_square(figure: Figure, axes: list[Axes]) -> None:
    """Change the height of a figure so that its panels are square.

    An equal aspect cannot be used instead, since the constrained layout would then measure shrunken
    panels and let texts overlap.
    """
    for _ in range(2):
        figure.draw_without_rendering()
        rows = len({round(ax.get_position().y0, 3) for ax in axes})
        box = axes[0].get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        figure.set_figheight(figure.get_figheight() + rows * (box.width - box.height))


def _add_text_height(figure: Figure, text: str, size: float) -> None:
    """Increase the height of a figure by that of a text of a font size in points."""
    lines = text.count("\n") + 1
    figure.set_figheight(figure.get_figheight() + lines * size * SPACING / 72)


def make_file_stem(*parts: str) -> str:
    """Join parts to a file name of letters, digits, dots, dashes and underscores.

    Long names are cut and made unique by a digest.

    Examples
    --------
    >>> make_file_stem("cost", "csv:lesions.csv(label='dx')", "f1")
    'cost-csv_lesions.csv_label_dx-f1'
    """
    name = "-".join(re.sub(r"[^\w.-]+", "_", part).strip("_") for part in parts if part)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{digest_of(parts)[:8]}"


def measure_names(names: Iterable[str]) -> float:
    """Width of the longest name beside a panel, in inches."""
    return LETTER * max(map(len, names))


def wrap_name(name: str, width: float) -> str:
    """Wrap the name of a configuration to the width of a panel in inches, on at most 4 lines."""
    letters = max(16, int(width * 14))
    lines = textwrap.wrap(name, letters) if len(name) > letters else [name]
    return "\n".join([*lines[:3], "…"] if len(lines) > 4 else lines)


def shorten_name(name: str, max_letters: int = 24) -> str:
    """Cut a name to a maximum number of letters."""
    return name if len(name) <= max_letters else f"{name[: max_letters - 1]}…"
