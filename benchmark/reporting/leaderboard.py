"""Ranked tables of rows: one line per configuration, one column per metric."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from benchmark.plugins.registry import BASELINE
from benchmark.reporting.approaches import compare_approaches, describe_approaches
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    group_comparable_rows,
    name_columns,
)
from benchmark.reporting.leader import (
    SHARES_FIRST_PLACE,
    describe_leader,
    describe_not_compared,
    mark_leaders,
    shares_first_place,
)
from benchmark.reporting.mean_table import TIMES, average_configurations
from benchmark.reporting.positive_class import describe_positive_class
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.row_problems import list_problems
from benchmark.reporting.subgroup_table import WORST_SUBGROUP, SubgroupTable, worst_column
from benchmark.reporting.table_intervals import format_done, format_mean, list_refusals
from benchmark.reporting.table_view import Table
from benchmark.scoring.averages import (
    can_rank,
    find_shared_classes,
)
from benchmark.scoring.metric_lookup import check_ranking_metric, find_metric, is_metric
from benchmark.scoring.metrics import METRICS, OF_SECOND, metric_label
from benchmark.scoring.predictions import PredictionReader
from benchmark.utils.text import format_seconds

TABLE_METRICS = ("accuracy", "precision", "recall", "f1", "auc", "log_loss")
MULTILABEL_METRICS = ("subset_accuracy", "precision", "recall", "f1", "auc", "hamming_loss")
APPROACHES = "approaches"  # key of ``DataFrame.attrs``: classical against deep, in a sentence
NO_BETTER = "†"  # marks configurations that are no better than the baseline

# columns that the tables read, besides labels and status
COLUMNS = (
    *(*METRICS, *TIMES, "per_class", "notes", "environment", "workers", "accelerated"),
    *("predictions", "n_images", "n_test", "approach"),
    *("extract_s", "tune_s", "resample_s"),
)


def make_leaderboards(
    rows: pd.DataFrame,
    metric: str,
    read_predictions: PredictionReader | None = None,
    metrics: Sequence[str] = (),
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a title and a ranked table for each group of comparable rows.

    Parameters
    ----------
    rows : DataFrame
        As returned by ``load_results``.
    metric : str
        Metric that configurations are ranked by, the best first. Configurations with cells that are
        not 'ok' follow, unranked.
    read_predictions : callable (key, digest) -> Predictions, or None
        ``ResultsFolder.read_predictions``. The intervals of a single test set need it.
    metrics : sequence of str
        Metrics of the columns; empty for the six of ``select_table_metrics``.

    Yields
    ------
    title : str
    table : DataFrame
        One row per configuration. The columns are rank, the labels of the configuration (extractor,
        strategy, model, tuning); for each metric
        its mean, its 95% confidence interval (suffixes ``_lower``, ``_upper`` and ``_interval``,
        the method; see ``table_intervals.add_intervals``), its standard deviation over folds and
        seeds (``_std``), that of its means over the seeds where there are several
        (``_std_of_seeds``), and the number of cells that they are computed from (``_n``), which are
        those that count (``averages.rows_for_mean``) and where the metric is defined; mean times in
        seconds; n_done and n_planned, numbers of cells; and no_better, whether the configuration is
        no better than the baseline ``majority`` by ``metric``. Where average_precision is computed
        for the second of two classes, a column with the suffix ``_class`` has the name of that
        class. ``table.attrs["approaches"]`` is a sentence that compares the best classical
        configuration with the best deep one; empty if there are not both.

    Raises
    ------
    UserError
        The metric is unknown.

    See Also
    --------
    format_leaderboard : Format a ranked table as texts.
    benchmark.reporting.text_tables.render_tables : Write tables as Markdown, LaTeX, CSV or JSON.

    Examples
    --------
    >>> from benchmark.reporting.comparable_rows import COMPARABLE
    >>> row = dict.fromkeys([*COMPARABLE, *CONFIGURATION_AXES], "none") | {"status": "ok"}
    >>> row |= {"size": None, "train_size": 1.0, "fit_s": 0.1, "predict_s": 0.1, "fold": 0}
    >>> row |= {"seed": 0, "key": "", "n_images": 100, "n_test": 20}
    >>> rows = pd.DataFrame([{**row, "model": "knn", "f1": 0.9}, {**row, "model": "cnn", "f1": 1}])
    >>> ((title, table),) = make_leaderboards(rows, "f1")
    >>> table[["rank", "model", "f1"]].values.tolist()
    [[1, 'cnn', 1.0], [2, 'knn', 0.9]]
    """
    check_ranking_metric(metric)
    for title, group in group_comparable_rows(rows):
        yield title, rank_configurations(group, metric, read_predictions, metrics)


