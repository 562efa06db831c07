"""Plots of a metric against imbalance ratio, number of training images, or share covered.

There is one line per strategy and one panel per pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, ScalarFormatter
from numpy.typing import NDArray

from benchmark.plugins.registry import BASELINE
from benchmark.plugins.spec import label_without, number_in_label
from benchmark.reporting.comparable_rows import CONDITIONS, Configuration
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    create_panels,
    label_outer_panels,
    make_file_stems,
    measure_height,
)
from benchmark.reporting.plots.rows import (
    Results,
    add_configuration_names,
    describe_replicates,
    drop_baseline,
    explain_metric,
    find_best_and_worst,
    group_by_configuration,
    group_by_setting,
    needs_log_scale,
    read_labels,
)
from benchmark.reporting.plots.style import (
    GRAY,
    INK,
    LEADER,
    MOST_COLOURED,
    PALE,
    sort_strategies,
    spread_positions,
    strategy_family,
    style_lines,
)
from benchmark.reporting.plots.texts import measure_text, wrap_text
from benchmark.reporting.short_labels import shorten_dataset_name
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.intervals import compute_interval
from benchmark.study.axes import describe_train_size
from benchmark.utils.text import format_count

NAME_WIDTH = 1.15  # inches for the names of lines

Line = tuple[str, pd.DataFrame, int]  # name, cells, number
Panel = tuple[str, list[Line]]  # title, lines
REQUIRED = {
    "imbalance": "two ratios of one profile (none has no ratio)",
    "train_size": "two sizes of the training set",
    "occlusion": "two shares of one kind of occlusion",
}
DISTINGUISHING = (*CONDITIONS, "size", "fingerprint", "split")  # columns that may distinguish plots


def draw_imbalance_curves(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset and imbalance profile, against the imbalance ratio.

    The ratio is that of the largest to the smallest class of the training set.
    """
    labels = results.rows["imbalance"]
    rows = results.rows.assign(
        x=labels.map(partial(number_in_label, "ratio")),
        profile=labels.map(partial(label_without, "ratio")),
    )
    rows = rows[rows["x"] > 0]
    yield from _draw_curve_plots(
        results, rows, metric, "imbalance", "largest class / smallest class of the training set"
    )


