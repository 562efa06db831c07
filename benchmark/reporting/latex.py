"""Write tables as LaTeX that compiles as it is: environments with captions and notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from benchmark.utils.hashing import digest_of
from benchmark.utils.text import one_line

# letters of \footnotesize and of \scriptsize that a page of two columns is wide, and what a gap
# between two columns of a table takes of them
FITS = {"footnotesize": 108, "scriptsize": 128}
GAP = 2
SYMBOLS = {
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "…": r"\ldots{}",
    "·": r"$\cdot$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "\N{MINUS SIGN}": r"$-$",
    "\N{EN DASH}": "--",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{DEGREE SIGN}": r"$^\circ$",
    "\N{MICRO SIGN}": r"$\mu$",
    "\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$",
    "\N{GREEK SMALL LETTER BETA}": r"$\beta$",
    "\N{GREEK SMALL LETTER GAMMA}": r"$\gamma$",
    "\N{GREEK SMALL LETTER DELTA}": r"$\delta$",
    "\N{GREEK SMALL LETTER MU}": r"$\mu$",
}
BOLD = (
    "The best value of a column is bold, and where a rank has '=', all that cannot be told apart "
    "from it"
)
HEAD = (
    "% Needs \\usepackage{booktabs} and, for tables that are scaled, \\usepackage{graphicx}.\n"
    "% Letters other than Latin ones need lualatex or xelatex in place of pdflatex.\n"
    "% Choose other columns with --columns, such as --columns rank,model,f1,auc."
)


def write_tables(
    texts: Sequence[tuple[str, pd.DataFrame]],
    lines: Sequence[str],
    best: Sequence[pd.DataFrame | None] = (),
    kind: str = "",
) -> str:
    """Write tables, each as an environment ``table*``.

    Parameters
    ----------
    texts : sequence of (str, DataFrame)
        Titles and formatted values.
    lines : sequence of str
        Caption, then footnotes; they are below the last table.
    best : sequence of DataFrame or None
        Which cells of each table are bold.
    kind : str
        What tells these tables from others of the same titles, for their labels, which do not
        change with the columns; their content if it is empty.

    Returns
    -------
    str
    """
    chosen = [*best, *[None] * (len(texts) - len(best))]
    tables = [
        _write_table(title, text, lines if k == len(texts) else (), bold, kind)
        for k, ((title, text), bold) in enumerate(zip(texts, chosen, strict=True), start=1)
    ]
    return "\n\n".join([HEAD, *tables]) + "\n"


def _write_table(
    title: str, text: pd.DataFrame, lines: Sequence[str], bold: pd.DataFrame | None, kind: str
) -> str:
    escaped = pd.DataFrame(
        {escape(str(name)): [escape(str(cell)) for cell in text[name]] for name in text},
        text.index,
    )
    if bold is not None:
        for name in bold:
            cells = escaped[escape(str(name))]
            escaped[escape(str(name))] = cells.where(~bold[name], r"\textbf{" + cells + "}")
    bolds = [] if bold is None or not bold.to_numpy().any() else [BOLD]
    size, is_scaled = _choose_size(text)
    numeric = [text[name].map(_is_number).all() for name in text]
    columns = "".join("r" if right else "l" for right in numeric)
    tabular = escaped.style.hide(axis="index").to_latex(hrules=True, column_format=columns)
    tabular = tabular.strip()
    if is_scaled:
        tabular = "\\resizebox{\\textwidth}{!}{%\n" + tabular + "}"
    return "\n".join(
        [
            r"\begin{table*}[tp]",
            r"\centering",
            rf"\caption{{{_write_caption(title, [*lines[:1], *bolds])}}}",
            rf"\label{{tab:{_make_label(title, [kind] if kind else [*text, *lines[:1]])}}}",
            rf"\{size}",
            r"\setlength{\tabcolsep}{4pt}",
            tabular,
            *_write_notes(lines[1:]),
            r"\end{table*}",
        ]
    )


def escape(text: str) -> str:
    r"""Escape a text for LaTeX, on one line.

    Examples
    --------
    >>> print(escape("50 % of_all"))
    50 \% of\_all
    """
    from tabulate import LATEX_ESCAPE_RULES

    rules = {**LATEX_ESCAPE_RULES, **SYMBOLS}
    return "".join(rules.get(letter, letter) for letter in one_line(text, len(text) + 1))


def _is_number(cell: object) -> bool:
    return bool(re.match(r"[-+]?\d|-?$", str(cell)))


def _choose_size(text: pd.DataFrame) -> tuple[str, bool]:
    """Choose the size of the letters, and whether the table must be scaled to fit as well."""
    widths = (max(map(len, [str(name), *map(str, text[name])])) + GAP for name in text)
    width = sum(widths)
    for size, limit in FITS.items():
        if width <= limit:
            return size, False
    return "footnotesize", True


def _write_caption(title: str, caption: Iterable[str]) -> str:
    parts = [part for part in (title, *caption) if part]
    return " ".join(f"{escape(part).rstrip('.')}." for part in parts)


def _make_label(title: str, content: Iterable[object]) -> str:
    """Label of a table; a digest of what tells it from others makes it unique."""
    name = re.sub(r"[^a-z0-9]+", "-", title.casefold())[:40].strip("-") or "results"
    return f"{name}-{digest_of([title, *map(str, content)])[:6]}"


def _write_notes(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    notes = [rf"{escape(line)}\par" for line in lines]
    return [
        r"\par\medskip",
        r"\begin{minipage}{\textwidth}\footnotesize",
        *notes,
        r"\end{minipage}",
    ]
