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
    create_panels,
    label_outer_panels,
    measure_height,
)
from benchmark.reporting.plots.rows import (
    Results,
    SelectedConfigurations,
    describe_replicates,
    select_best_configurations,
)
from benchmark.reporting.plots.style import GRAY, ONE_COLUMN, PALE, TWO_COLUMNS, Style
from benchmark.reporting.plots.texts import wrap_text
from benchmark.scoring.predictions import Predictions

BINS = 10
TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)
COLUMNS = 3  # panels in a row


def draw_reliability_plots(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset, of at most six configurations, pooling folds and seeds."""
    for selected in select_best_configurations(results, "reliability", metric):
        if isinstance(selected, Missing):
            yield selected
            continue
        yield draw_reliability_panels(selected)


def draw_reliability_panels(selected: SelectedConfigurations) -> Plot:
    """Draw one panel per configuration, three in a row."""
    n = len(selected.configurations)
    width = ONE_COLUMN if n == 1 else TWO_COLUMNS / min(n, COLUMNS)
    titles = [
        f"{wrap_text(name, width - 0.5, most=4)}\ncalibration error {cells['ece'].mean():.3f}"
        for name, cells in selected.configurations
    ]
    with create_panels(n, 2.2 + max(map(measure_height, titles)), COLUMNS) as (figure, axes):
        for ax, title, stored, style in zip(
            axes, titles, selected.predictions, selected.styles, strict=True
        ):
            _draw_reliability_diagram(ax, title, stored, style)
        label_outer_panels(axes)
    title = f"{selected.title}: reliability diagrams"
    return Plot(selected.stem, title, figure, _make_caption(selected))


def _draw_reliability_diagram(
    ax: Axes, title: str, stored: list[Predictions], style: Style
) -> None:
    confidence = np.concatenate([p.proba.max(axis=1) for p in stored]).clip(0, 1)
    right = np.concatenate([p.labels == p.y_true for p in stored])
    share, mean = calibration_curve(right, confidence, n_bins=BINS)
    weights = np.full(len(confidence), 1 / len(confidence))
    ax.hist(confidence, np.linspace(0, 1, BINS + 1).tolist(), weights=weights, color=PALE)
    ax.plot([0, 1], [0, 1], color=GRAY, linewidth=0.6, linestyle="--")
    ax.plot(mean, share, **style)
    ax.set(
        xlim=(0, 1.01),
        ylim=(-0.02, 1.03),
        xticks=TICKS,
        yticks=TICKS,
        xlabel="probability of the predicted class",
        ylabel="share of correct predictions",
    )
    ax.set_title(title, loc="left")


def _make_caption(selected: SelectedConfigurations) -> str:
    errors = sorted((cells["ece"].mean(), name) for name, cells in selected.configurations)
    (lowest, first), (highest, last) = errors[0], errors[-1]
    comparison = f"lowest for {first}, {lowest:.3f}"
    if len(errors) > 1:
        comparison += f", and highest for {last}, {highest:.3f}"
    sentences = [
        "Share of correct predictions against the probability of the predicted class, in "
        f"{BINS} bins, pooled over {describe_replicates(selected.configurations[0][1])}. The bars "
        "are the shares of the images in each bin, and the dashed line is perfect calibration. "
        "Points below it are overconfident predictions.",
        f"The expected calibration error (mean distance from the dashed line in 15 bins, weighted "
        f"by images, mean over cells) is {comparison}.",
        selected.notes,
    ]
    return " ".join(sentences)
