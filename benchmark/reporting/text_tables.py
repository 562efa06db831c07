"""Tables as text: Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.reporting.class_table import ClassTable
from benchmark.reporting.leaderboard import Leaderboard, group_comparable_rows
from benchmark.reporting.occlusion_table import OcclusionTable
from benchmark.reporting.table_view import Table, TableView
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.averages import find_shared_classes
from benchmark.scoring.metrics import OF_SECOND, metric_label
from benchmark.study.axes import label_names
from benchmark.utils.files import write_text
from benchmark.utils.text import escape_controls, escape_json_controls, one_line

VIEWS: dict[str, TableView] = {
    "leaderboard": Leaderboard(),
    "class": ClassTable(),
    "occlusion": OcclusionTable(),
}


@dataclass(frozen=True)
class Document:
    """Tables to be written in some format.

    Parameters
    ----------
    tables : list of (str, DataFrame)
        Title and values, with every digit.
    texts : list of (str, DataFrame)
        The same for people.
    lines : list of str
        What stands below: the caption, then a line each.
    """

    tables: list[Table]
    texts: list[Table]
    lines: list[str]


def write_markdown(document: Document) -> str:
    """Markdown: tables for people, the caption, and a list."""
    parts = [_format_markdown(title, text) for title, text in document.texts]
    listed = [f"- {one_line(line)}" for line in document.lines[1:]]
    return "\n\n".join([*parts, document.lines[0], "\n".join(listed)]).rstrip() + "\n"


def write_latex(document: Document) -> str:
    """LaTeX: tables for people; all else is a comment."""
    parts = [_format_latex(title, text) for title, text in document.texts]
    comments = [f"% {one_line(line)}" for line in document.lines[1:]]
    below = [f"% {document.lines[0]}", "\n".join(comments)]
    return "\n\n".join([*parts, *below]).rstrip() + "\n"


def write_csv(document: Document) -> str:
    """CSV: all tables in one, with their titles in the column ``table``."""
    return _format_csv(_join_tables(document))


def write_json(document: Document) -> str:
    """JSON: a list of lines of all tables, with their titles as ``table``."""
    return _format_json(_join_tables(document))


WRITERS: dict[str, Callable[[Document], str]] = {
    "md": write_markdown,
    "csv": write_csv,
    "latex": write_latex,
    "json": write_json,
}


def render_tables(rows: pd.DataFrame, form: str, metric: str, view: str = "leaderboard") -> str:
    """Tables of rows as text.

    Parameters
    ----------
    rows : DataFrame
    form : str
        One of ``WRITERS``: 'md' and 'latex' are for people, 'csv' and 'json' hold every digit.
    metric : str
    view : str
        One of ``VIEWS``.

    Raises
    ------
    UserError
        There is no such format, view or metric, or nothing to tabulate.
    """
    if form not in WRITERS:
        raise unknown_name_error("format", form, WRITERS)
    of = find_view(view)
    tables = list(of.make_tables(rows, metric))
    if not tables:
        raise UserError(
            "no cell has ended 'ok', so that there is nothing to tabulate; run the study"
        )
    texts = [(title, of.format_table(table)) for title, table in tables]
    return WRITERS[form](Document(tables, texts, of.describe_tables(rows, tables, metric)))


def render_by(rows: pd.DataFrame, form: str, metric: str, by: str) -> str:
    """Write a view in a format: the old name of ``render_tables``, for one more release."""
    warnings.warn("render_by is render now", DeprecationWarning, stacklevel=2)
    return render_tables(rows, form, metric, by)


def find_view(name: str) -> TableView:
    """Find a view by its name.

    Raises
    ------
    UserError
        There is none of this name; the nearest is named.
    """
    if name not in VIEWS:
        raise unknown_name_error("view", name, VIEWS)
    return VIEWS[name]


def _join_tables(document: Document) -> pd.DataFrame:
    whole = pd.concat(
        [table.assign(table=title) for title, table in document.tables], ignore_index=True
    )
    return whole[["table", *whole.columns.drop("table")]]


def _format_markdown(title: str, text: pd.DataFrame) -> str:
    from tabulate import tabulate

    return f"### {one_line(title)}\n\n" + tabulate(
        _escape_values(text, _escape_pipes),
        headers=_escape_header(text, _escape_pipes),
        tablefmt="github",
        disable_numparse=True,
    )


def _escape_values(table: pd.DataFrame, escape: Callable[[str], str]) -> list[list[object]]:
    return [
        [escape(cell) if isinstance(cell, str) else cell for cell in row]
        for row in table.to_numpy()
    ]


def _escape_header(table: pd.DataFrame, escape: Callable[[str], str]) -> list[str]:
    return [escape(str(name)) for name in table.columns]


def _escape_pipes(text: str) -> str:
    """Text of a cell in a Markdown table, in which a pipe is escaped."""
    return one_line(text).replace("|", r"\|")


def _format_csv(table: pd.DataFrame) -> str:
    """Table as CSV: every digit and line feed, no control characters."""
    return (
        table.map(lambda cell: escape_controls(cell) if isinstance(cell, str) else cell)
        .rename(columns=escape_controls)
        .to_csv(index=False)
    )


def _format_json(table: pd.DataFrame) -> str:
    return escape_json_controls(table.to_json(orient="records", indent=2)) + "\n"


def _format_latex(title: str, text: pd.DataFrame) -> str:
    from tabulate import tabulate

    rows = tabulate(
        _escape_values(text, one_line),
        headers=_escape_header(text, one_line),
        tablefmt="latex_booktabs",
        disable_numparse=True,
    )
    return f"% {one_line(title)}\n" + rows.replace("±", r"$\pm$").replace("†", r"$\dagger$")


ROW_COLUMNS = (
    *("key", "status", "reason"),
    *(name for name in label_names() if name not in ("fingerprint", "size", "split")),
    *(
        "accuracy",
        "balanced_accuracy",
        "precision",
        "recall",
        "f1",
        "auc",
        "average_precision",
        "log_loss",
        "mcc",
        "kappa",
        "brier",
        "ece",
    ),
    *("extract_s", "resample_s", "fit_s", "predict_s"),
)


def render_rows(rows: pd.DataFrame, form: str) -> str:
    """One line per cell; 'json' holds every column, the others those of ``ROW_COLUMNS``.

    The class that an average precision is of stands in its header where it is one for all rows, and
    in CSV, or otherwise, in a column ``average_precision_class``.
    """
    from tabulate import tabulate

    if form == "json":
        return _format_json(rows)
    table = _add_metric_class(rows, form)
    if form == "csv":
        return _format_csv(table)
    styles = {"md": ("github", _escape_pipes), "latex": ("latex_booktabs", one_line)}
    if form not in styles:
        raise unknown_name_error("format", form, (*styles, "csv", "json"))
    style, escape = styles[form]
    return (
        tabulate(
            _escape_values(table, escape),
            headers=_escape_header(table, escape),
            tablefmt=style,
            floatfmt=".4g",
        )
        + "\n"
    )


def _add_metric_class(rows: pd.DataFrame, form: str) -> pd.DataFrame:
    table = rows.reindex(columns=list(ROW_COLUMNS))
    for metric in OF_SECOND:
        seconds = pd.Series("", rows.index)
        for _, group in group_comparable_rows(rows):
            classes = find_shared_classes(group)
            if metric_label(metric, classes) != metric:
                seconds[group.index] = classes[1]
        if form != "csv" and seconds.nunique() == 1 and seconds.iloc[0]:
            table = table.rename(columns={metric: f"{metric} of '{seconds.iloc[0]}'"})
        elif seconds.any():
            table.insert(table.columns.get_loc(metric) + 1, f"{metric}_class", seconds)
    return table


def write_leaderboards(rows: pd.DataFrame, folder: Path, metric: str = "f1") -> None:
    """Write ``leaderboard.csv``, ``.md`` and ``.tex`` into a results folder."""
    for form, suffix in (("csv", "csv"), ("md", "md"), ("latex", "tex")):
        write_text(
            ResultsFolder(folder).leaderboard_path(suffix), render_tables(rows, form, metric)
        )
