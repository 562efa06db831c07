"""The leaderboard as a plot: the value of a metric with its interval for every configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmark.plugins.registry import BASELINE
from benchmark.reporting.leaderboard import rank_configurations
from benchmark.reporting.plots.plot import (
    Missing,
    Plot,
    add_title,
    create_panels,
    make_file_stem,
    measure_names,
)
from benchmark.reporting.plots.recalls import shorten_middle
from benchmark.reporting.plots.rows import Results, add_configuration_names, describe_replicates
from benchmark.scoring.averages import metric_label_for_rows
from benchmark.scoring.metric_lookup import find_metric

MOST = 40  # configurations that are shown
ROW_HEIGHT = 0.2  # inches
# kind of a configuration -> colour, and its name in the caption
COLORS = {
    "classical": ("#1f4e9c", "blue"),
    "deep": ("#c8501e", "orange"),
    "the baseline": ("0.5", "gray"),
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
        names = add_configuration_names(table)["name"]
        label = metric_label_for_rows(metric, rows)
        room = measure_names(map(shorten_middle, names))
        with create_panels(1, 4.5 + room, 0.5 + ROW_HEIGHT * len(table)) as (figure, (ax,)):
            for place, ((_, line), kind) in enumerate(zip(table.iterrows(), kinds, strict=True)):
                color, _ = COLORS[kind]
                ax.plot([line[metric]], [place], marker="o", markersize=4, color=color)
                bounds = [line[f"{metric}_lower"], line[f"{metric}_upper"]]
                ax.plot(bounds, [place, place], color=color, linewidth=1)
            ax.set_yticks(range(len(table)), [shorten_middle(name) for name in names], fontsize=8)
            ax.set_ylim(len(table) - 0.5, -0.5)
            ax.set_xlabel(label)
            plot_title = f"{title}: configurations by {label}"
            add_title(figure, plot_title)
        caption = _describe_leaderboard(table, metric, label, describe_replicates(rows))
        caption += _describe_colors(kinds)
        caption += f" {n_left_out} more are not shown." if n_left_out else ""
        dataset = results.file_label(str(rows["dataset"].iloc[0]))
        stem = make_file_stem("leaderboard", dataset, metric)
        yield Plot(stem, plot_title, figure, caption)


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


def _describe_colors(kinds: list[str]) -> str:
    """Return a sentence on the colours, or nothing if all configurations have the same."""
    shown = [f"{name} is {kind}" for kind, (_, name) in COLORS.items() if kind in kinds]
    return f" {', '.join(shown).capitalize()}." if len(shown) > 1 else ""
