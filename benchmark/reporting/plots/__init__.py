"""Plots of a results folder: functions of its rows and stored predictions, each with a caption computed from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.reporting.leaderboard import COMPARABLE, CONFIGURATION_AXES, group_comparable_rows
from benchmark.reporting.plots import (
    confusion,
    cost,
    critical_difference,
    curves,
    recalls,
    reliability,
)
from benchmark.reporting.plots.plot import Missing, Plot
from benchmark.reporting.plots.rows import Results, add_configuration_names, escape_row_labels
from benchmark.results.folder import ResultsFolder
from benchmark.results.store import load_results
from benchmark.scoring.averages import describe_incomplete_folds, rows_for_group_means
from benchmark.scoring.metrics import METRICS
from benchmark.utils.files import write_text
from benchmark.utils.status import Status

REGISTRY: MappingProxyType[str, Callable[[Results, str], Iterator[Plot | Missing]]] = (
    MappingProxyType(
        {
            "imbalance": curves.draw_imbalance_curves,
            "train_size": curves.draw_train_size_curves,
            "occlusion": curves.draw_occlusion_curves,
            "cost": cost.draw_cost_plots,
            "confusion": confusion.draw_confusion_plots,
            "reliability": reliability.draw_reliability_plots,
            "recall": recalls.draw_recall_heat_maps,
            "critical_difference": critical_difference.draw_critical_difference,
        }
    )
)


def draw_plots(
    folder: str | Path, metric: str = "f1", out: Path | None = None
) -> Iterator[Path | str]:
    """Draw everything that the rows of a results folder allow, as PNG and SVG, and write ``captions.md`` beside them.

    Parameters
    ----------
    folder : str or Path
        What ``run`` wrote to.
    metric : str
        On the vertical axis, and what configurations are ranked by.
    out : Path, optional
        Default: ``plots`` in the results folder.

    Yields
    ------
    Path or str
        The PNG of each plot once it is written; for what cannot be drawn, the reason.

    Raises
    ------
    UserError
        No such metric, no results, no cell that is done, or predictions that are missing.
    """
    if metric not in METRICS:
        raise unknown_name_error("metric", metric, METRICS)
    planned = escape_row_labels(load_results(folder))
    done = (
        planned["status"]
        .eq(Status.OK)
        .groupby([planned[name] for name in (*COMPARABLE, *CONFIGURATION_AXES)], dropna=False)
        .transform("all")
    )
    if not done.any():
        raise UserError(
            f"no configuration in {folder} has all its cells done; go on with its study first"
        )
    rows = planned[done].copy()
    if metric in rows:
        rows.loc[~rows.index.isin(rows_for_group_means(rows, metric, COMPARABLE).index), metric] = (
            np.nan
        )
    if metric not in rows or rows[metric].isna().all():
        raise UserError(f"no row in {folder} has a value of {metric}; another: --metric accuracy")
    return _write_plots(
        Results(rows, Path(folder)),
        add_configuration_names(planned)[~done],
        metric,
        out or ResultsFolder(folder).plots,
    )


def _write_plots(
    results: Results, left_out: pd.DataFrame, metric: str, out: Path
) -> Iterator[Path | str]:
    captions = []
    for draw in REGISTRY.values():
        for found in draw(results, metric):
            if isinstance(found, Missing):
                yield f"no {found.name}: {found.reason}"
                continue
            yield found.save(out)
            captions += [
                f"## {found.name}",
                f"![{found.name}]({found.name}.png)",
                f"{found.title}.",
                found.caption,
            ]
    said = [_describe_incomplete_configurations(left_out)] if len(left_out) else []
    if METRICS[metric].macro:
        said += [
            f"{title}: {remark}."
            for title, group in group_comparable_rows(results.rows)
            for remark in describe_incomplete_folds(group)
        ]
    captions += ["## Left out", *said] if said else []
    yield from said
    write_text(out / "captions.md", "\n\n".join(captions) + "\n")


def _describe_incomplete_configurations(left_out: pd.DataFrame) -> str:
    """Say which configurations lack cells: means over those that worked would flatter them."""
    n = left_out.groupby([*COMPARABLE, *CONFIGURATION_AXES], dropna=False, sort=False).ngroups
    names = ", ".join(dict.fromkeys(left_out["name"]))
    left_out = "is 1 configuration" if n == 1 else f"are {n} configurations"
    return f"Left out {left_out} of a data set or ratio, since not all of their cells are done: of {names}."
