"""Squares of shares, darker for larger ones, with the share in percent where there is room."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from benchmark.reporting.plots.plot import measure_height
from benchmark.reporting.plots.style import HEAT_MAP, SMALL

MIN_SQUARE = 0.19  # inches that '100' needs


def draw_squares(
    ax: Axes, shares: NDArray[np.float64], annotated: bool, smallest: float = 0
) -> None:
    """Draw one square per share.

    Parameters
    ----------
    ax : Axes
    shares : (n_rows, n_columns) float array
        Between 0 and 1; NaN is left white.
    annotated : bool
        Whether shares are written into the squares.
    smallest : float
        Smaller shares are not written.
    """
    ax.imshow(shares, cmap=HEAT_MAP, vmin=0, vmax=1, aspect="auto")
    ax.grid(visible=False)
    if annotated:
        for (row, column), share in np.ndenumerate(shares):
            if share >= smallest:  # not if it is NaN
                write_in_square(ax, row, column, f"{100 * share:.0f}", float(share))


def choose_step(n: int, room: float, size: float) -> int:
    """Choose which of n classes are named, every k-th, in a room in inches."""
    return math.ceil(n * measure_height("", size) / room)


def describe_step(step: int) -> str:
    """Sentence on the classes that are named; empty if all are."""
    return f"One class in {step} is named." if step > 1 else ""


def write_in_square(ax: Axes, row: int, column: int, text: str, share: float) -> None:
    """Write a text into the square of a share, in white if that is dark."""
    colour = "white" if share > 0.5 else "black"
    ax.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour)
