"""A heat map of the recall of every class by every entry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmark.plots.picture import Missing, Picture, entitle, file_name, panels
from benchmark.plots.rows import Results, cells_in_words, entries, without_floor


def heat_map(results: Results, metric: str) -> Iterator[Picture | Missing]:
    """One picture a data set: classes from the most frequent in training to the rarest, entries by strategy."""
    for title, rows in results.hardest():
        looking = without_floor(rows)
        if looking.empty:
            yield Missing("recall", f"{title}: only the floor")
            continue
        table = pd.DataFrame({name: by_frequency(cells)["recall"] for name, cells in entries(looking)}).T
        columns = by_frequency(looking)
        with panels(1, 3.6 + 0.55 * len(columns), 0.7 + 0.24 * len(table)) as (figure, (ax,)):
            ax.imshow(table, cmap="viridis", vmin=0, vmax=1, aspect="auto")
            ax.grid(visible=False)
            for (row, column), value in np.ndenumerate(table.to_numpy()):
                if np.isfinite(value):
                    ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color="white" if value < 0.55 else "black")
            ax.set_xticks(
                range(len(columns)), [f"{name}\n{n:.0f}" for name, n in zip(columns["name"], columns["train"], strict=True)], fontsize=8
            )
            ax.set_yticks(range(len(table)), table.index, fontsize=8)
            ax.set_xlabel("class, and its training images")
            entitle(figure, f"{title}: recall of each class")
        yield Picture(file_name("recall", str(rows["dataset"].iloc[0])), figure, _caption(table, columns, looking))


def by_frequency(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean recall and training images of each cell's most frequent class, of the second, ...; named where they are always the same.

    Where the seed draws which classes are rare, the mean of a class over seeds would mix the two.
    """
    cells = [sorted(classes.items(), key=lambda found: -found[1]["train"]) for classes in rows["per_class"]]
    places = list(zip(*cells, strict=True))
    same = all(len({name for name, _ in found}) == 1 for found in places)
    return pd.DataFrame(
        {
            "name": [found[0][0] if same else f"{k}." for k, found in enumerate(places, start=1)],
            "recall": [np.nanmean([of["recall"] if of["support"] else np.nan for _, of in found]) for found in places],
            "train": [np.mean([of["train"] for _, of in found]) for found in places],
        }
    )


def _caption(table: pd.DataFrame, columns: pd.DataFrame, rows: pd.DataFrame) -> str:
    worst = table.min(axis=1)
    drawn = (
        ""
        if not columns["name"].str.match(r"\d+\.$").any()
        else "Which classes are rare differs from cell to cell: 1. is the most frequent. "
    )
    return (
        f"Means over {cells_in_words(rows)}; classes by their training images. {drawn}The worst class is found best with {worst.idxmax()} "
        f"({worst.max():.3f}) and worst with {worst.idxmin()} ({worst.min():.3f})."
    )
