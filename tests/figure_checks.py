"""Checks of what a figure shows: where its texts are, and how its lines look."""

from itertools import combinations

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from skimage.color import rgb2lab

# Machado, Oliveira & Fernandes (2009): what eyes without one kind of cone see of linear RGB
CONES = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
    "gray": np.tile([0.2126, 0.7152, 0.0722], (3, 1)),
}
DISTINCT = 15  # smallest difference of colours of thin lines, in CIELAB; 2.3 is just noticeable


def overlapping(figure):
    """Pairs of texts that overlap, and texts that leave the figure, as drawn."""
    figure.set_layout_engine("none")  # drawing must not change the layout of the file
    figure.draw_without_rendering()
    boxes = [(text.get_text(), Text.get_window_extent(text)) for text in list_texts(figure)]
    pairs = [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if a.shrunk(0.98, 0.9).overlaps(b.shrunk(0.98, 0.9))
    ]
    edge = figure.bbox.padded(1)
    return pairs + [
        text for text, box in boxes if not (edge.contains(*box.min) and edge.contains(*box.max))
    ]


def list_texts(figure):
    """Texts of a figure that are drawn."""
    undrawn = {
        text for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for text in out_of_view(axis)
    }
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in undrawn
    ]


def out_of_view(axis):
    """Labels of ticks beyond the ends of an axis, which matplotlib keeps but does not draw."""
    low, high = sorted(axis.get_view_interval())
    ticks = [
        tick for tick in axis.get_major_ticks() if not low - 1e-9 <= tick.get_loc() <= high + 1e-9
    ]
    return [text for tick in ticks for text in (tick.label1, tick.label2)]


def list_coloured_lines(ax):
    """Color, marker and line style of each line of a panel that has a colour, or black."""
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in ax.lines]
    return {
        (to_rgb(colour), marker, style)
        for colour, marker, style in looks
        if is_coloured(colour) and marker not in ("None", "")
    }


def is_coloured(colour):
    """Whether a colour is black or has a hue, as those of configurations; gray is all the rest."""
    rgb = to_rgb(colour)
    return max(rgb) == 0 or max(rgb) - min(rgb) > 0.05


def colour_difference(one, other, cones):
    """Difference of two colours in CIELAB (1976), as seen by eyes with some cones."""
    linear = [decode_gamma(np.array(to_rgb(colour))) @ CONES[cones].T for colour in (one, other)]
    first, second = rgb2lab(encode_gamma(np.clip(linear, 0, 1))[None])[0]
    return float(np.linalg.norm(first - second))


def decode_gamma(rgb):
    """Linear RGB of sRGB."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def encode_gamma(rgb):
    """sRGB of linear RGB."""
    return np.where(rgb <= 0.0031308, rgb * 12.92, 1.055 * rgb ** (1 / 2.4) - 0.055)
