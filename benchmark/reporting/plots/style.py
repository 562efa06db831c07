"""The style of all plots: sizes, colours, markers and line styles.

A figure is as wide as one column of a journal, or as two if it has several panels or long names.
Colour and marker say which strategy a line is, or which configuration where there is one strategy;
they are the same in all plots of a folder. Everything else is black, gray, shape or shade.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from benchmark.plugins.spec import parse_sum

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.2  # widths of figures, in inches: 89 and 183 mm
TITLE, TEXT, SMALL = 8, 7, 6  # font sizes, in points
LINE_SPACING = 1.3  # height of a line of text, in font sizes
FONT = "DejaVu Sans"  # it comes with matplotlib: the same layout on every machine
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": [FONT],
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "legend.fontsize": TEXT,
    "figure.titlesize": TITLE,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be named $x$
    "pdf.fonttype": 42,  # text that can be selected and edited
    "svg.fonttype": "none",  # text is written as text, not as paths
    "svg.hashsalt": "classical-vs-deep",  # the same plot gives the same file
}

Style = dict[str, Any]

# Black for 'none' or for the best configuration, then the colours of Okabe & Ito (2008) without
# yellow, which is too pale for a line on white, and Tol's (2021) wine
PALETTE = (
    "#000000",
    "#0072B2",
    "#D55E00",
    "#56B4E9",
    "#882255",
    "#E69F00",
    "#009E73",
    "#CC79A7",
)
# numbers of markers and of colours without black have no common divisor: pairs repeat late
MARKERS = "os^DvP<X>dp*h"
DASHES = ("-", "--", ":", "-.")
MOST_COLOURED = len(PALETTE)  # lines in colours in one plot; all others are gray
INK, GRAY, PALE = "0.15", "0.55", "0.8"  # text and emphasis, what is behind it, and all the rest
LEADER: Style = {  # arrow from a name to what it names
    "arrowstyle": "-",
    "color": GRAY,
    "linewidth": 0.5,
    "linestyle": ":",
    "shrinkA": 0,
    "shrinkB": 2,
}
HEAT_MAP = "Blues"  # shades that stay in order in gray

FAMILIES = {  # members of each family of strategies
    "no strategy": ("none",),
    "over-sampling": (
        "random_over",
        "smote",
        "borderline_smote",
        "svm_smote",
        "kmeans_smote",
        "adasyn",
    ),
    "under-sampling": (
        "random_under",
        "near_miss",
        "cluster_centroids",
        "instance_hardness_threshold",
    ),
    "cleaning": (
        "tomek_links",
        "edited_nearest_neighbours",
        "one_sided_selection",
        "neighbourhood_cleaning",
    ),
    "over-sampling and cleaning": ("smote_enn", "smote_tomek"),
    "weights": ("class_weight",),
    "thresholds": ("prior_threshold", "tuned_threshold", "operating_point"),
    "recalibration": ("prior_correction", "temperature", "isotonic"),
    "several": (),
    "others": (),
}
PLACES = {
    name: (family, place)
    for family, members in FAMILIES.items()
    for place, name in enumerate(members)
}


def strategy_family(strategy: str) -> str:
    """Family of a strategy by its label, such as 'over-sampling'."""
    terms = parse_sum(strategy)
    return "several" if len(terms) > 1 else PLACES.get(terms[0].name, ("others", 0))[0]


def sort_strategies(strategies: Iterable[str]) -> list[str]:
    """Sort labels by family, then by place within it, then alphabetically."""
    families = list(FAMILIES)
    return sorted(
        strategies,
        key=lambda label: (
            families.index(strategy_family(label)),
            _place_in_family(label),
            label,
        ),
    )


def _place_in_family(strategy: str) -> int:
    """Fixed place of a strategy within its family; 0 if it has none."""
    terms = parse_sum(strategy)
    return PLACES.get(terms[0].name, ("", 0))[1] if len(terms) == 1 else 0


def style_lines(numbers: Sequence[int]) -> list[Style]:
    """Colour, marker and line style of the lines of one panel.

    Parameters
    ----------
    numbers : sequence of int
        Number of each line, from ``Results.number_configurations``, which chooses its colour and
        marker. Lines of equal marker, or of equal colour, differ in line style.
    """
    styles: list[Style] = []
    for k in numbers:
        colour = PALETTE[0 if k == 0 else 1 + (k - 1) % (len(PALETTE) - 1)]
        look = {"color": colour, "marker": MARKERS[k % len(MARKERS)]}
        styles.append({**look, "linestyle": _choose_dashes(look, styles)})
    return styles


def _choose_dashes(look: Style, others: Sequence[Style]) -> str:
    """Choose the line style that the fewest lines of equal marker have, then of equal colour."""
    counts = [
        [
            sum(other["linestyle"] == dashes and other[name] == look[name] for other in others)
            for name in ("marker", "color")
        ]
        for dashes in DASHES
    ]
    return DASHES[counts.index(min(counts))]


def spread_positions(wanted: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Spread positions so that they are at least ``gap`` apart and between 0 and 1.

    The order is kept, and the positions are as close to the wanted ones as possible by least
    squares: the isotonic regression of the wanted positions minus the gaps before them.
    """
    order = np.argsort(wanted, kind="stable")
    room = np.arange(len(wanted)) * min(gap, 1 / max(1, len(wanted) - 1))
    positions = np.empty(len(wanted))
    top = max(0.0, 1 - room[-1])
    positions[order] = (
        IsotonicRegression(y_min=0, y_max=top).fit_transform(room, wanted[order] - room) + room
    )
    return positions
