"""Groups of rows, names of configurations and other values that several plots need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from benchmark.datasets.base import NO_GROUP
from benchmark.plugins.registry import BASELINE
from benchmark.plugins.spec import number_in_label
from benchmark.reporting.comparable_rows import (
    COMPARABLE,
    CONFIGURATION_AXES,
    Configuration,
    configuration_name,
    group_comparable_rows,
    name_columns,
)
from benchmark.reporting.plots.plot import Missing, make_file_stems
from benchmark.reporting.plots.style import Style, sort_strategies, style_lines
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.short_labels import shorten_dataset_name
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions, read_cell_predictions
from benchmark.utils.text import escape_controls, format_count


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

    def stem_of_dataset(self, kind: str, dataset: str, metric: str = "") -> str:
        """Name of the file of a plot of one dataset, which is named if there are several."""
        labels = list(self.rows["dataset"].unique())
        short = {label: shorten_dataset_name(label) if len(labels) > 1 else "" for label in labels}
        return make_file_stems(
            {label: (kind, name, self.file_unit, metric) for label, name in short.items()}
        )[dataset]

    @property
    def file_unit(self) -> str:
        """Part of file names that keeps plots of groups beside those of images."""
        return "per_group" if self.view.unit == "group" else ""

    def describe_sample(self, rows: pd.DataFrame) -> str:
        """Sentence on the images and groups that values are computed on, and their folds."""
        n, n_groups = count_test_images(rows), 0
        if self.view.unit == "image" and n == rows["n_images"].max():
            images = self.view.read_record(rows["fingerprint"].iloc[0]).images
            groups = images["group"] if "group" in images else pd.Series(dtype=str)
            n_groups = groups[groups != NO_GROUP].nunique()
        text = f"n = {format_count(n, f'test {self.view.unit}')}"
        text += f" of {format_count(n_groups, 'group')}" if n_groups else ""
        return f"{text}; {describe_replicates(rows)}."

    def number_configurations(self, metric: str) -> dict[Configuration, int]:
        """Number every configuration, for its colour and marker in all plots.

        If there are several strategies, the number is that of the strategy, 0 for 'none'.
        Otherwise it is the place of the configuration by its mean rank, from 0.
        """
        rows = drop_baseline(self.rows)
        strategies = sort_strategies(rows["strategy"].unique())
        if len(strategies) > 1:
            others = [label for label in strategies if label != "none"]
            numbers = {"none": 0} | {label: k for k, label in enumerate(others, start=1)}
            labels = rows[CONFIGURATION_AXES].drop_duplicates().itertuples(index=False, name=None)
            strategy = CONFIGURATION_AXES.index("strategy")
            return {label: numbers[label[strategy]] for label in labels}
        means = rows.groupby([*COMPARABLE, *CONFIGURATION_AXES], sort=False, dropna=False)[metric]
        ranks = (
            means.mean()
            .groupby(COMPARABLE, sort=False, dropna=False)
            .rank(ascending=not find_metric(metric).greater_is_better, na_option="bottom")
        )
        mean_ranks = ranks.groupby(CONFIGURATION_AXES, sort=False).mean()
        best_first = mean_ranks.sort_values(kind="stable").index
        return {label: k for k, label in enumerate(best_first)}

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
    return configuration_name(read_labels(cells))


def count_test_images(rows: pd.DataFrame) -> int:
    """Number of images that are in any test set of comparable rows.

    Repetitions of a cross-validation test each image again.
    """
    return min(int(rows.groupby("fold")["n_test"].max().sum()), int(rows["n_images"].max()))


def read_labels(cells: pd.DataFrame) -> Configuration:
    """Labels of the configuration of some cells."""
    return tuple(cells[CONFIGURATION_AXES].iloc[0])


def explain_metric(metric: str) -> str:
    """Sentence that says what a metric is."""
    declared = find_metric(metric)
    best = "higher" if declared.greater_is_better else "lower"
    return f"{metric}: {declared.describes}; {best} is better."


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
    stem : str
        Name of the file of the plot.
    configurations : list of (str, DataFrame)
        Full name and cells of each configuration.
    predictions : list of list of Predictions
        Predictions of the cells of each configuration.
    styles : list of Style
        Colour, marker and line style of each configuration.
    notes : str
        Sentences on the sample and on how the configurations were selected.
    """

    title: str
    stem: str
    configurations: list[tuple[str, pd.DataFrame]]
    predictions: list[list[Predictions]]
    styles: list[Style]
    notes: str


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
        numbers = results.number_configurations(metric)
        yield SelectedConfigurations(
            title,
            results.stem_of_dataset(name, str(rows["dataset"].iloc[0])),
            configurations,
            predictions,
            style_lines([numbers[read_labels(cells)] for _, cells in configurations]),
            _describe_selection(axis, metric, len(shown), len(best))
            + results.describe_sample(candidates),
        )


def _describe_selection(axis: str, metric: str, n_shown: int, n_best: int) -> str:
    """Sentences on how configurations were selected; empty for a single one."""
    if n_best == 1:
        return ""
    which = f"; {n_shown} of {n_best} are shown" if n_shown < n_best else ""
    return (
        f"Each panel shows the best configuration by {metric} of one {axis}{which}. "
        f"{explain_metric(metric)} "
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
