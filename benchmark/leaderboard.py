"""From rows to ranked tables; knows nothing of models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import unknown
from benchmark.metrics import ABSENT, METRICS
from benchmark.splits import SHARED
from benchmark.study import FLOOR

SIX = ("accuracy", "precision", "recall", "f1", "auc", "log_loss")
SIX_MULTILABEL = ("subset_accuracy", "precision", "recall", "f1", "auc", "hamming_loss")
TIMES = ("fit_s", "predict_s")
COMPARABLE = ["dataset", "size", "imbalance", "train_size", "occlusion", "split", "fingerprint"]  # entries are ranked within these
ENTRY = ["extractor", "strategy", "model"]
NO_BETTER = "†"

COLUMNS = (
    *METRICS,
    *TIMES,
    "notes",
    "environment",
    "workers",
    "accelerated",
)  # what the tables read of a row, beside its labels and status


def leaderboards(rows: pd.DataFrame, metric: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a title and a ranked table for each group of rows that can be compared.

    Parameters
    ----------
    rows : DataFrame
        As ``load_results`` gives them.
    metric : str
        Ranks the entries, the best first. Entries with cells that are not 'ok' are shown below, unranked.

    Yields
    ------
    title : str
    table : DataFrame
        rank, extractor, strategy, model, then mean and ``_std`` of each metric over folds and seeds (NaN when any of
        them is undefined), mean times, n_done, n_planned, and no_better: whether by ``metric`` the entry is no better than
        ``majority``, which looks at no image.

    Raises
    ------
    UserError
        No such metric.
    """
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    for title, group in comparable(rows):
        yield title, ranked(group, metric)


