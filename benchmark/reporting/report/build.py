"""Build the report of a results folder as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from benchmark.audit import Audit
from benchmark.errors import UserError
from benchmark.reporting.report.audit_section import make_audit_sections
from benchmark.reporting.report.blocks import Section
from benchmark.reporting.report.sections import list_sections
from benchmark.reporting.report.source import ReportSource
from benchmark.reporting.results_view import ResultsView, as_view
from benchmark.scoring.metric_lookup import check_ranking_metric
from benchmark.utils.files import check_output_path, write_text
from benchmark.utils.text import escape_controls

FILE_NAME = "report.html"
PAGE_START = "<!DOCTYPE html>"


def write_report(
    folder: str | Path | ResultsView,
    metric: str = "f1",
    out: Path | None = None,
    audit: bool = False,
) -> Path:
    """Write the report of a results folder, and return its path.

    Parameters
    ----------
    folder : str, Path or ResultsView
    metric : str
        Metric that configurations are ranked by.
    out : Path or None
        File to write; ``report.html`` in the results folder by default.
    audit : bool
        Whether to audit the datasets, too, which takes seconds to a minute.

    Raises
    ------
    UserError
        The metric is unknown, there are no results, no cell is completed, or there is another file
        at the path.
    """
    view = as_view(folder)
    path = out or view.folder.path / FILE_NAME
    check_page_path(path)
    write_text(path, build_report(view, metric, audit))
    return path


def check_page_path(path: Path) -> None:
    """Refuse a path that a page must not be written to; see ``check_output_path``."""
    check_output_path(path, ".html", PAGE_START)


def build_report(folder: str | Path | ResultsView, metric: str = "f1", audit: bool = False) -> str:
    """Build the report: HTML without references to any other file; see ``write_report``."""
    check_ranking_metric(metric)
    source = ReportSource(as_view(folder), metric)
    if source.rows.empty:
        raise UserError("the results folder has no rows: run a study with it as --out first")
    name = str(source.study.get("name", "")) or source.view.folder.path.resolve().name
    return render_page(
        name, f"Configurations are ranked by {metric}.", list_sections(source, audit)
    )


def build_audit_page(audit: Audit) -> str:
    """Build the page of an audit: HTML without references to any other file."""
    subtitle = "Audit of a dataset, before anything is trained."
    return render_page(audit.dataset.name, subtitle, make_audit_sections(audit))


def render_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Render sections as one HTML page, with its style and script inside."""
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_read_part),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["controls"] = escape_controls
    return environment.get_template("report.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        style=Markup(_read_part("report.css")),  # noqa: S704  # our own files
        script=Markup(_read_part("report.js")),  # noqa: S704
        svg=Markup,
    )


def _read_part(name: str) -> str:
    return (resources.files("benchmark.reporting.report") / name).read_text(encoding="utf-8")
