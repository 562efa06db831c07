"""The leaderboard as a plot: the value of a metric with its interval for every configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmark.plugins.registry import BASELINE
from benchmark.reporting.leaderboard import rank_configurations
from benchmark.reporting.plots.plot import Missing, Plot, create_panels, fit_beside
from benchmark.reporting.plots.rows import (
    Results,
    add_configuration_names,
    describe_replicates,
    explain_metric,
)
from benchmark.reporting.plots.style import INK, Style
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.metric_lookup import find_metric

MOST = 40  # configurations that are shown
ROW_HEIGHT = 0.15  # inches
PANEL_WIDTH = 1.8  # inches
# kind of a configuration -> its marker, and the name of that in the caption
MARKERS: dict[str, tuple[Style, str]] = {
    "classical": ({"marker": "o"}, "discs"),
    "deep": ({"marker": "s", "markerfacecolor": "white"}, "open squares"),
    "the baseline": ({"marker": "x"}, "crosses"),
}


def draw_leaderboards(results: Results, metric: str) -> Iterator[Plot | Missing]:
    """Yield one plot per dataset."""
    for title, rows in results.most_imbalanced_groups():
        table = rank_configurations(rows, metric, results.view.read_predictions)
        table = table[table[metric].notna()]
        if len(table) < 2:
            yield Missing("leaderboard", f"{title}: fewer than 2 configurations have a {metric}")
            continue
        n_left_out, table = max(0, len(table) - MOST), table.head(MOST)
        kinds = _find_kinds(rows, table)
        label = metric_label_for_rows(metric, rows)
        names, width = fit_beside(list(add_configuration_names(table)["name"]), PANEL_WIDTH)
        with create_panels(1, 0.5 + ROW_HEIGHT * len(table), width=width) as (figure, (ax,)):
            for place, ((_, line), kind) in enumerate(zip(table.iterrows(), kinds, strict=True)):
                bounds = [line[f"{metric}_lower"], line[f"{metric}_upper"]]
                ax.plot(bounds, [place, place], color=INK, linewidth=0.8)
                ax.plot([line[metric]], [place], **MARKERS[kind][0], color=INK)
            ax.set_yticks(range(len(table)), names)
            ax.set_ylim(len(table) - 0.5, -0.5)
            ax.set_xlabel(label)
        caption = (
            f"{_describe_leaderboard(table, metric, label, describe_replicates(rows))}"
            f"{_describe_markers(kinds)} {explain_metric(metric)} {results.describe_sample(rows)}"
        )
        caption += f" {n_left_out} more are not shown." if n_left_out else ""
        stem = results.stem_of_dataset("leaderboard", str(rows["dataset"].iloc[0]), metric)
        yield Plot(stem, f"{title}: configurations by {label}", figure, caption)


def _find_kinds(rows: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Return 'classical', 'deep' or 'the baseline' for each configuration of a table."""
    approaches = rows.drop_duplicates("model").set_index("model")["approach"].to_dict()
    return [
        "the baseline" if model == BASELINE else approaches.get(model) or "classical"
        for model in table["model"]
    ]


def _describe_leaderboard(table: pd.DataFrame, metric: str, label: str, replicates: str) -> str:
    n = int(table[f"{metric}_lower"].notna().sum())
    which = "" if n == len(table) else f", which {n} of {len(table)} configurations have"
    intervals = f"with 95% confidence intervals{which}" if n else "without intervals"
    best = "highest" if find_metric(metric).greater_is_better else "lowest"
    return (
        f"Mean {label} over {replicates} {intervals}, {best} first; configurations that lack cells "
        "are last. The best was chosen on these test images, so that its value is too optimistic."
    )


def _describe_markers(kinds: list[str]) -> str:
    """Return a sentence on the markers, or nothing if all configurations have the same."""
    shown = [f"{name} are {kind}" for kind, (_, name) in MARKERS.items() if kind in kinds]
    return f" {', '.join(shown).capitalize()}." if len(shown) > 1 else ""
