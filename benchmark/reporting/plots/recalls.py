"""Heat maps of the recall of each class for each configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure
from scipy.special import ndtri

from benchmark.plugins.spec import Spec
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
    fit_beside,
    measure_height,
)
from benchmark.reporting.plots.rows import (
    Results,
    count_test_images,
    describe_replicates,
    drop_baseline,
    group_by_configuration,
)
from benchmark.reporting.plots.style import TEXT
from benchmark.reporting.plots.texts import fit_text, measure_text
from benchmark.scoring.significance import ALPHA, wilson_interval

MAX_CLASS_NAME = 1.6  # inches
MOST_OF_FIGURE = 4.6  # inches for the squares
ROW_HEIGHT = 0.16  # inches
CRITICAL = float(-ndtri(ALPHA / 2))
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
        figure, step = _draw_heat_map(columns, table)
        caption = f"{_make_caption(columns, table, group)} {results.describe_sample(group)}"
        yield Plot(
            results.stem_of_dataset("recall", str(rows["dataset"].iloc[0])),
            f"{title}: recall of each class",
            figure,
            f"{caption} {describe_step(step)}".rstrip(),
        )


def _draw_heat_map(columns: pd.DataFrame, table: pd.DataFrame) -> tuple[Figure, int]:
    """Draw a square per recall; name every k-th class, and return k."""
    ticks = [
        f"{fit_text(str(name), MAX_CLASS_NAME)}\n({n:.0f})"
        for name, n in zip(columns.index, columns["train"], strict=True)
    ]
    panel = min(MOST_OF_FIGURE, MIN_SQUARE * len(columns)) + 0.25
    names, width = fit_beside(list(map(str, table.index)), max(panel, 1.2))
    square = (width - max(map(measure_text, names)) - 0.25) / len(columns)
    rotated = max(map(measure_text, ticks)) > 0.9 * square
    if rotated:
        ticks = [tick.replace("\n", " ") for tick in ticks]
    depth = max(map(measure_text, ticks)) if rotated else measure_height(ticks[0])
    step = choose_step(len(columns), square * len(columns), TEXT)
    height = 0.35 + depth + ROW_HEIGHT * len(table)
    with create_panels(1, height, width=width) as (figure, (ax,)):
        draw_squares(ax, table.to_numpy(dtype=float), annotated=square >= MIN_SQUARE)
        ax.set_xticks(range(0, len(columns), step), ticks[::step], rotation=90 if rotated else 0)
        ax.set_yticks(range(len(table)), names)
        ax.set_xlabel("class (training images)")
    return figure, step


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
        "Recall in percent: the share of the images of each class that are predicted as this "
        f"class, mean over {describe_replicates(rows)}; the darker, the higher. Classes are sorted "
        "by their number of training images, in parentheses."
    ]
    if SIZE_RANK.format(1) in columns.index:
        sentences.append(
            f"{SIZE_RANK.format(1)} is the class with the most training images of each cell, since "
            "the seeds draw which classes are rare."
        )
    else:
        sentences.append(_describe_uncertainty(rows))
    sentences.append(_describe_lowest_recall(table.min(axis=1).dropna()))
    return " ".join(filter(None, sentences))


def _describe_uncertainty(rows: pd.DataFrame) -> str:
    """Say how uncertain the recall of the class with the fewest test images is."""
    folds = rows.drop_duplicates("fold")["per_class"]
    support = pd.DataFrame(
        [{name: of["support"] for name, of in classes.items()} for classes in folds]
    )
    n_tested = support.sum()
    n_repeats = rows.groupby("fold")["n_test"].max().sum() / count_test_images(rows)
    n = round(n_tested.min() / n_repeats)
    if n == 0:
        return f"Class {n_tested.idxmin()} has no test images."
    lower, upper = wilson_interval(0.5, n, CRITICAL)
    return (
        f"Class {n_tested.idxmin()} has the fewest test images, {n:,}: a recall of 50 on them has "
        f"a 95% interval from {100 * lower:.0f} to {100 * upper:.0f} (Wilson)."
    )


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
