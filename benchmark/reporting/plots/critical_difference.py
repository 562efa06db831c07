"""The critical-difference diagram of Demsar (2006) of mean ranks over datasets.

Configurations whose ranks do not differ significantly are joined by a bar.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.reporting.plots.common_scores import select_common_scores
from benchmark.reporting.plots.plot import (
    MARGIN,
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
)
from benchmark.reporting.plots.recalls import shorten_middle
from benchmark.reporting.plots.rows import Results
from benchmark.reporting.plots.style import numbered_style, strategy_style
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.rank_tests import Friedman, Nemenyi, friedman_test, nemenyi_test

NAME = "critical_difference"
MAX_LETTERS = 60  # of the name of a configuration
LINE_HEIGHT = 0.22  # inches
RULER = 2  # height of the critical difference above the scale, in lines


def draw_critical_difference(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot of the configurations that all datasets have in common.

    It is refused if there are too few datasets for the test.
    """
    from scikit_posthocs import critical_difference_diagram

    scores = select_common_scores(results, NAME, metric)
    if isinstance(scores, Missing):
        yield scores
        return
    greater = find_metric(metric).greater_is_better
    nemenyi = nemenyi_test(scores.values, greater)
    if nemenyi.refusal:
        yield Missing(NAME, nemenyi.refusal)
        return
    names = pd.concat(scores.groups.values())
    names = names[names["name"].isin(scores.values.columns)]
    short = _shorten_names(scores.values.columns)
    colours = {short[name]: colour for name, colour in _choose_colours(names).items()}
    with create_panels(1, 10, 1) as (figure, (ax,)):
        ax.grid(visible=False)
        critical_difference_diagram(
            nemenyi.ranks.rename(short),
            nemenyi.p_values.rename(index=short, columns=short),
            ax=ax,
            label_fmt_left="{label}  {rank:.1f}",
            label_fmt_right="{rank:.1f}  {label}",
            label_props={"fontsize": 8},
            elbow_props={"linewidth": 1},
            marker_props={"s": 16},
            text_h_margin=0.02 * float(np.ptp(nemenyi.ranks)),
            color_palette=colours,
        )
        _draw_critical_difference(ax, nemenyi)
        ax.spines["top"].set_visible(True)
        best, worst = nemenyi.ranks.min(), nemenyi.ranks.max()
        ax.spines["top"].set_bounds(best, worst)
        ax.set_xticks([rank for rank in ax.get_xticks() if best <= rank <= worst])
        low, high = ax.get_ylim()
        figure.set_figheight(MARGIN + LINE_HEIGHT * (high - low))
        title = f"Mean rank by {metric} over {nemenyi.n} datasets"
        add_title(figure, title)
    friedman = friedman_test(scores.values, greater)
    caption = (
        f"Mean ranks of {scores.values.shape[1]} configurations on {nemenyi.n} datasets; 1 is "
        f"the best. {_describe_colours(names)} Configurations joined by a bar differ by less than "
        f"the critical difference of {nemenyi.critical_difference:.2f} (Nemenyi's test at the "
        "level 0.05; Demsar 2006). The "
        f"best mean rank is {nemenyi.ranks.min():.2f}, of {nemenyi.ranks.idxmin()}; the largest "
        f"difference has p = {nemenyi.p_value:.2g}. {_describe_friedman(friedman)} {scores.note}"
    )
    yield Plot(make_file_stem(NAME, metric), title, figure, caption)


def _shorten_names(names: Iterable[str]) -> dict[str, str]:
    """Shorten names; those that would be equal are numbered."""
    short: dict[str, str] = {}
    for name in names:
        text = shorten_middle(name, MAX_LETTERS)
        n_equal = list(short.values()).count(text)
        short[name] = text if not n_equal else f"{text} [{len(short) + 1}]"
    return short


def _draw_critical_difference(ax: Axes, nemenyi: Nemenyi) -> None:
    """Draw the critical difference as a line above the scale, from the best rank on."""
    best = nemenyi.ranks.min()
    ends = [best, best + nemenyi.critical_difference]
    ax.plot(ends, [RULER, RULER], color="0.3", linewidth=2, marker="|", markersize=6)
    ax.text(
        ends[1],
        RULER,
        f"  critical difference {nemenyi.critical_difference:.2f}",
        va="center",
        fontsize=8,
        color="0.3",
    )


def _describe_friedman(friedman: Friedman) -> str:
    """Whether the ranks differ at all, on which Demsar (2006) makes Nemenyi's test conditional."""
    p_value = f"F of Iman & Davenport, p = {friedman.p_value:.2g}"
    if friedman.significant:
        return f"Friedman's test finds that the ranks differ ({p_value})."
    return (
        f"Friedman's test does not find that the ranks differ ({p_value}), so no difference "
        "between two configurations should be called significant."
    )


def _choose_colours(names: pd.DataFrame) -> dict[str, object]:
    """Colour of each configuration: that of its strategy if there are several strategies."""
    strategies = names.groupby("name", sort=False)["strategy"].first()
    styles = [
        strategy_style(strategy, strategies) if strategies.nunique() > 1 else numbered_style(k)
        for k, strategy in enumerate(strategies)
    ]
    return {str(name): style["color"] for name, style in zip(strategies.index, styles, strict=True)}


def _describe_colours(names: pd.DataFrame) -> str:
    if names["strategy"].nunique() > 1:
        return "Colours are strategies."
    return "Colours only tell the lines apart."