def rank_configurations(
    rows: pd.DataFrame,
    metric: str,
    read_predictions: PredictionReader | None = None,
    metrics: Sequence[str] = (),
) -> pd.DataFrame:
    """Make the ranked table of a group of comparable rows; see ``make_leaderboards``.

    Ties share a rank. A configuration has no rank if it lacks cells, if the metric is undefined on
    cells where it is defined for others, or if the metric does not rank these rows at all
    (``averages.can_rank``).
    """
    metrics = tuple(dict.fromkeys((*(metrics or select_table_metrics(rows)), metric)))
    table = average_configurations(rows, metrics, read_predictions)
    classes = find_shared_classes(rows)
    for name in metrics:
        if name in OF_SECOND and metric_label(name, classes) != name:
            table.insert(table.columns.get_loc(f"{name}_n") + 1, f"{name}_class", classes[1])
    complete = (table["n_done"] == table["n_planned"]) & (
        table[f"{metric}_n"] == table[f"{metric}_n"].max()
    )
    complete &= can_rank(rows, metric)
    lowest_first = not find_metric(metric).greater_is_better
    rank = table[metric].where(complete).rank(method="min", ascending=lowest_first)
    table.insert(0, "rank", rank.astype("Int64"))
    baseline = rank[table["model"] == BASELINE].min()
    # False where there is no baseline, or no rank
    table["no_better"] = (rank >= baseline) & (table["model"] != BASELINE)
    order = ["rank", *CONFIGURATION_AXES]
    table = table.sort_values(order, na_position="last").reset_index(drop=True)
    mark_leaders(table, rows, metric, read_predictions)
    verdict = compare_approaches(table, rows, metric, read_predictions)
    table.attrs[APPROACHES] = describe_approaches(verdict, metric) if verdict else ""
    return table


def select_table_metrics(rows: pd.DataFrame) -> tuple[str, ...]:
    """Select the six metrics of a table, for single-label or multi-label tasks."""
    multilabel = "subset_accuracy" in rows and rows["subset_accuracy"].notna().any()
    return MULTILABEL_METRICS if multilabel else TABLE_METRICS


def format_leaderboard(
    table: pd.DataFrame, with_interval: Collection[str] | None = None
) -> pd.DataFrame:
    """Format a ranked table as texts, such as '0.912 (0.89 to 0.93)' and '3/3'.

    Parameters
    ----------
    table : DataFrame
        As yielded by ``make_leaderboards``.
    with_interval : collection of str or None
        Metrics whose intervals are shown; None means all.
    """
    metrics = [name for name in table.columns if is_metric(name)]
    ranks = [
        f"{rank}{mark}" if pd.notna(rank) else "-"
        for rank, mark in zip(table["rank"], mark_ranks(table), strict=True)
    ]
    text = name_columns(pd.DataFrame({"rank": ranks, **table[CONFIGURATION_AXES]}))
    for name in metrics:
        header = name
        if f"{name}_class" in table and len(table):
            header = f"{name} of '{table[f'{name}_class'].iloc[0]}'"
        shown = with_interval is None or name in with_interval
        most = table[f"{name}_n"].max()
        nothing = pd.Series(np.nan, table.index)
        uncertainty = ("lower", "upper", "std_of_seeds")
        values = zip(
            table[name],
            *(
                table.get(f"{name}_{column}", nothing) if shown else nothing
                for column in uncertainty
            ),
            table[f"{name}_n"],
            table["n_done"] == table["n_planned"],
            strict=True,
        )
        text[header] = [
            format_mean(mean, *uncertain) + _mark_partial_mean(n, most, complete)
            for mean, *uncertain, n, complete in values
        ]
    for name in TIMES:
        text[name] = [format_seconds(value) for value in table[name]]
    for name in [name for name in table if str(name).startswith(WORST_SUBGROUP)]:
        text[str(name)] = table[name]
    text["done"] = format_done(table)
    return text


def mark_ranks(table: pd.DataFrame) -> pd.Series:
    """Signs behind the ranks of a table, which ``make_leaderboard_caption`` explains."""
    marks = table["no_better"].map({True: NO_BETTER, False: ""})
    return marks + shares_first_place(table).map({True: SHARES_FIRST_PLACE, False: ""})


