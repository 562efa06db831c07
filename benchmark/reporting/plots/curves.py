"""Plots of a metric against imbalance ratio, number of training images, or share covered.

There is one line per strategy and one panel per pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter
from numpy.typing import NDArray

from benchmark.plugins.registry import BASELINE
from benchmark.plugins.spec import label_without, number_in_label
from benchmark.reporting.comparable_rows import CONDITIONS
from benchmark.reporting.comparison import better_direction
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    label_outer_panels,
    make_file_stem,
)
from benchmark.reporting.plots.rows import (
    Results,
    add_configuration_names,
    describe_replicates,
    drop_baseline,
    find_best_and_worst,
    group_by_configuration,
    group_by_setting,
    needs_log_scale,
)
from benchmark.reporting.plots.style import (
    Style,
    numbered_style,
    sort_strategies,
    spread_positions,
    strategy_family,
    strategy_style,
)
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.intervals import compute_interval
from benchmark.study.axes import describe_train_size

MOST_IN_TWO_COLUMNS = 8  # panels
MAX_LINES = 10  # lines that fit in one panel
BARS: dict[str, Any] = {"capsize": 2, "elinewidth": 0.8, "linewidth": 1.4, "markersize": 4}

Line = tuple[str, pd.DataFrame, Style]  # name, cells, style
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
    drawn = 0
    for profile, profile_rows in rows.groupby("profile", sort=False):
        for setting, group in group_by_setting(profile_rows, but=axis):
            if group["x"].nunique() < 2 or drop_baseline(group).empty:
                continue
            drawn += 1
            yield _draw_curve_plot(
                results,
                group,
                metric,
                axis,
                x_label,
                _describe_setting({**setting, "profile": profile}, rows),
            )
    if not drawn:
        yield Missing(axis, f"a curve requires {REQUIRED[axis]}, all else equal")


def _draw_curve_plot(
    results: Results, rows: pd.DataFrame, metric: str, axis: str, x_label: str, labels: list[str]
) -> Plot:
    panels, columns = _arrange_panels(rows)
    refusals: dict[str, None] = {}
    metric_label = metric_label_for_rows(metric, rows)
    with create_panels(len(panels), 6.5, 3.6, columns) as (figure, axes):
        for ax, (title, lines) in zip(axes, panels, strict=True):
            refusals |= _draw_panel(ax, title, lines, rows, results, metric)
            ax.set(xlabel=x_label, ylabel=metric_label)
        label_outer_panels(axes)
        _zoom_to_means(axes[0])
        for ax in axes:
            _label_line_ends(ax)
        title = f"{' · '.join(labels)}: {metric_label} against {axis.replace('_', ' ')}"
        add_title(figure, title)
    names = [results.file_label(labels[0]), *labels[1:]]
    caption = _make_caption(rows, metric, axis, x_label, list(refusals))
    return Plot(make_file_stem(axis, *names, metric), title, figure, caption)


def _describe_setting(setting: dict[str, object], rows: pd.DataFrame) -> list[str]:
    """Labels of a plot: dataset, profile, and those that distinguish it from other plots."""
    texts = {name: str(value) for name, value in setting.items()}
    if "train_size" in setting:
        texts["train_size"] = describe_train_size(float(str(setting["train_size"])))
    differing = [
        name for name in DISTINGUISHING if name in setting and rows[name].nunique(dropna=False) > 1
    ]
    return [texts[name] for name in ("dataset", "profile", *differing) if texts[name]]


def _arrange_panels(rows: pd.DataFrame) -> tuple[list[Panel], int]:
    """Arrange lines in panels, and choose the number of panels in a row.

    There is one panel per pipeline, tuned or not. If there are more strategies than fit in a panel,
    there is one per pipeline and family of strategies. A single strategy gives one panel, with one
    line per pipeline.
    """
    group = drop_baseline(rows)
    strategies = sort_strategies(group["strategy"].unique())
    if len(strategies) == 1:
        lines = [
            (name, cells, numbered_style(k))
            for k, (name, cells) in enumerate(group_by_configuration(group))
        ]
        return [("", lines)], 1
    named = add_configuration_names(group.assign(strategy=""))
    pipelines = [(str(name), cells) for name, cells in named.groupby("name", sort=False)]
    pipelines = [(name, cells.assign(strategy=group["strategy"])) for name, cells in pipelines]
    if len(strategies) <= MAX_LINES:
        panels = [(name, _style_lines(cells, strategies, strategies)) for name, cells in pipelines]
        return panels, 2 if len(panels) <= MOST_IN_TWO_COLUMNS else 3
    families = dict.fromkeys(strategy_family(name) for name in strategies if name != "none")
    members = {
        family: [name for name in strategies if name == "none" or strategy_family(name) == family]
        for family in families
    }
    panels = [
        (f"{name}: {family}", _style_lines(cells, shown, strategies))
        for family, shown in members.items()
        for name, cells in pipelines
    ]
    return panels, min(3, len(pipelines))


def _style_lines(rows: pd.DataFrame, shown: list[str], strategies: list[str]) -> list[Line]:
    cells = {str(name): group for name, group in rows.groupby("strategy")}
    return [
        (name, cells[name], strategy_style(name, strategies)) for name in shown if name in cells
    ]


def _draw_panel(
    ax: Axes, title: str, lines: list[Line], rows: pd.DataFrame, results: Results, metric: str
) -> dict[str, None]:
    """Draw lines with their intervals; return the reasons for missing intervals."""
    refusals: dict[str, None] = {}
    xs = np.sort(rows["x"].unique())
    log = needs_log_scale(pd.Series(xs))
    for k, (name, cells, style) in enumerate(lines):
        points = pd.DataFrame(
            [_estimate_point(x, group, results, metric) for x, group in cells.groupby("x")]
        )
        refusals |= dict.fromkeys(reason for reason in points["refusal"] if reason)
        shift = (k - (len(lines) - 1) / 2) * 0.012  # bars of one x side by side
        x = (
            points["x"] * 10 ** (shift * np.log10(xs[-1] / xs[0]))
            if log
            else points["x"] + shift * (xs[-1] - xs[0])
        )
        bars = np.nan_to_num(
            np.abs(points[["lower", "upper"]].to_numpy().T - points["mean"].to_numpy())
        )
        label = name if len(points) == len(xs) else f"{name} ({len(points)} of {len(xs)} points)"
        ax.errorbar(x, points["mean"], bars, label=label, **style, **BARS)
    ax.set_title(title, loc="left")
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(ScalarFormatter())
        if len(xs) > 8:
            ax.xaxis.set_major_locator(LogLocator())
    if len(xs) <= 8:
        ax.set_xticks(xs)
    return refusals


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


def _label_line_ends(ax: Axes) -> None:
    """Write the name of each line to the right of the panel, without overlaps.

    All panels must be drawn before, since they share their axes.
    """
    handles, names = cast(tuple[list[ErrorbarContainer], list[str]], ax.get_legend_handles_labels())
    ends = np.array([_read_line_points(bars)[-1] for bars in handles])
    low, high = ax.get_ylim()
    for name, bars, end, place in zip(
        names, handles, ends, spread_positions((ends[:, 1] - low) / (high - low), 0.06), strict=True
    ):
        colour = bars.lines[0].get_color()
        leader = {
            "arrowstyle": "-",
            "color": "0.6",
            "linewidth": 0.6,
            "linestyle": ":",
            "shrinkA": 0,
            "shrinkB": 2,
            "relpos": (0, 0.5),
        }
        ax.annotate(
            name,
            end,
            (1.05, place),
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            color=colour,
            arrowprops=leader,
            annotation_clip=False,
        )


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
    better = better_direction(metric)
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
        f"{intervals}{drawn}; {better} is better.",
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
