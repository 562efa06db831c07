"""A plot with its caption, and the functions that lay it out and write it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from benchmark.reporting.plots.style import (
    INK,
    LINE_SPACING,
    ONE_COLUMN,
    PALE,
    SMALL,
    STYLE,
    TEXT,
    TITLE,
    TWO_COLUMNS,
    Style,
)
from benchmark.reporting.plots.texts import fit_names, fit_text, measure_text, wrap_text
from benchmark.utils.files import write_atomic
from benchmark.utils.hashing import digest_of
from benchmark.utils.text import format_count

DPI = 300
FORMS = ("png", "svg")  # by default
SAVED: dict[str, dict[str, Any]] = {  # arguments of savefig, by format
    "png": {"dpi": DPI},
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}
LONGEST = 80  # maximum number of letters of a file name
PAD = 3 / 72  # inches that the layout leaves above and below titles
EDGE = 0.05  # inches between the texts and the edge of a figure
# inches from the panel to its key: the tick labels and the label of the horizontal axis
KEY_DEPTH, KEY_SHIFT = 0.36, 0.42


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
        The rows that it shows; ``save`` writes it above the figure.
    figure : Figure
    caption : str
        What it shows and its main results, computed from the rows; ``save`` writes it below.
    """

    name: str
    title: str
    figure: Figure
    caption: str

    def save(self, out: Path, forms: Sequence[str] = FORMS) -> Path:
        """Write files, with title and caption; return the path of the first.

        Parameters
        ----------
        out : Path
        forms : sequence of {'png', 'svg', 'pdf'}
        """
        with mpl.rc_context(STYLE):
            width = self.figure.get_figwidth() - 2 * EDGE
            left = EDGE / self.figure.get_figwidth()
            title = wrap_text(self.title, width, TITLE)
            caption = wrap_text(self.caption, width, SMALL)
            texts = (
                self.figure.suptitle(title, x=left, ha="left", color=INK),
                self.figure.supxlabel(caption, x=left, ha="left", fontsize=SMALL, color=INK),
            )
            pixels = sum(text.get_window_extent().height for text in texts)
            height = pixels / self.figure.dpi + 4 * PAD  # the panels keep their height
            self.figure.set_figheight(self.figure.get_figheight() + height)
            for form in forms:
                write_atomic(
                    out / f"{self.name}.{form}",
                    partial(self.figure.savefig, format=form, facecolor="white", **SAVED[form]),
                )
        return out / f"{self.name}.{forms[0]}"


@contextmanager
def create_panels(
    n: int, height: float, columns: int = 1, width: float = 0
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Create a figure of panels that share their axes, within the common style.

    What is drawn inside the ``with`` block has the style, too.

    Parameters
    ----------
    n : int
        Number of panels, which are filled row by row.
    height : float
        Height of a panel, in inches.
    columns : int
    width : float
        Width of the figure, ``ONE_COLUMN`` or ``TWO_COLUMNS``. By default, one for one panel in a
        row and two for several.

    Yields
    ------
    figure : Figure
    axes : list of Axes
    """
    columns = min(columns, n)
    lines = -(-n // columns)
    width = width or (ONE_COLUMN if columns == 1 else TWO_COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height * lines), layout="constrained")
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


def shape_panels(figure: Figure, axes: list[Axes], ratio: float = 1) -> None:
    """Change the height of a figure so that its panels have a ratio of height to width.

    An equal aspect cannot be used instead, since the constrained layout would then measure shrunken
    panels and let texts overlap.
    """
    for _ in range(2):
        figure.draw_without_rendering()
        rows = len({round(ax.get_position().y0, 3) for ax in axes})
        box = axes[0].get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        figure.set_figheight(figure.get_figheight() + rows * (ratio * box.width - box.height))


def measure_height(text: str, size: float = TEXT) -> float:
    """Height of a text of a font size in points, in inches."""
    return (text.count("\n") + 1) * size * LINE_SPACING / 72


def fit_beside(names: Sequence[str], panel_width: float) -> tuple[list[str], float]:
    """Shorten names to the left of a panel, and choose the width of the figure.

    Parameters
    ----------
    names : sequence of str
    panel_width : float
        What the panel needs, in inches.

    Returns
    -------
    shown : list of str
    width : float
        One column if the names fit, otherwise two.
    """
    needed = max(map(measure_text, names)) + panel_width
    width = ONE_COLUMN if needed <= ONE_COLUMN else TWO_COLUMNS
    return fit_names(names, width - panel_width), width


def draw_key(ax: Axes, entries: Sequence[tuple[str, Style]]) -> None:
    """List names with their lines or markers below a panel, one in a row.

    It takes the place of labels at the lines' ends where these meet in one point, and makes the
    figure higher.

    Parameters
    ----------
    ax : Axes
    entries : sequence of (str, Style)
        Name, and arguments of the ``Line2D`` beside it.
    """
    figure = cast(Figure, ax.figure)
    width = figure.get_figwidth() - 0.5
    below = ScaledTranslation(-KEY_SHIFT, -KEY_DEPTH, figure.dpi_scale_trans)
    ax.legend(
        [Line2D([], [], **style) for _, style in entries],
        [fit_text(name, width) for name, _ in entries],
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes + below,
        borderaxespad=0,
        borderpad=0,
        labelspacing=0,
        handleheight=LINE_SPACING,
    )
    figure.set_figheight(figure.get_figheight() + len(entries) * measure_height(""))


def key_of_others(n_others: int) -> list[tuple[str, Style]]:
    """Entry of a key for the configurations that are drawn in gray; none if there are none."""
    if not n_others:
        return []
    return [(format_count(n_others, "other configuration"), {"color": PALE, "linewidth": 0.6})]


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


def make_file_stems(names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Make a file name of the parts of each name.

    Those that would be the same file, perhaps where case does not count, get a digest of their key.

    Examples
    --------
    >>> make_file_stems({"a": ("roc", "a"), "b": ("roc", "b")})
    {'a': 'roc-a', 'b': 'roc-b'}
    >>> make_file_stems({"/x/a": ("roc", "a"), "/y/a": ("roc", "a")})
    {'/x/a': 'roc-a-7f8166', '/y/a': 'roc-a-7063a9'}
    """
    stems = {key: make_file_stem(*parts) for key, parts in names.items()}
    folded = [stem.casefold() for stem in stems.values()]
    return {
        key: stem if folded.count(stem.casefold()) == 1 else f"{stem}-{digest_of(key)[:6]}"
        for key, stem in stems.items()
    }
