"""Reliability diagrams: how often a prediction of some confidence is right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from sklearn.calibration import calibration_curve

from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
    wrap_name,
)
from benchmark.reporting.plots.rows import (
    Results,
    SelectedConfigurations,
    describe_replicates,
    select_best_configurations,
)
from benchmark.reporting.plots.style import Style, numbered_style, sort_strategies, strategy_style
from benchmark.scoring.predictions import Predictions

BINS = 10


def draw_reliability_plots(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """One plot a data set, at most six configurations; predictions of all folds and seeds together."""
    for selected in select_best_configurations(results, "reliability", metric):
        if isinstance(selected, Missing):
            yield selected
            continue
        yield draw_reliability_panels(selected)


def draw_reliability_panels(selected: SelectedConfigurations) -> Plot:
    """A panel for each of some configurations, three in a row."""
    strategies = sort_strategies(
        {cells["strategy"].iloc[0] for _, cells in selected.configurations}
    )
    with create_panels(len(selected.configurations), 3.0, 3.3, columns=3) as (figure, axes):
        for k, (ax, (name, cells), stored) in enumerate(
            zip(axes, selected.configurations, selected.predictions, strict=True)
        ):
            style = (
                strategy_style(cells["strategy"].iloc[0], strategies)
                if len(strategies) > 1
                else numbered_style(k)
            )
            _draw_reliability_diagram(
                ax,
                f"{wrap_name(name, 3.0)}\ncalibration error {cells['ece'].mean():.3f}",
                stored,
                style,
            )
        add_title(figure, selected.title)
    return Plot(
        make_file_stem("reliability", selected.dataset),
        selected.title,
        figure,
        _make_caption(selected),
    )


def _draw_reliability_diagram(
    ax: Axes, title: str, stored: list[Predictions], style: Style
) -> None:
    confidence = np.concatenate([p.proba.max(axis=1) for p in stored]).clip(0, 1)
    right = np.concatenate([p.labels == p.y_true for p in stored])
    share, mean = calibration_curve(right, confidence, n_bins=BINS)
    weights = np.full(len(confidence), 1 / len(confidence))
    ax.hist(
        confidence,
        np.linspace(0, 1, BINS + 1).tolist(),
        weights=weights,
        color=style["color"],
        alpha=0.2,
    )
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    ax.plot(mean, share, color=style["color"], marker=style["marker"], markersize=4)
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="probability of the predicted class",
        ylabel="share that is right",
    )
    ax.set_title(title, loc="left", fontsize=8)
    ax.label_outer()


def _make_caption(selected: SelectedConfigurations) -> str:
    errors = sorted((cells["ece"].mean(), name) for name, cells in selected.configurations)
    most = f", and largest with {errors[-1][1]}, {errors[-1][0]:.3f}" if len(errors) > 1 else ""
    return (
        f"Share of right answers against the probability of the predicted class, {BINS} bins; "
        "bars: share of the images in each bin; "
        f"predictions of {describe_replicates(selected.configurations[0][1])} together. {selected.selection_note} Below the "
        "diagonal a model is too sure. Expected "
        f"calibration error (15 bins, mean over cells) is least with {errors[0][1]}, "
        f"{errors[0][0]:.3f}{most}."
    )
