"""A heat map of the recall of every class by every configuration."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

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

WRITTEN = 20  # classes up to which values are written into the squares
LETTERS_PER_INCH = 13  # of the names below the squares
LEFT = 3.6  # inches for the names of the configurations
MOST = 60  # names that the axis has room for
PLACE = "no. {}"


def draw_recall_heat_maps(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """One plot a data set: classes from the most frequent in training to the rarest, configurations by strategy."""
    for title, rows in results.most_imbalanced_groups():
        looking = drop_baseline(rows)
        if looking.empty:
            yield Missing("recall", f"{title}: only the baseline")
            continue
        columns = average_recall_by_class(looking)
        table = pd.DataFrame(
            {
                name: average_recall_by_class(cells)["recall"]
                for name, cells in group_by_configuration(looking)
            }
        ).T[columns.index]
        few = len(columns) <= WRITTEN
        names = [shorten_name(str(name), 20) for name in columns.index]
        width = max(NARROWEST, LEFT + (0.55 if few else 0.2) * min(len(columns), MOST))
        upright = not few or max(map(len, names)) > LETTERS_PER_INCH * (width - LEFT) / len(columns)
        step = -(-len(columns) // MOST)
        ticks = [
            f"{name} ({n:.0f})" if upright else f"{name}\n{n:.0f}"
            for name, n in zip(names, columns["train"], strict=True)
        ]
        room = 0.08 * max(map(len, ticks)) if upright else 0.3
        with create_panels(1, width, 0.6 + room + 0.24 * len(table)) as (figure, (ax,)):
            ax.imshow(table, cmap="viridis", vmin=0, vmax=1, aspect="auto")
            ax.grid(visible=False)
            for (row, column), value in np.ndenumerate(table.to_numpy()):
                if few and np.isfinite(value):
                    ax.text(
                        column,
                        row,
                        f"{value:.2f}",
                        ha="center",
                        va="center",
                        fontsize=7,
                        color="white" if value < 0.55 else "black",
                    )
            ax.set_xticks(
                range(0, len(columns), step),
                ticks[::step],
                fontsize=8,
                rotation=90 if upright else 0,
            )
            ax.set_yticks(
                range(len(table)), [shorten_middle(name) for name in table.index], fontsize=8
            )
            ax.set_xlabel("class, and its training images")
            title = f"{title}: recall of each class"
            add_title(figure, title)
        name = make_file_stem("recall", results.file_label(str(rows["dataset"].iloc[0])))
        yield Plot(name, title, figure, _make_caption(columns, table, looking))


def shorten_middle(name: str, most: int = 60) -> str:
    """Name of a configuration without its middle where it is long: configurations often differ in the model, at the end."""
    half = most // 2
    return name if len(name) <= most else f"{name[:half]}…{name[len(name) - half + 1 :]}"


def average_recall_by_class(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean recall and training images of each class, the most frequent first.

    Where the seeds draw which classes are rare, a class would be rare in one cell and frequent in
    another: then 'most frequent' is the most frequent class of each cell, '2nd' its second, and so
    on.
    """
    spec = Spec.parse(rows["imbalance"].iloc[0])
    drawn = spec.name != "none" and "rare" not in dict(spec.params) and rows["seed"].nunique() > 1
    cells = [list(classes.items()) for classes in rows["per_class"]]
    if drawn:
        cells = [
            [
                (PLACE.format(k), of)
                for k, (_, of) in enumerate(_sort_classes_by_size(cell), start=1)
            ]
            for cell in cells
        ]
    found = pd.DataFrame([{"class": name, **of} for cell in cells for name, of in cell])
    found["recall"] = found["recall"].where(found["support"] > 0)
    means = found.groupby("class", sort=False)[["recall", "train"]].mean()
    return means.sort_values("train", ascending=False, kind="stable")


def _sort_classes_by_size(
    cell: list[tuple[str, dict[str, float]]],
) -> list[tuple[str, dict[str, float]]]:
    return sorted(cell, key=lambda found: -found[1]["train"])


def _make_caption(columns: pd.DataFrame, table: pd.DataFrame, rows: pd.DataFrame) -> str:
    drawn = f"{PLACE.format(1)} is the class with the most training images of each cell, since the seeds draw which are rare. "
    by = drawn if PLACE.format(1) in columns.index else ""
    worst = table.min(axis=1).dropna()
    text = f"Means over {describe_replicates(rows)}; classes by their training images, whose number is with the name. {by}"
    return text + _describe_least_recall(worst)


def _describe_least_recall(minima: pd.Series) -> str:
    """Sentence on the least recall of the configurations; empty where no recall is defined."""
    if minima.empty:
        return ""
    highest, lowest = f"{minima.max():.3f}", f"{minima.min():.3f}"
    if highest == lowest:
        return f"The least value of each row is {lowest}."
    return f"The least value of a row is {highest} at best, with {minima.idxmax()}, and {lowest} at worst, with {minima.idxmin()}."
