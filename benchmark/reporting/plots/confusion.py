"""Confusion matrices of the best configurations of each dataset.

scikit-learn's ``ConfusionMatrixDisplay`` writes a number into every cell and labels every tick. For
many classes neither is readable: here small shares are left out, and ticks and names are thinned.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    label_outer_panels,
    make_file_stem,
    make_panels_square,
    shorten_name,
    wrap_name,
)
from benchmark.reporting.plots.rows import (
    Results,
    SelectedConfigurations,
    describe_replicates,
    select_best_configurations,
)
from benchmark.scoring.fast_scores import confusion_matrix

MAX_TICK_LABELS = 25  # class names that fit on an axis
MAX_ANNOTATED = 12  # up to this number of classes, shares are written into the squares


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
    side = 1.6 + 0.28 * min(len(classes), MAX_ANNOTATED) + 0.05 * min(16, max(map(len, classes)))
    with create_panels(len(counts), side + 0.5, side + 0.6, columns=3) as (figure, axes):
        for ax, (name, _), table in zip(axes, selected.configurations, counts, strict=True):
            _draw_confusion_matrix(ax, name, table, classes, side)
        label_outer_panels(axes)
        title = f"{selected.title}: confusion matrices"
        add_title(figure, title)
        make_panels_square(figure, axes)
    return Plot(
        make_file_stem("confusion", selected.dataset),
        title,
        figure,
        _make_caption(selected, counts[0], classes),
    )


def _draw_confusion_matrix(
    ax: Axes, name: str, counts: NDArray[np.int64], classes: tuple[str, ...], width: float
) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.grid(visible=False)
    ax.set_title(wrap_name(name, width), loc="left", fontsize=8)
    step = -(-len(classes) // MAX_TICK_LABELS)
    names = [shorten_name(cls, 16) for cls in classes[::step]]
    ax.set_xticks(
        range(0, len(classes), step),
        names,
        rotation=90 if max(map(len, names)) > 2 else 0,
        fontsize=7,
    )
    ax.set_yticks(range(0, len(classes), step), names, fontsize=7)
    ax.set(xlabel="predicted", ylabel="true")
    for (row, column), share in np.ndenumerate(shares):
        if len(classes) <= MAX_ANNOTATED and share >= 0.005:
            ax.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if share > 0.5 else "0.2",
            )


def _make_caption(
    selected: SelectedConfigurations, counts: NDArray[np.int64], classes: tuple[str, ...]
) -> str:
    name, cells = selected.configurations[0]
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    sentences = [
        "Predictions for the images of each true class, in percent, pooled over "
        f"{describe_replicates(cells)}. Each row sums to 100; values below 0.5 are not shown.",
        selected.selection_note,
        f"Most frequent error of {name}: {wrong.max()} of {counts[true].sum()} images of class "
        f"{classes[true]} are predicted as {classes[predicted]}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)
