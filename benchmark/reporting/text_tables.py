"""Write tables as Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.reporting.class_table import ClassTable
from benchmark.reporting.comparable_rows import group_comparable_rows
from benchmark.reporting.dataset_table import DatasetTable
from benchmark.reporting.latex import write_tables
from benchmark.reporting.leader import find_best_cells
from benchmark.reporting.leaderboard import Leaderboard, make_leaderboard_caption
from benchmark.reporting.occlusion_table import OcclusionTable
from benchmark.reporting.row_problems import list_group_notes
from benchmark.reporting.table_view import Table, TableView
from benchmark.reporting.tuning_table import TuningTable
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.averages import find_shared_classes
from benchmark.scoring.metrics import OF_SECOND, metric_label
from benchmark.scoring.predictions import PredictionReader
from benchmark.study.labels import label_names
from benchmark.utils.files import write_text
from benchmark.utils.text import escape_controls, escape_json_controls, one_line

VIEWS: dict[str, TableView] = {
    "leaderboard": Leaderboard(),
    "class": ClassTable(),
    "occlusion": OcclusionTable(),
    "tuning": TuningTable(),
    "dataset": DatasetTable(),
}


@dataclass(frozen=True)
class Document:
    """Tables to be written in some format.

    Parameters
    ----------
    tables : list of (str, DataFrame)
        Titles and values, at full precision. The title of a single table may be empty.
    texts : list of (str, DataFrame)
        Titles and formatted values.
    lines : list of str
        The caption, then one line per footnote; may be empty.
    best : list of DataFrame
        Which formatted values are the best of their column, for each table; empty if none is.
    kind : str
        What tells these tables from others of the same rows, for labels.
    """

    tables: list[Table]
    texts: list[Table]
    lines: list[str]
    best: Sequence[pd.DataFrame] = ()
    kind: str = ""


def write_markdown(document: Document) -> str:
    """Write Markdown: formatted tables, the caption, and a list of footnotes."""
    tables = [_format_markdown(title, text) for title, text in document.texts]
    footnotes = [f"- {one_line(line)}" for line in document.lines[1:]]
    return "\n\n".join([*tables, *document.lines[:1], "\n".join(footnotes)]).rstrip() + "\n"


def write_latex(document: Document) -> str:
    """Write LaTeX: a table environment per table; caption and notes are at the last one."""
    return write_tables(document.texts, document.lines, document.best, document.kind)


def write_csv(document: Document) -> str:
    """Write CSV: one table of all tables, with their titles in the column ``table``."""
    return _format_csv(_join_tables(document))


def write_json(document: Document) -> str:
    """Write JSON: one list of the lines of all tables, with their titles as ``table``."""
    return _format_json(_join_tables(document))


FOR_PROGRAMS = ("csv", "json")  # formats with full precision and fixed names of columns
WRITERS: dict[str, Callable[[Document], str]] = {
    "md": write_markdown,
    "csv": write_csv,
    "latex": write_latex,
    "json": write_json,
}


def render_tables(
    rows: pd.DataFrame,
    form: str,
    metric: str,
    view: str | TableView = "leaderboard",
    read_predictions: PredictionReader | None = None,
    columns: Sequence[str] = (),
) -> str:
    """Render tables of rows as text.

    Parameters
    ----------
    rows : DataFrame
        As returned by ``load_results``.
    form : str
        One of ``WRITERS``: 'md' and 'latex' have formatted values, 'csv' and 'json' values at full
        precision.
    metric : str
        Metric that configurations are ranked by.
    view : str or TableView
        One of ``VIEWS``, or a view.
    read_predictions : callable (key, digest) -> Predictions, or None
        ``ResultsFolder.read_predictions``; without it, intervals may be missing.
    columns : sequence of str
        Columns of 'md' and 'latex'; empty for all.

    Returns
    -------
    str

    Raises
    ------
    UserError
        The format, view, metric or a column is unknown, or no cell is completed.

    See Also
    --------
    render_rows : One line per cell.
    """
    writer = find_writer(form)
    if columns and form in FOR_PROGRAMS:
        raise UserError(f"--columns are those of md and latex; {form} has all")
    return writer(_make_document(rows, metric, view, read_predictions, columns))


def find_writer(form: str) -> Callable[[Document], str]:
    """Find the function that writes a format; raise a UserError if there is none."""
    if form not in WRITERS:
        raise unknown_name_error("format", form, WRITERS)
    return WRITERS[form]


def _make_document(
    rows: pd.DataFrame,
    metric: str,
    view: str | TableView,
    read_predictions: PredictionReader | None,
    columns: Sequence[str] = (),
) -> Document:
    view = find_view(view) if isinstance(view, str) else view
    tables = list(view.make_tables(rows, metric, read_predictions))
    if not tables:
        raise UserError("no cell has status 'ok', so that there is nothing to tabulate")
    texts = [(title, view.format_table(table)) for title, table in tables]
    lines = [*view.describe_tables(rows, tables, metric), *list_group_notes(rows)]
    best: list[pd.DataFrame] = []
    if isinstance(view, Leaderboard):
        best = [find_best_cells(table, metric) for _, table in tables]
    if columns and best:
        values = [table for _, table in tables]
        lines[0] = make_leaderboard_caption(metric, values, columns)
    if columns:
        texts = [(title, _choose_columns(text, columns)) for title, text in texts]
        best = [cells[[name for name in cells if name in columns]] for cells in best]
    return Document(tables, texts, lines, best, f"{type(view).__name__} by {metric}")


def _choose_columns(text: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    for name in columns:
        if name not in text:
            raise unknown_name_error("column", name, [str(known) for known in text])
        if columns.count(name) > 1:
            raise UserError(f"--columns names {name} twice")
    return text[list(columns)]


def render_by(rows: pd.DataFrame, form: str, metric: str, by: str) -> str:
    """Render tables of rows as text; the old name of ``render_tables``, kept for one release."""
    warnings.warn("render_by is now render_tables", DeprecationWarning, stacklevel=2)
    return render_tables(rows, form, metric, by)


def find_view(name: str) -> TableView:
    """Find a view by its name.

    Raises
    ------
    UserError
        The name is unknown; the message gives the nearest.
    """
    if name not in VIEWS:
        raise unknown_name_error("view", name, [*VIEWS, "subgroup", "site"])
    return VIEWS[name]


def _join_tables(document: Document) -> pd.DataFrame:
    if [title for title, _ in document.tables] == [""]:
        return document.tables[0][1]
    whole = pd.concat(
        [table.assign(table=title) for title, table in document.tables], ignore_index=True
    )
    return whole[["table", *whole.columns.drop("table")]]


def _format_markdown(title: str, text: pd.DataFrame) -> str:
    heading = f"### {_escape_markdown(title)}\n\n" if title else ""
    return heading + _tabulate(text, "github", _escape_markdown)


def _tabulate(table: pd.DataFrame, style: str, escape: Callable[[str], str]) -> str:
    """Lay out a table in a style of tabulate; text that looks like a number is not reformatted."""
    from tabulate import tabulate

    values = _escape_values(table, escape)
    columns_of_text = [
        k for k, column in enumerate(zip(*values, strict=True)) if any(map(_is_text, column))
    ]
    return tabulate(
        values,
        headers=_escape_header(table, escape),
        tablefmt=style,
        floatfmt=".4g",
        disable_numparse=columns_of_text,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _escape_values(table: pd.DataFrame, escape: Callable[[str], str]) -> list[list[object]]:
    return [
        [escape(cell) if isinstance(cell, str) else cell for cell in row]
        for row in table.to_numpy()
    ]


def _escape_header(table: pd.DataFrame, escape: Callable[[str], str]) -> list[str]:
    return [escape(str(name)) for name in table.columns]


def _escape_markdown(text: str) -> str:
    """Text on one line, without what Markdown takes for a column, a tag, a link or code."""
    return re.sub(r"([|`*\[])", r"\\\1", one_line(text).replace("<", "&lt;"))


def _format_csv(table: pd.DataFrame) -> str:
    """Table as CSV, at full precision; line feeds are kept, control characters are escaped."""
    return (
        table.map(lambda cell: escape_controls(cell) if isinstance(cell, str) else cell)
        .rename(columns=escape_controls)
        .to_csv(index=False)
    )


def _format_json(table: pd.DataFrame) -> str:
    """Table as JSON, at full precision.

    Missing values are null, and infinite ones, which JSON does not have, the texts 'inf' and
    '-inf'.
    """
    records = json.loads(table.to_json(orient="records"))  # which rounds numbers to 10 decimals
    for record, row in zip(records, table.to_dict(orient="records"), strict=True):
        for name, value in row.items():
            if isinstance(value, float) and not np.isnan(value):
                record[str(name)] = float(value) if np.isfinite(value) else str(float(value))
    return escape_json_controls(json.dumps(records, indent=2)) + "\n"


ROW_COLUMNS = (
    *("key", "status", "reason"),
    *(name for name in label_names() if name not in ("fingerprint", "size", "split")),
    *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc"),
    *("average_precision", "log_loss", "mcc", "kappa", "brier", "ece"),
    *("extract_s", "tune_s", "resample_s", "fit_s", "predict_s"),
)


def render_rows(rows: pd.DataFrame, form: str) -> str:
    """Render rows as text, one line per cell.

    Parameters
    ----------
    rows : DataFrame
        As returned by ``load_results``.
    form : str
        One of ``WRITERS``. 'json' holds every column, the others those of ``ROW_COLUMNS``. The
        class that an average precision is computed for is named in the header if it is the same for
        all rows; otherwise, and in CSV, it is in a column ``average_precision_class``.

    Returns
    -------
    str

    Raises
    ------
    UserError
        The format is unknown.

    See Also
    --------
    render_tables : One line per configuration.
    """
    if form not in WRITERS:
        raise unknown_name_error("format", form, WRITERS)
    tables = [("", rows if form == "json" else _add_metric_class(rows, form))]
    return WRITERS[form](Document(tables, tables, []))


def _add_metric_class(rows: pd.DataFrame, form: str) -> pd.DataFrame:
    table = rows.reindex(columns=list(ROW_COLUMNS))
    for metric in OF_SECOND:
        second_classes = pd.Series("", rows.index)
        for _, group in group_comparable_rows(rows):
            classes = find_shared_classes(group)
            if metric_label(metric, classes) != metric:
                second_classes[group.index] = classes[1]
        if form not in FOR_PROGRAMS and second_classes.nunique() == 1 and second_classes.iloc[0]:
            table = table.rename(columns={metric: f"{metric} of '{second_classes.iloc[0]}'"})
        elif second_classes.any():
            table.insert(table.columns.get_loc(metric) + 1, f"{metric}_class", second_classes)
    return table


def write_leaderboards(rows: pd.DataFrame, folder: Path, metric: str = "f1") -> None:
    """Write ``leaderboard.csv``, ``.md`` and ``.tex`` into a results folder."""
    results = ResultsFolder(folder)
    document = _make_document(rows, metric, "leaderboard", results.read_predictions)
    for form, suffix in (("csv", "csv"), ("md", "md"), ("latex", "tex")):
        write_text(results.leaderboard_path(suffix), WRITERS[form](document))
