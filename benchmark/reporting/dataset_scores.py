"""Scores of configurations on several datasets, and what is missing from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.plugins.registry import BASELINE
from benchmark.reporting.comparable_rows import (
    COMPARABLE,
    CONDITIONS,
    CONFIGURATION_AXES,
    configuration_name,
)
from benchmark.scoring.averages import can_rank, rows_for_mean
from benchmark.study.axes import Role, axes_with_roles
from benchmark.utils.status import Status
from benchmark.utils.text import format_count

MAX_NAMED = 3  # gaps that a message names
# what distinguishes comparable rows of one dataset under the same conditions
VERSIONS = [name for name in COMPARABLE if name not in ("dataset", *CONDITIONS)]


@dataclass(frozen=True)
class DatasetScores:
    """Mean of a metric for each configuration on each dataset.

    Parameters
    ----------
    metric : str
    values : DataFrame of shape (n_configurations, n_datasets), float
        Indexed by ``CONFIGURATION_AXES``; NaN where there is a gap.
    gaps : DataFrame of shape (n_configurations, n_datasets), str
        Why there is no value; empty where there is one.
    """

    metric: str
    values: pd.DataFrame
    gaps: pd.DataFrame

    @property
    def ranked(self) -> DatasetScores:
        """The scores of all configurations but the baseline."""
        kept = self.values.index.get_level_values("model") != BASELINE
        return DatasetScores(self.metric, self.values[kept], self.gaps[kept])

    def keep_common(self) -> DatasetScores:
        """Keep what is complete.

        These are the datasets on which any ranked configuration has a value, and the configurations
        that have a value on each of them. The baseline is always kept.
        """
        datasets = self.ranked.values.notna().any()
        values = self.values.loc[:, datasets]
        kept = values.notna().all(axis=1) | (values.index.get_level_values("model") == BASELINE)
        return DatasetScores(self.metric, values[kept], self.gaps.loc[kept, datasets])

    def describe_gaps(self) -> str:
        """Name what lacks values, with the reason; empty if nothing does.

        A dataset on which no configuration has a value is named once.
        """
        ranked = self.ranked
        empty = ranked.values.columns[ranked.values.isna().all()]
        texts = [f"{name} ({_join_reasons(ranked.gaps[name])})" for name in empty]
        lacking = ranked.gaps.drop(columns=empty)
        for labels, gaps in lacking.iterrows():
            datasets = [f"{name} ({gap})" for name, gap in gaps.items() if gap]
            if datasets:
                texts.append(f"{configuration_name(labels)} on {list_some(datasets, ', ')}")
        return list_some(texts, "; ")

    def describe_kept(self) -> str:
        """How many configurations and datasets ``keep_common`` keeps."""
        ranked, common = self.ranked.values, self.keep_common().ranked.values
        nouns = ("configuration", "dataset")
        return " and ".join(
            f"{n} of {format_count(n_all, noun)}"
            for n, n_all, noun in zip(common.shape, ranked.shape, nouns, strict=True)
        )

    def refuse_gaps(self) -> None:
        """Raise a UserError that names what is missing.

        The baseline, which is not ranked, may lack values.
        """
        gaps = self.describe_gaps()
        if not gaps:
            return
        raise UserError(
            f"{self.metric} is missing for {gaps}: complete the study, or keep what is "
            f"complete with --common: {self.describe_kept()}"
        )


def _join_reasons(gaps: pd.Series) -> str:
    return ", ".join(dict.fromkeys(gap for gap in gaps if gap))


def list_some(texts: list[str], separator: str) -> str:
    """Join the first texts, and say how many more there are."""
    n_more = len(texts) - MAX_NAMED
    more = [f"{n_more} more"] if n_more > 0 else []
    return separator.join([*texts[:MAX_NAMED], *more])


def group_datasets(rows: pd.DataFrame) -> Iterator[tuple[str, dict[str, pd.DataFrame]]]:
    """Yield the conditions, as a text, and the rows of each dataset under these conditions.

    The values under several conditions of one dataset are not independent, so that they are never
    columns of one table.

    Raises
    ------
    UserError
        A dataset has rows of several splits, image sizes or versions of its images.
    """
    axes = {axis.name: axis for axis in axes_with_roles(Role.CONDITION)}
    for labels, alike in rows.groupby(CONDITIONS, sort=False, dropna=False):
        conditions = [
            axes[name].title(label)
            for name, label in zip(CONDITIONS, labels, strict=True)
            if label != axes[name].default_label
        ]
        groups = {str(name): group for name, group in alike.groupby("dataset", sort=False)}
        for dataset, group in groups.items():
            _refuse_versions(dataset, group)
        yield " · ".join(conditions), groups


def _refuse_versions(dataset: str, group: pd.DataFrame) -> None:
    names = {"size": "image sizes", "split": "splits", "fingerprint": "versions of its images"}
    for column in VERSIONS:
        values = group[column].unique()
        if len(values) > 1:
            listed = ", ".join(f"{v:.0f}" if isinstance(v, float) else str(v) for v in values)
            raise UserError(
                f"{dataset} has rows of {len(values)} {names[column]} ({listed}), and a table by "
                "dataset needs one: give each study a folder of its own (run --out)"
            )


def score_datasets(groups: Mapping[str, pd.DataFrame], metric: str) -> DatasetScores:
    """Compute the mean of a metric for each configuration on each dataset.

    Parameters
    ----------
    groups : mapping of str to DataFrame
        Comparable rows by dataset.
    metric : str

    Returns
    -------
    DatasetScores
        A configuration has a value on a dataset if all its cells are completed, the metric is
        defined on as many of them as for any configuration, and the metric may rank them
        (``averages.can_rank``).
    """
    columns = {name: _score_dataset(group, metric) for name, group in groups.items()}
    values = pd.DataFrame({name: scores["value"] for name, scores in columns.items()})
    gaps = pd.DataFrame({name: scores["gap"] for name, scores in columns.items()})
    first_seen = pd.MultiIndex.from_frame(
        pd.concat(groups.values())[CONFIGURATION_AXES].drop_duplicates()
    )
    return DatasetScores(
        metric, values.reindex(first_seen), gaps.reindex(first_seen).fillna("not evaluated")
    )


def _score_dataset(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Value and gap of each configuration, indexed by configuration."""
    by_configuration = rows.groupby(CONFIGURATION_AXES, sort=False)["status"]
    planned, done = by_configuration.size(), by_configuration.agg(lambda s: (s == Status.OK).sum())
    counted = rows_for_mean(rows, metric)
    scores = pd.to_numeric(counted.get(metric, pd.Series(np.nan, counted.index)))
    summary = scores.groupby([counted[axis] for axis in CONFIGURATION_AXES]).agg(["mean", "count"])
    summary = summary.reindex(planned.index)
    n_defined = summary["count"].fillna(0).astype(int)
    most = max(1, n_defined.max())
    gaps = pd.Series("", planned.index)
    if not can_rank(rows, metric):
        gaps[:] = f"its test sets lack classes, so that {metric} does not rank"
    for labels in planned.index:
        if done[labels] < planned[labels]:
            gaps[labels] = f"{done[labels]} of {format_count(planned[labels], 'cell')} completed"
        elif n_defined[labels] < most and not gaps[labels]:
            defined = f"defined on {n_defined[labels]} of {most} cells"
            gaps[labels] = defined if n_defined[labels] else "undefined"
    return pd.DataFrame({"value": summary["mean"].where(gaps == ""), "gap": gaps})
