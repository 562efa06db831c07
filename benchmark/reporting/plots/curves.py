"""A metric against imbalance ratio, training images, or the share that is covered: a line a strategy, a panel a pipeline."""

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
from benchmark.reporting.leaderboard import CONDITIONS
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
)
from benchmark.reporting.plots.rows import (
    Results,
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
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.intervals import compute_interval
from benchmark.scoring.metrics import METRICS
from benchmark.study.axes import describe_train_size

AT_ONCE = 10  # lines that one panel can hold
BARS: dict[str, Any] = {"capsize": 2, "elinewidth": 0.8, "linewidth": 1.4, "markersize": 4}

Line = tuple[str, pd.DataFrame, Style]  # name, cells, style
Panel = tuple[str, list[Line]]  # title, lines
NEEDED = {
    "imbalance": "two ratios of one profile (none has no ratio)",
    "train_size": "two sizes of the training set",
    "occlusion": "two shares of one kind of boxes",
}
OTHERS = (*CONDITIONS, "size", "fingerprint", "split")  # labels that may tell plots apart


def draw_imbalance_curves(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """One plot a data set and profile: the metric against the ratio of the largest to the smallest class."""
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
    """One plot a data set and imbalance: the metric against the number of training images."""
    groups = results.rows.groupby(["dataset", "imbalance", "train_size"], dropna=False)["n_train"]
    rows = results.rows.assign(x=groups.transform("mean").round(), profile="")
    yield from _draw_curve_plots(results, rows, metric, "train_size", "training images")


def draw_occlusion_curves(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """One plot a data set and kind of boxes: the metric against the share of the image that is covered; whole images are at zero."""
    labels, profiles = (
        results.rows["occlusion"],
        results.rows["occlusion"].map(partial(label_without, "share")),
    )
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
    results: Results, rows: pd.DataFrame, metric: str, axis: str, label: str
) -> Iterator[Plot | Missing]:
    drawn = 0
    for profile, of_profile in rows.groupby("profile", sort=False):
        for setting, group in group_by_setting(of_profile, but=axis):
            if group["x"].nunique() < 2 or drop_baseline(group).empty:
                continue
            drawn += 1
            yield _draw_curve_plot(
                results,
                group,
                metric,
                axis,
                label,
                _describe_setting({**setting, "profile": profile}, rows),
            )
    if not drawn:
        yield Missing(
            axis,
            f"a curve needs {NEEDED[axis]}, all else equal, and no configuration here has them",
        )


def _draw_curve_plot(
    results: Results, rows: pd.DataFrame, metric: str, axis: str, label: str, where: list[str]
) -> Plot:
    found, columns = _arrange_panels(rows)
    refused: dict[str, None] = {}
    of_class = metric_label_for_rows(metric, rows)
    with create_panels(len(found), 6.5, 3.6, columns) as (figure, axes):
        for ax, (title, lines) in zip(axes, found, strict=True):
            refused |= _draw_panel(ax, title, lines, rows, results, metric)
            ax.set(xlabel=label, ylabel=of_class)
            ax.label_outer()
        _zoom_to_means(axes[0])
        for ax in axes:
            _label_line_ends(ax)
        title = f"{' · '.join(where)}: {of_class} against {axis.replace('_', ' ')}"
        add_title(figure, title)
    names = [results.file_label(where[0]), *where[1:]]
    caption = _make_caption(rows, metric, label, list(refused))
    return Plot(make_file_stem(axis, *names, metric), title, figure, caption)


def _describe_setting(setting: dict[str, object], rows: pd.DataFrame) -> list[str]:
    """What tells a plot from the others of its kind: data set, profile, and of the other labels those that differ."""
    words = {name: str(value) for name, value in setting.items()}
    if "train_size" in setting:
        words["train_size"] = describe_train_size(float(str(setting["train_size"])))
    differing = [
        name for name in OTHERS if name in setting and rows[name].nunique(dropna=False) > 1
    ]
    return [words[name] for name in ("dataset", "profile", *differing) if words[name]]


def _arrange_panels(rows: pd.DataFrame) -> tuple[list[Panel], int]:
    """Panels, and how many in a row: one a pipeline, or with more strategies than it can hold one a pipeline and family."""
    looking = drop_baseline(rows)
    strategies = sort_strategies(looking["strategy"].unique())
    if len(strategies) == 1:
        return [
            (
                "",
                [
                    (name, cells, numbered_style(k))
                    for k, (name, cells) in enumerate(group_by_configuration(looking))
                ],
            )
        ], 1
    pipelines = list(looking.groupby(["extractor", "model"], sort=False))
    if len(strategies) <= AT_ONCE:
        return [
            (", ".join(names), _style_lines(cells, strategies, strategies))
            for names, cells in pipelines
        ], 2
    families = dict.fromkeys(strategy_family(name) for name in strategies if name != "none")
    members = {
        family: [name for name in strategies if name == "none" or strategy_family(name) == family]
        for family in families
    }
    pairs = (
        (family, of, names, cells) for family, of in members.items() for names, cells in pipelines
    )
    return [
        (f"{', '.join(names)}: {family}", _style_lines(cells, of, strategies))
        for family, of, names, cells in pairs
    ], min(3, len(pipelines))


def _style_lines(rows: pd.DataFrame, shown: list[str], strategies: list[str]) -> list[Line]:
    of = {str(name): cells for name, cells in rows.groupby("strategy")}
    return [(name, of[name], strategy_style(name, strategies)) for name in shown if name in of]


def _draw_panel(
    ax: Axes, title: str, lines: list[Line], rows: pd.DataFrame, results: Results, metric: str
) -> dict[str, None]:
    """Draw a line with its intervals for each configuration; returns why an interval is not there, where one is not."""
    refused: dict[str, None] = {}
    xs = np.sort(rows["x"].unique())
    log = needs_log_scale(pd.Series(xs))
    for k, (name, cells, style) in enumerate(lines):
        found = pd.DataFrame(
            [_estimate_point(x, group, results, metric) for x, group in cells.groupby("x")]
        )
        refused |= dict.fromkeys(reason for reason in found["refusal"] if reason)
        shift = (k - (len(lines) - 1) / 2) * 0.012  # bars side by side
        x = (
            found["x"] * 10 ** (shift * np.log10(xs[-1] / xs[0]))
            if log
            else found["x"] + shift * (xs[-1] - xs[0])
        )
        bars = np.nan_to_num(
            np.abs(found[["lower", "upper"]].to_numpy().T - found["mean"].to_numpy())
        )
        ax.errorbar(x, found["mean"], bars, label=name, **style, **BARS)
    ax.set_title(title, loc="left")
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(ScalarFormatter())
        if len(xs) > 8:
            ax.xaxis.set_major_locator(LogLocator())
    if len(xs) <= 8:
        ax.set_xticks(xs)
    return refused


def _estimate_point(
    x: float, cells: pd.DataFrame, results: Results, metric: str
) -> dict[str, float | str]:
    found = compute_interval(ResultsFolder(results.folder).read_predictions, cells, metric)
    most = 1 if METRICS[metric].greater_is_better else np.inf  # of every metric here
    return {
        "x": x,
        "mean": float(cells[metric].mean()),
        "lower": found.lower,
        "upper": min(found.upper, most),
        "refusal": found.refusal,
    }


def _zoom_to_means(ax: Axes) -> None:
    """Let the means, and half as much again, fill the panel; bars that are longer are cut."""
    drawn = [bars for other in ax.get_shared_y_axes().get_siblings(ax) for bars in other.containers]
    means = np.concatenate(
        [_read_line_points(bars)[:, 1] for bars in cast(list[ErrorbarContainer], drawn)]
    )
    low, high = np.nanmin(means), np.nanmax(means)
    room = max(0.5 * (high - low), 0.01)
    bottom, top = ax.get_ylim()
    ax.set_ylim(max(bottom, low - room), min(top, high + room))


def _label_line_ends(ax: Axes) -> None:
    """Write each line's name right of the panel, apart from the others; axes are shared, so that all is drawn before."""
    handles, names = cast(tuple[list[ErrorbarContainer], list[str]], ax.get_legend_handles_labels())
    ends = np.array([_read_line_points(bars)[-1] for bars in handles])
    low, high = ax.get_ylim()
    for name, bars, end, place in zip(
        names, handles, ends, spread_positions((ends[:, 1] - low) / (high - low), 0.06), strict=True
    ):
        colour = bars.lines[0].get_color()
        leader = {
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 0.6,
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
    """Points of a line with bars, (n, 2)."""
    return np.asarray(bars.lines[0].get_xydata(), dtype=float)


def _make_caption(rows: pd.DataFrame, metric: str, label: str, refused: list[str]) -> str:
    looking = drop_baseline(rows)
    hardest = looking[
        looking["x"] == (looking["x"].min() if "training images" in label else looking["x"].max())
    ]
    first, high, last, low = find_best_and_worst(hardest, metric)
    way = "higher" if METRICS[metric].greater_is_better else "lower"
    folds = "over folds, variance corrected for overlapping training sets (Nadeau & Bengio 2003)"
    images = "by the test images, or by whole groups (patients, lesions) where there are any"
    how = f"with 95% intervals {folds if rows['fold'].nunique() > 1 else images}"
    best = f"At {hardest['x'].iloc[0]:g} ({label}) {first} has the best {metric}, {high:.3f}"
    rest = f", and {last} the worst, {low:.3f}" if first != last else ""
    baseline = rows[rows["model"] == BASELINE][metric]
    spread = " to ".join(
        dict.fromkeys(f"{value:.3f}" for value in (baseline.min(), baseline.max()))
    )
    below = f" The baseline, {BASELINE}, has {spread}." if baseline.notna().any() else ""
    drawn = (
        ", for the images (and rare classes) that these seeds drew"
        if rows["seed"].nunique() > 1
        else ""
    )
    return (
        f"Means over {describe_replicates(looking)} of {rows['split'].iloc[0]}, {how}{drawn}; {way} is "
        f"better. {best}{rest}.{below} Points "
        f"of one place on the axis stand side by side; bars are cut at the edge.{_describe_missing_intervals(refused)}"
    )


def _describe_missing_intervals(refused: list[str]) -> str:
    """Say why bars are missing."""
    if not refused:
        return ""
    more = f"; and {len(refused) - 3} other reasons" if len(refused) > 3 else ""
    return f" Where a bar is missing the interval is not computed: {'; '.join(refused[:3])}{more}."
