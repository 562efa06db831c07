"""Plots of the positive class of a binary task: ROC, precision-recall and decision curves.

The best configurations are drawn in colours, with their names beside the panel, all others in gray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
)
from benchmark.reporting.plots.recalls import shorten_middle
from benchmark.reporting.plots.rows import (
    Results,
    add_configuration_names,
    describe_replicates,
    drop_baseline,
)
from benchmark.scoring.binary_curves import CURVES, Floats, compute_curve
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.pooling import pool_test_sets
from benchmark.scoring.predictions import Predictions, read_cell_predictions
from benchmark.utils.text import format_count

COLOURED = 4  # configurations that are drawn in colours
COLOURS = ("#1f4e9c", "#c8501e", "#2a7f3f", "#7a3b8f")
PALE = "0.82"
WITH_BAND = 2  # configurations with a confidence band
TITLES = {
    "roc": "ROC curves",
    "precision_recall": "precision-recall curves",
    "decision": "decision curves",
}
SCALING = ("tuned_threshold", "operating_point")  # strategies that choose a threshold
MOST_PALE = 40  # further configurations that are drawn in gray


@dataclass(frozen=True)
class RankedPredictions:
    """Predictions of the configurations of a binary dataset, the best first.

    Parameters
    ----------
    title : str
        Title of the rows.
    dataset : str
        Short name of the dataset, for file names.
    rows : DataFrame
    predictions : dict of str to list of Predictions
        By name of the configuration: the test sets of all folds together, one per seed.
    metric : str
        Metric that they are ranked by.
    """

    title: str
    dataset: str
    rows: pd.DataFrame
    predictions: dict[str, list[Predictions]]
    metric: str

    @property
    def positive(self) -> str:
        """The second class, whose probabilities are shown."""
        return next(iter(self.predictions.values()))[0].classes[1]

    def describe_selection(self) -> str:
        """Say which predictions are shown, and how the configurations are ordered."""
        together = describe_replicates(self.rows)
        pooled = f"Predictions of {together} are shown together. "
        return (
            f"{self._warn_of_scaling()}{pooled * ('one' not in together)}Configurations are "
            f"ordered by {self.metric}, the best first."
        )

    def _warn_of_scaling(self) -> str:
        """Name the strategies that scale the probabilities; empty if there are none."""
        labels = self.rows["strategy"].unique()
        scaling = [name for name in SCALING if any(name in label for label in labels)]
        if not scaling:
            return ""
        return (
            f"Probabilities of {' and '.join(scaling)} are scaled so that the chosen threshold "
            "becomes one half, and are no estimates of a risk. "
        )

    @property
    def share_of_positive(self) -> float:
        """Share of the positive class among the test images."""
        return float((next(iter(self.predictions.values()))[0].y_true == 1).mean())


def rank_binary_predictions(
    results: Results, name: str, metric: str
) -> Iterator[RankedPredictions | Missing]:
    """Yield the predictions of each dataset with two classes; for others, why there is no plot."""
    for title, rows in results.most_imbalanced_groups():
        candidates = add_configuration_names(drop_baseline(rows))
        if candidates.empty:
            yield Missing(name, f"{title}: only the baseline was run")
            continue
        sign = 1 if find_metric(metric).greater_is_better else -1
        means = sign * candidates.groupby("name", sort=False)[metric].mean()
        order = means.sort_values(ascending=False, kind="stable").index[: COLOURED + MOST_PALE]
        groups = dict(list(candidates.groupby("name", sort=False)))
        predictions = {str(label): _pool(results, groups[label]) for label in order}
        first = next(iter(predictions.values()))[0]
        if len(first.classes) != 2 or first.multilabel:
            yield Missing(name, f"{title}: it requires two classes that exclude each other")
        elif len(np.unique(first.y_true)) < 2:
            yield Missing(name, f"{title}: the test images are all of one class")
        else:
            dataset = results.file_label(str(rows["dataset"].iloc[0]))
            yield RankedPredictions(title, dataset, candidates, predictions, metric)


def _pool(results: Results, cells: pd.DataFrame) -> list[Predictions]:
    pooled: list[Predictions] = []
    for _, own in cells.groupby("seed", sort=True):
        read = results.view.read_predictions
        pooled += pool_test_sets(read_cell_predictions(read, own.sort_values("fold")))
    return pooled


def draw_roc_curves(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield a plot of ROC curves per dataset."""
    yield from _draw_plots(results, metric, "roc", _frame_roc)