def _mark_partial_mean(n: int, most: int, complete: bool) -> str:
    """Number of cells that a mean is computed over, if others are computed over more."""
    return f" ({n} of {most})" if complete and 0 < n < most else ""


def make_leaderboard_caption(
    metric: str, tables: Sequence[pd.DataFrame], columns: Collection[str] = ()
) -> str:
    """Caption of ranked tables.

    Parameters
    ----------
    metric : str
    tables : sequence of DataFrame
        As yielded by ``make_leaderboards``.
    columns : collection of str
        The columns that are shown; empty for all.
    """
    shown = {"rank", "fit_s", "predict_s", "done"}
    if columns:
        shown &= set(columns)
    first = "highest" if find_metric(metric).greater_is_better else "lowest"
    marked = "rank" in shown and any(table["no_better"].any() for table in tables)
    mark = f"{NO_BETTER} no better than {BASELINE}, which ignores the images. " if marked else ""
    several_seeds = any(f"{metric}_std_of_seeds" in table for table in tables)
    seeds = "; ± is the standard deviation of the means of the seeds" if several_seeds else ""
    if "rank" in shown and any(shares_first_place(table).any() for table in tables):
        mark += (
            f"{SHARES_FIRST_PLACE} cannot be told apart from the best configuration other than "
            f"{BASELINE} (Hsu 1981), which depends not only on the mean but on how evenly the "
            "difference is spread over folds or images. "
        )
    times = " and ".join(name for name in ("fit_s", "predict_s") if name in shown)
    clauses = [
        f"Ranked by {metric}, {first} first",
        f"95% confidence intervals are in parentheses{seeds}",
    ]
    if times:
        clauses.append(f"{times} {'are' if ' ' in times else 'is'} mean seconds per cell")
    if "done" in shown:
        clauses.append("done is the number of completed cells out of those planned")
    clauses.append("'(2 of 3)' marks a mean over the cells where the metric is defined")
    return f"{mark}{'; '.join(clauses)}. Configurations that lack cells or values are not ranked."


class Leaderboard:
    """View with one ranked line per configuration and one column per metric.

    Parameters
    ----------
    metrics : sequence of str
        Metrics of the columns; see ``make_leaderboards``.
    results : ResultsView or None
        Where the attributes of the images are.
    attribute : str or None
        Attribute of whose subgroups the worst one is shown for every configuration.
    """

    def __init__(
        self,
        metrics: Sequence[str] = (),
        results: ResultsView | None = None,
        attribute: str | None = None,
    ) -> None:
        self.metrics = tuple(metrics)
        self.results = results
        self.attribute = attribute

    def make_tables(
        self, rows: pd.DataFrame, metric: str, read_predictions: PredictionReader | None = None
    ) -> Iterator[Table]:
        """Yield a title and a ranked table per group of rows; see ``make_leaderboards``."""
        tables = make_leaderboards(rows, metric, read_predictions, self.metrics)
        if self.results is None or self.attribute is None:
            yield from tables
            return
        worst = SubgroupTable(self.results, self.attribute).describe_worst(rows, metric)
        for title, table in tables:
            labels = table[CONFIGURATION_AXES].itertuples(index=False, name=None)
            texts = [worst.get((title, *configuration), "-") for configuration in labels]
            yield title, table.assign(**{worst_column(self.attribute): texts})

    def format_table(self, table: pd.DataFrame, with_intervals: bool = True) -> pd.DataFrame:
        """Format a ranked table as texts; see ``format_leaderboard``."""
        return format_leaderboard(table, None if with_intervals else ())

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption, one line per reason for missing intervals, and one per problem of the rows."""
        values = [table for _, table in tables]
        leaders = [
            f"{title}: {line}" if len(tables) > 1 else line
            for title, table in tables
            if (line := describe_leader(table, metric))
        ]
        approaches = [
            f"{title}: {line}" if len(tables) > 1 else line
            for title, table in tables
            if (line := table.attrs[APPROACHES])
        ]
        not_compared = [
            f"{title}: {line}" if len(tables) > 1 else line
            for title, table in tables
            for line in describe_not_compared(table)
        ]
        return [
            make_leaderboard_caption(metric, values),
            *describe_positive_class(rows, [*self.metrics, metric]),
            *approaches,
            *leaders,
            *not_compared,
            *list_refusals(values),
            *list_problems(rows),
        ]
