"""Calibration of the probabilities of the positive class, and their distribution by class."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmark.reporting.plots.binary_curves import (
    COLOURED,
    RankedPredictions,
    rank_binary_predictions,
)
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    create_panels,
    label_outer_panels,
    measure_height,
)
from benchmark.reporting.plots.rows import Results
from benchmark.reporting.plots.style import GRAY, INK, ONE_COLUMN, PALE, TWO_COLUMNS, Style
from benchmark.reporting.plots.texts import wrap_text
from benchmark.scoring.binary_scores import calibration_band
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import ALPHA, wilson_interval

N_BINS = 10  # of equal numbers of images
HEIGHT = 2.0  # of a panel without its title, in inches
CLASS_STYLES: tuple[Style, Style] = (  # of the negative and of the positive class
    {"color": PALE},
    {"histtype": "step", "color": INK},
)
TICKS = (0, 0.5, 1)
MOST_EXTREME = 20  # slope or intercept that is shown
CRITICAL = float(-ndtri(ALPHA / 2))


def draw_calibration_plots(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset, with a panel for each of the best configurations."""
    for ranked in rank_binary_predictions(results, "calibration", metric):
        yield ranked if isinstance(ranked, Missing) else _draw_calibration(ranked)


def _draw_calibration(ranked: RankedPredictions) -> Plot:
    best = dict(list(ranked.predictions.items())[:COLOURED])
    titles = [
        f"{name}\n{_describe_logistic_regression(seeds)}"
        for name, seeds in zip(_wrap_names(best), best.values(), strict=True)
    ]
    height = HEIGHT + max(map(measure_height, titles))
    with create_panels(len(best), height, columns=len(best)) as (figure, axes):
        for ax, title, (name, style) in zip(axes, titles, ranked.style(best).items(), strict=True):
            _draw_calibration_panel(ax, best[name], style)
            ax.set_title(title, loc="left")
            ax.set(xlabel="probability", ylabel="share of positive images")
        label_outer_panels(axes)
    caption = (
        f"Share of positive images against the predicted probability of '{ranked.positive}', in "
        f"{N_BINS} bins of equal numbers of images, with Wilson's 95% intervals; the heights of "
        "the gray bars are proportional to the numbers of images. The line is the "
        "logistic regression of the truth on the logit of the probability, with its 95% band, "
        "of the first seed; band and intervals take all images as independent. "
        "Points below the dashed diagonal: probabilities too high. Slope below 1: too extreme; "
        "intercept (slope fixed to 1) below 0: too high on average. "
        f"{ranked.describe_selection()}"
    )
    title = f"{ranked.title}: calibration of '{ranked.positive}'"
    return Plot(ranked.stem, title, figure, caption)


def _wrap_names(names: Collection[str]) -> list[str]:
    """Wrap the names of configurations above their panels."""
    width = ONE_COLUMN - 0.6 if len(names) == 1 else (TWO_COLUMNS - 0.6) / len(names) - 0.15
    return [wrap_text(name, width, most=4) for name in names]


def _describe_logistic_regression(seeds: list[Predictions]) -> str:
    """Slope and intercept, means over seeds."""
    slope, intercept = (
        np.mean([find_metric(metric)(p) for p in seeds])
        for metric in ("calibration_slope", "calibration_intercept")
    )
    return f"slope {_format_value(slope)}\nintercept {_format_value(intercept)}"


def _draw_calibration_panel(ax: Axes, seeds: list[Predictions], style: Style) -> None:
    """Draw bins, line and numbers of images."""
    colour = style["color"]
    truth = np.concatenate([p.y_true == 1 for p in seeds])
    score = np.concatenate([p.proba[:, 1] for p in seeds]).clip(0, 1)
    ax.plot([0, 1], [0, 1], color=GRAY, linewidth=0.6, linestyle="--")
    counts, edges = np.histogram(score, np.linspace(0, 1, 21))
    ax.bar(edges[:-1], 0.15 * counts / counts.max(), 0.05, align="edge", color=PALE)
    band = calibration_band(seeds[0].y_true == 1, seeds[0].proba[:, 1])
    if band is not None:
        ax.plot(band[0], band[1], color=colour)
        ax.fill_between(band[0], band[2], band[3], color=colour, alpha=0.15, linewidth=0)
    for x, share, lower, upper in _bin(truth, score, len(seeds)):
        ax.plot([x, x], [lower, upper], color=colour, linewidth=0.8)
        ax.plot([x], [share], color=colour, marker=style["marker"])
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.03), xticks=TICKS, yticks=TICKS)


def _format_value(value: np.floating[Any]) -> str:
    """Write a value shortly; an intercept diverges where probabilities are 0 or 1."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.2f}" if abs(value) < MOST_EXTREME else "diverges"


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
    best = dict(list(ranked.predictions.items())[:COLOURED])
    classes = next(iter(best.values()))[0].classes
    names = _wrap_names(best)
    height = HEIGHT + max(map(measure_height, names))
    with create_panels(len(best), height, columns=len(best)) as (figure, axes):
        for ax, name, seeds in zip(axes, names, best.values(), strict=True):
            for k, style in enumerate(CLASS_STYLES):
                scores = np.concatenate([p.proba[p.y_true == k, 1] for p in seeds]).clip(0, 1)
                weights = np.full(len(scores), 1 / max(1, len(scores)))
                ax.hist(scores, np.linspace(0, 1, 21).tolist(), weights=weights, **style)
            ax.axvline(0.5, color=GRAY, linewidth=0.6, linestyle="--")
            ax.set_title(name, loc="left")
            ax.set(xlabel="probability", ylabel="share of the class", xticks=TICKS)
        label_outer_panels(axes)
    caption = (
        f"Distribution of the predicted probability of '{ranked.positive}' for the test images of "
        f"each true class: gray areas are {classes[0]}, black outlines are {classes[1]}; the bars "
        "of a class sum to 1. Images to the right of the dashed line are predicted as "
        f"{classes[1]}. {ranked.describe_selection()}"
    )
    title = f"{ranked.title}: probabilities of '{ranked.positive}' by true class"
    title += f" (gray: {classes[0]}, black outline: {classes[1]})"
    return Plot(ranked.stem, title, figure, caption)
