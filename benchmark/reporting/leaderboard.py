"""From rows to ranked tables; knows nothing of models."""

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

SIX = ("accuracy", "precision", "recall", "f1", "auc", "log_loss")
SIX_MULTILABEL = ("subset_accuracy", "precision", "recall", "f1", "auc", "hamming_loss")
TIMES = ("fit_s", "predict_s")
CONDITIONS = [axis.name for axis in axes_with_roles(Role.CONDITION) if axis.name != "dataset"]
COMPARABLE = [
    "dataset",
    "size",
    *CONDITIONS,
    "split",
    "fingerprint",
]  # configurations are ranked within these
CONFIGURATION_AXES = [axis.name for axis in axes_with_roles(Role.CONFIGURATION)]
NO_BETTER = "†"

COLUMNS = (
    *METRICS,
    *TIMES,
    "per_class",
    "notes",
    "environment",
    "workers",
    "accelerated",
)  # what the tables read of a row, beside its labels and status


def make_leaderboards(rows: pd.DataFrame, metric: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a title and a ranked table for each group of rows that can be compared.

    Parameters
    ----------
    rows : DataFrame
        As ``load_results`` gives them.
    metric : str
        Ranks the configurations, the best first. Configurations with cells that are not 'ok' are shown below,
        unranked.

    Yields
    ------
    title : str
    table : DataFrame
        rank, extractor, strategy, model, then mean and ``_std`` of each metric over the folds and
        seeds that count (``averages.rows_for_mean``) and where it is defined, ``_n`` of these; mean
        times, n_done, n_planned, and no_better: whether by ``metric`` the configuration is no better than
        ``majority``, which looks at no image. A metric that is of the second of two classes
        (average_precision) has a column ``_class`` with its name.

    Raises
    ------
    UserError
        No such metric.
    """
    if metric not in METRICS:
        raise unknown_name_error("metric", metric, METRICS)
    for title, group in group_comparable_rows(rows):
        yield title, rank_configurations(group, metric)


def group_comparable_rows(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each group of rows that can be compared, and a title that sets it apart."""
    for labels, group in rows.groupby(COMPARABLE, sort=False, dropna=False):
        yield make_group_title(dict(zip(COMPARABLE, labels, strict=True)), rows), group


def make_group_title(labels: dict[str, Any], rows: pd.DataFrame) -> str:
    """Name a group of rows by those of its labels that set it apart from the others."""
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
    """One row per configuration, the best first; ties share a rank; a configuration that lacks cells, or values others have, none (``can_rank``)."""
    metrics = tuple(dict.fromkeys((*select_table_metrics(rows), metric)))
    means = {name: _summarize_metric(rows, name) for name in metrics}
    configurations = pd.DataFrame(
        [
            _make_leaderboard_line(labels, group, means)
            for labels, group in rows.groupby(CONFIGURATION_AXES, sort=False)
        ]
    )
    for name in (
        name
        for name in metrics
        if name in OF_SECOND and metric_label(name, find_shared_classes(rows)) != name
    ):
        configurations.insert(
            configurations.columns.get_loc(f"{name}_n") + 1,
            f"{name}_class",
            find_shared_classes(rows)[1],
        )
    complete = (configurations["n_done"] == configurations["n_planned"]) & (
        configurations[f"{metric}_n"] == configurations[f"{metric}_n"].max()
    )
    complete &= can_rank(rows, metric)
    better_first = not METRICS[metric].greater_is_better
    rank = configurations[metric].where(complete).rank(method="min", ascending=better_first)
    configurations.insert(0, "rank", rank.astype("Int64"))
    baseline = rank[configurations["model"] == BASELINE].min()
    configurations["no_better"] = (rank >= baseline) & (
        configurations["model"] != BASELINE
    )  # False where there is no baseline, or no rank
    return configurations.sort_values(
        ["rank", *CONFIGURATION_AXES], na_position="last"
    ).reset_index(drop=True)


def _summarize_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean, standard deviation and number of the values of each configuration that count and are defined."""
    found = rows_for_mean(rows, metric)
    values = pd.to_numeric(found[metric] if metric in found else pd.Series(np.nan, found.index))
    return values.groupby([found[part] for part in CONFIGURATION_AXES]).agg(
        ["mean", "std", "count"]
    )


def _make_leaderboard_line(
    labels: tuple[str, ...], rows: pd.DataFrame, means: dict[str, pd.DataFrame]
) -> dict[str, object]:
    done = rows[rows["status"] == Status.OK]
    configuration: dict[str, object] = dict(zip(CONFIGURATION_AXES, labels, strict=True))
    for name, of in means.items():
        mean, std, n = of.loc[labels] if labels in of.index else (np.nan, np.nan, 0)
        configuration |= {name: mean, f"{name}_std": std, f"{name}_n": int(n)}
    for name in TIMES:
        configuration[name] = pd.to_numeric(done[name]).mean() if len(done) else np.nan
    return configuration | {"n_done": len(done), "n_planned": len(rows)}


def select_table_metrics(rows: pd.DataFrame) -> tuple[str, ...]:
    """Six metrics of a table: those of a multi-label task when its rows have them."""
    multilabel = "subset_accuracy" in rows and rows["subset_accuracy"].notna().any()
    return SIX_MULTILABEL if multilabel else SIX


def format_leaderboard(table: pd.DataFrame, spread: bool = True) -> pd.DataFrame:
    """Render a ranked table for people: text cells such as '0.912 ±0.011' and '3/3'."""
    metrics = [name for name in table.columns if name in METRICS]
    marks = table["no_better"].map({True: NO_BETTER, False: ""})
    ranks = [
        f"{rank}{mark}" if pd.notna(rank) else "-"
        for rank, mark in zip(table["rank"], marks, strict=True)
    ]
    text = pd.DataFrame({"rank": ranks})
    text[CONFIGURATION_AXES] = table[CONFIGURATION_AXES]
    for name in metrics:
        of = (
            f" of '{table[f'{name}_class'].iloc[0]}'"
            if f"{name}_class" in table and len(table)
            else ""
        )
        stds = table[f"{name}_std"] if spread else pd.Series(np.nan, table.index)
        most = table[f"{name}_n"].max()
        parts = zip(
            table[name],
            stds,
            table[f"{name}_n"],
            table["n_done"] == table["n_planned"],
            strict=True,
        )
        text[name + of] = [
            _format_mean_and_std(mean, std) + _mark_partial_mean(n, most, done)
            for mean, std, n, done in parts
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


def _mark_partial_mean(n: int, most: int, done: bool) -> str:
    """Say over how many cells a mean is, where others are defined on more."""
    return f" ({n} of {most})" if done and 0 < n < most else ""


def make_leaderboard_caption(metric: str, marked: bool) -> str:
    """What the reader of the tables must know; ``marked``: whether a configuration in them is no better than the baseline."""
    way = "highest" if METRICS[metric].greater_is_better else "lowest"
    return f"{NO_BETTER} no better than {BASELINE}, which looks at no image. " * marked + (
        f"Ranked by {metric}, {way} first; ± is the standard deviation over folds and seeds; fit_s "
        "and predict_s are mean seconds per "
        "cell; done counts cells, and configurations with any not done are unranked; '(2 of 3)' marks a "
        "mean over the cells where the metric is "
        "defined, unranked too."
    )


def list_problems(rows: pd.DataFrame) -> list[str]:
    """List what the reader must know of these very rows: cells that did not end 'ok', what is undefined, times that do not compare."""
    bad = rows[~rows["status"].isin([Status.OK, Status.PLANNED])]
    endings = bad.groupby([*CONFIGURATION_AXES, "status", "reason"], sort=False).size()
    ended = [
        f"{n} {status}: {' / '.join(configuration)}: {why}"
        for (*configuration, status, why), n in endings.items()
    ]
    groups = list(group_comparable_rows(rows))
    left_out = [
        f"{title}: {said}" if len(groups) > 1 else said
        for title, group in groups
        for said in describe_incomplete_folds(group)
    ]
    where = describe_environments(rows)
    mixed = (
        [f"times were taken under other conditions, and do not compare: {'; '.join(where)}"]
        if len(where) > 1
        else []
    )
    by_data_set = list(rows.groupby("dataset", sort=False))
    noted = [
        f"{name}: {said}" if len(by_data_set) > 1 else said
        for name, own in by_data_set
        for said in _summarize_notes(own)
    ]
    return [*map(one_line, ended), *left_out, *noted, *mixed]


def _summarize_notes(rows: pd.DataFrame) -> list[str]:
    """What cells of one data set say of their images and classes, once each."""
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
    """List where cells were run, and with how many at once."""
    if not {"environment", "workers"} <= set(rows):
        return []
    ran = rows[rows["environment"].map(lambda value: isinstance(value, dict))].drop_duplicates(
        "key"
    )
    found = Counter(
        ran["environment"].map(
            lambda where: f"{where['processor']}, {format_count(where['cores'], 'core')}"
        )
        + ran["workers"].map(_describe_workers)
        + _describe_acceleration(ran)
    )
    return [f"{format_count(n, 'cell')} on {where}" for where, n in found.most_common()]


def _describe_acceleration(rows: pd.DataFrame) -> pd.Series:
    return (
        rows.get("accelerated", pd.Series(False, rows.index))
        .map({1: ", with --accelerate"})
        .fillna("")
    )


def _describe_workers(workers: float) -> str:
    return f", {workers:.0f} at once" if pd.notna(workers) else ""


class Leaderboard:
    """A line for each configuration, ranked, and a column for each metric."""

    def make_tables(self, rows: pd.DataFrame, metric: str) -> Iterator[Table]:
        """Yield a title and a ranked table for each group of rows; see ``make_leaderboards``."""
        return make_leaderboards(rows, metric)

    def format_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Turn a ranked table into texts for people; see ``format_leaderboard``."""
        return format_leaderboard(table)

    def describe_tables(
        self, rows: pd.DataFrame, tables: Sequence[Table], metric: str
    ) -> list[str]:
        """Give the caption, and a line for each thing that the reader must know of these rows."""
        marked = any(table["no_better"].any() for _, table in tables)
        return [make_leaderboard_caption(metric, marked), *list_problems(rows)]
