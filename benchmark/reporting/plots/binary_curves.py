"""Plots of the positive class of a binary task: ROC, precision-recall and decision curves.

The best configurations are drawn in colours, all others in gray. The names are below the panel,
since the lines meet at their ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    create_panels,
    draw_key,
    key_of_others,
)
from benchmark.reporting.plots.rows import (
    Results,
    add_configuration_names,
    describe_replicates,
    drop_baseline,
    explain_metric,
    read_labels,
)
from benchmark.reporting.plots.style import GRAY, PALE, Style, style_lines
from benchmark.scoring.binary_curves import CURVES, Floats, compute_curve
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.pooling import pool_test_sets
from benchmark.scoring.predictions import Predictions, read_cell_predictions

COLOURED = 4  # configurations that are drawn in colours
WITH_BAND = 2  # configurations with a confidence band
N_MARKERS = 6  # on each line
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
    stem : str
        Name of the file of the plot.
    rows : DataFrame
    predictions : dict of str to list of Predictions
        By name of the configuration: the test sets of all folds together, one per seed.
    numbers : dict of str to int
        Number of each configuration, from ``Results.number_configurations``.
    metric : str
        Metric that they are ranked by.
    sample : str
        Sentence on the test images.
    """

    title: str
    stem: str
    rows: pd.DataFrame
    predictions: dict[str, list[Predictions]]
    numbers: dict[str, int]
    metric: str
    sample: str

    @property
    def positive(self) -> str:
        """The second class, whose probabilities are shown."""
        return next(iter(self.predictions.values()))[0].classes[1]

    def describe_selection(self) -> str:
        """Say which predictions are shown, and how the configurations are ordered."""
        together = describe_replicates(self.rows)
        pooled = f"Predictions of {together} are shown together. " if "one" not in together else ""
        return (
            f"{self._warn_of_scaling()}{pooled}Configurations are ordered by {self.metric}, the "
            f"best first. {explain_metric(self.metric)} {self.sample}"
        )

    def style(self, names: Iterable[str]) -> dict[str, Style]:
        """Colour, marker and line style of some configurations in one plot."""
        shown = list(names)
        return dict(zip(shown, style_lines([self.numbers[name] for name in shown]), strict=True))

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
        candidates = drop_baseline(rows)
        if candidates.empty:
            yield Missing(name, f"{title}: only the baseline was run")
            continue
        candidates = add_configuration_names(candidates)
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
            stem = results.stem_of_dataset(name, str(rows["dataset"].iloc[0]))
            numbers = results.number_configurations(metric)
            named = {label: numbers[read_labels(groups[label])] for label in order}
            sample = results.describe_sample(candidates)
            yield RankedPredictions(title, stem, candidates, predictions, named, metric, sample)


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
    grid = CURVES[name][1]
    curves = {label: compute_curve(name, seeds) for label, seeds in ranked.predictions.items()}
    styles = ranked.style(_choose_coloured({label: curve for label, (curve, *_) in curves.items()}))
    with create_panels(1, 2.9) as (figure, (ax,)):
        what = frame(ax, ranked)
        for label, (curve, lower, upper) in curves.items():
            if label not in styles:
                ax.plot(grid, curve, color=PALE, linewidth=0.6, zorder=1)
                continue
            place, style = list(styles).index(label), styles[label]
            every = max(1, len(grid) // N_MARKERS)
            marked = (place * every // COLOURED, every)
            ax.plot(grid, curve, **style, markevery=marked, zorder=5 - place / 10)
            if place < WITH_BAND:
                colour = style["color"]
                ax.fill_between(grid, lower, upper, color=colour, alpha=0.15, linewidth=0, zorder=2)
        draw_key(ax, [*styles.items(), *key_of_others(len(curves) - len(styles))])
    return Plot(
        ranked.stem,
        f"{ranked.title}: {TITLES[name]} of '{ranked.positive}'",
        figure,
        f"{what} {ranked.describe_selection()} {_describe_bands(len(styles))}",
    )


def _choose_coloured(curves: dict[str, Floats]) -> list[str]:
    """Names of the first configurations with different curves."""
    chosen: list[str] = []
    for label, curve in curves.items():
        if not any(np.array_equal(curve, curves[other]) for other in chosen):
            chosen.append(label)
    return chosen[:COLOURED]


def _describe_bands(n_coloured: int) -> str:
    bands = "band is a" if n_coloured == 1 else f"bands of the best {WITH_BAND} are"
    interval = "interval" if n_coloured == 1 else "intervals"
    same = "" if n_coloured == 1 else "Of several with the same curve, the first one is named. "
    return (
        f"{same}The {bands} pointwise 95% confidence {interval}, from a bootstrap of the test "
        "images or of their groups."
    )


def _frame_roc(ax: Axes, ranked: RankedPredictions) -> str:
    ax.plot([0, 1], [0, 1], color=GRAY, linewidth=0.6, linestyle="--")
    ax.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    return (
        "Receiver operating characteristic (ROC): sensitivity, the share of positive images that "
        "are found, against 1 - specificity, the share of negative images that are taken for "
        "positive, at all thresholds; the dashed line is chance."
    )


def _frame_precision_recall(ax: Axes, ranked: RankedPredictions) -> str:
    share = ranked.share_of_positive
    ax.axhline(share, color=GRAY, linewidth=0.6, linestyle="--")
    ax.set(xlabel="recall", ylabel="precision")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    return (
        "Precision, the share of images predicted as positive that are, against recall, the share "
        "of positive images that are found, at all thresholds; the dashed line is the prevalence, "
        f"{share:.1%}, the precision of predicting every image as positive."
    )


def _frame_decision(ax: Axes, ranked: RankedPredictions) -> str:
    grid, share = CURVES["decision"][1], ranked.share_of_positive
    everyone = share - (1 - share) * grid / (1 - grid)
    ax.plot(grid, everyone, color=GRAY, linewidth=0.8, linestyle="--")
    ax.axhline(0, color=GRAY, linewidth=0.8)
    ax.set(xlabel="threshold probability", ylabel="net benefit per image", xlim=(0, 1))
    ax.set_ylim(-0.15 * share, 1.15 * share)
    return (
        "Net benefit of treating the images whose probability reaches the threshold (Vickers & "
        "Elkin 2006); the dashed line is treating all, the line at zero treating none. A "
        "configuration is useful at the thresholds where it is above both."
    )
