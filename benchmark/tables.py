"""Tables as text: Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark import class_table, occlusion_table
from benchmark.files import write_text
from benchmark.leaderboard import caption, leaderboards, problems, shown

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


def _text(tables: Iterable[Table], form: str, shown: Callable[[pd.DataFrame], pd.DataFrame], below: list[str]) -> str:
    if form in ("csv", "json"):
        whole = pd.concat([table.assign(table=title) for title, table in tables], ignore_index=True)
        whole = whole[["table", *whole.columns.drop("table")]]
        return whole.to_csv(index=False) if form == "csv" else whole.to_json(orient="records", indent=2) + "\n"
    render_one, mark = (_markdown, "") if form == "md" else (_latex, "% ")
    parts = [render_one(title, shown(table)) for title, table in tables]
    rest = [mark + "- " * (form == "md") + line for line in below[1:]]
    return "\n\n".join([*parts, mark + below[0], "\n".join(rest)]).rstrip() + "\n"


def _markdown(title: str, text: pd.DataFrame) -> str:
    from tabulate import tabulate

    return f"### {title}\n\n" + tabulate(_piped(text), headers=list(text.columns), tablefmt="github", disable_numparse=True)


def _piped(table: pd.DataFrame) -> list[list[object]]:
    """Cells of a Markdown table, in which a pipe is escaped."""
    return [[cell.replace("|", r"\|") if isinstance(cell, str) else cell for cell in row] for row in table.to_numpy()]


def _latex(title: str, text: pd.DataFrame) -> str:
    from tabulate import tabulate

    rows = tabulate(text.to_numpy().tolist(), headers=list(text.columns), tablefmt="latex_booktabs", disable_numparse=True)
    return f"% {title}\n" + rows.replace("±", r"$\pm$").replace("†", r"$\dagger$")


ROW_COLUMNS = (
    *("key", "status", "reason", "dataset", "imbalance", "train_size", "occlusion", "extractor", "strategy", "model", "seed", "fold"),
    *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "average_precision", "log_loss", "mcc", "kappa", "brier", "ece"),
    *("extract_s", "resample_s", "fit_s", "predict_s"),
)


def render_rows(rows: pd.DataFrame, form: str) -> str:
    """One line a cell; 'json' holds every column, the others those of ``ROW_COLUMNS``."""
    from tabulate import tabulate

    if form == "json":
        return rows.to_json(orient="records", indent=2) + "\n"
    table = rows.reindex(columns=list(ROW_COLUMNS))
    if form == "csv":
        return table.to_csv(index=False)
    style = {"md": "github", "latex": "latex_booktabs"}[form]
    cells = _piped(table) if form == "md" else table.to_numpy().tolist()
    return tabulate(cells, headers=list(table.columns), tablefmt=style, floatfmt=".4g") + "\n"


def write_leaderboards(rows: pd.DataFrame, folder: Path, metric: str = "f1") -> None:
    """Write ``leaderboard.csv``, ``.md`` and ``.tex`` into a results folder."""
    for form, suffix in (("csv", "csv"), ("md", "md"), ("latex", "tex")):
        write_text(folder / f"leaderboard.{suffix}", render(rows, form, metric))
