"""Reliability diagrams: the accuracy of predictions against their confidence.

The points are scikit-learn's ``calibration_curve``. Its ``CalibrationDisplay`` draws a line of one
binary classifier, with a legend of its own; here a panel holds several configurations of a task
with any number of classes, in the colours of the other plots.
"""

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
    label_outer_panels,
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
    """Yield one plot per dataset, of at most six configurations, pooling folds and seeds."""
    for selected in select_best_configurations(results, "reliability", metric):
        if isinstance(selected, Missing):
            yield selected
            continue
        yield draw_reliability_panels(selected)


def draw_reliability_panels(selected: SelectedConfigurations) -> Plot:
    """Draw one panel per configuration, three in a row."""
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
        label_outer_panels(axes)
        title = f"{selected.title}: reliability diagrams"
        add_title(figure, title)
    return Plot(
        make_file_stem("reliability", selected.dataset),
        title,
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
        xlim=(0, 1.01),
        ylim=(-0.02, 1.03),
        xlabel="probability of the predicted class",
        ylabel="share of correct predictions",
    )
    ax.set_title(title, loc="left", fontsize=8)


def _make_caption(selected: SelectedConfigurations) -> str:
    errors = sorted((cells["ece"].mean(), name) for name, cells in selected.configurations)
    (lowest, first), (highest, last) = errors[0], errors[-1]
    comparison = f"lowest for {first}, {lowest:.3f}"
    if len(errors) > 1:
        comparison += f", and highest for {last}, {highest:.3f}"
    sentences = [
        "Share of correct predictions against the probability of the predicted class, in "
        f"{BINS} bins, pooled over {describe_replicates(selected.configurations[0][1])}. The bars "
        "are the shares of the images in each bin. Points below the diagonal are overconfident "
        "predictions.",
        selected.selection_note,
        f"The expected calibration error (15 bins, mean over cells) is {comparison}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)
