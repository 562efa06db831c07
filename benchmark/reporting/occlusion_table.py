"""Table of a metric by occlusion: the loss of each configuration when image regions are covered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.plugins.spec import label_without, number_in_label
from benchmark.reporting.comparable_rows import (
    COMPARABLE,
    CONFIGURATION_AXES,
    make_group_title,
    name_columns,
)
from benchmark.reporting.pair_comparison import REPLICATES, compare_cells
from benchmark.reporting.table_intervals import (
    INCOMPLETE,
    estimate_interval,
    format_means,
    list_refusals,
    name_bounds,
    refuse_reading,
)
from benchmark.reporting.table_view import Table
from benchmark.scoring.averages import rows_for_group_means
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import PredictionReader
from benchmark.scoring.significance import ALPHA, Result

LOSS = "loss at "  # prefix of the columns of losses
WHOLE = "none"  # label of the occlusion that covers nothing


class OcclusionTable:
    """View with one column per occlusion instead of one per metric.

    See Also
    --------
    benchmark.reporting.leaderboard.Leaderboard : View with one column per metric.
    """

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a table for each group of rows that differ only in the share covered.

        Parameters
        ----------
        rows : DataFrame
            As returned by ``load_results``.
        metric : str
        read_predictions : callable (key, digest) -> Predictions, or None
            ``ResultsFolder.read_predictions``. The intervals of a single test set need it.

        Yields
        ------
        title : str
        table : DataFrame
            The columns are extractor, strategy, model, tuning; one per occlusion with the mean of
            the metric over folds and seeds; and ``loss at ...``: by how much it is worse than with
            whole images, on the cells that are completed for both. Each of them has its 95%
            confidence interval (suffixes ``_lower``, ``_upper`` and ``_interval``, the method).
            Rows are sorted by the last occlusion, the best first. Configurations without results
            for whole images are left out.

        Raises
        ------
        UserError
            The metric is unknown, or the rows do not have both whole and covered images.
        """
        if metric not in METRICS:
            raise unknown_name_error("metric", metric, METRICS)
        covered = set(rows["occlusion"]) - {WHOLE}
        if not covered or WHOLE not in set(rows["occlusion"]):
            raise UserError(
                "this table needs rows with occlusion 'none' and with another one; put "
                "'occlusions: [none, boxes(share=0.25)]' into the study"
            )
        shared = [name for name in COMPARABLE if name != "occlusion"]
        done = rows_for_group_means(rows, metric, COMPARABLE)
        kinds = done["occlusion"].map(partial(label_without, "share"))
        for labels, group in done.groupby(shared, sort=False, dropna=False):
            for kind in dict.fromkeys(kinds[group.index]):
                alike = group[kinds[group.index].isin([WHOLE, kind])]
                if kind != WHOLE and WHOLE in set(alike["occlusion"]):
                    title = make_group_title(dict(zip(shared, labels, strict=True)), rows)
                    yield (
                        f"{title} · {kind}" if kinds.nunique() > 2 else title,
                        _make_occlusion_table(alike, metric, read_predictions or refuse_reading),
                    )

    def format_table(self, table: pd.DataFrame, with_intervals: bool = True) -> pd.DataFrame:
        """Format the mean for whole images, and mean and change for each occlusion."""
        text = name_columns(table[CONFIGURATION_AXES])
        text[WHOLE] = format_means(table, WHOLE, with_intervals)
        for loss in [
            name for name in table if f"{name}_interval" in table and name.startswith(LOSS)
        ]:
            level = loss.removeprefix(LOSS)
            changes = (
                pd.DataFrame(
                    {
                        level: -table[loss],
                        f"{level}_lower": -table[f"{loss}_upper"],
                        f"{level}_upper": -table[f"{loss}_lower"],
                    }
                )
                + 0.0
            )  # not -0
            text[level] = [
                mean if change == "-" else f"{mean}, {change}"
                for mean, change in zip(
                    format_means(table, level, with_intervals=False),
                    format_means(changes, level, with_intervals, "+"),
                    strict=True,
                )
            ]
        return text

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption of the tables, and one line per reason for missing intervals."""
        better = "higher" if METRICS[metric].greater_is_better else "lower"
        return [
            f"Mean {metric} ({better} is better) over folds and seeds, then its change from whole "
            "images; 95% confidence intervals of the mean for whole images and of the changes are "
            "in parentheses. Configurations are sorted by the last occlusion, the best first.",
            *list_refusals([table for _, table in tables]),
        ]


def _make_occlusion_table(
    rows: pd.DataFrame, metric: str, read_predictions: PredictionReader
) -> pd.DataFrame:
    levels = sorted(rows["occlusion"].unique(), key=partial(number_in_label, "share"))
    lines = []
    for labels, cells in rows.groupby(CONFIGURATION_AXES, sort=False):
        by_level = dict(iter(cells.groupby("occlusion")))
        if WHOLE in by_level:
            line = dict(zip(CONFIGURATION_AXES, labels, strict=True))
            lines.append(line | _describe_levels(by_level, levels, metric, read_predictions))
    lowest_first = not METRICS[metric].greater_is_better
    table = pd.DataFrame(lines)
    return table.sort_values(levels[-1], ascending=lowest_first, kind="stable", ignore_index=True)


def _describe_levels(
    by_level: dict[str, pd.DataFrame],
    levels: Sequence[str],
    metric: str,
    read_predictions: PredictionReader,
) -> dict[str, object]:
    """Mean and loss at each occlusion for one configuration, with their intervals."""
    read = lru_cache(maxsize=64)(read_predictions)
    means: dict[str, object] = {}
    losses: dict[str, object] = {}
    nothing = Result("", 0, np.nan, refusal=INCOMPLETE)
    for level in levels:
        cells = by_level.get(level)
        mean = np.nan if cells is None else pd.to_numeric(cells[metric]).mean()
        result = nothing if cells is None else estimate_interval(read, cells, metric)
        means |= name_bounds(level, mean, result)
        if level != WHOLE:
            loss = (
                nothing if cells is None else _estimate_loss(by_level[WHOLE], cells, metric, read)
            )
            losses |= name_bounds(LOSS + level, loss.effect, loss)
    return means | losses


def _estimate_loss(
    whole: pd.DataFrame, covered: pd.DataFrame, metric: str, read: PredictionReader
) -> Result:
    """By how much a metric is worse for covered images, on the cells that both have."""
    pairs = whole.merge(covered, on=REPLICATES, suffixes=("_a", "_b"))
    if pairs.empty:
        return Result("", 0, np.nan, refusal=INCOMPLETE)
    try:
        result = compare_cells(pairs, metric, read, ALPHA)
    except UserError as error:  # predictions are missing or damaged
        return Result("", 0, np.nan, refusal=str(error))
    if METRICS[metric].greater_is_better:
        return result
    return replace(result, effect=-result.effect, lower=-result.upper, upper=-result.lower)
