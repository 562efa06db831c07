"""Forest plots: differences of configurations to a reference, on each dataset and pooled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.reporting.configuration_lookup import find_configuration
from benchmark.reporting.pair_comparison import UNPAIRED, compare_pair, pair_cells
from benchmark.reporting.plots.common_scores import CommonScores, select_common_scores
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    create_panels,
    fit_beside,
    make_file_stem,
    measure_height,
)
from benchmark.reporting.plots.rows import Results, explain_metric
from benchmark.reporting.plots.style import GRAY, INK
from benchmark.reporting.plots.texts import measure_text, wrap_text
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.hodges_lehmann import (
    explain_too_few_datasets,
    hodges_lehmann_interval,
)
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.rank_tests import wilcoxon_holm_tests
from benchmark.scoring.significance import ALPHA, Result
from benchmark.utils.text import format_count

NAME = "forest"
POOLED = "all datasets"
ROW_HEIGHT = 0.15  # inches
PANEL_WIDTH = 1.1  # inches
MOST_IN_ROW = 5  # panels
PAGE_HEIGHT = 9.0  # inches
MAX_REASONS = 2  # for missing intervals, that the caption gives
MAX_NAMED = 5  # configurations that the caption names


def draw_forest_plot(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot of the differences to ``results.against``, or else to the best mean rank.

    The longer of configurations and datasets are rows, the others are panels.
    """
    scores = select_common_scores(results, NAME, metric)
    if isinstance(scores, Missing):
        yield scores
        return
    reference = _find_reference(scores, results)
    if not reference:
        yield Missing(NAME, f"'{results.against}' is not complete on all datasets")
        return
    differences = compare_with_reference(scores, reference, metric, results)
    rows, panels = ("name", "dataset")
    if differences["name"].nunique() < differences["dataset"].nunique():
        rows, panels = panels, rows
    titles = list(differences[panels].unique())
    if titles[-1] == POOLED:
        titles = [POOLED, *titles[:-1]]
    labels = list(differences[rows].unique())
    shown = labels[: _count_rows_that_fit(len(titles))] if rows == "name" else labels
    figure = _draw_panels(differences.set_index(rows), panels, titles, shown)
    caption = _make_caption(scores, differences, reference, metric, chosen=bool(results.against))
    if len(shown) < len(labels):
        caption += f" {len(labels) - len(shown)} more, with worse mean ranks, are not shown."
    label = metric_label_for_rows(metric, next(iter(scores.groups.values())))
    title = f"Difference in {label} to {reference}, on {len(scores.values)} datasets"
    yield Plot(make_file_stem(NAME, results.file_unit, metric), title, figure, caption)


