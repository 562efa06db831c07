"""Table of a metric by occlusion: how it changes when regions of the images are covered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from benchmark.errors import UserError
from benchmark.plugins.spec import label_without, number_in_label
from benchmark.reporting.comparable_rows import (
    COMPARABLE,
    CONFIGURATION_AXES,
    make_group_title,
    name_columns,
)
from benchmark.reporting.comparison import better_direction
from benchmark.reporting.pair_comparison import REPLICATES, compare_cells
from benchmark.reporting.table_intervals import (
    SPREAD,
    estimate_interval,
    format_column,
    format_difference,
    format_done,
    list_refusals,
    name_bounds,
    read_each_once,
    refuse_interval,
    sort_complete_first,
    spread_over_seeds,
)
from benchmark.reporting.table_view import Table
from benchmark.scoring.averages import rows_for_group_means
from benchmark.scoring.metric_lookup import check_ranking_metric, find_metric
from benchmark.scoring.predictions import PredictionReader
from benchmark.scoring.significance import ALPHA, Result
from benchmark.study.axes import find_axis
from benchmark.utils.status import Status

CHANGE = "change at "  # prefix of the columns of changes
WHOLE = find_axis("occlusion").default_label  # of the occlusion that covers nothing


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
            the metric over folds and seeds; for each but the first ``change at ...``, the mean
            minus that for whole images, on the cells that are completed for both; and n_done and
            n_planned, numbers of cells. Means and changes have their 95% confidence intervals
            (suffixes ``_lower``, ``_upper`` and ``_interval``, the method). Rows are sorted by the
            last occlusion, the best first, those that lack cells last. Configurations without
            results for whole images are left out.

        Raises
        ------
        UserError
            The metric is unknown, or the rows do not have both whole and covered images.
        """
        check_ranking_metric(metric)
        covered = set(rows["occlusion"]) - {WHOLE}
        if not covered or WHOLE not in set(rows["occlusion"]):
            raise UserError(
                "this table needs rows with occlusion 'none' and with another one; put "
                "'occlusions: [none, boxes(share=0.25)]' into the study"
            )
        shared = [name for name in COMPARABLE if name != "occlusion"]
        kinds = rows["occlusion"].map(partial(label_without, "share"))
        for labels, group in rows.groupby(shared, sort=False, dropna=False):
            for kind in dict.fromkeys(kinds[group.index]):
                alike = group[kinds[group.index].isin([WHOLE, kind])]
                if kind == WHOLE:
                    continue
                table = _make_occlusion_table(alike, metric, read_predictions)
                if len(table):
                    title = make_group_title(dict(zip(shared, labels, strict=True)), rows)
                    yield f"{title} · {kind}" if kinds.nunique() > 2 else title, table

    def format_table(self, table: pd.DataFrame, with_intervals: bool = True) -> pd.DataFrame:
        """Format the mean for whole images, and mean and change for each occlusion."""
        text = name_columns(table[CONFIGURATION_AXES])
        text[WHOLE] = format_column(table, WHOLE, with_intervals)
        for level in [name for name in table if f"{CHANGE}{name}_interval" in table]:
            means = format_column(table, level, with_intervals=False)
            differences = format_column(table, CHANGE + level, with_intervals, format_difference)
            text[level] = [
                mean if difference == "-" else f"{mean}, {difference}"
                for mean, difference in zip(means, differences, strict=True)
            ]
        return text.assign(done=format_done(table))

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption of the tables, and one line per reason for missing intervals."""
        return [
            f"Mean {metric} ({better_direction(metric)} is better) over folds and seeds, then its "
            "change from whole images; 95% confidence intervals of the mean for whole images and "
            f"of the changes are in parentheses{SPREAD}; done is the number of completed cells out "
            "of those planned. Configurations are sorted by the last occlusion, the best first, "
            "those that lack cells last.",
            *list_refusals([table for _, table in tables], _describe_column),
        ]


def _describe_column(name: str) -> str:
    """Words for a column whose intervals are shown; empty for the others."""
    if name == WHOLE:
        return "whole images"
    return f"the {name}" if name.startswith(CHANGE) else ""


def _make_occlusion_table(
    rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None
) -> pd.DataFrame:
    levels = sorted(rows["occlusion"].unique(), key=partial(number_in_label, "share"))
    counted = rows_for_group_means(rows, metric, COMPARABLE)
    lines = []
    for labels, cells in rows.groupby(CONFIGURATION_AXES, sort=False):
        by_level = dict(iter(counted[counted.index.isin(cells.index)].groupby("occlusion")))
        if WHOLE not in by_level:
            continue
        n_done = int((cells["status"] == Status.OK).sum())
        read = read_each_once(read_predictions) if n_done == len(cells) else None
        line: dict[str, object] = dict(zip(CONFIGURATION_AXES, labels, strict=True))
        line |= _describe_levels(by_level, levels, metric, read)
        lines.append(line | {"n_done": n_done, "n_planned": len(cells)})
    table = pd.DataFrame(lines)
    if table.empty:
        return table
    sign = -1 if find_metric(metric).greater_is_better else 1
    return sort_complete_first(table, sign * table[levels[-1]]).reset_index(drop=True)


def _describe_levels(
    by_level: dict[str, pd.DataFrame],
    levels: Sequence[str],
    metric: str,
    read: PredictionReader | None,
) -> dict[str, object]:
    """Mean and change at each occlusion for one configuration, with their intervals.

    There are no intervals without ``read``, which is None if cells are missing.
    """
    means: dict[str, object] = {}
    changes: dict[str, object] = {}
    for level in levels:
        cells = by_level.get(level, by_level[WHOLE].iloc[:0])
        result = refuse_interval()
        if read is not None and len(cells):
            result = estimate_interval(read, cells, metric)
        values = pd.to_numeric(cells[metric])
        means |= name_bounds(level, values.mean(), result, spread_over_seeds(values, cells["seed"]))
        if level != WHOLE:
            change = _estimate_change(by_level[WHOLE], cells, metric, read)
            changes |= name_bounds(CHANGE + level, change.effect, change)
    return means | changes


def _estimate_change(
    whole: pd.DataFrame, covered: pd.DataFrame, metric: str, read: PredictionReader | None
) -> Result:
    """Difference between covered and whole images, on the cells that both have."""
    pairs = covered.merge(whole, on=REPLICATES, suffixes=("_a", "_b"))
    difference = float((pairs[f"{metric}_a"] - pairs[f"{metric}_b"]).mean())
    if read is None or pairs.empty:
        return replace(refuse_interval(), effect=difference)
    try:
        return compare_cells(pairs, metric, read, ALPHA)
    except UserError as error:  # predictions are missing or damaged
        return replace(refuse_interval(str(error)), effect=difference)
