"""What there is to serve: the pipelines and the results folder that a person named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.errors import UserError
from benchmark.pipelines.file import SUFFIX, load_pipeline
from benchmark.pipelines.pipeline import Pipeline
from benchmark.reporting import leaderboard
from benchmark.results.folder import ResultsFolder
from benchmark.results.store import load_results
from benchmark.scoring.metrics import METRICS


@dataclass(frozen=True)
class PageContent:
    """What is served.

    Parameters
    ----------
    pipelines : name of a file to Pipeline
    entries : DataFrame or None
        Of the leaderboard.
    """

    pipelines: dict[str, Pipeline]
    entries: pd.DataFrame | None


def load_page_content(places: Iterable[Path], plugins: Iterable[str] = ()) -> PageContent:
    """Load every pipeline named, or in a folder named, and the leaderboard of that folder.

    Raises
    ------
    UserError
        A file is refused, two have one name, there are several leaderboards, or nothing is found.
    """
    pipelines: dict[str, Pipeline] = {}
    boards: list[Path] = []
    for place in places:
        if not place.exists():
            raise UserError(f"no file or folder {place}")
        if ResultsFolder(place).database.is_file():
            boards.append(place)
        for path in _list_pipeline_files(place):
            if path.name in pipelines:
                raise UserError(f"two pipelines are named {path.name}: rename one")
            pipelines[path.name] = load_pipeline(path, plugins)
    if len(boards) > 1:
        raise UserError(
            f"{boards[0]} and {boards[1]} both hold results; name one of them (python -m benchmark "
            "merge brings them together)"
        )
    if not pipelines and not boards:
        raise UserError(
            f"nothing to serve: name pipelines (FILE{SUFFIX}, written by fit --save) or a folder "
            "with pipelines or results"
        )
    return PageContent(
        pipelines,
        combine_leaderboards(load_results(boards[0], leaderboard.COLUMNS)) if boards else None,
    )


def _list_pipeline_files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(place.glob(f"*{SUFFIX}"))
    else:
        yield place


def combine_leaderboards(rows: pd.DataFrame) -> pd.DataFrame:
    """One table of all leaderboards of a results folder, with numbers that can be sorted."""
    if rows.empty:
        raise UserError(
            "there is no cell in the results folder: run a study with it as --out first"
        )
    parts = []
    for title, table in leaderboard.make_leaderboards(rows, "f1"):
        metrics = [name for name in table if name in METRICS]
        done = [f"{n}/{of}" for n, of in zip(table["n_done"], table["n_planned"], strict=True)]
        parts.append(
            table[["rank", *leaderboard.CONFIGURATION_AXES, *metrics, *leaderboard.TIMES]].assign(
                done=done, table=title
            )
        )
    whole = pd.concat(parts, ignore_index=True)
    shown = [*(["table"] if len(parts) > 1 else []), *whole.columns.drop("table")]
    numbers = whole.select_dtypes("number").columns.drop("rank", errors="ignore")
    return whole[shown].assign(**{name: whole[name].round(4) for name in numbers})
