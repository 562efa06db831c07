"""Checks of where the texts of a figure are."""

from itertools import combinations

from matplotlib.text import Text


def overlapping(figure):
    """Pairs of texts that overlap, and texts that leave the figure, as drawn."""
    figure.set_layout_engine("none")  # drawing must not change the layout of the file
    figure.draw_without_rendering()
    undrawn = {
        text for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for text in out_of_view(axis)
    }
    texts = [
        text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()
    ]
    boxes = [
        (text.get_text(), Text.get_window_extent(text)) for text in texts if text not in undrawn
    ]
    pairs = [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if a.shrunk(0.98, 0.9).overlaps(b.shrunk(0.98, 0.9))
    ]
    edge = figure.bbox.padded(1)
    return pairs + [
        text for text, box in boxes if not (edge.contains(*box.min) and edge.contains(*box.max))
    ]


def out_of_view(axis):
    """Labels of ticks beyond the ends of an axis, which matplotlib keeps but does not draw."""
    low, high = sorted(axis.get_view_interval())
    ticks = [
        tick for tick in axis.get_major_ticks() if not low - 1e-9 <= tick.get_loc() <= high + 1e-9
    ]
    return [text for tick in ticks for text in (tick.label1, tick.label2)]
