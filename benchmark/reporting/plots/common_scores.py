"""Scores that the plots over datasets show: those of the configurations that all datasets have."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    NAME_COLUMNS,
    Configuration,
    make_group_title,
)
from benchmark.reporting.dataset_scores import DatasetScores, score_datasets
from benchmark.reporting.plots.plot import Missing
from benchmark.reporting.plots.rows import (
    Results,
    add_configuration_names,
    count_test_images,
    drop_baseline,
)
from benchmark.reporting.short_labels import shorten_dataset_names, shorten_labels
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.rank_tests import rank_within_datasets
from benchmark.utils.text import format_count


@dataclass(frozen=True)
class CommonScores:
    """Scores without gaps of several configurations on several datasets.

    Parameters
    ----------
    values : DataFrame of shape (n_datasets, n_configurations), float
        By label of the dataset and name of the configuration, the best mean rank first.
    groups : dict of str to DataFrame
        Rows by label of the dataset, with a column ``name``.
    short : dict of str to str
        Short name of each dataset.
    note : str
        Sentences for the caption: the datasets, and what was left out.
    """

    values: pd.DataFrame
    groups: dict[str, pd.DataFrame]
    short: dict[str, str]
    note: str

    def configuration(self, name: str) -> Configuration:
        """Labels of the configuration with a name."""
        rows = next(iter(self.groups.values()))
        return tuple(rows.loc[rows["name"] == name, CONFIGURATION_AXES].iloc[0])


def select_common_scores(results: Results, kind: str, metric: str) -> CommonScores | Missing:
    """Select one group of comparable rows per dataset, and the configurations that all have.

    Parameters
    ----------
    results : Results
        The group is that of ``Results.most_imbalanced_groups``.
    kind : str
        Kind of plot, for ``Missing``.
    metric : str

    Returns
    -------
    CommonScores or Missing
        Missing below 2 datasets or 2 configurations besides the baseline.
    """
    selected = pd.concat([rows for _, rows in results.most_imbalanced_groups()])
    if drop_baseline(selected).empty:
        return Missing(kind, "only the baseline was run")
    named, parameters = _add_short_names(drop_baseline(selected))
    groups = {str(label): rows for label, rows in named.groupby("dataset", sort=False)}
    scores = score_datasets(groups, metric)
    values = scores.keep_common().ranked.values
    n_configurations, n_datasets = values.shape
    for n, noun in ((n_datasets, "dataset"), (n_configurations, "configuration")):
        if n < 2:
            gaps = scores.describe_gaps()
            lacking = f" ({metric} is missing for {gaps})" if gaps else ""
            return Missing(kind, f"{format_count(n, noun)}; at least 2 are required{lacking}")
    names = named.drop_duplicates(CONFIGURATION_AXES).set_index(CONFIGURATION_AXES)["name"]
    table = values.set_axis(names.loc[values.index], axis="index").T
    greater = find_metric(metric).greater_is_better
    order = rank_within_datasets(table, greater).mean(axis=0).argsort(kind="stable")
    short = shorten_dataset_names(table.index)
    left_out = _describe_left_out(scores)
    return CommonScores(
        table.iloc[:, order],
        {label: groups[label] for label in table.index},
        short,
        " ".join(filter(None, [_describe_datasets(groups, short), parameters, left_out])),
    )


def _add_short_names(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Add a column ``name`` without the parameters that are equal everywhere; describe these."""
    short, parameters = {}, []
    for axis in NAME_COLUMNS:
        labels, left_out = shorten_labels(rows[axis].unique())
        short[axis] = rows[axis].map(labels)
        parameters += left_out
    names = add_configuration_names(rows.assign(**short))["name"]
    note = f"Parameters that are equal everywhere: {'; '.join(parameters)}." if parameters else ""
    return rows.assign(name=names), note


def _describe_datasets(groups: dict[str, pd.DataFrame], short: dict[str, str]) -> str:
    """List the datasets, with what they were evaluated under: size, conditions and split."""
    names: dict[str, list[str]] = {}
    for label, name in short.items():
        first = groups[label].iloc[0].to_dict() | {"dataset": name}
        title = make_group_title(first, groups[label])
        listed = f"{name}, n = {count_test_images(groups[label])}"
        names.setdefault(title.removeprefix(f"{name} · "), []).append(listed)
    parts = [f"{'; '.join(members)} ({under})" for under, members in names.items()]
    return f"Datasets, with their numbers of test images n: {'; '.join(parts)}."


def _describe_left_out(scores: DatasetScores) -> str:
    gaps = scores.describe_gaps()
    if not gaps:
        return ""
    return f"Shown are {scores.describe_kept()}: {scores.metric} is missing for {gaps}."
