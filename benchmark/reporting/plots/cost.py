"""Plots of a metric against the time to train and predict, with the Pareto front."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from benchmark.reporting.comparable_rows import CONFIGURATION_AXES
from benchmark.reporting.plots.plot import Missing, Plot, create_panels, draw_key
from benchmark.reporting.plots.rows import (
    Results,
    add_configuration_names,
    describe_replicates,
    drop_baseline,
    explain_metric,
    needs_log_scale,
)
from benchmark.reporting.plots.style import GRAY, INK, LEADER, Style, spread_positions
from benchmark.reporting.plots.texts import measure_text
from benchmark.reporting.table_intervals import estimate_interval, read_each_once
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import PredictionReader

PANEL_WIDTH = 2.8  # inches
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
    numbered = means if len(means) <= MOST_NUMBERED else front.tail(MOST_NUMBERED)
    with create_panels(1, 2.6) as (figure, (ax,)):
        ax.step(front["seconds"], front[metric], where="post", color=INK, linewidth=0.6, zorder=1)
        _draw_configurations(ax, means, metric)
        if needs_log_scale(means["seconds"]):
            _set_log_scale(ax, means["seconds"])
        ax.margins(0.08)
        ax.set(xlabel="seconds per cell: tune, resample, fit and predict", ylabel=label)
        _number_points(ax, numbered[["seconds", metric]].to_numpy())
        draw_key(
            ax,
            [
                (f"{k}  {name}", _style_point(on_front))
                for k, (name, on_front) in enumerate(numbered["front"].items(), start=1)
            ],
        )
    listed = "; ".join(
        f"({k}) {row[metric]:.3f} in {row['seconds']:.3g} s"
        for k, (_, row) in enumerate(numbered.iterrows(), start=1)
        if row["front"]
    )
    others = len(means) - len(numbered)
    rest = f" The {others} points without a number are the other configurations." if others else ""
    caption = (
        f"Means over {describe_replicates(rows)}; times are for one thread, without the extraction "
        f"of features. {_describe_bars(means)}Numbers are in order of time. Black discs and the "
        f"black line are the Pareto front: the {len(front)} of {len(means)} configurations for "
        f"which no faster one is at least as good: {listed}.{rest} {explain_metric(metric)} "
        f"{results.describe_sample(rows)}"
    )
    stem = results.stem_of_dataset("cost", str(rows["dataset"].iloc[0]), metric)
    return Plot(stem, f"{title}: cost and {label}", figure, caption)


def _describe_bars(means: pd.DataFrame) -> str:
    n = int(means["lower"].notna().sum())
    if n == 0:
        return ""
    which = "" if n == len(means) else f", which {n} of {len(means)} configurations have"
    return f"Vertical lines are 95% confidence intervals{which}. "


def _draw_configurations(ax: Axes, means: pd.DataFrame, metric: str) -> None:
    """Draw one point per configuration with its interval; those of the front are black."""
    for on_front, group in means.groupby("front"):
        style, seconds = _style_point(bool(on_front)), group["seconds"]
        bounds = group["lower"], group["upper"]
        ax.vlines(seconds, *bounds, color=style["color"], linewidth=0.6, zorder=2)
        ax.plot(seconds, group[metric], **style, zorder=3 + bool(on_front))


def _style_point(on_front: bool) -> Style:
    colour = INK if on_front else GRAY
    fill = INK if on_front else "white"
    return {"marker": "o", "linestyle": "none", "color": colour, "markerfacecolor": fill}


def _number_points(ax: Axes, points: NDArray[np.float64]) -> None:
    """Number points from left to right, above the panel, with lines that lead to them."""
    ax.autoscale_view()  # settles the limits that places depend on
    wanted = ax.transAxes.inverted().transform(ax.transData.transform(points))[:, 0]
    gap = measure_text("000") / PANEL_WIDTH
    for k, (point, place) in enumerate(
        zip(points, spread_positions(wanted, gap), strict=True), start=1
    ):
        ax.annotate(
            str(k),
            point,
            (place, 1.03),
            textcoords="axes fraction",
            ha="center",
            va="bottom",
            arrowprops=LEADER | {"relpos": (0.5, 0)},
        )


def _set_log_scale(ax: Axes, seconds: pd.Series) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if seconds.max() / seconds.min() < 100 else (1,))
    )
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
