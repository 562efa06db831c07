"""Groups of rows, names of configurations and other values that several plots need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from benchmark.plugins.registry import BASELINE
from benchmark.plugins.spec import number_in_label
from benchmark.reporting.comparable_rows import (
    COMPARABLE,
    CONFIGURATION_AXES,
    configuration_name,
    group_comparable_rows,
    name_columns,
)
from benchmark.reporting.plots.plot import Missing, make_file_stem
from benchmark.reporting.plots.style import sort_strategies
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.short_labels import shorten_dataset_name
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions, read_cell_predictions
from benchmark.utils.hashing import digest_of
from benchmark.utils.text import escape_controls


def escape_row_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Escape control characters, which SVG does not allow, in labels and names of classes."""
    names = [
        name
        for name in (*COMPARABLE, *CONFIGURATION_AXES)
        if name != "size" and not is_numeric_dtype(rows[name])
    ]
    texts = {name: rows[name].map(escape_controls) for name in names}
    if "per_class" in rows:
        texts["per_class"] = rows["per_class"].map(_escape_class_names)
    return rows.assign(**texts)


def _escape_class_names(per_class: object) -> object:
    return (
        {escape_controls(name): values for name, values in per_class.items()}
        if isinstance(per_class, dict)
        else per_class
    )


