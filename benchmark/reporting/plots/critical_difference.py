"""The critical-difference diagram of Demsar (2006) of average ranks over datasets.

Configurations whose ranks do not differ significantly are joined by a bar.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
)
from benchmark.reporting.plots.rows import Results, add_configuration_names, drop_baseline
from benchmark.reporting.plots.style import numbered_style, strategy_style
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.rank_tests import nemenyi_test

NAME = "critical_difference"


def draw_critical_difference(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot of the configurations that all datasets have in common.

    It is refused if there are too few datasets for the test.
    """
    from scikit_posthocs import critical_difference_diagram

    groups = [rows for _, rows in results.most_imbalanced_groups()]
    names = add_configuration_names(drop_baseline(pd.concat(groups)))
    scores = names.pivot_table(
        index="dataset", columns="name", values=metric, aggfunc="mean"
    ).dropna(axis=1)
    nemenyi = nemenyi_test(scores, METRICS[metric].greater_is_better)
    if nemenyi.refusal:
        yield Missing(NAME, nemenyi.refusal)
        return
    with create_panels(1, 9, 0.8 + 0.16 * scores.shape[1]) as (figure, (ax,)):
        ax.grid(visible=False)
        critical_difference_diagram(
            nemenyi.ranks,
            nemenyi.p_values,
            ax=ax,
            label_props={"fontsize": 8},
            color_palette=_choose_colours(names),
        )
        title = f"Average rank by {metric} over {nemenyi.n} datasets"
        add_title(figure, title)
    caption = (
        f"Average ranks of {scores.shape[1]} configurations on {nemenyi.n} datasets; 1 is the "
        "best. Configurations joined by a bar differ by less than the critical difference of "
        f"{nemenyi.critical_difference:.2f} (Nemenyi's test at the level 0.05; Demsar 2006). The "
        f"best average rank is {nemenyi.ranks.min():.2f}, of {nemenyi.ranks.idxmin()}; the largest "
        f"difference has p = {nemenyi.p_value:.2g}."
    )
    yield Plot(make_file_stem(NAME, metric), title, figure, caption)


def _choose_colours(names: pd.DataFrame) -> dict[str, object]:
    """Colour of each configuration: that of its strategy if there are several strategies."""
    strategies = names.groupby("name", sort=False)["strategy"].first()
    styles = [
        strategy_style(strategy, strategies) if strategies.nunique() > 1 else numbered_style(k)
        for k, strategy in enumerate(strategies)
    ]
    return {str(name): style["color"] for name, style in zip(strategies.index, styles, strict=True)}
