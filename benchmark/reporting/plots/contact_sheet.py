"""A sheet of small images with what is said of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.reporting.plots.plot import Plot, create_panels, measure_height, shape_panels
from benchmark.reporting.plots.style import ONE_COLUMN, TWO_COLUMNS
from benchmark.reporting.plots.texts import fit_text

COLUMNS = 4  # even, as an audit shows pairs side by side
SIDE = TWO_COLUMNS / COLUMNS - 0.1  # inches


def draw_contact_sheet(
    name: str, title: str, caption: str, images: NDArray[np.uint8], texts: Sequence[str]
) -> Plot:
    """Draw images with texts above them.

    Parameters
    ----------
    name : str
        Stem of the file.
    title, caption : str
    images : (n, h, w, 1 or 3) uint8 array
    texts : sequence of str
        Up to three lines for each image.
    """
    height = SIDE + max(map(measure_height, texts)) + 0.1
    width = ONE_COLUMN if len(images) <= COLUMNS // 2 else TWO_COLUMNS
    with create_panels(len(images), height, COLUMNS, width) as (figure, axes):
        for ax, image, text in zip(axes, images, texts, strict=True):
            pixels = image[..., 0] if image.shape[-1] == 1 else image
            ax.imshow(pixels, cmap="gray", vmin=0, vmax=255, aspect="auto")
            lines = (fit_text(line, SIDE) for line in text.split("\n"))
            ax.set_title("\n".join(lines), loc="left")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.grid(visible=False)
        shape_panels(figure, axes, images.shape[1] / images.shape[2])
    return Plot(name, title, figure, caption)
