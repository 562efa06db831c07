"""The parts of a report: sections of texts, tables and figures."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import matplotlib as mpl
import pandas as pd

from benchmark.reporting.plots.plot import Plot
from benchmark.reporting.plots.style import STYLE

# ids of a plot's groups, which would not be unique on a page; those that are referred to are
# digests of what they name
_GROUP_IDS = re.compile(r' id="[A-Za-z][\w.]*_\d+(?:_\d+)?"')
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_SIZE = re.compile(r'(<svg[^>]*?) width="[\d.]+pt" height="[\d.]+pt"')
ENLARGED = 1.4  # size of a plot on a screen, in its size on paper; in narrow windows it is smaller
FEW_LINES = 10
# such as 0.912 (0.89 to 0.93) ±0.004, 12=, 3/5, 1,012 (25%)
_NUMBER = re.compile(
    r"[-+]?[\d.,/]+%?(e-\d+)?[=†*]*( ±[\d.]+)?( \(.*\))?( ±[\d.]+)?( \(\d+ of \d+\))?"
)


@dataclass(frozen=True)
class Texts:
    """Paragraphs.

    Parameters
    ----------
    paragraphs : list of str
    kind : str
        Name of the macro that shows it.
    """

    paragraphs: Sequence[str]
    kind: str = "texts"


@dataclass(frozen=True)
class Listing:
    """Text with line breaks, such as a study file or a command, to be copied.

    Parameters
    ----------
    title, text : str
    """

    title: str
    text: str
    kind: str = "listing"

    @property
    def paragraphs(self) -> Sequence[str]:
        """Nothing, as it is not prose."""
        return ()


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, and the part in parentheses, which is shown smaller."""

    text: str
    detail: str = ""


@dataclass(frozen=True)
class TableBlock:
    """A table of texts.

    Parameters
    ----------
    title : str
    header : list of str
    lines : list of list of Cell
    numeric : list of bool
        Which columns are numbers, to be aligned and sorted as such.
    notes : list of str
        Caption and footnotes.
    sortable : bool
        Whether a reader may sort its lines.
    """

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    numeric: Sequence[bool]
    notes: Sequence[str] = ()
    sortable: bool = False
    kind: str = "table"

    @property
    def paragraphs(self) -> Sequence[str]:
        """The prose below it."""
        return self.notes

    @property
    def has_filter(self) -> bool:
        """Whether there are enough lines to filter them."""
        return self.sortable and len(self.lines) > FEW_LINES


@dataclass(frozen=True)
class Figure:
    """A plot as inline SVG.

    Parameters
    ----------
    name, title, caption, svg : str
    """

    name: str
    title: str
    caption: str
    svg: str
    kind: str = "figure"

    @property
    def paragraphs(self) -> Sequence[str]:
        """The prose at it."""
        return [self.title, self.caption]


Block = Texts | Listing | TableBlock | Figure


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Parameters
    ----------
    anchor : str
        Its id on the page.
    title : str
    blocks : list of Block
    """

    anchor: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)


def make_table_block(
    title: str, table: pd.DataFrame, notes: Iterable[str] = (), sortable: bool = False
) -> TableBlock:
    """Make a block of a table of formatted texts."""
    texts = table.astype(str)
    numeric = [_is_numeric(texts[name]) for name in texts]
    splits = [_split_cell if is_number else Cell for is_number in numeric]
    lines = [
        [split(text) for split, text in zip(splits, row, strict=True)] for row in texts.to_numpy()
    ]
    return TableBlock(title, [str(name) for name in table], lines, numeric, list(notes), sortable)


def _is_numeric(texts: pd.Series) -> bool:
    """Whether the texts of a column are numbers, with intervals and marks, or empty."""
    filled = [text for text in texts if text not in ("", "-")]
    return bool(filled) and all(_NUMBER.fullmatch(text) for text in filled)


def _split_cell(text: str) -> Cell:
    """Split a value from its interval in parentheses."""
    if " (" in text:
        value, _, detail = text.partition(" (")
        return Cell(value, f"({detail}")
    return Cell(text)


def draw_figures(plots: Iterable[Plot], known: str = "") -> Iterator[Figure]:
    """Draw plots as inline SVG, without their captions, which are texts of the page.

    Titles that begin with what is ``known`` from the page are written without it.
    """
    for plot in plots:
        title = plot.title
        if known and title.startswith(f"{known}: "):
            title = title.removeprefix(f"{known}: ")
            title = title[0].upper() + title[1:]
        yield Figure(plot.name, title, plot.caption, _draw_svg(plot))


def _draw_svg(plot: Plot) -> str:
    file = io.StringIO()
    with mpl.rc_context(STYLE):
        plot.figure.savefig(file, format="svg", facecolor="none", metadata={"Date": None})
    svg = _METADATA.sub("", _PROLOGUE.sub("", file.getvalue()))
    width = 72 * plot.figure.get_figwidth()
    style = f'style="width: {ENLARGED * width:.0f}pt; min-width: {width:.0f}pt"'
    return _GROUP_IDS.sub("", _SIZE.sub(rf"\1 {style}", svg, count=1))
