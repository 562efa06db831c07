"""The critical-difference diagram of Demsar (2006): average ranks over data sets, joined where they may be chance."""

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
    """One plot, of the configurations that every data set has; refused where the data sets are too few for the test."""
    from scikit_posthocs import critical_difference_diagram

    groups = [rows for _, rows in results.most_imbalanced_groups()]
    names = add_configuration_names(drop_baseline(pd.concat(groups)))
    scores = names.pivot_table(
        index="dataset", columns="name", values=metric, aggfunc="mean"
    ).dropna(axis=1)
    found = nemenyi_test(scores, METRICS[metric].greater_is_better)
    if found.refusal:
        yield Missing(NAME, found.refusal)
        return
    with create_panels(1, 9, 0.8 + 0.16 * scores.shape[1]) as (figure, (ax,)):
        ax.grid(visible=False)
        critical_difference_diagram(
            found.ranks,
            found.p_values,
            ax=ax,
            label_props={"fontsize": 8},
            color_palette=_choose_colours(names),
        )
        title = f"Average rank by {metric} over {found.n} data sets"
        add_title(figure, title)
    caption = (
        f"Mean ranks of {scores.shape[1]} configurations on {found.n} data sets, 1 the best; configurations that "
        "a bar joins differ by less than the "
        f"critical difference of {found.critical_difference:.2f} (Nemenyi's test at 0.05, Demsar "
        f"2006). The best is {found.ranks.idxmin()} "
        f"({found.ranks.min():.2f}); the largest difference has p = {found.p_value:.2g}."
    )
    yield Plot(make_file_stem(NAME, metric), title, figure, caption)


def _choose_colours(names: pd.DataFrame) -> dict[str, object]:
    """Colour of each configuration: its strategy's, where there are several."""
    of = names.groupby("name", sort=False)["strategy"].first()
    styles = [
        strategy_style(strategy, of) if of.nunique() > 1 else numbered_style(k)
        for k, strategy in enumerate(of)
    ]
    return {str(name): style["color"] for name, style in zip(of.index, styles, strict=True)}