@dataclass(frozen=True)
class Results:
    """Completed rows, and the results folder with their predictions.

    Parameters
    ----------
    rows : DataFrame
    view : ResultsView
    against : str
        Name of the configuration that differences are taken to; empty for the best one.
    """

    rows: pd.DataFrame
    view: ResultsView
    against: str = ""

    def file_label(self, dataset: str) -> str:
        """Short name of a dataset for file names, with a digest if it is not unique."""
        labels = {label: shorten_dataset_name(label) for label in self.rows["dataset"].unique()}
        if self.view.unit == "group":  # beside the plots of images, not in their place
            labels = {label: f"{short}_per_group" for label, short in labels.items()}
        stems = [make_file_stem(label).casefold() for label in labels.values()]
        if stems.count(make_file_stem(labels[dataset]).casefold()) == 1:
            return labels[dataset]
        return f"{labels[dataset]}_{digest_of((dataset,))[:6]}"

    def most_imbalanced_groups(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield one group of comparable rows per dataset, with its title.

        It is a group with whole images, if there is one, and among these the most imbalanced, then
        the one with the most training images.
        """
        groups: dict[str, list[tuple[str, pd.DataFrame]]] = {}
        for title, group in group_comparable_rows(self.rows):
            groups.setdefault(group["dataset"].iloc[0], []).append((title, group))
        for titled_groups in groups.values():
            yield max(titled_groups, key=lambda item: _imbalance_key(item[1]))


def _imbalance_key(rows: pd.DataFrame) -> tuple[bool, float, float]:
    first = rows.iloc[0]
    return (
        first["occlusion"] == "none",
        number_in_label("ratio", first["imbalance"]),
        rows["n_train"].max(),
    )


def drop_baseline(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of all models but the baseline, which ignores the images."""
    return rows[rows["model"] != BASELINE]


def add_configuration_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Add a column ``name``: the parts of the configurations' names that differ.

    The baseline has no extractor, which does not count as a difference.
    """
    several_extractors = drop_baseline(rows)["extractor"].nunique() > 1
    names = name_columns(rows[CONFIGURATION_AXES])
    varying = [
        column
        for column in names
        if (several_extractors if column == "extractor" else names[column].nunique() > 1)
    ] or ["model"]
    return rows.assign(name=names[varying].agg(" / ".join, axis=1))


def full_configuration_name(cells: pd.DataFrame) -> str:
    """Full name of the configuration of some cells."""
    return configuration_name([str(cells[axis].iloc[0]) for axis in CONFIGURATION_AXES])


def group_by_configuration(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name and cells of each configuration, sorted by strategy (``sort_strategies``)."""
    rows = add_configuration_names(rows)
    place = {label: k for k, label in enumerate(sort_strategies(rows["strategy"].unique()))}
    groups = [(str(name), group) for name, group in rows.groupby("name", sort=False)]
    return sorted(groups, key=lambda item: place[item[1]["strategy"].iloc[0]])


@dataclass(frozen=True)
class SelectedConfigurations:
    """Configurations of a dataset that are shown in a plot with one panel each.

    Parameters
    ----------
    title : str
        Title of the rows.
    dataset : str
        Short name of the dataset, for file names.
    configurations : list of (str, DataFrame)
        Full name and cells of each configuration.
    predictions : list of list of Predictions
        Predictions of the cells of each configuration.
    selection_note : str
        Sentence on how the configurations were selected; empty for a single one.
    """

    title: str
    dataset: str
    configurations: list[tuple[str, pd.DataFrame]]
    predictions: list[list[Predictions]]
    selection_note: str


def select_best_configurations(
    results: Results, name: str, metric: str, most: int = 6
) -> Iterator[SelectedConfigurations | Missing]:
    """Yield the best configurations of each dataset.

    These are the best of each strategy, beginning with that of 'none'; if there is a single
    strategy, the best of each extractor; if there is a single extractor, too, the best of each
    model. At most ``most`` are selected.
    """
    for title, rows in results.most_imbalanced_groups():
        candidates = drop_baseline(rows)
        if candidates.empty:
            yield Missing(name, f"{title}: only the baseline was run")
            continue
        axes = ("strategy", "extractor", "model")
        axis = next((axis for axis in axes if candidates[axis].nunique() > 1), "model")
        best = _rank_by_mean(candidates, metric).drop_duplicates(axis)
        first = best["strategy"].eq("none") & (axis == "strategy")
        shown = pd.concat([best[first], best[~first]]).head(most)
        configurations = [
            (full_configuration_name(cells), cells)
            for _, cells in group_by_configuration(
                candidates.merge(shown[CONFIGURATION_AXES], on=CONFIGURATION_AXES)
            )
        ]
        predictions = [
            _read_escaped_predictions(results.view, cells) for _, cells in configurations
        ]
        if predictions[0][0].multilabel:
            reason = "it requires mutually exclusive classes, and these images may have several"
            yield Missing(name, f"{title}: {reason}")
            continue
        dataset = results.file_label(str(rows["dataset"].iloc[0]))
        note = _describe_selection(axis, metric, len(shown), len(best))
        yield SelectedConfigurations(title, dataset, configurations, predictions, note)


def _describe_selection(axis: str, metric: str, n_shown: int, n_best: int) -> str:
    """Sentence on how configurations were selected; empty for a single one."""
    if n_best == 1:
        return ""
    if n_shown == n_best:
        return f"Each panel shows the best configuration by {metric} of one {axis}."
    return (
        f"Each panel shows the best configuration by {metric} of one {axis}; {n_shown} of "
        f"{n_best} are shown."
    )


def _read_escaped_predictions(view: ResultsView, cells: pd.DataFrame) -> list[Predictions]:
    return [
        replace(stored, classes=tuple(map(escape_controls, stored.classes)))
        for stored in read_cell_predictions(view.read_predictions, cells)
    ]


def _rank_by_mean(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    sign = 1 if find_metric(metric).greater_is_better else -1
    return (
        (sign * rows.groupby(CONFIGURATION_AXES, sort=False)[metric].mean())
        .sort_values(ascending=False, kind="stable")
        .reset_index()
    )


def find_best_and_worst(rows: pd.DataFrame, metric: str) -> tuple[str, float, str, float]:
    """Name and mean of the best configuration, then name and mean of the worst."""
    means = add_configuration_names(rows).groupby("name", sort=False)[metric].mean().dropna()
    if not find_metric(metric).greater_is_better:
        means = -means
    first, last = str(means.idxmax()), str(means.idxmin())
    return first, abs(float(means[first])), last, abs(float(means[last]))


def describe_replicates(rows: pd.DataFrame) -> str:
    """Describe what means are computed over, such as '3 folds and 3 seeds'."""
    counts = [
        f"{n} {unit}{'s' * (n > 1)}" for unit in ("fold", "seed") if (n := rows[unit].nunique()) > 1
    ]
    return " and ".join(counts) or "one split and one seed"


def group_by_setting(
    rows: pd.DataFrame, but: str
) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Yield the shared labels and the rows of groups that are comparable except for one column."""
    shared = [name for name in COMPARABLE if name != but]
    for labels, group in rows.groupby(shared, sort=False, dropna=False):
        yield dict(zip(shared, labels, strict=True)), group


def needs_log_scale(values: pd.Series) -> bool:
    """Whether values are positive and spread so widely that the axis should be logarithmic."""
    return bool(values.min() > 0 and values.max() / values.min() >= 8) and bool(
        np.isfinite(values).all()
    )
