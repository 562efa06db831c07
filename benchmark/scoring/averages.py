"""Which folds a mean is over: never some that lack a class together with others that have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmark.scoring.metrics import METRICS, label_of
from benchmark.utils.status import Status

Classes = tuple[str, ...]


def absent_from(per_class: Any) -> Classes:
    """Classes without test images, of the ``per_class`` of a row; none where it holds nothing."""
    if not isinstance(per_class, dict):
        return ()
    return tuple(name for name, values in per_class.items() if values["support"] == 0)


def counted(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
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
    absent = done["per_class"].map(absent_from)
    if (absent.map(len) == 0).any():
        return done[absent.map(len) == 0]
    return done if absent.nunique() == 1 else done.iloc[:0]


def can_rank(rows: pd.DataFrame, metric: str) -> bool:
    """Whether a metric ranks comparable rows.

    No average over classes does where the folds that count lack a class: 'majority' may be right on
    all that is left.
    """
    found = counted(rows, metric)
    if (metric in METRICS and not METRICS[metric].macro) or "per_class" not in found:
        return True
    return not found["per_class"].map(absent_from).map(len).any()


def counted_by_group(rows: pd.DataFrame, metric: str, by: list[str]) -> pd.DataFrame:
    """Rows that count, of several groups of rows that can be compared; see ``counted``."""
    groups = [counted(group, metric) for _, group in rows.groupby(by, sort=False, dropna=False)]
    return pd.concat(groups).sort_index() if groups else rows.iloc[:0]


def remarks(rows: pd.DataFrame) -> Iterator[str]:
    """Say which folds the macro averages of comparable rows leave out, and why.

    Parameters
    ----------
    rows : DataFrame
        As for ``counted``.
    """
    done = rows[rows["status"] == Status.OK]
    if "per_class" not in done or done.empty:
        return
    by_fold = done.groupby("fold")["per_class"].agg(lambda values: absent_from(values.iloc[0]))
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
        yield f"macro averages are over the classes with test images, for all configurations alike, and rank none: {_folds(n)} {which}"
    else:
        yield f"macro averages are not computed: no fold has test images of every class, and the folds lack different ones: {which}"


def _folds(n: int) -> str:
    return "of 1 fold," if n == 1 else f"of {n} folds,"


def title_of_metric(metric: str, rows: pd.DataFrame) -> str:
    """Name of a metric for people, with the class that it is of where it is of one of two."""
    return label_of(metric, classes_of(rows))


def classes_of(rows: pd.DataFrame) -> Classes:
    """Classes of a single-label task, in their order; none where rows differ in them or are multi-label."""
    if "per_class" not in rows or (
        "subset_accuracy" in rows and rows["subset_accuracy"].notna().any()
    ):
        return ()
    found = {tuple(values) for values in rows["per_class"] if isinstance(values, dict)}
    return found.pop() if len(found) == 1 else ()
