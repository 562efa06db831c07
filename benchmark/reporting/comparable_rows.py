"""Groups of rows that can be compared with each other, and their titles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.study.axes import NONE, Role, axes_with_roles
from benchmark.study.labels import name_configuration

CONDITIONS = [axis.name for axis in axes_with_roles(Role.CONDITION) if axis.name != "dataset"]
# rows that agree in these columns are comparable: configurations are ranked among them
COMPARABLE = ["dataset", "size", *CONDITIONS, "split", "fingerprint"]
CONFIGURATION_AXES = [axis.name for axis in axes_with_roles(Role.CONFIGURATION)]
TUNING = CONFIGURATION_AXES.index("tuning")
# columns of the names of configurations; the other axes are in parentheses behind the model
NAME_COLUMNS = [
    axis.name for axis in axes_with_roles(Role.CONFIGURATION) if not axis.in_parentheses
]


Configuration = tuple[str, ...]  # labels in the order of CONFIGURATION_AXES


def configuration_name(configuration: Sequence[str]) -> str:
    """Return the name of a configuration, such as 'hog / none / knn (tuned 25)'.

    Parameters
    ----------
    configuration : sequence of str
        Labels in the order of ``CONFIGURATION_AXES``.
    """
    return " / ".join(name_parts(configuration))


def name_parts(configuration: Sequence[str]) -> tuple[str, ...]:
    """Return the parts of a configuration's name, in the order of ``NAME_COLUMNS``.

    Examples
    --------
    >>> name_parts(("hog", "none", "knn", "random(n=25)"))
    ('hog', 'none', 'knn (tuned 25)')
    """
    return tuple(name_configuration(_by_axis(configuration)).values())


def name_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the names of its configurations in place of their labels.

    The columns extractor, strategy and model remain; what has no column of its own, such as the
    tuning, is in that of the model.
    """
    labels = table[CONFIGURATION_AXES].itertuples(index=False, name=None)
    names = pd.DataFrame([name_configuration(_by_axis(each)) for each in labels], table.index)
    kept = table.drop(columns=[name for name in CONFIGURATION_AXES if name not in names])
    kept[names.columns] = names
    return kept


def without_tuning(configuration: Configuration) -> Configuration:
    """Return the labels of the same configuration as it is listed.

    Examples
    --------
    >>> without_tuning(("hog", "none", "knn", "random(n=25)"))
    ('hog', 'none', 'knn', 'none')
    """
    return (*configuration[:TUNING], NONE, *configuration[TUNING + 1 :])


def _by_axis(configuration: Sequence[str]) -> dict[str, str]:
    return dict(zip(CONFIGURATION_AXES, configuration, strict=True))


def group_comparable_rows(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each group of comparable rows, with a title that distinguishes it."""
    for labels, group in rows.groupby(COMPARABLE, sort=False, dropna=False):
        yield make_group_title(dict(zip(COMPARABLE, labels, strict=True)), rows), group


def make_group_title(labels: dict[str, Any], rows: pd.DataFrame) -> str:
    """Title of a group of rows: dataset, labels that differ from their defaults, and split."""
    return " · ".join([labels["dataset"], *list_conditions(labels, rows), labels["split"]])


def list_conditions(labels: Mapping[str, Any], rows: pd.DataFrame) -> list[str]:
    """List what distinguishes a group of rows from others of its dataset, besides the split."""
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
    return extra