def draw_precision_recall_curves(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield a plot of precision-recall curves per dataset, with the prevalence."""
    yield from _draw_plots(results, metric, "precision_recall", _frame_precision_recall)


def draw_decision_curves(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield a plot of decision curves per dataset, with treating all and treating none."""
    yield from _draw_plots(results, metric, "decision", _frame_decision)


def _draw_plots(
    results: Results, metric: str, name: str, frame: Callable[[Axes, RankedPredictions], str]
) -> Iterator[Plot | Missing]:
    for ranked in rank_binary_predictions(results, name, metric):
        yield ranked if isinstance(ranked, Missing) else _draw_plot(ranked, name, frame)


def _draw_plot(
    ranked: RankedPredictions, name: str, frame: Callable[[Axes, RankedPredictions], str]
) -> Plot:
    grid, shown = CURVES[name][1], list[Floats]()
    with create_panels(1, 8.0, 4.6) as (figure, (ax,)):
        what = frame(ax, ranked)
        for label, seeds in ranked.predictions.items():
            curve, lower, upper = compute_curve(name, seeds)
            place = len(shown)
            if place == COLOURED or any(np.array_equal(curve, other) for other in shown):
                ax.plot(grid, curve, color=PALE, linewidth=0.8, zorder=1)
                continue
            shown.append(curve)
            colour = COLOURS[place]
            ax.plot(grid, curve, color=colour, linewidth=1.6, zorder=5 - place / 10)
            if place < WITH_BAND:
                ax.fill_between(grid, lower, upper, color=colour, alpha=0.15, linewidth=0, zorder=2)
            write_name(ax, place, label, colour)
        write_rest(ax, len(shown), len(ranked.predictions) - len(shown))
        title = f"{ranked.title}: {TITLES[name]} of '{ranked.positive}'"
        add_title(figure, title)
    return Plot(
        make_file_stem(name, ranked.dataset),
        title,
        figure,
        f"{what} {ranked.describe_selection()} Of several with the same curve, the first one is "
        f"named. The bands of the best {WITH_BAND} are pointwise 95% confidence intervals, from a "
        "bootstrap of the test images or of their groups.",
    )


def write_name(ax: Axes, place: int, name: str, colour: str) -> None:
    """Write the name of a configuration to the right of a panel, the first at the top."""
    ax.text(
        1.03,
        0.97 - 0.07 * place,
        shorten_middle(name, 60),
        transform=ax.transAxes,
        color=colour,
        fontsize=8,
        va="top",
    )


def write_rest(ax: Axes, place: int, n_others: int) -> None:
    """Write how many configurations are drawn in gray, in a place below the names."""
    if n_others > 0:
        write_name(ax, place, f"gray: {format_count(n_others, 'other configuration')}", "0.5")


def _frame_roc(ax: Axes, ranked: RankedPredictions) -> str:
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
    ax.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    return "Sensitivity against 1 - specificity at all thresholds; the dashed line is chance."


def _frame_precision_recall(ax: Axes, ranked: RankedPredictions) -> str:
    share = ranked.share_of_positive
    ax.axhline(share, color="0.6", linewidth=0.8, linestyle="--")
    ax.set(xlabel="recall (sensitivity)", ylabel="precision (positive predictive value)")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    return (
        "Precision against recall at all thresholds; the dashed line is the prevalence, "
        f"{share:.1%}, the precision of predicting every image as positive."
    )


def _frame_decision(ax: Axes, ranked: RankedPredictions) -> str:
    grid, share = CURVES["decision"][1], ranked.share_of_positive
    everyone = share - (1 - share) * grid / (1 - grid)
    ax.plot(grid, everyone, color="0.35", linewidth=1, linestyle="--")
    ax.axhline(0, color="0.35", linewidth=1)
    ax.set(xlabel="threshold probability", ylabel="net benefit per image", xlim=(0, 1))
    ax.set_ylim(-0.15 * share, 1.15 * share)
    return (
        "Net benefit of treating the images whose probability reaches the threshold (Vickers & "
        "Elkin 2006); the dashed line is treating all, the line at zero treating none. A "
        "configuration is useful at the thresholds where it is above both."
    )
