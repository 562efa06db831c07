"""What a pipeline says of images, as a figure."""

from __future__ import annotations

import textwrap
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.errors import StorageError, UserError
from benchmark.pipelines.answers import (
    SHOWN,
    describe_prediction,
    most_probable_classes,
    predicted_classes,
)
from benchmark.pipelines.card import Card
from benchmark.pipelines.reading import Asked
from benchmark.reporting.plots.plot import DPI, STYLE, shorten_name
from benchmark.utils.files import write_atomic

FIGURES = (".png", ".svg", ".pdf")
MOST_IMAGES = 24  # in one figure


def check_plot_path(path: Path, images: list[Path]) -> None:
    """Refuse a figure that cannot be drawn, or would take the place of something else."""
    if path.suffix.lower() not in FIGURES:
        raise UserError(f"cannot draw to {path}: its name must end in {', '.join(FIGURES)}")
    if any(path.resolve() == image.resolve() for image in images):
        raise UserError(f"cannot draw to {path}: it is one of the images asked about")
    if len(images) > MOST_IMAGES:
        raise UserError(f"one figure shows at most {MOST_IMAGES} images, not {len(images)}")


def save_prediction_plot(
    path: Path, card: Card, asked: list[Asked], proba: NDArray[np.float64]
) -> None:
    """Draw each image under 'name (class, probability)', beside bars of its five most probable classes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 2.6 * len(asked)), layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subplots(len(asked), 2, squeeze=False, width_ratios=(1, 1.1))
        for (left, right), image, p in zip(rows, asked, proba, strict=True):
            _draw_image(left, card, image, p)
            _draw_bars(right, card, p)
        below = textwrap.fill(f"{card.name}, trained on {card.trained_on}", 130)
        figure.supxlabel(below, x=0.01, ha="left", fontsize=7, color="0.3")
        kind = path.suffix.lower().removeprefix(".")
        try:
            write_atomic(path, partial(figure.savefig, format=kind, dpi=DPI, facecolor="white"))
        except StorageError as error:
            raise UserError(f"cannot draw to {path}: {error.__cause__}") from None


def _draw_image(ax: Axes, card: Card, asked: Asked, proba: NDArray[np.float64]) -> None:
    said, p = describe_prediction(card, proba)
    ax.imshow(asked.pixels.squeeze(), cmap="gray", vmin=0, vmax=255)
    ax.set_axis_off()
    ax.set_title(
        textwrap.fill(f"{shorten_name(asked.name, 40)} ({shorten_name(said, 40)}, {p:.2f})", 46),
        loc="left",
    )


def _draw_bars(ax: Axes, card: Card, proba: NDArray[np.float64]) -> None:
    names, values = zip(*most_probable_classes(card, proba), strict=True)
    chosen = predicted_classes(card, proba)
    bars = ax.barh(
        range(len(names)), values, color=["#0b4f9e" if name in chosen else "0.7" for name in names]
    )
    ax.bar_label(bars, [f"{value:.2f}" for value in values], padding=3, fontsize=8)
    ax.set_yticks(range(len(names)), [shorten_name(name) for name in names])
    ax.set(xlim=(0, 1.12), xticks=(0, 0.5, 1), xlabel="probability", ylim=(SHOWN - 0.4, -0.6))
    ax.grid(visible=False, axis="y")
