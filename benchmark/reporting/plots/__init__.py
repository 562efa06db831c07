"""Plots of a results folder, each with a caption, computed from its rows and predictions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.reporting.comparable_rows import (
    COMPARABLE,
    CONFIGURATION_AXES,
    group_comparable_rows,
)
from benchmark.reporting.configuration_lookup import find_configuration
from benchmark.reporting.plots import (
    binary_curves,
    calibration,
    confusion,
    cost,
    critical_difference,
    curves,
    forest,
    leaderboard,
    recalls,
    reliability,
    win_matrix,
)
from benchmark.reporting.plots.captions import Captions
from benchmark.reporting.plots.plot import FORMS, SAVED, Missing, Plot
from benchmark.reporting.plots.rows import Results, add_configuration_names, escape_row_labels
from benchmark.reporting.results_view import ResultsView, as_view
from benchmark.scoring.averages import describe_incomplete_folds, rows_for_group_means
from benchmark.scoring.metric_lookup import check_ranking_metric, find_metric
from benchmark.utils.status import Status
from benchmark.utils.text import format_count

REGISTRY: MappingProxyType[str, Callable[[Results, str], Iterator[Plot | Missing]]] = (
    MappingProxyType(
        {
            "imbalance": curves.draw_imbalance_curves,
            "train_size": curves.draw_train_size_curves,
            "occlusion": curves.draw_occlusion_curves,
            "leaderboard": leaderboard.draw_leaderboards,
            "cost": cost.draw_cost_plots,
            "confusion": confusion.draw_confusion_plots,
            "reliability": reliability.draw_reliability_plots,
            "roc": binary_curves.draw_roc_curves,
            "precision_recall": binary_curves.draw_precision_recall_curves,
            "decision": binary_curves.draw_decision_curves,
            "calibration": calibration.draw_calibration_plots,
            "scores": calibration.draw_score_distributions,
            "recall": recalls.draw_recall_heat_maps,
            "critical_difference": critical_difference.draw_critical_difference,
            "win_matrix": win_matrix.draw_win_matrix,
            "forest": forest.draw_forest_plot,
        }
    )
)


def draw_plots(
    folder: str | Path | ResultsView,
    metric: str = "f1",
    out: Path | None = None,
    against: str = "",
    kinds: Collection[str] = (),
    forms: Sequence[str] = FORMS,
) -> Iterator[Path | str]:
    """Draw the plots that the rows of a results folder allow.

    The captions are written to ``captions.md`` in the same folder.

    Parameters
    ----------
    folder : str, Path or ResultsView
        Results folder, as written by ``run``; or a view of it, for predictions per group.
    metric : str
        Metric on the vertical axis, by which configurations are also ranked.
    out : Path, optional
        Folder for the files; ``plots`` in the results folder by default.
    against : str
        Name of the configuration that the forest plot takes differences to, as for
        ``compare_configurations``; the best one if it is empty.
    kinds : collection of str
        Names of ``REGISTRY``; empty for all.
    forms : sequence of {'png', 'svg', 'pdf'}

    Yields
    ------
    Path or str
        The first file of each plot after it is written; for a plot that cannot be drawn, the
        reason.

    Raises
    ------
    UserError
        The metric, the configuration, a kind or a format is unknown, there are no results, no
        configuration is complete, or predictions are missing.
    """
    for kind in kinds:
        if kind not in REGISTRY:
            raise unknown_name_error("kind of plot", kind, REGISTRY)
    for form in forms:
        if form not in SAVED:
            raise unknown_name_error("format", form, SAVED)
    results, left_out = select_complete_results(as_view(folder), metric, against)
    drawn = [draw for kind, draw in REGISTRY.items() if not kinds or kind in kinds]
    out = out or results.view.folder.plots
    captions = Captions(out / "captions.md", keep=bool(kinds))
    return _write_plots(results, left_out, metric, out, drawn, forms, captions)


def select_complete_results(
    view: ResultsView, metric: str, against: str = ""
) -> tuple[Results, pd.DataFrame]:
    """Select the rows of the configurations that have all their cells completed.

    Returns
    -------
    results : Results
    left_out : DataFrame
        The rows of the other configurations, with their names.

    Raises
    ------
    UserError
        See ``draw_plots``.
    """
    check_ranking_metric(metric)
    planned = escape_row_labels(view.load_rows(metrics=[metric]))
    complete = (
        planned["status"]
        .eq(Status.OK)
        .groupby([planned[name] for name in (*COMPARABLE, *CONFIGURATION_AXES)], dropna=False)
        .transform("all")
    )
    if not complete.any():
        raise UserError(
            f"no configuration in {view} has all its cells completed; complete its study first"
        )
    rows = planned[complete].copy()
    if against:
        find_configuration(against, rows, view.folder.path)
    if metric in rows:
        counted = rows.index.isin(rows_for_group_means(rows, metric, COMPARABLE).index)
        rows.loc[~counted, metric] = np.nan
    if metric not in rows or rows[metric].isna().all():
        raise UserError(
            f"no row in {view} has a value of {metric}; choose another metric, such as --metric "
            "accuracy"
        )
    return Results(rows, view, against), add_configuration_names(planned)[~complete]


def _write_plots(
    results: Results,
    left_out: pd.DataFrame,
    metric: str,
    out: Path,
    drawn: Sequence[Callable[[Results, str], Iterator[Plot | Missing]]],
    forms: Sequence[str],
    captions: Captions,
) -> Iterator[Path | str]:
    unit = results.view.describe_unit()
    about_unit = f" Images are groups here, {unit}." if unit else ""
    for draw in drawn:
        for plot in draw(results, metric):
            if isinstance(plot, Missing):
                yield f"no {plot.name}: {plot.reason}"
                continue
            path = plot.save(out, forms)
            captions.write(
                plot.name,
                [f"![{plot.name}]({path.name})", f"{plot.title}.", plot.caption + about_unit],
            )
            yield path
    remarks = [_describe_incomplete_configurations(left_out)] if len(left_out) else []
    if find_metric(metric).macro:
        remarks += [
            f"{title}: {remark}."
            for title, group in group_comparable_rows(results.rows)
            for remark in describe_incomplete_folds(group)
        ]
    if remarks:
        captions.write("Left out", remarks)
    yield from remarks


def _describe_incomplete_configurations(left_out: pd.DataFrame) -> str:
    """Describe which configurations lack cells.

    They are left out since means over the cells that succeeded would be too optimistic.
    """
    n = left_out.groupby([*COMPARABLE, *CONFIGURATION_AXES], dropna=False, sort=False).ngroups
    names = ", ".join(dict.fromkeys(left_out["name"]))
    return (
        f"{format_count(n, 'combination')} of configuration and condition left out, since not all "
        f"of their cells are completed: {names}."
    )
