"""Table of a metric by dataset: one row per configuration, one column per dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.plugins.registry import BASELINE
from benchmark.reporting.comparable_rows import CONFIGURATION_AXES, NAME_COLUMNS, name_columns
from benchmark.reporting.comparison import better_direction
from benchmark.reporting.dataset_scores import DatasetScores, group_datasets, score_datasets
from benchmark.reporting.short_labels import shorten_dataset_names
from benchmark.reporting.table_intervals import (
    NO_INTERVAL,
    estimate_interval,
    format_column,
    format_mean,
    name_bounds,
    read_each_once,
    refuse_interval,
)
from benchmark.reporting.table_view import Table
from benchmark.scoring.mean_ranks import METHOD, count_wins, estimate_mean_ranks
from benchmark.scoring.metric_lookup import check_ranking_metric, find_metric
from benchmark.scoring.predictions import PredictionReader
from benchmark.scoring.significance import Result
from benchmark.utils.text import format_count

SUMMARY = ("mean", "mean_rank", "mean_rank_lower", "mean_rank_upper", "mean_rank_interval", "wins")


SUMMARY_COLUMNS = ("mean", "mean rank", "wins")  # as they are printed


class DatasetTable:
    """View with one column per dataset instead of one per metric.

    Each combination of conditions (imbalance, training size, occlusion) has a table of its own,
    since the values of one dataset under several conditions are not independent.

    Parameters
    ----------
    common : bool
        Keep only the configurations that have a value on every dataset, and the datasets on which
        there is any, instead of refusing rows with gaps.

    See Also
    --------
    benchmark.reporting.leaderboard.Leaderboard : View with one column per metric.
    """

    def __init__(self, common: bool = False) -> None:
        self.common = common

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a table for each combination of conditions.

        Parameters
        ----------
        rows : DataFrame
            As returned by ``load_results``.
        metric : str
        read_predictions : callable (key, digest) -> Predictions, or None
            ``ResultsFolder.read_predictions``. Without it, values from a single test set have no
            interval.

        Yields
        ------
        title : str
        table : DataFrame
            The columns are extractor, strategy, model; for each dataset the mean of the metric over
            folds and seeds, and its 95% confidence interval (suffixes ``_lower``, ``_upper`` and
            ``_interval``, the method); the mean over datasets; the mean rank among the
            configurations other than the baseline, its interval over datasets
            (``mean_ranks.estimate_mean_ranks``), and wins, the number of datasets on which no other
            one is better. Sorted by mean rank; the baseline, which is not ranked, is last.

        Raises
        ------
        UserError
            The metric is unknown; a configuration lacks a value on a dataset and ``common`` is
            false, or none has them all; or a dataset has rows of several splits or image sizes.
        """
        check_ranking_metric(metric)
        for conditions, groups in group_datasets(rows):
            scores = score_datasets(groups, metric)
            if scores.ranked.values.isna().all(axis=None):
                continue
            if self.common:
                scores = scores.keep_common()
            else:
                scores.refuse_gaps()
            if scores.ranked.values.empty:
                raise UserError(
                    f"no configuration has {metric} on all {len(groups)} datasets: complete the "
                    "study first"
                )
            datasets = format_count(scores.values.shape[1], "dataset")
            yield (
                f"{datasets} · {conditions}" if conditions else datasets,
                _make_dataset_table(scores, groups, read_predictions),
            )

    def format_table(self, table: pd.DataFrame, with_intervals: bool = True) -> pd.DataFrame:
        """Format values with three decimals, and values and mean ranks with their intervals."""
        text = name_columns(table[CONFIGURATION_AXES])
        datasets = _dataset_columns(table)
        short = shorten_dataset_names(datasets)
        for name in datasets:
            text[_printed_name(short.get(name, name))] = format_column(table, name, with_intervals)
        text["mean"] = [format_mean(value) for value in table["mean"]]
        bounds = table[["mean_rank", "mean_rank_lower", "mean_rank_upper"]]
        text["mean rank"] = [
            _format_number(mean, 2)
            + (f" ({lower:.1f} to {upper:.1f})" if np.isfinite(lower) else "")
            for mean, lower, upper in bounds.itertuples(index=False)
        ]
        text["wins"] = [_format_number(wins, 0) for wins in table["wins"]]
        return text

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption, one line per reason for missing intervals, and what was left out."""
        values = [table for _, table in tables]
        several = len(tables) > 1
        lines = [
            f"{title}: {line}" if several else line
            for title, table in tables
            for line in _list_missing_intervals(table)
        ]
        if self.common:
            lines += [
                f"{conditions}: {line}" if several and conditions else line
                for conditions, groups in group_datasets(rows)
                if (line := _describe_left_out(score_datasets(groups, metric)))
            ]
        baseline = any((table["model"] == BASELINE).any() for table in values)
        return [
            f"Mean {metric} ({better_direction(metric)} is better) over folds and seeds, per "
            "dataset; mean over the datasets; mean of the ranks within the datasets, 1 being the "
            "best, ties sharing their average; wins are datasets on which no other configuration "
            f"is better (a tie for the best counts for each). {_describe_intervals(values)}"
            + (f"{BASELINE} is not ranked. " if baseline else "")
            + "95% confidence intervals of single values are in parentheses where they fit.",
            *lines,
        ]


def _make_dataset_table(
    scores: DatasetScores,
    groups: Mapping[str, pd.DataFrame],
    read_predictions: PredictionReader | None,
) -> pd.DataFrame:
    greater = find_metric(scores.metric).greater_is_better
    by_dataset = scores.ranked.values.T
    ranks = estimate_mean_ranks(by_dataset, greater)
    wins = count_wins(by_dataset, greater)
    columns = _name_columns(scores.values.columns)
    lines = []
    for labels, values in scores.values.iterrows():
        line: dict[str, object] = dict(zip(CONFIGURATION_AXES, labels, strict=True))
        for dataset, value in values.items():
            result = _estimate_value(
                groups[dataset], labels, value, scores.metric, read_predictions
            )
            line |= name_bounds(columns[dataset], value, result)
        rank = ranks.get(labels, Result("", 0, np.nan, refusal="the baseline is not ranked"))
        line["mean"] = values.mean(skipna=False)
        line |= name_bounds("mean_rank", rank.effect, rank)
        lines.append(line | {"wins": wins.get(labels, np.nan)})
    table = pd.DataFrame(lines)
    table["wins"] = table["wins"].astype("Int64")
    order = table.assign(mean=-table["mean"] if greater else table["mean"])
    order = order.sort_values(["mean_rank", "mean"], na_position="last", kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _estimate_value(
    rows: pd.DataFrame,
    labels: tuple[str, ...],
    value: float,
    metric: str,
    read_predictions: PredictionReader | None,
) -> Result:
    """Interval of the mean of one configuration on one dataset."""
    if np.isnan(value):
        return refuse_interval()
    cells = rows[(rows[CONFIGURATION_AXES] == list(labels)).all(axis=1)]
    return estimate_interval(read_each_once(read_predictions), cells, metric)


def _name_columns(datasets: Sequence[str]) -> dict[str, str]:
    """Column name of each dataset, different from the columns that every table has."""
    reserved = (*CONFIGURATION_AXES, *SUMMARY, "table", "mean rank")
    return {name: f"dataset '{name}'" if name in reserved else name for name in datasets}


def _dataset_columns(table: pd.DataFrame) -> list[str]:
    """Columns of the datasets: those that come before the mean and have an interval."""
    names = list(table.columns[: table.columns.get_loc("mean")])
    return [name for name in names if f"{name}_interval" in names]


def _printed_name(dataset: str) -> str:
    """Column name of a dataset, different from the columns that every table has."""
    reserved = dataset in (*NAME_COLUMNS, *SUMMARY_COLUMNS)
    return f"dataset '{dataset}'" if reserved else dataset


def _format_number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if pd.notna(value) else "-"


def _list_missing_intervals(table: pd.DataFrame) -> Iterator[str]:
    """Yield one line per reason for which ranked configurations have no interval."""
    ranked = table[table["mean_rank"].notna()]
    refused = ranked[ranked["mean_rank_lower"].isna()]
    for text, lines in refused.groupby("mean_rank_interval", sort=False):
        which = (
            "" if len(lines) == len(ranked) else f" of {format_count(len(lines), 'configuration')}"
        )
        yield f"no interval of the mean rank{which}: {str(text).removeprefix(NO_INTERVAL)}"


def _describe_intervals(tables: Sequence[pd.DataFrame]) -> str:
    """Sentence on the intervals of the mean ranks; empty if there are none."""
    if not any(table["mean_rank_lower"].notna().any() for table in tables):
        return ""
    return f"95% intervals of mean ranks are in parentheses: {METHOD} over the datasets. "


def _describe_left_out(scores: DatasetScores) -> str:
    gaps = scores.describe_gaps()
    if not gaps:
        return ""
    kept = scores.describe_kept()
    return f"kept {kept}; {scores.metric} is missing for {gaps}"
