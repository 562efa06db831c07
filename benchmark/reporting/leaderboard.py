"""Ranked tables of rows: one line per configuration, one column per metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import unknown_name_error
from benchmark.plugins.registry import BASELINE
from benchmark.reporting.table_view import Table
from benchmark.scoring.averages import (
    can_rank,
    describe_incomplete_folds,
    find_shared_classes,
    rows_for_mean,
)
from benchmark.scoring.metrics import METRICS, OF_SECOND, metric_label
from benchmark.study.axes import Role, axes_with_roles
from benchmark.utils.notes import SHARED, NoteKind
from benchmark.utils.status import Status
from benchmark.utils.text import format_count, one_line

TABLE_METRICS = ("accuracy", "precision", "recall", "f1", "auc", "log_loss")
MULTILABEL_METRICS = ("subset_accuracy", "precision", "recall", "f1", "auc", "hamming_loss")
TIMES = ("fit_s", "predict_s")
CONDITIONS = [axis.name for axis in axes_with_roles(Role.CONDITION) if axis.name != "dataset"]
# rows that agree in these columns are comparable: configurations are ranked among them
COMPARABLE = ["dataset", "size", *CONDITIONS, "split", "fingerprint"]
CONFIGURATION_AXES = [axis.name for axis in axes_with_roles(Role.CONFIGURATION)]
NO_BETTER = "†"  # marks configurations that are no better than the baseline

# columns that the tables read, besides labels and status
COLUMNS = (*METRICS, *TIMES, "per_class", "notes", "environment", "workers", "accelerated")


def make_leaderboards(rows: pd.DataFrame, metric: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a title and a ranked table for each group of comparable rows.

    Parameters
    ----------
    rows : DataFrame
        As returned by ``load_results``.
    metric : str
        Metric that configurations are ranked by, the best first. Configurations with cells that are
        not 'ok' follow, unranked.

    Yields
    ------
    title : str
    table : DataFrame
        One row per configuration. The columns are rank, extractor, strategy, model; for each metric
        its mean, its standard deviation (suffix ``_std``) and the number of cells that they are
        computed from (``_n``), which are those that count (``averages.rows_for_mean``) and where
        the metric is defined; mean times in seconds; n_done and n_planned, numbers of cells; and
        no_better, whether the configuration is no better than the baseline ``majority`` by
        ``metric``. Where average_precision is computed for the second of two classes, a column
        with the suffix ``_class`` has the name of that class.

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
    >>> row = dict.fromkeys([*COMPARABLE, *CONFIGURATION_AXES], "none") | {"status": "ok"}
    >>> row |= {"size": None, "train_size": 1.0, "fit_s": 0.1, "predict_s": 0.1}
    >>> rows = pd.DataFrame([{**row, "model": "knn", "f1": 0.9}, {**row, "model": "cnn", "f1": 1}])
    >>> ((title, table),) = make_leaderboards(rows, "f1")
    >>> table[["rank", "model", "f1"]].values.tolist()
    [[1, 'cnn', 1.0], [2, 'knn', 0.9]]
    """
    if metric not in METRICS:
        raise unknown_name_error("metric", metric, METRICS)
    for title, group in group_comparable_rows(rows):
        yield title, rank_configurations(group, metric)


