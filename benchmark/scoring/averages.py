"""Which folds a mean is over: never some that lack a class together with others that have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmark.scoring.metrics import METRICS, metric_label
from benchmark.utils.status import Status

Classes = tuple[str, ...]


def find_absent_classes(per_class: Any) -> Classes:
    """Classes without test images, of the ``per_class`` of a row; none where it holds nothing."""
    if not isinstance(per_class, dict):
        return ()
    return tuple(name for name, values in per_class.items() if values["support"] == 0)


def rows_for_mean(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Rows whose value of a metric belongs into a mean.

    Averages over classes (``Metric.macro``) of test sets with different classes do not compare. If
    any fold has all classes, only complete folds count; if no fold has, but all lack the same
    classes, all of them count; otherwise none does.

    Parameters
    ----------
    rows : DataFrame
        Rows that can be compared: of one dataset and split, and of all its configurations.
    metric : str

    Returns
    -------
    DataFrame
        Those of the rows that are 'ok' and count.
    """
    done = rows[rows["status"] == Status.OK]
    metric_of_classes = metric not in METRICS or METRICS[metric].macro
    if not metric_of_classes or "per_class" not in done or done.empty:
        return done
    absent = done["per_class"].map(find_absent_classes)
    if (absent.map(len) == 0).any():
        return done[absent.map(len) == 0]
    return done if absent.nunique() == 1 else done.iloc[:0]


def can_rank(rows: pd.DataFrame, metric: str) -> bool:
    """Whether a metric ranks comparable rows.

    No average over classes does where the folds that count lack a class: 'majority' may be right on
    all that is left.
    """
    found = rows_for_mean(rows, metric)
    if (metric in METRICS and not METRICS[metric].macro) or "per_class" not in found:
        return True
    return not found["per_class"].map(find_absent_classes).map(len).any()


def rows_for_group_means(rows: pd.DataFrame, metric: str, by: list[str]) -> pd.DataFrame:
    """Rows that count, of several groups of rows that can be compared; see ``rows_for_mean``."""
    groups = [
        rows_for_mean(group, metric) for _, group in rows.groupby(by, sort=False, dropna=False)
    ]
    return pd.concat(groups).sort_index() if groups else rows.iloc[:0]


def describe_incomplete_folds(rows: pd.DataFrame) -> Iterator[str]:
    """Say which folds the macro averages of comparable rows leave out, and why.

    Parameters
    ----------
    rows : DataFrame
        As for ``rows_for_mean``.
    """
    done = rows[rows["status"] == Status.OK]
    if "per_class" not in done or done.empty:
        return
    by_fold = done.groupby("fold")["per_class"].agg(
        lambda values: find_absent_classes(values.iloc[0])
    )
    lacking = Counter(by_fold[by_fold.map(len) > 0])
    n, n_lacking = len(by_fold), sum(lacking.values())
    if not n_lacking:
        return
    which = "; ".join(
        f"{count} without test images of {', '.join(names)}" for names, count in lacking.items()
    )
    if n_lacking < n:
        yield f"macro averages are over {n - n_lacking} of {n} folds, those with test images of every class: {which}"
    elif len(lacking) == 1:
        yield f"macro averages are over the classes with test images, for all configurations alike, and rank none: {_format_fold_count(n)} {which}"
    else:
        yield f"macro averages are not computed: no fold has test images of every class, and the folds lack different ones: {which}"


def _format_fold_count(n: int) -> str:
    return "of 1 fold," if n == 1 else f"of {n} folds,"


def metric_label_for_rows(metric: str, rows: pd.DataFrame) -> str:
    """Name of a metric for people, with the class that it is of where it is of one of two."""
    return metric_label(metric, find_shared_classes(rows))


def find_shared_classes(rows: pd.DataFrame) -> Classes:
    """Classes of a single-label task, in their order; none where rows differ in them or are multi-label."""
    if "per_class" not in rows or (
        "subset_accuracy" in rows and rows["subset_accuracy"].notna().any()
    ):
        return ()
    found = {tuple(values) for values in rows["per_class"] if isinstance(values, dict)}
    return found.pop() if len(found) == 1 else ()
