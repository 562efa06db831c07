"""Forest plots: differences of configurations to a reference, on each dataset and pooled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmark.reporting.configuration_lookup import find_configuration
from benchmark.reporting.pair_comparison import UNPAIRED, compare_pair, pair_cells
from benchmark.reporting.plots.common_scores import CommonScores, select_common_scores
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
    measure_names,
    wrap_name,
)
from benchmark.reporting.plots.recalls import shorten_middle
from benchmark.reporting.plots.rows import Results
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
BETTER, WORSE, UNCLEAR = "#0b4f9e", "#c0152f", "0.45"
ROW_HEIGHT = 0.2  # inches
MAX_LETTERS = 60
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
    labels, titles = differences[rows].unique(), list(differences[panels].unique())
    if titles[-1] == POOLED:
        titles = [POOLED, *titles[:-1]]
    shown = [shorten_middle(str(label), MAX_LETTERS) for label in labels]
    width, most = (1.5, 7) if panels == "dataset" else (2.4, 4)
    columns = -(-len(titles) // -(-len(titles) // most))  # as even as possible
    room = measure_names(shown) / columns
    height = 0.6 + ROW_HEIGHT * len(labels)
    label = metric_label_for_rows(metric, next(iter(scores.groups.values())))
    with create_panels(len(titles), width + room, height, columns) as (figure, axes):
        for ax, title in zip(axes, titles, strict=True):
            panel = differences[differences[panels] == title].set_index(rows).loc[labels]
            _draw_panel(ax, panel, title == POOLED, find_metric(metric).greater_is_better)
            ax.set_title(wrap_name(str(title), width), fontsize=8)
            ax.tick_params(axis="x", labelbottom=True)
            ax.set_xlabel("difference")
        axes[0].set_yticks(range(len(labels)), shown)
        axes[0].xaxis.set_major_locator(MaxNLocator(4, prune="both"))
        axes[0].set_ylim(len(labels) - 0.5, -0.5)
        title = f"Difference in {label} to {reference}, on {len(scores.values)} datasets"
        add_title(figure, title)
    yield Plot(
        make_file_stem(NAME, metric),
        title,
        figure,
        _make_caption(scores, differences, reference, metric, chosen=bool(results.against)),
    )


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


def _draw_panel(ax: Axes, panel: pd.DataFrame, all_pooled: bool, greater_is_better: bool) -> None:
    """Draw one difference per row, with its interval; those that are pooled as diamonds."""
    ax.axvline(0, color="0.3", linewidth=0.8, zorder=1)
    for row, line in enumerate(panel.itertuples()):
        colour = UNCLEAR
        if line.lower > 0 or line.upper < 0:
            colour = BETTER if (line.value > 0) == greater_is_better else WORSE
        pooled = all_pooled or line.Index == POOLED
        ax.plot([line.lower, line.upper], [row, row], color=colour, linewidth=2 if pooled else 1.2)
        ax.plot(
            line.value,
            row,
            "D" if pooled else "o",
            color=colour,
            markersize=5 if pooled else 3.5,
            markerfacecolor="white" if line.refusal else colour,
        )
    ax.tick_params(axis="y", length=0, labelsize=8)
    ax.tick_params(axis="x", labelsize=8)


def _make_caption(
    scores: CommonScores, differences: pd.DataFrame, reference: str, metric: str, chosen: bool
) -> str:
    right = "better" if find_metric(metric).greater_is_better else "worse"
    too_few = explain_too_few_datasets(len(scores.values))
    sentences = [
        f"Value of the configuration minus that of {reference}, with 95% intervals of each "
        f"difference alone; to the right of 0 is {right}. Blue is better and red is worse, where "
        "the interval excludes 0."
    ]
    if not chosen:
        sentences.append(
            f"{reference} has the best mean rank and was chosen on these values, which flatters "
            "it; plot --against NAME takes another reference."
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
