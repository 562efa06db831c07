"""Names of cells and configurations, made of their labels on the axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.study.axes import Role, axes_with_roles


def describe_setting(labels: Mapping[str, Any]) -> str:
    """Describe what is evaluated: the conditions that are not the default, and the configuration.

    Parameters
    ----------
    labels : mapping of axis name to label
        Those of a row, or ``Cell.identity``.

    Examples
    --------
    >>> from benchmark.study.axes import AXES
    >>> labels = {axis.name: axis.default_label for axis in AXES}
    >>> named = {"dataset": "digits", "extractor": "hog", "model": "knn", "train_size": 0.5}
    >>> describe_setting(labels | named)
    'digits / 0.5 of the training set / hog / none / knn'
    """
    conditions = [
        axis.title(labels[axis.name])
        for axis in axes_with_roles(Role.CONDITION)
        if labels[axis.name] != axis.default_label
    ]
    return " / ".join([*conditions, *name_configuration(labels).values()])


def name_configuration(labels: Mapping[str, Any]) -> dict[str, str]:
    """Return the parts of a configuration's name, by axis.

    Parameters
    ----------
    labels : mapping of axis name to label

    Returns
    -------
    dict
        Extractor, strategy and model; behind the model whatever has no place of its own.

    Examples
    --------
    >>> labels = {"extractor": "hog", "strategy": "none", "model": "knn", "tuning": "random(n=9)"}
    >>> name_configuration(labels)
    {'extractor': 'hog', 'strategy': 'none', 'model': 'knn (tuned 9)'}
    """
    axes = axes_with_roles(Role.CONFIGURATION)
    parts = {axis.name: str(labels[axis.name]) for axis in axes if not axis.in_parentheses}
    for axis in axes:
        if axis.in_parentheses and labels[axis.name] != axis.default_label:
            parts["model"] += f" ({axis.in_parentheses(labels[axis.name])})"
    return parts


def describe_cell(labels: Mapping[str, Any]) -> str:
    """Describe a cell by all of its labels but the fold; see ``describe_setting``."""
    replicates = [f"{axis.name} {labels[axis.name]}" for axis in axes_with_roles(Role.REPLICATE)]
    return " / ".join([describe_setting(labels), *replicates])


def label_names() -> tuple[str, ...]:
    """Return the names of a cell's labels, in the order of the columns of its row."""
    dataset, *conditions = (axis.name for axis in axes_with_roles(Role.CONDITION))
    configuration, replicates = (
        (axis.name for axis in axes_with_roles(role))
        for role in (Role.CONFIGURATION, Role.REPLICATE)
    )
    return (
        dataset,
        "fingerprint",
        "size",
        *conditions,
        "split",
        *configuration,
        *replicates,
        "fold",
    )
