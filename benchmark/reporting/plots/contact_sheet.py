"""A sheet of small images with what is said of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.reporting.plots.plot import Plot, add_title, create_panels
from benchmark.reporting.plots.recalls import shorten_middle

COLUMNS = 4  # even, as an audit shows pairs side by side
SIDE = 1.75  # inches


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
    with create_panels(len(images), SIDE, SIDE + 0.5, COLUMNS) as (figure, axes):
        for ax, image, text in zip(axes, images, texts, strict=True):
            pixels = image[..., 0] if image.shape[-1] == 1 else image
            ax.imshow(pixels, cmap="gray", vmin=0, vmax=255)
            lines = (shorten_middle(line, 24) for line in text.split("\n"))
            ax.set_title("\n".join(lines), fontsize=8, loc="left")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.grid(visible=False)
        add_title(figure, title)
    return Plot(name, title, figure, caption)
