"""Order, colours and markers of strategies, which are the same in all plots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from benchmark.plugins.spec import parse_sum

Style = dict[str, Any]

FAMILIES = {  # colour and members of each family
    "no strategy": ("#000000", ("none",)),
    "over-sampling": (
        "#0b4f9e",
        ("random_over", "smote", "borderline_smote", "svm_smote", "kmeans_smote", "adasyn"),
    ),
    "under-sampling": (
        "#d95f02",
        ("random_under", "near_miss", "cluster_centroids", "instance_hardness_threshold"),
    ),
    "cleaning": (
        "#1b7f3b",
        (
            "tomek_links",
            "edited_nearest_neighbours",
            "one_sided_selection",
            "neighbourhood_cleaning",
        ),
    ),
    "over-sampling and cleaning": ("#0f8f9b", ("smote_enn", "smote_tomek")),
    "weights": ("#8a6d00", ("class_weight",)),
    "thresholds": ("#a5107a", ("prior_threshold", "tuned_threshold", "operating_point")),
    "recalibration": ("#5a7d2a", ("prior_correction", "temperature", "isotonic")),
    "several": ("#c0152f", ()),
    "others": ("#6b4a3a", ()),
}
# how far the colour of a member is moved from that of its family to white; neighbours differ most
PALER = (0.0, 0.4, 0.15, 0.5, 0.25, 0.55)
MARKERS = "os^DvP<X>dp*h"
DASHES = ("-", "--", ":", "-.")
PLACES = {
    name: (family, place)
    for family, (_, members) in FAMILIES.items()
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
            _place_in_family(label) or 0,
            label,
        ),
    )


def strategy_style(strategy: str, among: Iterable[str]) -> Style:
    """Colour, marker and line style of a strategy.

    Parameters
    ----------
    strategy : str
    among : iterable of str
        All strategies of the plot, so that variants of one strategy get different styles.
    """
    family = strategy_family(strategy)
    alike = [
        label
        for label in sort_strategies(among)
        if strategy_family(label) == family
        and _place_in_family(label) == _place_in_family(strategy)
    ]
    variant, place = alike.index(strategy), _place_in_family(strategy)
    if place is None:  # strategies without a fixed place are numbered
        place, variant = variant, 0
    pure = np.array(to_rgb(FAMILIES[family][0]))
    name = parse_sum(strategy)[0].name
    marker = (
        list(PLACES).index(name)
        if name in PLACES and family != "several"
        else len(PLACES) + 1 + place
    ) + variant
    return {
        "color": tuple(1 - (1 - pure) * (1 - PALER[(place + variant) % len(PALER)])),
        "marker": MARKERS[marker % len(MARKERS)],
        "linestyle": DASHES[variant % len(DASHES)],
    }


def numbered_style(place: int) -> Style:
    """Colour, marker and line style of the n-th of several items that are not strategies."""
    return {
        "color": f"C{place % 10}",
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place // 10 % len(DASHES)],
    }


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


def _place_in_family(strategy: str) -> int | None:
    """Fixed place of a strategy within its family; None if it has none."""
    terms = parse_sum(strategy)
    known = PLACES.get(terms[0].name) if len(terms) == 1 else None
    return known[1] if known else None