def draw_train_size_curves(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset and imbalance, against the number of training images."""
    groups = results.rows.groupby(["dataset", "imbalance", "train_size"], dropna=False)["n_train"]
    rows = results.rows.assign(x=groups.transform("mean").round(), profile="")
    yield from _draw_curve_plots(results, rows, metric, "train_size", "training images")


def draw_occlusion_curves(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset and kind of occlusion, against the share that is covered.

    Whole images are at zero.
    """
    labels = results.rows["occlusion"]
    profiles = labels.map(partial(label_without, "share"))
    rows = results.rows.assign(x=labels.map(partial(number_in_label, "share")), profile=profiles)
    whole = rows[labels == "none"]
    kinds = [kind for kind in profiles.unique() if kind != "none"]
    both = [pd.concat([whole.assign(profile=kind), rows[profiles == kind]]) for kind in kinds]
    yield from _draw_curve_plots(
        results,
        pd.concat(both or [rows]),
        metric,
        "occlusion",
        "share of the image that is covered",
    )


def _draw_curve_plots(
    results: Results, rows: pd.DataFrame, metric: str, axis: str, x_label: str
) -> Iterator[Plot | Missing]:
    plots = {}
    for profile, profile_rows in rows.groupby("profile", sort=False):
        for setting, group in group_by_setting(profile_rows, but=axis):
            if group["x"].nunique() > 1 and len(drop_baseline(group)):
                plots[json.dumps([profile, setting], default=str)] = (
                    _describe_setting({**setting, "profile": profile}, rows),
                    group,
                )
    if not plots:
        yield Missing(axis, f"a curve requires {REQUIRED[axis]}, all else equal")
    stems = make_file_stems(
        {
            key: (axis, *_name_setting(labels, rows), results.file_unit, metric)
            for key, (labels, _) in plots.items()
        }
    )
    numbers = results.number_configurations(metric)
    for key, (labels, group) in plots.items():
        title = " · ".join(filter(None, labels.values()))
        figure, label, refusals = _draw_curves(results, group, metric, x_label, numbers)
        yield Plot(
            stems[key],
            f"{title}: {label} against {axis.replace('_', ' ')}",
            figure,
            f"{_make_caption(group, metric, axis, x_label, refusals)} {explain_metric(metric)} "
            f"{results.describe_sample(drop_baseline(group))}",
        )


def _draw_curves(
    results: Results,
    rows: pd.DataFrame,
    metric: str,
    x_label: str,
    numbers: dict[Configuration, int],
) -> tuple[Figure, str, list[str]]:
    """Return a figure, the label of the metric, and the reasons for missing intervals."""
    panels, columns = _arrange_panels(rows, numbers)
    refusals: dict[str, None] = {}
    metric_label = metric_label_for_rows(metric, rows)
    n_names = min(MOST_COLOURED, max(len(lines) for _, lines in panels))
    name_height = measure_height("\n")
    panel_height = max(1.5, name_height * (n_names + 1))
    with create_panels(len(panels), panel_height + 0.6, columns) as (figure, axes):
        width = figure.get_figwidth() / min(columns, len(panels)) - NAME_WIDTH - 0.6
        for ax, (title, lines) in zip(axes, panels, strict=True):
            refusals |= _draw_panel(ax, lines, rows, results, metric, width)
            ax.set_title(wrap_text(title, width + NAME_WIDTH, most=2), loc="left")
            ax.set(xlabel=x_label, ylabel=metric_label)
        label_outer_panels(axes)
        _zoom_to_means(axes[0])
        for ax in axes:
            _label_line_ends(ax, name_height / panel_height)
    return figure, metric_label, list(refusals)


def _name_setting(labels: dict[str, str], rows: pd.DataFrame) -> list[str]:
    """Parts of a file name: the labels of which there are several."""
    names = {**labels, "dataset": shorten_dataset_name(labels["dataset"])}
    return [text for name, text in names.items() if rows[name].nunique(dropna=False) > 1]


def _describe_setting(setting: dict[str, object], rows: pd.DataFrame) -> dict[str, str]:
    """Labels of a plot: dataset, profile, and those that distinguish it from other plots."""
    texts = {
        name: f"{name} none" if value == "none" else str(value) for name, value in setting.items()
    }
    if "train_size" in setting:
        texts["train_size"] = describe_train_size(float(str(setting["train_size"])))
    differing = [
        name for name in DISTINGUISHING if name in setting and rows[name].nunique(dropna=False) > 1
    ]
    return {name: texts[name] for name in ("dataset", "profile", *differing)}


def _arrange_panels(
    rows: pd.DataFrame, numbers: dict[Configuration, int]
) -> tuple[list[Panel], int]:
    """Arrange lines in panels, and choose the number of panels in a row.

    There is one panel per pipeline, tuned or not. If there are more strategies than fit in a panel,
    there is one per pipeline and family of strategies. A single strategy gives one panel, with one
    line per pipeline.
    """
    group = drop_baseline(rows)
    strategies = sort_strategies(group["strategy"].unique())
    if len(strategies) == 1:
        lines = [
            (name, cells, numbers[read_labels(cells)])
            for name, cells in group_by_configuration(group)
        ]
        return [("", sorted(lines, key=itemgetter(2)))], 1
    named = add_configuration_names(group.assign(strategy=""))
    pipelines = [(str(name), cells) for name, cells in named.groupby("name", sort=False)]
    pipelines = [(name, cells.assign(strategy=group["strategy"])) for name, cells in pipelines]
    if len(strategies) <= MOST_COLOURED:
        panels = [(name, _select_lines(cells, strategies, numbers)) for name, cells in pipelines]
        return panels, 2
    families = dict.fromkeys(strategy_family(name) for name in strategies if name != "none")
    members = {
        family: [name for name in strategies if name == "none" or strategy_family(name) == family]
        for family in families
    }
    panels = [
        (f"{name}: {family}", _select_lines(cells, shown, numbers))
        for family, shown in members.items()
        for name, cells in pipelines
    ]
    return panels, 2


def _select_lines(
    rows: pd.DataFrame, shown: list[str], numbers: dict[Configuration, int]
) -> list[Line]:
    cells = {str(name): group for name, group in rows.groupby("strategy")}
    return [
        (name, cells[name], numbers[read_labels(cells[name])]) for name in shown if name in cells
    ]


def _draw_panel(
    ax: Axes, lines: list[Line], rows: pd.DataFrame, results: Results, metric: str, width: float
) -> dict[str, None]:
    """Draw lines with their intervals; return the reasons for missing intervals."""
    refusals: dict[str, None] = {}
    xs = np.sort(rows["x"].unique())
    log = needs_log_scale(pd.Series(xs))
    coloured, others = lines[:MOST_COLOURED], lines[MOST_COLOURED:]
    for k, ((name, cells, _), style) in enumerate(
        zip(coloured, style_lines([number for *_, number in coloured]), strict=True)
    ):
        points = pd.DataFrame(
            [_estimate_point(x, group, results, metric) for x, group in cells.groupby("x")]
        )
        refusals |= dict.fromkeys(reason for reason in points["refusal"] if reason)
        shift = (k - (len(coloured) - 1) / 2) * 0.012  # bars of one x side by side
        x = (
            points["x"] * 10 ** (shift * np.log10(xs[-1] / xs[0]))
            if log
            else points["x"] + shift * (xs[-1] - xs[0])
        )
        bars = np.nan_to_num(
            np.abs(points[["lower", "upper"]].to_numpy().T - points["mean"].to_numpy())
        )
        label = name if len(points) == len(xs) else f"{name} ({len(points)} of {len(xs)} points)"
        ax.errorbar(x, points["mean"], bars, label=label, **style, elinewidth=0.6)
    for _, cells, _ in others:
        means = cells.groupby("x")[metric].mean()
        ax.plot(means.index, means, color=PALE, linewidth=0.6, zorder=1)
    if others:
        key = format_count(len(others), "other configuration")
        ax.text(1.06, 0, key, transform=ax.transAxes, va="top", color=GRAY)
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.set_xticks(_choose_ticks(xs, log, width))
    return refusals


def _choose_ticks(xs: NDArray[np.float64], log: bool, width: float) -> list[float]:
    """Choose the values whose labels fit below a panel of a width in inches."""
    scaled = np.log(xs) if log else xs
    places = width * (scaled - scaled[0]) / (scaled[-1] - scaled[0])
    chosen: list[float] = []
    right = -np.inf
    for x, place in zip(xs, places, strict=True):
        half = 0.6 * measure_text(f"{x:g}")
        if place - half > right:
            chosen.append(float(x))
            right = place + half
    return chosen


def _estimate_point(
    x: float, cells: pd.DataFrame, results: Results, metric: str
) -> dict[str, float | str]:
    interval = compute_interval(results.view.read_predictions, cells, metric)
    return {
        "x": x,
        "mean": float(cells[metric].mean()),
        "lower": interval.lower,
        "upper": interval.upper,
        "refusal": interval.refusal,
    }


def _zoom_to_means(ax: Axes) -> None:
    """Limit the vertical axis to the range of the means and half of it on both sides."""
    panels = ax.get_shared_y_axes().get_siblings(ax)
    lines = [bars for panel in panels for bars in panel.containers]
    means = np.concatenate(
        [_read_line_points(bars)[:, 1] for bars in cast(list[ErrorbarContainer], lines)]
    )
    low, high = np.nanmin(means), np.nanmax(means)
    room = max(0.5 * (high - low), 0.01)
    bottom, top = ax.get_ylim()
    ax.set_ylim(max(bottom, low - room), min(top, high + room))


def _label_line_ends(ax: Axes, gap: float) -> None:
    """Write the name of each line to the right of the panel, without overlaps.

    All panels must be drawn before, since they share their axes.

    Parameters
    ----------
    ax : Axes
    gap : float
        Smallest distance of names, as a share of the height of the panel.
    """
    handles, labels = cast(
        tuple[list[ErrorbarContainer], list[str]], ax.get_legend_handles_labels()
    )
    ends = np.array([_read_line_points(bars)[-1] for bars in handles])
    low, high = ax.get_ylim()
    places = spread_positions((ends[:, 1] - low) / (high - low), gap)
    for label, bars, end, place in zip(labels, handles, ends, places, strict=True):
        line = bars.lines[0]
        ax.annotate(
            wrap_text(label, NAME_WIDTH, most=2),
            end,
            (1.12, place),
            textcoords="axes fraction",
            va="center",
            color=INK,
            arrowprops=LEADER | {"color": line.get_color(), "relpos": (0, 0.5)},
            annotation_clip=False,
        )
        sample = Line2D([1.09], [place])
        sample.update_from(line)
        sample.set(transform=ax.transAxes, clip_on=False, label="")
        ax.add_artist(sample)


def _read_line_points(bars: ErrorbarContainer) -> NDArray[np.float64]:
    """Points of a line with error bars, shape (n, 2)."""
    return np.asarray(bars.lines[0].get_xydata(), dtype=float)


def _make_caption(
    rows: pd.DataFrame, metric: str, axis: str, x_label: str, refusals: list[str]
) -> str:
    group = drop_baseline(rows)
    extreme = group["x"].min() if axis == "train_size" else group["x"].max()
    hardest = group[group["x"] == extreme]
    first, high, last, low = find_best_and_worst(hardest, metric)
    intervals = (
        "over folds, with the variance corrected for overlapping training sets (Nadeau & Bengio "
        "2003)"
        if rows["fold"].nunique() > 1
        else "over test images, or over groups of them (patients, lesions) where there are any"
    )
    drawn = (
        ", for the images (and rare classes) drawn by these seeds"
        if rows["seed"].nunique() > 1
        else ""
    )
    worst = f", and {last} the worst, {low:.3f}" if first != last else ""
    sentences = [
        f"Means over {describe_replicates(group)} of {rows['split'].iloc[0]}, with 95% intervals "
        f"{intervals}{drawn}.",
        f"At {extreme:g} ({x_label}), {first} has the best {metric}, {high:.3f}{worst}.",
    ]
    baseline = rows[rows["model"] == BASELINE][metric]
    if baseline.notna().any():
        values = dict.fromkeys(f"{value:.3f}" for value in (baseline.min(), baseline.max()))
        sentences.append(f"The baseline, {BASELINE}, has {' to '.join(values)}.")
    sentences.append(
        "Points with the same position on the horizontal axis are drawn side by side; error bars "
        "are cut at the edge of the panel."
    )
    if refusals:
        sentences.append(_describe_missing_intervals(refusals))
    return " ".join(sentences)


def _describe_missing_intervals(refusals: list[str]) -> str:
    more = f"; and {len(refusals) - 3} other reasons" if len(refusals) > 3 else ""
    return f"Where an error bar is missing, it is not computed: {'; '.join(refusals[:3])}{more}."