def _count_rows_that_fit(n_panels: int) -> int:
    """Number of rows of each panel with which all panels fit on a page."""
    height = PAGE_HEIGHT / -(-n_panels // MOST_IN_ROW) - 0.8
    return max(5, int(height / ROW_HEIGHT))


def _draw_panels(
    differences: pd.DataFrame, panels: str, titles: list[str], labels: list[str]
) -> Figure:
    """Draw a panel for each title, with a row for each label of the index."""
    most = min(len(titles), MOST_IN_ROW)
    names, width = fit_beside(labels, max(1.8, most * PANEL_WIDTH))
    room = width - max(map(measure_text, names)) - 0.2
    most = min(most, int(room / PANEL_WIDTH))
    columns = -(-len(titles) // -(-len(titles) // most))  # as even as possible
    wrapped = [wrap_text(title, room / columns - 0.1, most=3) for title in titles]
    height = 0.5 + max(map(measure_height, wrapped)) + ROW_HEIGHT * len(labels)
    with create_panels(len(titles), height, columns, width) as (figure, axes):
        for ax, title, text in zip(axes, titles, wrapped, strict=True):
            panel = differences[differences[panels] == title].loc[labels]
            _draw_panel(ax, panel, title == POOLED)
            ax.set_title(text)
            ax.tick_params(axis="x", labelbottom=True)
            ax.set_xlabel("difference")
        axes[0].set_yticks(range(len(labels)), names)
        axes[0].xaxis.set_major_locator(MaxNLocator(3, prune="both"))
        axes[0].set_ylim(len(labels) - 0.5, -0.5)
    return figure


def _find_reference(scores: CommonScores, results: Results) -> str:
    """Name of the configuration that differences are taken to; empty if it lacks values."""
    if not results.against:
        return str(scores.values.columns[0])
    wanted = find_configuration(results.against, results.rows, results.view.folder.path)
    return next((name for name in scores.values if scores.configuration(name) == wanted), "")


def compare_with_reference(
    scores: CommonScores, reference: str, metric: str, results: Results
) -> pd.DataFrame:
    """Compare each configuration with a reference, on each dataset and pooled.

    Returns
    -------
    DataFrame
        One line per configuration and dataset, the pooled ones last, where there are enough
        datasets. The columns are name, dataset
        (its short name), value (configuration minus reference), lower, upper, and refusal, why
        there is no interval.
    """
    read = results.view.read_predictions
    second = scores.configuration(reference)
    lines = []
    for label, group in scores.groups.items():
        for name in scores.values.columns.drop(reference):
            first = scores.configuration(name)
            paired = pair_cells(group, first, second, metric)
            if paired is None:
                result = Result("", 0, np.nan, refusal=UNPAIRED)
            else:
                result = compare_pair("", paired, first, second, metric, read, ALPHA).result
            lines.append(_make_line(name, scores.short[label], result))
    for name in scores.values.columns.drop(reference):
        pooled = hodges_lehmann_interval(scores.values[name] - scores.values[reference])
        if not pooled.refusal:
            lines.append(_make_line(name, POOLED, pooled))
    return pd.DataFrame(lines)


def _make_line(name: str, dataset: str, result: Result) -> dict[str, object]:
    return {
        "name": name,
        "dataset": dataset,
        "value": result.effect,
        "lower": result.lower,
        "upper": result.upper,
        "refusal": result.refusal if np.isnan(result.lower) else "",
    }


def _draw_panel(ax: Axes, panel: pd.DataFrame, all_pooled: bool) -> None:
    """Draw one difference per row, with its interval; those that are pooled as diamonds."""
    ax.axvline(0, color=INK, linewidth=0.6, zorder=1)
    for row, line in enumerate(panel.itertuples()):
        colour = INK if line.lower > 0 or line.upper < 0 else GRAY
        pooled = all_pooled or line.Index == POOLED
        ax.plot(
            [line.lower, line.upper], [row, row], color=colour, linewidth=1.5 if pooled else 0.8
        )
        ax.plot(
            line.value,
            row,
            "D" if pooled else "o",
            color=colour,
            markersize=4 if pooled else 2.5,
            markerfacecolor="white" if line.refusal else colour,
        )
    ax.tick_params(axis="y", length=0)


def _make_caption(
    scores: CommonScores, differences: pd.DataFrame, reference: str, metric: str, chosen: bool
) -> str:
    right = "better" if find_metric(metric).greater_is_better else "worse"
    too_few = explain_too_few_datasets(len(scores.values))
    sentences = [
        f"Value of the configuration minus that of {reference}, with 95% intervals of each "
        f"difference alone; to the right of 0 is {right}. Intervals that exclude 0 are black, the "
        f"others gray. {explain_metric(metric)}"
    ]
    if not chosen:
        sentences.append(
            f"{reference} has the best mean rank and was chosen on these values, which flatters it."
        )
    if too_few:
        sentences.append(f"Differences are not pooled: {too_few}.")
    else:
        sentences.append(
            "Diamonds are pseudomedians (Hodges-Lehmann estimates) over "
            f"{len(scores.values)} datasets, with the interval of Wilcoxon's signed-rank test, "
            "which assumes symmetric differences. " + _describe_tests(scores, reference)
        )
    single = differences[(differences["dataset"] != POOLED) & (differences["refusal"] != "")]
    if len(single):
        sentences.append(
            f"Open markers have no interval ({len(single)}): "
            f"{'; '.join(single['refusal'].unique()[:MAX_REASONS])}."
        )
    return " ".join([*sentences, scores.note])


def _describe_tests(scores: CommonScores, reference: str) -> str:
    """Which configurations differ from the reference, adjusted for their number."""
    tests = wilcoxon_holm_tests(scores.values, reference)
    names = [name for name, result in tests.items() if result.significant]
    tested = format_count(sum(not result.refusal for result in tests.values()), "comparison")
    listed = ", ".join(names) if len(names) <= MAX_NAMED else f"{len(names)} configurations"
    return f"Significant after adjustment by Holm for {tested}: {listed or 'none'}."
