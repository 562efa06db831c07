"""Plots of a metric against the time to train and predict, with the Pareto front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from benchmark.reporting.comparable_rows import CONFIGURATION_AXES
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
)
from benchmark.reporting.plots.recalls import shorten_middle
from benchmark.reporting.plots.rows import (
    Results,
    add_configuration_names,
    describe_replicates,
    drop_baseline,
    needs_log_scale,
)
from benchmark.reporting.table_intervals import estimate_interval, read_each_once
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import PredictionReader

FRONT, OTHER, PALE = "#1f4e9c", "0.45", "0.8"  # colours
MOST_NUMBERED = 12  # configurations that are all numbered; of more, those of the front are


def draw_cost_plots(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset."""
    for title, rows in results.most_imbalanced_groups():
        group = drop_baseline(rows)
        read = results.view.read_predictions
        means = summarize_costs(group, metric, read) if len(group) else pd.DataFrame()
        if len(means) < 2:
            reason = f"fewer than 2 configurations besides the baseline have a value of {metric}"
            yield Missing("cost", f"{title}: {reason}")
            continue
        yield _draw_cost_plot(results, title, group, means, metric)


def summarize_costs(
    rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
) -> pd.DataFrame:
    """Mean metric and seconds of each configuration, sorted by seconds.

    Parameters
    ----------
    rows : DataFrame
    metric : str
    read_predictions : callable (key, digest) -> Predictions, or None
        ``ResultsFolder.read_predictions``. The intervals of a single test set need it.

    Returns
    -------
    DataFrame
        By name of the configuration: the metric, its 95% confidence interval (lower, upper; NaN if
        there is none), seconds, extractor, strategy, model, and front,
        whether it is on the Pareto front: no faster configuration is at least as good.
    """
    seconds = rows["resample_s"] + rows["fit_s"] + rows["predict_s"]
    if "tune_s" in rows:
        seconds += rows["tune_s"].fillna(0)
    configurations = (
        add_configuration_names(rows).assign(seconds=seconds).groupby("name", sort=False)
    )
    means = (
        configurations[[metric, "seconds"]]
        .mean()
        .dropna()
        .join(configurations[CONFIGURATION_AXES].first())
        .sort_values("seconds", kind="stable")
    )
    read = read_each_once(read_predictions)
    intervals = [
        estimate_interval(read, configurations.get_group(name), metric) for name in means.index
    ]
    means = means.assign(
        lower=[interval.lower for interval in intervals],
        upper=[interval.upper for interval in intervals],
    )
    gain = means[metric] if find_metric(metric).greater_is_better else -means[metric]
    return means.assign(front=gain > gain.cummax().shift(fill_value=-np.inf))


def _draw_cost_plot(
    results: Results, title: str, rows: pd.DataFrame, means: pd.DataFrame, metric: str
) -> Plot:
    front, label = means[means["front"]], metric_label_for_rows(metric, rows)
    numbered = means if len(means) <= MOST_NUMBERED else front
    with create_panels(1, 9.5, max(4.0, 0.21 * len(numbered))) as (figure, (ax,)):
        ax.step(front["seconds"], front[metric], where="post", color="0.5", linewidth=1, zorder=1)
        _draw_configurations(ax, means, list(numbered.index), metric)
        if needs_log_scale(means["seconds"]):
            _set_log_scale(ax, means["seconds"])
        ax.margins(0.08)
        ax.set(xlabel="seconds per cell: tune, resample, fit and predict", ylabel=label)
        title = f"{title}: cost and {label}"
        add_title(figure, title)
    places = {name: k for k, name in enumerate(numbered.index, start=1)}
    listed = "; ".join(
        f"({places[name]}) {row[metric]:.3f} in {row['seconds']:.3g} s"
        for name, row in front.iterrows()
    )
    others = len(means) - len(numbered)
    pale = f" The {others} pale points are the other configurations." if others else ""
    caption = (
        f"Means over {describe_replicates(rows)}; times are for one thread, without the extraction "
        f"of features. {_describe_bars(means)}Blue points and the gray line are the Pareto front: "
        f"the {len(front)} of {len(means)} configurations for which no faster one is at least as "
        f"good: {listed}.{pale}"
    )
    name = make_file_stem("cost", results.file_label(str(rows["dataset"].iloc[0])), metric)
    return Plot(name, title, figure, caption)


def _describe_bars(means: pd.DataFrame) -> str:
    n = int(means["lower"].notna().sum())
    if n == 0:
        return ""
    which = "" if n == len(means) else f", which {n} of {len(means)} configurations have"
    return f"Vertical lines are 95% confidence intervals{which}. "


def _draw_configurations(
    ax: Axes, means: pd.DataFrame, numbered: Sequence[str], metric: str
) -> None:
    """Draw one point per configuration, with a number and its name beside the panel or pale."""
    places = {name: k for k, name in enumerate(numbered, start=1)}
    for name, row in means.iterrows():
        place = places.get(str(name))
        colour = PALE if place is None else FRONT if row["front"] else OTHER
        order = 3 + (place is not None) + bool(row["front"])
        label = f"{place}  {shorten_middle(str(name))}" if place else None
        size = 22 if place is None else 130
        point = (row["seconds"], row[metric])
        ax.scatter(*point, color=colour, s=size, zorder=order, label=label, linewidths=0)
        bounds = row["lower"], row["upper"]
        ax.vlines(row["seconds"], *bounds, color=colour, linewidth=0.8, alpha=0.5, zorder=2)
        if place:
            style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": 7}
            ax.text(*point, str(place), color="white", weight="bold", zorder=order, **style)
    legend: dict[str, Any] = {
        "loc": "upper left",
        "bbox_to_anchor": (1.01, 1),
        "fontsize": 8,
        "markerscale": 0.6,
    }
    ax.legend(**legend, handletextpad=0.2, borderaxespad=0)


def _set_log_scale(ax: Axes, seconds: pd.Series) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if seconds.max() / seconds.min() < 1000 else (1,))
    )
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
