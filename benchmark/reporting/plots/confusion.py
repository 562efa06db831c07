"""Confusion matrices of the best configurations of each dataset.

scikit-learn's ``ConfusionMatrixDisplay`` writes a number into every cell and labels every tick. For
many classes neither is readable: here small shares are left out, and ticks and names are thinned.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from benchmark.reporting.plots.heat_map import (
    MIN_SQUARE,
    choose_step,
    describe_step,
    draw_squares,
)
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    create_panels,
    label_outer_panels,
    shape_panels,
)
from benchmark.reporting.plots.rows import (
    Results,
    SelectedConfigurations,
    describe_replicates,
    select_best_configurations,
)
from benchmark.reporting.plots.style import SMALL
from benchmark.reporting.plots.texts import fit_text, measure_text, wrap_text
from benchmark.scoring.fast_scores import confusion_matrix

COLUMNS = 3  # panels in a row
MAX_CLASS_NAME = 0.9  # inches


def draw_confusion_plots(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset, of at most six configurations, pooling folds and seeds."""
    for selected in select_best_configurations(results, "confusion", metric):
        if isinstance(selected, Missing):
            yield selected
            continue
        yield draw_confusion_panels(selected)


def draw_confusion_panels(selected: SelectedConfigurations) -> Plot:
    """Draw one panel per configuration, three in a row."""
    classes = selected.predictions[0][0].classes
    counts = [
        np.sum([confusion_matrix(p.y_true, p.labels, len(classes)) for p in stored], axis=0)
        for stored in selected.predictions
    ]
    n_columns = min(COLUMNS, len(counts))
    with create_panels(len(counts), 2.5, COLUMNS) as (figure, axes):
        width = figure.get_figwidth() / n_columns
        labels = [fit_text(name, MAX_CLASS_NAME, SMALL) for name in classes]
        side = width - max(measure_text(name, SMALL) for name in labels) / n_columns - 0.3
        step = choose_step(len(classes), side, SMALL)
        for ax, (name, _), table in zip(axes, selected.configurations, counts, strict=True):
            _draw_confusion_matrix(ax, table, labels, side, step)
            ax.set_title(wrap_text(name, side, most=4), loc="left")
        label_outer_panels(axes)
        shape_panels(figure, axes)
    title = f"{selected.title}: confusion matrices"
    caption = f"{_make_caption(selected, counts[0], classes)} {describe_step(step)}".rstrip()
    return Plot(selected.stem, title, figure, caption)


def _draw_confusion_matrix(
    ax: Axes, counts: NDArray[np.int64], labels: list[str], side: float, step: int
) -> None:
    """Draw a matrix with a side of about ``side`` inches, and name every ``step``-th class."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    draw_squares(ax, shares, annotated=side / len(labels) >= MIN_SQUARE, smallest=0.005)
    ticks, names = range(0, len(labels), step), labels[::step]
    rotated = max(measure_text(name, SMALL) for name in names) > 0.9 * side / len(names)
    ax.set_xticks(ticks, names, rotation=90 if rotated else 0, fontsize=SMALL)
    ax.set_yticks(ticks, names, fontsize=SMALL)
    ax.set(xlabel="predicted class", ylabel="true class")


def _make_caption(
    selected: SelectedConfigurations, counts: NDArray[np.int64], classes: tuple[str, ...]
) -> str:
    name, cells = selected.configurations[0]
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    worst = (
        f"Most frequent error of {name}: {wrong.max()} of {counts[true].sum()} images of class "
        f"{classes[true]} are predicted as {classes[predicted]}."
        if wrong.any()
        else f"{name} makes no errors."
    )
    sentences = [
        "Predictions for the images of each true class, in percent, pooled over "
        f"{describe_replicates(cells)}: the darker, the more. Each row sums to 100; values below "
        "0.5 are not shown.",
        worst,
        selected.notes,
    ]
    return " ".join(sentences)