def comparable(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each group of rows that can be compared, and a title that sets it apart."""
    for labels, group in rows.groupby(COMPARABLE, sort=False, dropna=False):
        yield title_of(dict(zip(COMPARABLE, labels, strict=True)), rows), group


def title_of(labels: dict[str, Any], rows: pd.DataFrame) -> str:
    """Name a group of rows by those of its labels that set it apart from the others."""
    dataset, size, train_size = labels["dataset"], labels["size"], labels["train_size"]
    extra = [f"{size:.0f} px"] if pd.notna(size) else []
    extra += [labels["imbalance"]] if labels["imbalance"] != "none" else []
    extra += [amount(train_size)] if train_size != 1 else []
    extra += [f"occlusion {labels['occlusion']}"] if labels.get("occlusion", "none") != "none" else []
    extra += [f"data {labels['fingerprint']}"] if rows.loc[rows["dataset"] == dataset, "fingerprint"].nunique() > 1 else []
    return " · ".join([dataset, *extra, labels["split"]])


def amount(train_size: float) -> str:
    """Say how much of the training part was used."""
    if train_size == 1:
        return "all of the training part"
    return f"{train_size:.0f} training images" if train_size > 1 else f"{train_size:.3g} of the training part"


def ranked(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row an entry, the best first; ties share a rank, incomplete entries have none."""
    metrics = tuple(dict.fromkeys((*columns_of(rows), metric)))
    entries = pd.DataFrame([_entry(labels, group, metrics) for labels, group in rows.groupby(ENTRY, sort=False)])
    complete = entries["n_done"] == entries["n_planned"]
    better_first = not METRICS[metric].greater_is_better
    rank = entries[metric].where(complete).rank(method="min", ascending=better_first)
    entries.insert(0, "rank", rank.astype("Int64"))
    floor = rank[entries["model"] == FLOOR].min()
    entries["no_better"] = (rank >= floor) & (entries["model"] != FLOOR)  # False where there is no floor, or no rank
    return entries.sort_values(["rank", *ENTRY], na_position="last").reset_index(drop=True)


def _entry(labels: tuple[str, ...], rows: pd.DataFrame, metrics: tuple[str, ...]) -> dict[str, object]:
    done = rows[rows["status"] == "ok"]
    entry: dict[str, object] = dict(zip(ENTRY, labels, strict=True))
    for name in metrics:
        values = pd.to_numeric(done[name]) if name in done else pd.Series(dtype=float)
        entry[name] = values.mean(skipna=False) if len(values) else np.nan
        entry[f"{name}_std"] = values.std(skipna=False) if len(values) > 1 else np.nan
    for name in TIMES:
        entry[name] = pd.to_numeric(done[name]).mean() if len(done) else np.nan
    return entry | {"n_done": len(done), "n_planned": len(rows)}


def columns_of(rows: pd.DataFrame) -> tuple[str, ...]:
    """Six metrics of a table: those of a multi-label task when its rows have them."""
    multilabel = "subset_accuracy" in rows and rows["subset_accuracy"].notna().any()
    return SIX_MULTILABEL if multilabel else SIX


def shown(table: pd.DataFrame, spread: bool = True) -> pd.DataFrame:
    """Render a ranked table for people: text cells such as '0.912 ±0.011' and '3/3'."""
    metrics = [name for name in table.columns if name in METRICS]
    marks = table["no_better"].map({True: NO_BETTER, False: ""})
    ranks = [f"{rank}{mark}" if pd.notna(rank) else "-" for rank, mark in zip(table["rank"], marks, strict=True)]
    text = pd.DataFrame({"rank": ranks})
    text[ENTRY] = table[ENTRY]
    for name in metrics:
        text[name] = [_spread(mean, std if spread else np.nan) for mean, std in zip(table[name], table[f"{name}_std"], strict=True)]
    for name in TIMES:
        text[name] = [f"{value:.3g}" if pd.notna(value) else "-" for value in table[name]]
    text["done"] = [f"{done}/{planned}" for done, planned in zip(table["n_done"], table["n_planned"], strict=True)]
    return text


def _spread(mean: float, std: float) -> str:
    if pd.isna(mean):
        return "-"
    return f"{mean:.3f} ±{std:.3f}" if pd.notna(std) else f"{mean:.3f}"


def caption(metric: str, marked: bool) -> str:
    """What the reader of the tables must know; ``marked``: whether an entry in them is no better than the floor."""
    way = "highest" if METRICS[metric].greater_is_better else "lowest"
    return f"{NO_BETTER} no better than {FLOOR}, which looks at no image. " * marked + (
        f"Ranked by {metric}, {way} first; ± is the standard deviation over folds and seeds; fit_s and predict_s are mean seconds a cell; "
        "done counts cells, and entries with any not done are unranked."
    )


def problems(rows: pd.DataFrame) -> list[str]:
    """List what the reader must know of these very rows: cells that did not end 'ok', what is undefined, times that do not compare."""
    bad = rows[~rows["status"].isin(["ok", "planned"])]
    counts = bad.groupby([*ENTRY, "status", "reason"], sort=False).size()
    ended = [f"{n} {status}: {extractor} / {strategy} / {model}: {why}" for (extractor, strategy, model, status, why), n in counts.items()]
    notes = [
        note
        for listed in rows.get("notes", ())
        if isinstance(listed, list)
        for note in listed
        if note.startswith(ABSENT) or note.endswith(SHARED)
    ]
    where = conditions(rows)
    mixed = [f"times were taken under other conditions, and do not compare: {'; '.join(where)}"] if len(where) > 1 else []
    return [*ended, *(f"{n} cells: {note}" for note, n in Counter(notes).items()), *mixed]


def conditions(rows: pd.DataFrame) -> list[str]:
    """List where cells were run, and with how many at once."""
    if not {"environment", "workers"} <= set(rows):
        return []
    ran = rows[rows["environment"].map(lambda value: isinstance(value, dict))].drop_duplicates("key")
    found = Counter(
        ran["environment"].map(lambda where: f"{where['processor']}, {where['cores']} cores") + ran["workers"].map(_at_once) + _faster(ran)
    )
    return [f"{n} cells on {where}" for where, n in found.most_common()]


def _faster(rows: pd.DataFrame) -> pd.Series:
    return rows.get("accelerated", pd.Series(False, rows.index)).map({1: ", with --accelerate"}).fillna("")


def _at_once(workers: float) -> str:
    return f", {workers:.0f} at once" if pd.notna(workers) else ""
