"""Content of the page: pipelines and a leaderboard, loaded from the paths that a user named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.errors import UserError
from benchmark.pipelines.file import SUFFIX, load_pipeline
from benchmark.pipelines.pipeline import Pipeline
from benchmark.reporting import leaderboard
from benchmark.reporting.comparable_rows import CONFIGURATION_AXES, name_columns
from benchmark.reporting.mean_table import TIMES
from benchmark.reporting.row_problems import list_group_notes
from benchmark.reporting.table_intervals import format_bounds, format_done
from benchmark.reporting.table_view import Table
from benchmark.results.folder import ResultsFolder
from benchmark.results.store import load_results
from benchmark.scoring.metric_lookup import is_metric

RANKED_BY = "f1"
INTERVAL = " interval"  # suffix of a metric


@dataclass(frozen=True)
class PageContent:
    """Content of the page.

    Parameters
    ----------
    pipelines : dict of str to Pipeline
        Pipelines by the name of their file.
    leaderboard : DataFrame or None
        One row per configuration.
    lines : sequence of str
        Caption and footnotes of the leaderboard.
    """

    pipelines: dict[str, Pipeline]
    leaderboard: pd.DataFrame | None
    lines: Sequence[str] = ()


def load_page_content(paths: Iterable[Path], plugins: Iterable[str] = ()) -> PageContent:
    """Load pipelines and a leaderboard.

    Parameters
    ----------
    paths : iterable of Path
        Files of pipelines, and folders of pipelines or results.
    plugins : iterable of str
        Plug-in files that the pipelines need.

    Raises
    ------
    UserError
        A file is refused, two files have the same name, several folders contain results, or there
        is nothing to serve.
    """
    pipelines: dict[str, Pipeline] = {}
    results_folders: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"no file or folder {path}")
        if ResultsFolder(path).database.is_file():
            results_folders.append(path)
        for file in _list_pipeline_files(path):
            if file.name in pipelines:
                raise UserError(f"two pipelines are named {file.name}: rename one")
            pipelines[file.name] = load_pipeline(file, plugins)
    if len(results_folders) > 1:
        raise UserError(
            f"{results_folders[0]} and {results_folders[1]} both contain results: name only one, "
            "or merge them with python -m benchmark merge"
        )
    if not pipelines and not results_folders:
        raise UserError(
            f"nothing to serve: name pipelines (FILE{SUFFIX}, written by fit --save) or a folder "
            "with pipelines or results"
        )
    if not results_folders:
        return PageContent(pipelines, None)
    results = ResultsFolder(results_folders[0])
    rows = load_results(results.path, leaderboard.COLUMNS)
    if rows.empty:
        raise UserError("the results folder has no rows: run a study with it as --out first")
    tables = list(leaderboard.make_leaderboards(rows, RANKED_BY, results.read_predictions))
    lines = leaderboard.Leaderboard().describe_tables(rows, tables, RANKED_BY)
    lines += list_group_notes(rows)
    return PageContent(pipelines, combine_leaderboards(tables), lines)


def _list_pipeline_files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(path.glob(f"*{SUFFIX}"))
    else:
        yield path


def combine_leaderboards(tables: Sequence[Table]) -> pd.DataFrame:
    """Combine leaderboards in one table with numeric columns.

    Parameters
    ----------
    tables : sequence of (str, DataFrame)
        As yielded by ``make_leaderboards``.

    Returns
    -------
    DataFrame
        One row per configuration; numbers are rounded to 4 digits. The metric that configurations
        are ranked by is the first one. Intervals are texts, such as '0.81 to 0.93'; ``mark`` has
        the signs that the caption explains.
    """
    combined = pd.concat([_select_columns(*table) for table in tables], ignore_index=True)
    columns = [*(["table"] if len(tables) > 1 else []), *combined.columns.drop("table")]
    numbers = combined.select_dtypes("number").columns.drop("rank", errors="ignore")
    return combined[columns].assign(**{name: combined[name].round(4) for name in numbers})


def _select_columns(title: str, table: pd.DataFrame) -> pd.DataFrame:
    metrics = sorted(
        (name for name in table if is_metric(name)), key=lambda name: name != RANKED_BY
    )
    intervals = {name + INTERVAL: format_bounds(table, name) for name in metrics}
    whole = table.assign(mark=leaderboard.mark_ranks(table), **intervals)
    with_intervals = [column for name in metrics for column in (name, name + INTERVAL)]
    columns = ["rank", "mark", *CONFIGURATION_AXES, *with_intervals, *TIMES]
    return name_columns(whole[columns]).assign(done=format_done(table), table=title)
