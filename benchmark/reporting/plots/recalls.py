"""Heat maps of the recall of each class for each configuration."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.plugins.spec import Spec
from benchmark.reporting.plots.plot import (
    NARROWEST,
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
    shorten_name,
)
from benchmark.reporting.plots.rows import (
    Results,
    describe_replicates,
    drop_baseline,
    group_by_configuration,
)

MAX_ANNOTATED = 20  # up to this number of classes, values are written into the squares
LETTERS_PER_INCH = 13  # of the class names below the squares
NAMES_WIDTH = 3.6  # inches for the names of the configurations
MAX_TICK_LABELS = 60  # class names that fit on the axis
SIZE_RANK = "no. {}"  # label of the class with the k-th most training images of each cell


def draw_recall_heat_maps(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset.

    Classes are sorted by decreasing number of training images, configurations by strategy.
    """
    for title, rows in results.most_imbalanced_groups():
        group = drop_baseline(rows)
        if group.empty:
            yield Missing("recall", f"{title}: only the baseline was run")
            continue
        columns = average_recall_by_class(group)
        table = pd.DataFrame(
            {
                name: average_recall_by_class(cells)["recall"]
                for name, cells in group_by_configuration(group)
            }
        ).T[columns.index]
        annotated = len(columns) <= MAX_ANNOTATED
        names = [shorten_name(str(name), 20) for name in columns.index]
        column_width = 0.55 if annotated else 0.2
        width = max(NARROWEST, NAMES_WIDTH + column_width * min(len(columns), MAX_TICK_LABELS))
        max_letters = LETTERS_PER_INCH * (width - NAMES_WIDTH) / len(columns)
        rotated = not annotated or max(map(len, names)) > max_letters
        step = -(-len(columns) // MAX_TICK_LABELS)
        ticks = [
            f"{name} ({n:.0f})" if rotated else f"{name}\n{n:.0f}"
            for name, n in zip(names, columns["train"], strict=True)
        ]
        room = 0.08 * max(map(len, ticks)) if rotated else 0.3
        with create_panels(1, width, 0.6 + room + 0.24 * len(table)) as (figure, (ax,)):
            _draw_squares(ax, table, annotated)
            ax.set_xticks(
                range(0, len(columns), step),
                ticks[::step],
                fontsize=8,
                rotation=90 if rotated else 0,
            )
            ax.set_yticks(
                range(len(table)), [shorten_middle(name) for name in table.index], fontsize=8
            )
            ax.set_xlabel("class (training images)")
            title = f"{title}: recall of each class"
            add_title(figure, title)
        name = make_file_stem("recall", results.file_label(str(rows["dataset"].iloc[0])))
        yield Plot(name, title, figure, _make_caption(columns, table, group))


def _draw_squares(ax: Axes, table: pd.DataFrame, annotated: bool) -> None:
    """Draw a square per recall, with its value in it if ``annotated``."""
    ax.imshow(table, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    ax.grid(visible=False)
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        if annotated and np.isfinite(value):
            ax.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if value < 0.55 else "black",
            )


def shorten_middle(name: str, max_letters: int = 60) -> str:
    """Shorten a long name in its middle, since configurations often differ at the end (model)."""
    half = max_letters // 2
    return name if len(name) <= max_letters else f"{name[:half]}…{name[len(name) - half + 1 :]}"


def average_recall_by_class(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean recall and mean number of training images of each class, the most frequent first.

    If the seeds draw which classes are rare, a class may be rare in one cell and frequent in
    another. Classes are then averaged by their rank in size: 'no. 1' is the class with the most
    training images of each cell.
    """
    spec = Spec.parse(rows["imbalance"].iloc[0])
    by_size_rank = (
        spec.name != "none" and "rare" not in dict(spec.params) and rows["seed"].nunique() > 1
    )
    cells = [list(classes.items()) for classes in rows["per_class"]]
    if by_size_rank:
        cells = [
            [
                (SIZE_RANK.format(k), values)
                for k, (_, values) in enumerate(_sort_classes_by_size(cell), start=1)
            ]
            for cell in cells
        ]
    recalls = pd.DataFrame([{"class": name, **values} for cell in cells for name, values in cell])
    recalls["recall"] = recalls["recall"].where(recalls["support"] > 0)
    means = recalls.groupby("class", sort=False)[["recall", "train"]].mean()
    return means.sort_values("train", ascending=False, kind="stable")


def _sort_classes_by_size(
    cell: list[tuple[str, dict[str, float]]],
) -> list[tuple[str, dict[str, float]]]:
    return sorted(cell, key=lambda item: -item[1]["train"])


def _make_caption(columns: pd.DataFrame, table: pd.DataFrame, rows: pd.DataFrame) -> str:
    sentences = [
        f"Mean recall over {describe_replicates(rows)}. Classes are sorted by their number of "
        "training images, which is given with the name. Confidence intervals are in `table --by "
        "class --metric recall`."
    ]
    if SIZE_RANK.format(1) in columns.index:
        sentences.append(
            f"{SIZE_RANK.format(1)} is the class with the most training images of each cell, since "
            "the seeds draw which classes are rare."
        )
    sentences.append(_describe_lowest_recall(table.min(axis=1).dropna()))
    return " ".join(sentences).rstrip()


def _describe_lowest_recall(minima: pd.Series) -> str:
    """Describe the lowest recalls of the configurations; empty if no recall is defined."""
    if minima.empty:
        return ""
    highest, lowest = f"{minima.max():.3f}", f"{minima.min():.3f}"
    if highest == lowest:
        return f"The lowest recall of each row is {lowest}."
    return (
        f"The lowest recall of a row is at best {highest}, with {minima.idxmax()}, and at worst "
        f"{lowest}, with {minima.idxmin()}."
    )
