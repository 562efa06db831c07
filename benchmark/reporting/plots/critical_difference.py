"""The critical-difference diagram of Demsar (2006) of mean ranks over datasets.

Configurations whose ranks do not differ significantly are joined by a bar.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from benchmark.reporting.comparable_rows import Configuration
from benchmark.reporting.plots.common_scores import CommonScores, select_common_scores
from benchmark.reporting.plots.plot import Missing, Plot, create_panels, make_file_stem
from benchmark.reporting.plots.rows import Results, explain_metric
from benchmark.reporting.plots.style import (
    GRAY,
    INK,
    MOST_COLOURED,
    ONE_COLUMN,
    TEXT,
    TWO_COLUMNS,
    style_lines,
)
from benchmark.reporting.plots.texts import fit_names, measure_text
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.rank_tests import Friedman, Nemenyi, friedman_test, nemenyi_test

NAME = "critical_difference"
SCALE_WIDTH = 2.2  # inches for the scale, and for the ranks beside the names
LINE_HEIGHT = 0.17  # inches
MARGIN = 0.4  # inches above and below the diagram
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
    shown, width = _fit_names(list(map(str, scores.values.columns)))
    short = dict(zip(scores.values.columns, shown, strict=True))
    with create_panels(1, 1, width=width) as (figure, (ax,)):
        ax.grid(visible=False)
        critical_difference_diagram(
            nemenyi.ranks.rename(short),
            nemenyi.p_values.rename(index=short, columns=short),
            ax=ax,
            label_fmt_left="{label}  {rank:.1f} ",
            label_fmt_right=" {rank:.1f}  {label}",
            label_props={"fontsize": TEXT},
            elbow_props={"linewidth": 0.8},
            marker_props={"s": 10},
            text_h_margin=0.02 * float(np.ptp(nemenyi.ranks)),
            color_palette=_choose_colours(scores, short, results.number_configurations(metric)),
        )
        for text in ax.texts:
            text.set_color(INK)
        _draw_critical_difference(ax, nemenyi)
        ax.spines["top"].set_visible(True)
        best, worst = nemenyi.ranks.min(), nemenyi.ranks.max()
        ax.spines["top"].set_bounds(best, worst)
        ax.set_xticks([rank for rank in ax.get_xticks() if best <= rank <= worst])
        ax.set_xlabel("mean rank")
        ax.xaxis.set_label_position("top")
        low, high = ax.get_ylim()
        figure.set_figheight(MARGIN + LINE_HEIGHT * (high - low))
    friedman = friedman_test(scores.values, greater)
    caption = (
        f"Mean ranks of {scores.values.shape[1]} configurations on {nemenyi.n} datasets; 1 is "
        f"the best. {_describe_colours(len(short))} Configurations joined by a bar differ by less "
        f"than the critical difference of {nemenyi.critical_difference:.2f} (Nemenyi's test at the "
        "level 0.05; Demsar 2006). The "
        f"best mean rank is {nemenyi.ranks.min():.2f}, of {nemenyi.ranks.idxmin()}; the largest "
        f"difference has p = {nemenyi.p_value:.2g}. {_describe_friedman(friedman)} "
        f"{explain_metric(metric)} {scores.note}"
    )
    stem = make_file_stem(NAME, results.file_unit, metric)
    yield Plot(stem, f"Mean rank by {metric} over {nemenyi.n} datasets", figure, caption)


def _fit_names(names: list[str]) -> tuple[list[str], float]:
    """Shorten names on both sides of the scale, and choose the width of the figure."""
    longest = max(map(measure_text, names))
    width = ONE_COLUMN if 2 * longest + SCALE_WIDTH <= ONE_COLUMN else TWO_COLUMNS
    return fit_names(names, (width - SCALE_WIDTH) / 2), width


def _choose_colours(
    scores: CommonScores, short: dict[str, str], numbers: dict[Configuration, int]
) -> dict[str, str]:
    """Colours of the best configurations; the others are gray."""
    best = list(short)[:MOST_COLOURED]
    styles = style_lines([numbers[scores.configuration(name)] for name in best])
    return dict.fromkeys(short.values(), GRAY) | {
        short[name]: style["color"] for name, style in zip(best, styles, strict=True)
    }


def _describe_colours(n: int) -> str:
    of_best = "" if n <= MOST_COLOURED else f" of the best {MOST_COLOURED}"
    return f"The colours{of_best} are those of the other plots."


def _draw_critical_difference(ax: Axes, nemenyi: Nemenyi) -> None:
    """Draw the critical difference as a line above the scale, from the best rank on."""
    best = nemenyi.ranks.min()
    ends = [best, best + nemenyi.critical_difference]
    ax.plot(ends, [RULER, RULER], color=INK, linewidth=2, marker="|", markersize=6)
    ax.text(
        ends[1],
        RULER,
        f"  critical difference {nemenyi.critical_difference:.2f}",
        va="center",
        color=INK,
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
