"""Figure of images with their predictions."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.errors import StorageError, UserError
from benchmark.pipelines.card import Card
from benchmark.pipelines.prediction_text import (
    N_SHOWN,
    describe_prediction,
    most_probable_classes,
    predicted_classes,
)
from benchmark.pipelines.reading import InputImage
from benchmark.reporting.plots.plot import DPI
from benchmark.reporting.plots.style import PALE, PALETTE, SMALL, STYLE, TWO_COLUMNS
from benchmark.reporting.plots.texts import fit_text, wrap_text
from benchmark.utils.files import write_atomic

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
MAX_IMAGES = 24  # per figure
NAME_WIDTH, TITLE_WIDTH, CLASS_WIDTH = 2.2, 3.0, 1.3  # inches of texts


def check_plot_path(path: Path, images: list[Path]) -> None:
    """Refuse a path that no figure can be written to, and too many images.

    Raises
    ------
    UserError
        The path has another suffix, or is that of an input file, or there are too many images.
    """
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise UserError(f"cannot draw to {path}: its name must end in {', '.join(FIGURE_SUFFIXES)}")
    if any(path.resolve() == image.resolve() for image in images):
        raise UserError(f"cannot draw to {path}: it is one of the input files")
    if len(images) > MAX_IMAGES:
        raise UserError(f"one figure shows at most {MAX_IMAGES} images, not {len(images)}")


def save_prediction_plot(
    path: Path, card: Card, images: list[InputImage], proba: NDArray[np.float64]
) -> None:
    """Draw each image beside a bar chart of its five most probable classes.

    Parameters
    ----------
    path : Path
        PNG, SVG or PDF file, as its suffix says.
    card : Card
    images : list of n InputImage
    proba : (n, n_classes) float64

    Raises
    ------
    UserError
        The file cannot be written.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(TWO_COLUMNS, 2.4 * len(images)), layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subplots(len(images), 2, squeeze=False, width_ratios=(1, 1.1))
        for (left, right), image, p in zip(rows, images, proba, strict=True):
            _draw_image(left, card, image, p)
            _draw_bars(right, card, p)
        origin = wrap_text(f"{card.name}, trained on {card.trained_on}", TWO_COLUMNS - 0.2, SMALL)
        figure.supxlabel(origin, x=0.01, ha="left", fontsize=SMALL)
        suffix = path.suffix.lower().removeprefix(".")
        try:
            write_atomic(path, partial(figure.savefig, format=suffix, dpi=DPI, facecolor="white"))
        except StorageError as error:
            raise UserError(f"cannot draw to {path}: {error.__cause__}") from None


def _draw_image(ax: Axes, card: Card, image: InputImage, proba: NDArray[np.float64]) -> None:
    """Draw an image under the title 'name (class, probability)'."""
    prediction, p = describe_prediction(card, proba)
    ax.imshow(image.pixels.squeeze(), cmap="gray", vmin=0, vmax=255)
    ax.set_axis_off()
    name, text = (fit_text(part, NAME_WIDTH) for part in (image.name, prediction))
    ax.set_title(wrap_text(f"{name} ({text}, {p:.2f})", TITLE_WIDTH), loc="left")


def _draw_bars(ax: Axes, card: Card, proba: NDArray[np.float64]) -> None:
    names, values = zip(*most_probable_classes(card, proba), strict=True)
    predicted = predicted_classes(card, proba)
    colours = [PALETTE[1] if name in predicted else PALE for name in names]
    bars = ax.barh(range(len(names)), values, color=colours)
    ax.bar_label(bars, [f"{value:.2f}" for value in values], padding=3)
    ax.set_yticks(range(len(names)), [fit_text(name, CLASS_WIDTH) for name in names])
    ax.set(xlim=(0, 1.12), xticks=(0, 0.5, 1), xlabel="probability", ylim=(N_SHOWN - 0.4, -0.6))
    ax.grid(visible=False, axis="y")