def group_comparable_rows(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each group of comparable rows, with a title that distinguishes it."""
    for labels, group in rows.groupby(COMPARABLE, sort=False, dropna=False):
        yield make_group_title(dict(zip(COMPARABLE, labels, strict=True)), rows), group


def make_group_title(labels: dict[str, Any], rows: pd.DataFrame) -> str:
    """Title of a group of rows: dataset, labels that differ from their defaults, and split."""
    dataset, size = labels["dataset"], labels["size"]
    extra = [f"{size:.0f} px"] if pd.notna(size) else []
    named = [
        axis for axis in axes_with_roles(Role.CONDITION) if axis.default and axis.name in labels
    ]
    extra += [
        axis.title(labels[axis.name]) for axis in named if labels[axis.name] != axis.default_label
    ]
    extra += (
        [f"data {labels['fingerprint']}"]
        if rows.loc[rows["dataset"] == dataset, "fingerprint"].nunique() > 1
        else []
    )
    return " · ".join([dataset, *extra, labels["split"]])


def rank_configurations(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Make the ranked table of a group of comparable rows; see ``make_leaderboards``.

    Ties share a rank. A configuration has no rank if it lacks cells, if the metric is undefined on
    cells where it is defined for others, or if the metric does not rank these rows at all
    (``averages.can_rank``).
    """
    metrics = tuple(dict.fromkeys((*select_table_metrics(rows), metric)))
    means = {name: _summarize_metric(rows, name) for name in metrics}
    table = pd.DataFrame(
        [
            _make_leaderboard_line(labels, group, means)
            for labels, group in rows.groupby(CONFIGURATION_AXES, sort=False)
        ]
    )
    classes = find_shared_classes(rows)
    for name in metrics:
        if name in OF_SECOND and metric_label(name, classes) != name:
            table.insert(table.columns.get_loc(f"{name}_n") + 1, f"{name}_class", classes[1])
    complete = (table["n_done"] == table["n_planned"]) & (
        table[f"{metric}_n"] == table[f"{metric}_n"].max()
    )
    complete &= can_rank(rows, metric)
    lowest_first = not METRICS[metric].greater_is_better
    rank = table[metric].where(complete).rank(method="min", ascending=lowest_first)
    table.insert(0, "rank", rank.astype("Int64"))
    baseline = rank[table["model"] == BASELINE].min()
    # False where there is no baseline, or no rank
    table["no_better"] = (rank >= baseline) & (table["model"] != BASELINE)
    order = ["rank", *CONFIGURATION_AXES]
    return table.sort_values(order, na_position="last").reset_index(drop=True)


def _summarize_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean, standard deviation and number of the values that count, for each configuration."""
    counted = rows_for_mean(rows, metric)
    values = counted[metric] if metric in counted else pd.Series(np.nan, counted.index)
    by_configuration = pd.to_numeric(values).groupby([counted[axis] for axis in CONFIGURATION_AXES])
    return by_configuration.agg(["mean", "std", "count"])


def _make_leaderboard_line(
    labels: tuple[str, ...], rows: pd.DataFrame, means: dict[str, pd.DataFrame]
) -> dict[str, object]:
    done = rows[rows["status"] == Status.OK]
    line: dict[str, object] = dict(zip(CONFIGURATION_AXES, labels, strict=True))
    for name, summary in means.items():
        mean, std, n = summary.loc[labels] if labels in summary.index else (np.nan, np.nan, 0)
        line |= {name: mean, f"{name}_std": std, f"{name}_n": int(n)}
    for name in TIMES:
        line[name] = pd.to_numeric(done[name]).mean() if len(done) else np.nan
    return line | {"n_done": len(done), "n_planned": len(rows)}


def select_table_metrics(rows: pd.DataFrame) -> tuple[str, ...]:
    """Select the six metrics of a table, for single-label or multi-label tasks."""
    multilabel = "subset_accuracy" in rows and rows["subset_accuracy"].notna().any()
    return MULTILABEL_METRICS if multilabel else TABLE_METRICS


def format_leaderboard(table: pd.DataFrame, spread: bool = True) -> pd.DataFrame:
    """Format a ranked table as texts, such as '0.912 ±0.011' and '3/3'.

    Parameters
    ----------
    table : DataFrame
        As yielded by ``make_leaderboards``.
    spread : bool
        Whether to show standard deviations.
    """
    metrics = [name for name in table.columns if name in METRICS]
    marks = table["no_better"].map({True: NO_BETTER, False: ""})
    ranks = [
        f"{rank}{mark}" if pd.notna(rank) else "-"
        for rank, mark in zip(table["rank"], marks, strict=True)
    ]
    text = pd.DataFrame({"rank": ranks})
    text[CONFIGURATION_AXES] = table[CONFIGURATION_AXES]
    for name in metrics:
        header = name
        if f"{name}_class" in table and len(table):
            header = f"{name} of '{table[f'{name}_class'].iloc[0]}'"
        stds = table[f"{name}_std"] if spread else pd.Series(np.nan, table.index)
        most = table[f"{name}_n"].max()
        values = zip(
            table[name],
            stds,
            table[f"{name}_n"],
            table["n_done"] == table["n_planned"],
            strict=True,
        )
        text[header] = [
            _format_mean_and_std(mean, std) + _mark_partial_mean(n, most, complete)
            for mean, std, n, complete in values
        ]
    for name in TIMES:
        text[name] = [f"{value:.3g}" if pd.notna(value) else "-" for value in table[name]]
    text["done"] = [
        f"{done}/{planned}"
        for done, planned in zip(table["n_done"], table["n_planned"], strict=True)
    ]
    return text


def _format_mean_and_std(mean: float, std: float) -> str:
    if pd.isna(mean):
        return "-"
    return f"{mean:.3f} ±{std:.3f}" if pd.notna(std) else f"{mean:.3f}"


def _mark_partial_mean(n: int, most: int, complete: bool) -> str:
    """Number of cells that a mean is computed over, if others are computed over more."""
    return f" ({n} of {most})" if complete and 0 < n < most else ""


def make_leaderboard_caption(metric: str, marked: bool) -> str:
    """Caption of ranked tables.

    Parameters
    ----------
    metric : str
    marked : bool
        Whether a configuration is marked as no better than the baseline.
    """
    first = "highest" if METRICS[metric].greater_is_better else "lowest"
    mark = f"{NO_BETTER} no better than {BASELINE}, which ignores the images. " if marked else ""
    return mark + (
        f"Ranked by {metric}, {first} first; ± is the standard deviation over folds and seeds; "
        "fit_s and predict_s are mean seconds per cell; done is the number of completed cells out "
        "of those planned; '(2 of 3)' marks a mean over the cells where the metric is defined. "
        "Configurations that lack cells or values are not ranked."
    )


def list_problems(rows: pd.DataFrame) -> list[str]:
    """List the problems of rows.

    These are cells with a status other than 'ok', folds that averages leave out, notes on images
    and classes, and times that cannot be compared.
    """
    bad = rows[~rows["status"].isin([Status.OK, Status.PLANNED])]
    endings = bad.groupby([*CONFIGURATION_AXES, "status", "reason"], sort=False).size()
    ended = [
        f"{n} {status}: {' / '.join(configuration)}: {why}"
        for (*configuration, status, why), n in endings.items()
    ]
    groups = list(group_comparable_rows(rows))
    left_out = [
        f"{title}: {remark}" if len(groups) > 1 else remark
        for title, group in groups
        for remark in describe_incomplete_folds(group)
    ]
    environments = describe_environments(rows)
    mixed = (
        [
            "times were measured in different environments and cannot be compared: "
            + "; ".join(environments)
        ]
        if len(environments) > 1
        else []
    )
    by_dataset = list(rows.groupby("dataset", sort=False))
    notes = [
        f"{name}: {note}" if len(by_dataset) > 1 else note
        for name, own in by_dataset
        for note in _summarize_notes(own)
    ]
    return [*map(one_line, ended), *left_out, *notes, *mixed]


def _summarize_notes(rows: pd.DataFrame) -> list[str]:
    """Distinct notes of the cells of one dataset, each with the number of cells that have it."""
    notes = [
        note
        for listed in rows.get("notes", ())
        if isinstance(listed, list)
        for note in listed
        if note.kind != NoteKind.DETAIL
    ]
    shared = [note.n_images or 0 for note in notes if note.kind == NoteKind.COPIES]
    copied = (
        [f"{format_count(len(shared), 'cell')}: {_describe_test_images(shared)} {SHARED}"]
        if shared
        else []
    )
    counts = Counter(note for note in notes if note.kind != NoteKind.COPIES)
    return [*(f"{format_count(n, 'cell')}: {note}" for note, n in counts.items()), *copied]


def _describe_test_images(counts: list[int]) -> str:
    least, most = min(counts), max(counts)
    return (
        format_count(most, "test image is", "test images are")
        if least == most
        else f"{least} to {most} test images are"
    )


def describe_environments(rows: pd.DataFrame) -> list[str]:
    """List the environments in which cells were run, with the number of cells."""
    if not {"environment", "workers"} <= set(rows):
        return []
    run = rows[rows["environment"].map(lambda value: isinstance(value, dict))]
    run = run.drop_duplicates("key")
    counts = Counter(
        run["environment"].map(
            lambda machine: f"{machine['processor']}, {format_count(machine['cores'], 'core')}"
        )
        + run["workers"].map(_describe_workers)
        + _describe_acceleration(run)
    )
    return [f"{format_count(n, 'cell')} on {machine}" for machine, n in counts.most_common()]


def _describe_acceleration(rows: pd.DataFrame) -> pd.Series:
    return (
        rows.get("accelerated", pd.Series(False, rows.index))
        .map({1: ", with --accelerate"})
        .fillna("")
    )


def _describe_workers(workers: float) -> str:
    return f", {format_count(int(workers), 'worker')}" if pd.notna(workers) else ""


class Leaderboard:
    """View with one ranked line per configuration and one column per metric."""

    def make_tables(self, rows: pd.DataFrame, metric: str) -> Iterator[Table]:
        """Yield a title and a ranked table per group of rows; see ``make_leaderboards``."""
        return make_leaderboards(rows, metric)

    def format_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Format a ranked table as texts; see ``format_leaderboard``."""
        return format_leaderboard(table)

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Caption of the tables, and one line per problem (``list_problems``)."""
        marked = any(table["no_better"].any() for _, table in tables)
        return [make_leaderboard_caption(metric, marked), *list_problems(rows)]
