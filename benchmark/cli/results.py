"""Commands that read a results folder, or merge several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.common_options import Aggregate, TableFormat, Unit
from benchmark.utils.console import console, print_line, print_text
from benchmark.utils.files import user_path
from benchmark.utils.text import format_count


def table_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
    metric: Annotated[
        str,
        typer.Option(
            help="Metric to rank by, or with --by the metric to show; see `list metrics`."
        ),
    ] = "f1",
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="METRICS",
            help="Metrics to show: clinical, calibration, or names separated by commas, such as "
            "'auc,sensitivity,net_benefit(0.2)'; see `list metrics`.",
        ),
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(
            help="Share of positive images for which --metrics shows ppv and npv, such as 0.05. "
            "Default: that of the test set."
        ),
    ] = None,
    unit: Unit = "image",
    aggregate: Aggregate = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="With --format md or latex: columns to show, separated by commas, such as "
            "'rank,model,f1,auc'.",
        ),
    ] = None,
    rows: Annotated[
        bool, typer.Option("--rows", help="Print one line per cell, not one per configuration.")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="VIEW",
            help="class, subgroup, site (external dataset), occlusion or dataset: show one metric, "
            "with one column for each. tuning: show tuned configurations beside untuned ones.",
        ),
    ] = None,
    attribute: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Attribute of the images, such as sex: the subgroups of --by subgroup; without "
            "it, the leaderboard shows the worst subgroup of every configuration.",
        ),
    ] = None,
    bins: Annotated[
        str | None,
        typer.Option(
            metavar="EDGES",
            help="With --by subgroup: edges between the bins of an attribute of numbers, such as "
            "40,60,80. Default: quartiles.",
        ),
    ] = None,
    common: Annotated[
        bool,
        typer.Option(
            "--common",
            help="With --by dataset: keep only the configurations that every dataset has.",
        ),
    ] = False,
    form: TableFormat = None,
) -> None:
    """Print the leaderboard of a results folder, or another table of its rows."""
    from benchmark.cli.rich_output import print_leaderboards, print_view
    from benchmark.cli.table_choice import TableOptions
    from benchmark.errors import UserError
    from benchmark.reporting.leaderboard import Leaderboard
    from benchmark.reporting.results_view import ResultsView
    from benchmark.reporting.text_tables import render_rows, render_tables
    from benchmark.scoring.metric_lookup import find_metric

    options = TableOptions(by, metrics, prevalence, attribute, bins, common, rows)
    names = [name.strip() for name in columns.split(",")] if columns else []
    if names and (form is None or rows):
        raise UserError("--columns are those of a table in md or latex: add --format latex")
    results, metric = ResultsView(folder, unit, aggregate), find_metric(metric).name
    view, read = options.make_view(results), results.read_predictions
    stored = results.load_rows(metrics=options.list_row_metrics(metric))
    if rows:
        print_text(render_rows(stored, form or "md"))
    elif form:
        print_text(render_tables(stored, form, metric, view, read, names))
    elif isinstance(view, Leaderboard):
        print_leaderboards(console, stored, metric, read, view)
    else:
        print_view(console, stored, metric, view, read)


def compare_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
    a: Annotated[
        str | None,
        typer.Argument(
            metavar="A",
            help="A configuration, such as 'hog / smote / rbf_svm', a component that no other "
            "configuration has, or a rank in the leaderboard of the metric, such as 1.",
        ),
    ] = None,
    b: Annotated[
        str | None, typer.Argument(metavar="B", help="The configuration to compare A with.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Metric to compare; see `list metrics`.")] = "f1",
    against: Annotated[
        str | None,
        typer.Option(
            help="Instead of A and B: compare every configuration with this one; or, if this is a "
            "strategy, with its own extractor and model under this strategy."
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="Test also whether A is no more than this worse than B, and whether the two are "
            "equivalent; in the units of the metric, such as 0.02."
        ),
    ] = None,
    unit: Unit = "image",
    aggregate: Aggregate = None,
    form: TableFormat = None,
) -> None:
    """Test whether two configurations differ; print the difference, its interval and a p-value."""
    from benchmark.cli.rich_output import print_comparisons
    from benchmark.errors import UserError
    from benchmark.reporting.compare import compare_all_configurations, compare_configurations
    from benchmark.reporting.comparison_table import render_comparisons
    from benchmark.reporting.results_view import ResultsView

    results = ResultsView(folder, unit, aggregate)
    if against is not None and a is None:
        comparisons = compare_all_configurations(results, against, metric, margin)
    elif against is None and a is not None and b is not None:
        comparisons = compare_configurations(results, a, b, metric, margin)
    else:
        raise UserError(
            "name two configurations, or one with --against: compare DIR A B, or compare DIR "
            "--against A"
        )
    if form:
        print_text(render_comparisons(comparisons, form))
    elif against is not None:
        print_comparisons(console, comparisons)
    else:
        for comparison in comparisons:
            print_line(comparison.summary)
    if unit_of_predictions := results.describe_unit() if form is None else "":
        print_line(f"{unit_of_predictions}.")


def plot_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
    metric: Annotated[
        str, typer.Option(help="Metric to plot and to rank by; see `list metrics`.")
    ] = "f1",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Folder to write the plots to. Default: DIR/plots.",
            parser=user_path,
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Configuration that the forest plot takes differences to. Default: the best one.",
        ),
    ] = "",
    kind: Annotated[
        list[str],
        typer.Option(
            metavar="KIND", help="Kind of plot, such as roc; repeatable. Default: every kind."
        ),
    ] = [],  # noqa: B006  # typer copies it
    form: Annotated[
        list[str],
        typer.Option("--format", metavar="FORMAT", help="png, svg or pdf; repeatable."),
    ] = ["png", "svg"],  # noqa: B006
    unit: Unit = "image",
    aggregate: Aggregate = None,
) -> None:
    """Draw every plot that the rows allow, with captions."""
    from benchmark.reporting.plots import draw_plots
    from benchmark.reporting.results_view import ResultsView

    view = ResultsView(folder, unit, aggregate)
    for outcome in draw_plots(view, metric, out, against, kind, form):
        print_line(str(outcome))


def info_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Results folder.", parser=user_path)
    ],
) -> None:
    """Show how complete a results folder is, which cells failed and why, and what they cost."""
    from benchmark.cli.rich_output import print_table
    from benchmark.reporting import info
    from benchmark.results.store import load_results

    rows = load_results(folder, info.COLUMNS)
    print_table(console, "cells", info.make_completeness_table(rows))
    cost = info.make_cost_table(rows)
    as_text = {
        "seconds": cost["seconds"].map("{:,.1f}".format),
        "share": cost["share"].map("{:.1%}".format),
    }
    print_table(console, "cost", cost.assign(**as_text))
    for line in info.describe_results(rows):
        print_line(line)


def merge_command(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Results folders to merge.", parser=user_path),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Results folder to write; rows that it already holds are kept.",
            parser=user_path,
        ),
    ],
) -> None:
    """Merge results folders into one; two different outcomes of one cell are an error."""
    from benchmark.engine.merge import merge_results

    for source, n in merge_results(folders, out).items():
        print_line(f"{format_count(n, 'row')} from {source}")
    print_line(f"python -m benchmark table {out}")
