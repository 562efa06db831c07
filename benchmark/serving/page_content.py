"""Content of the page: pipelines and a report, loaded from the paths that a user named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import UserError
from benchmark.pipelines.file import SUFFIX, load_pipeline
from benchmark.pipelines.pipeline import Pipeline
from benchmark.reporting.report import build_report
from benchmark.results.folder import ResultsFolder


@dataclass(frozen=True)
class PageContent:
    """Content of the page.

    Parameters
    ----------
    pipelines : dict of str to Pipeline
        Pipelines by the name of their file.
    report : str
        HTML of the report of a results folder; empty if there is none.
    problem : str
        Why the report could not be built; empty if it was, or if there are no results.
    """

    pipelines: dict[str, Pipeline]
    report: str = ""
    problem: str = ""


def load_page_content(paths: Iterable[Path], plugins: Iterable[str] = ()) -> PageContent:
    """Load pipelines, and build the report of a results folder.

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
        return PageContent(pipelines)
    try:
        return PageContent(pipelines, build_report(results_folders[0]))
    except UserError as error:
        if not pipelines:
            raise
        return PageContent(pipelines, problem=str(error))


def _list_pipeline_files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(path.glob(f"*{SUFFIX}"))
    else:
        yield path
