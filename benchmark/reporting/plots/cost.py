"""Plots of a metric against the time to train and predict, with the Pareto front."""

from __future__ import annotations

from collections.abc import Iterator

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
    shorten_name,
)
from benchmark.reporting.plots.rows import (
    Results,
    add_configuration_names,
    describe_replicates,
    drop_baseline,
    needs_log_scale,
)
from benchmark.reporting.plots.style import MARKERS, numbered_style, sort_strategies, strategy_style
from benchmark.reporting.table_intervals import estimate_interval, read_each_once
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import PredictionReader


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
    n_keys = sum(
        n
        for n in (means["strategy"].nunique(), means.groupby(["extractor", "model"]).ngroups)
        if n > 1
    )
    with create_panels(1, 9.5, max(4.0, 0.19 * n_keys)) as (figure, (ax,)):
        _draw_configurations(ax, means, metric)
        ax.step(front["seconds"], front[metric], where="post", color="0.5", linewidth=1, zorder=1)
        for k, (seconds, score) in enumerate(
            zip(front["seconds"], front[metric], strict=True), start=1
        ):
            place = (-5, 6) if k % 2 else (5, -14)  # alternate, since neighbours may be close
            ax.annotate(
                str(k),
                (seconds, score),
                place,
                textcoords="offset points",
                fontsize=9,
                fontweight="bold",
                ha="center",
            )
        if needs_log_scale(means["seconds"]):
            _set_log_scale(ax, means["seconds"])
        ax.margins(0.08)
        ax.set(xlabel="seconds per cell: tune, resample, fit and predict", ylabel=label)
        title = f"{title}: {label} against cost"
        add_title(figure, title)
    listed = "; ".join(
        f"({k}) {name}: {row[metric]:.3f} in {row['seconds']:.3g} s"
        for k, (name, row) in enumerate(front.iterrows(), start=1)
    )
    caption = (
        f"Means over {describe_replicates(rows)}; times are for one thread, without the extraction "
        f"of features. {_describe_bars(means)}The grey line is the Pareto front: the "
        f"{len(front)} of {len(means)} configurations for which no faster one is at least as "
        f"good: {listed}."
    )
    name = make_file_stem("cost", results.file_label(str(rows["dataset"].iloc[0])), metric)
    return Plot(name, title, figure, caption)


def _describe_bars(means: pd.DataFrame) -> str:
    n = int(means["lower"].notna().sum())
    if n == 0:
        return ""
    which = "" if n == len(means) else f", which {n} of {len(means)} configurations have"
    return f"Vertical lines are 95% confidence intervals{which}. "


def _draw_configurations(ax: Axes, means: pd.DataFrame, metric: str) -> None:
    """Draw one point per configuration.

    With several strategies and several pipelines, colours are strategies and markers are pipelines;
    otherwise both colour and marker stand for whichever varies.
    """
    strategies = sort_strategies(means["strategy"].unique())
    means = means.assign(pipeline=add_configuration_names(means.assign(strategy=""))["name"])
    pipelines = list(means["pipeline"].unique())
    for configuration in means.itertuples():
        k = pipelines.index(configuration.pipeline)
        style = (
            strategy_style(configuration.strategy, strategies)
            if len(strategies) > 1
            else numbered_style(k)
        )
        marker = MARKERS[k % len(MARKERS)] if len(pipelines) > 1 else style["marker"]
        seconds, colour = configuration.seconds, style["color"]
        value = getattr(configuration, metric)
        ax.scatter(seconds, value, color=colour, marker=marker, s=28, zorder=3)
        bounds = configuration.lower, configuration.upper
        ax.vlines(seconds, *bounds, color=colour, linewidth=0.8, alpha=0.5, zorder=2)
    keys = []
    for label in strategies if len(strategies) > 1 else ():
        style = strategy_style(label, strategies)
        keys.append(
            ax.scatter(
                [],
                [],
                color=style["color"],
                marker="s" if len(pipelines) > 1 else style["marker"],
                label=shorten_name(label, 60),
            )
        )
    for k, label in enumerate(pipelines if len(pipelines) > 1 else ()):
        colour = "0.4" if len(strategies) > 1 else numbered_style(k)["color"]
        keys.append(
            ax.scatter(
                [],
                [],
                color=colour,
                marker=MARKERS[k % len(MARKERS)],
                label=shorten_name(label, 60),
            )
        )
    ax.legend(handles=keys, loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)


def _set_log_scale(ax: Axes, seconds: pd.Series) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if seconds.max() / seconds.min() < 1000 else (1,))
    )
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
