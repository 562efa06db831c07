"""Calibration of the probabilities of the positive class, and their distribution by class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmark.reporting.plots.binary_curves import (
    COLOURED,
    COLOURS,
    RankedPredictions,
    rank_binary_predictions,
)
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    label_outer_panels,
    make_file_stem,
    wrap_name,
)
from benchmark.reporting.plots.rows import Results
from benchmark.scoring.binary_scores import calibration_band
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import ALPHA, wilson_interval

N_BINS = 10  # of equal numbers of images
WIDTH = 3.0  # of a panel, in inches
CRITICAL = float(-ndtri(ALPHA / 2))


def draw_calibration_plots(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset, with a panel for each of the best configurations."""
    for ranked in rank_binary_predictions(results, "calibration", metric):
        yield ranked if isinstance(ranked, Missing) else _draw_calibration(ranked)


def _draw_calibration(ranked: RankedPredictions) -> Plot:
    best = list(ranked.predictions.items())[:COLOURED]
    with create_panels(len(best), WIDTH, 3.4, columns=len(best)) as (figure, axes):
        for ax, colour, (name, seeds) in zip(axes, COLOURS, best, strict=False):
            _draw_calibration_panel(ax, name, seeds, colour)
            ax.set(xlabel=f"probability of '{ranked.positive}'", ylabel="share of positive images")
        label_outer_panels(axes)
        title = f"{ranked.title}: calibration of '{ranked.positive}'"
        add_title(figure, title)
    caption = (
        f"Share of positive images against their probability, in {N_BINS} bins of equal numbers of "
        "images with Wilson's 95% intervals; bars below are the numbers of images. The line is the "
        "logistic regression of the truth on the logit of the probability, with its 95% band, "
        "of the first seed; band and intervals take all images as independent. "
        "Points below the diagonal: probabilities too high. slope below 1: too extreme; intercept "
        f"(slope fixed to 1) below 0: too high on average. {ranked.describe_selection()}"
    )
    return Plot(make_file_stem("calibration", ranked.dataset), title, figure, caption)


def _draw_calibration_panel(ax: Axes, name: str, seeds: list[Predictions], colour: str) -> None:
    truth = np.concatenate([p.y_true == 1 for p in seeds])
    score = np.concatenate([p.proba[:, 1] for p in seeds]).clip(0, 1)
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
    counts, edges = np.histogram(score, np.linspace(0, 1, 21))
    ax.bar(edges[:-1], 0.15 * counts / counts.max(), 0.05, align="edge", color="0.85")
    band = calibration_band(seeds[0].y_true == 1, seeds[0].proba[:, 1])
    if band is not None:
        ax.plot(band[0], band[1], color=colour, linewidth=1.4)
        ax.fill_between(band[0], band[2], band[3], color=colour, alpha=0.15, linewidth=0)
    for x, share, lower, upper in _bin(truth, score, len(seeds)):
        ax.plot([x, x], [lower, upper], color=colour, linewidth=0.8)
        ax.plot([x], [share], color=colour, marker="o", markersize=4)
    values = [
        np.mean([find_metric(metric)(p) for p in seeds])
        for metric in ("calibration_slope", "calibration_intercept")
    ]
    slope, intercept = (f"{value:.2f}" if np.isfinite(value) else "-" for value in values)
    ax.set_title(
        f"{wrap_name(name, WIDTH)}\nslope {slope}, intercept {intercept}", loc="left", fontsize=8
    )
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.03))


def _bin(
    truth: NDArray[np.bool_], score: NDArray[np.float64], n_seeds: int
) -> Iterator[tuple[float, float, float, float]]:
    """Yield mean probability, share of positive images and its interval in each bin."""
    order = np.argsort(score, kind="stable")
    for members in np.array_split(order, min(N_BINS, len(order))):
        share = float(truth[members].mean())
        # the seeds predict the same images
        yield (
            score[members].mean(),
            share,
            *wilson_interval(share, len(members) / n_seeds, CRITICAL),
        )


def draw_score_distributions(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset: the probabilities of the positive class, by true class."""
    for ranked in rank_binary_predictions(results, "scores", metric):
        yield ranked if isinstance(ranked, Missing) else _draw_distributions(ranked)


def _draw_distributions(ranked: RankedPredictions) -> Plot:
    best = list(ranked.predictions.items())[:COLOURED]
    classes = best[0][1][0].classes
    with create_panels(len(best), WIDTH, 2.8, columns=len(best)) as (figure, axes):
        for ax, (name, seeds) in zip(axes, best, strict=True):
            for k, colour in enumerate(("0.55", COLOURS[1])):
                scores = np.concatenate([p.proba[p.y_true == k, 1] for p in seeds]).clip(0, 1)
                weights = np.full(len(scores), 1 / max(1, len(scores)))
                ax.hist(
                    scores, np.linspace(0, 1, 21).tolist(), weights=weights, color=colour,
                    alpha=0.6, label=classes[k],
                )  # fmt: skip
            ax.axvline(0.5, color="0.3", linewidth=0.8, linestyle="--")
            ax.set_title(wrap_name(name, WIDTH), loc="left", fontsize=8)
            ax.set(xlabel=f"probability of '{ranked.positive}'", ylabel="share of the class")
        label_outer_panels(axes)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
        title = f"{ranked.title}: probabilities of '{ranked.positive}' by true class"
        add_title(figure, title)
    caption = (
        "Distribution of the predicted probability for the test images of each class; those to "
        f"the right of the dashed line are predicted as positive. {ranked.describe_selection()}"
    )
    return Plot(make_file_stem("scores", ranked.dataset), title, figure, caption)
