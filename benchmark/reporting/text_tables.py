"""Tables as text: Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.errors import UserError
from benchmark.reporting import class_table, occlusion_table
from benchmark.reporting.leaderboard import caption, comparable, leaderboards, problems, shown
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.averages import classes_of
from benchmark.scoring.metrics import OF_SECOND, label_of
from benchmark.study.axes import label_names
from benchmark.utils.files import write_text
from benchmark.utils.text import one_line, visible, visible_json

Table = tuple[str, pd.DataFrame]
BY: dict[str, Any] = {"class": class_table, "occlusion": occlusion_table}


def render(rows: pd.DataFrame, form: str, metric: str) -> str:
    """Leaderboards as text.

    Parameters
    ----------
    rows : DataFrame
    form : 'md', 'latex', 'csv' or 'json'
        The first two are for people, the last two hold every digit.
    metric : str
    """
    tables = list(leaderboards(rows, metric))
    marked = any(table["no_better"].any() for _, table in tables)
    return _text(tables, form, shown, [caption(metric, marked), *problems(rows)])


def render_by(rows: pd.DataFrame, form: str, metric: str, by: str) -> str:
    """Tables by 'class' or by 'occlusion' as text; see ``render``."""
    kind = BY[by]
    return _text(kind.made(rows, metric), form, kind.shown, [kind.caption(metric)])


def _text(
    tables: Iterable[Table],
    form: str,
    shown: Callable[[pd.DataFrame], pd.DataFrame],
    below: list[str],
) -> str:
    tables = list(tables)
    if not tables:
        raise UserError(
            "no cell has ended 'ok', so that there is nothing to tabulate; run the study"
        )
    if form in ("csv", "json"):
        whole = pd.concat([table.assign(table=title) for title, table in tables], ignore_index=True)
        whole = whole[["table", *whole.columns.drop("table")]]
        return _csv(whole) if form == "csv" else _json(whole)
    render_one, mark = (_markdown, "") if form == "md" else (_latex, "% ")
    parts = [render_one(title, shown(table)) for title, table in tables]
    rest = [mark + "- " * (form == "md") + one_line(line) for line in below[1:]]
    return "\n\n".join([*parts, mark + below[0], "\n".join(rest)]).rstrip() + "\n"


def _markdown(title: str, text: pd.DataFrame) -> str:
    from tabulate import tabulate

    return f"### {one_line(title)}\n\n" + tabulate(
        _cells(text, _piped),
        headers=_header(text, _piped),
        tablefmt="github",
        disable_numparse=True,
    )


def _cells(table: pd.DataFrame, escape: Callable[[str], str]) -> list[list[object]]:
    return [
        [escape(cell) if isinstance(cell, str) else cell for cell in row]
        for row in table.to_numpy()
    ]


def _header(table: pd.DataFrame, escape: Callable[[str], str]) -> list[str]:
    return [escape(str(name)) for name in table.columns]


def _piped(text: str) -> str:
    """Text of a cell in a Markdown table, in which a pipe is escaped."""
    return one_line(text).replace("|", r"\|")


def _csv(table: pd.DataFrame) -> str:
    """Table as CSV: every digit and line feed, no control characters."""
    return (
        table.map(lambda cell: visible(cell) if isinstance(cell, str) else cell)
        .rename(columns=visible)
        .to_csv(index=False)
    )


def _json(table: pd.DataFrame) -> str:
    return visible_json(table.to_json(orient="records", indent=2)) + "\n"


def _latex(title: str, text: pd.DataFrame) -> str:
    from tabulate import tabulate

    rows = tabulate(
        _cells(text, one_line),
        headers=_header(text, one_line),
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
        return _json(rows)
    table = _with_class(rows, form)
    if form == "csv":
        return _csv(table)
    style, escape = {"md": ("github", _piped), "latex": ("latex_booktabs", one_line)}[form]
    return (
        tabulate(
            _cells(table, escape), headers=_header(table, escape), tablefmt=style, floatfmt=".4g"
        )
        + "\n"
    )


def _with_class(rows: pd.DataFrame, form: str) -> pd.DataFrame:
    table = rows.reindex(columns=list(ROW_COLUMNS))
    for metric in OF_SECOND:
        seconds = pd.Series("", rows.index)
        for _, group in comparable(rows):
            classes = classes_of(group)
            if label_of(metric, classes) != metric:
                seconds[group.index] = classes[1]
        if form != "csv" and seconds.nunique() == 1 and seconds.iloc[0]:
            table = table.rename(columns={metric: f"{metric} of '{seconds.iloc[0]}'"})
        elif seconds.any():
            table.insert(table.columns.get_loc(metric) + 1, f"{metric}_class", seconds)
    return table


def write_leaderboards(rows: pd.DataFrame, folder: Path, metric: str = "f1") -> None:
    """Write ``leaderboard.csv``, ``.md`` and ``.tex`` into a results folder."""
    for form, suffix in (("csv", "csv"), ("md", "md"), ("latex", "tex")):
        write_text(ResultsFolder(folder).leaderboard(suffix), render(rows, form, metric))
