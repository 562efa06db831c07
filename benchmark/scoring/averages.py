"""Select the folds that a mean is computed over.

Folds that lack a class are never averaged with folds that have all classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.metrics import metric_label
from benchmark.utils.status import Status

Classes = tuple[str, ...]


def find_absent_classes(per_class: Any) -> Classes:
    """Classes without test images in the ``per_class`` of a row; empty if it is not a mapping."""
    if not isinstance(per_class, dict):
        return ()
    return tuple(name for name, values in per_class.items() if values["support"] == 0)


def rows_for_mean(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Rows whose value of a metric belongs in a mean.

    Averages over classes (``Metric.macro``) cannot be compared between test sets with different
    classes. If any fold has all classes, only such complete folds count. If all folds lack the same
    classes, all of them count. Otherwise none does.

    Parameters
    ----------
    rows : DataFrame
        Comparable rows: one dataset and split, and all configurations evaluated on them.
    metric : str

    Returns
    -------
    DataFrame
        The rows that have status 'ok' and count.
    """
    done = rows[rows["status"] == Status.OK]
    if not find_metric(metric).macro or "per_class" not in done or done.empty:
        return done
    absent = done["per_class"].map(find_absent_classes)
    if (absent.map(len) == 0).any():
        return done[absent.map(len) == 0]
    return done if absent.nunique() == 1 else done.iloc[:0]


def can_rank(rows: pd.DataFrame, metric: str) -> bool:
    """Whether comparable rows may be ranked by a metric.

    An average over classes does not rank where the folds that count lack a class: if a single class
    remains, even 'majority' predicts every image correctly.
    """
    counted = rows_for_mean(rows, metric)
    if not find_metric(metric).macro or "per_class" not in counted:
        return True
    return not counted["per_class"].map(find_absent_classes).map(len).any()


def rows_for_group_means(rows: pd.DataFrame, metric: str, by: list[str]) -> pd.DataFrame:
    """Apply ``rows_for_mean`` to each group of comparable rows, grouped by the columns ``by``."""
    groups = [
        rows_for_mean(group, metric) for _, group in rows.groupby(by, sort=False, dropna=False)
    ]
    return pd.concat(groups).sort_index() if groups else rows.iloc[:0]


def describe_incomplete_folds(rows: pd.DataFrame) -> Iterator[str]:
    """Describe which folds the macro averages of comparable rows leave out, and why.

    Parameters
    ----------
    rows : DataFrame
        As for ``rows_for_mean``.

    Yields
    ------
    str
        One remark, or nothing if every fold has test images of every class.
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
        yield (
            f"macro averages are over {n - n_lacking} of {n} folds, those with test images of "
            f"every class: {which}"
        )
    elif len(lacking) == 1:
        folds = "1 fold" if n == 1 else f"{n} folds"
        yield (
            "macro averages are over the classes with test images, for all configurations alike, "
            f"and do not rank them: of {folds}, {which}"
        )
    else:
        yield (
            "macro averages are not computed: no fold has test images of every class, and the "
            f"missing classes differ between folds: {which}"
        )


def metric_label_for_rows(metric: str, rows: pd.DataFrame) -> str:
    """Display name of a metric, with its class if it is computed for one of two classes."""
    return metric_label(metric, find_shared_classes(rows))


def find_shared_classes(rows: pd.DataFrame) -> Classes:
    """Classes of a single-label task, in order; empty if the rows differ or are multi-label."""
    if "per_class" not in rows or (
        "subset_accuracy" in rows and rows["subset_accuracy"].notna().any()
    ):
        return ()
    class_lists = {tuple(values) for values in rows["per_class"] if isinstance(values, dict)}
    return class_lists.pop() if len(class_lists) == 1 else ()
