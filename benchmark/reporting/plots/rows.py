"""What the plots read of rows: groups, names of configurations, intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from benchmark.plugins.registry import BASELINE
from benchmark.plugins.spec import Spec, number_in_label
from benchmark.reporting.leaderboard import COMPARABLE, CONFIGURATION_AXES, group_comparable_rows
from benchmark.reporting.plots.plot import Missing, make_file_stem
from benchmark.reporting.plots.style import sort_strategies
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import Predictions, read_cell_predictions
from benchmark.utils.hashing import digest_of
from benchmark.utils.text import escape_controls


def escape_row_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose labels and classes have no control characters: no SVG may hold one."""
    names = [
        name for name in (*COMPARABLE, *CONFIGURATION_AXES) if name not in ("size", "train_size")
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
    """Rows that are done, and the folder with their predictions."""

    rows: pd.DataFrame
    folder: Path

    def file_label(self, dataset: str) -> str:
        """Short name of a dataset for files: the name of its folder or table; with a digest where two have the same."""
        labels = {label: shorten_dataset_name(label) for label in self.rows["dataset"].unique()}
        alike = (
            sum(
                make_file_stem(name).casefold() == make_file_stem(labels[dataset]).casefold()
                for name in labels.values()
            )
            > 1
        )
        return f"{labels[dataset]}_{digest_of((dataset,))[:6]}" if alike else labels[dataset]

    def most_imbalanced_groups(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Of each data set the most imbalanced group of comparable rows with whole images, of those the one that trains on most; titled."""
        groups: dict[str, list[tuple[str, pd.DataFrame]]] = {}
        for title, group in group_comparable_rows(self.rows):
            groups.setdefault(group["dataset"].iloc[0], []).append((title, group))
        for of_one in groups.values():
            yield max(of_one, key=lambda found: _imbalance_key(found[1]))


def shorten_dataset_name(label: str) -> str:
    """Name of a dataset without its path and parameters, such as 'ham10000_metadata' of 'csv:data/ham10000/metadata.csv(label="dx")'."""
    name = Spec.parse(label).name
    kind, _, path = name.rpartition(":")
    if not kind:
        return name
    parts = (
        PurePath(path.replace("\\", "/")).with_suffix("").parts
        if kind == "csv"
        else PurePath(path.replace("\\", "/")).parts
    )
    return "_".join(parts[-2:] if kind == "csv" else parts[-1:]) or kind


def _imbalance_key(rows: pd.DataFrame) -> tuple[bool, float, float]:
    first = rows.iloc[0]
    return (
        first["occlusion"] == "none",
        number_in_label("ratio", first["imbalance"]),
        rows["n_train"].max(),
    )


def drop_baseline(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of models that look at the images."""
    return rows[rows["model"] != BASELINE]


def add_configuration_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a ``name``: of extractor, strategy and model those that differ among the rows."""
    varying = [part for part in CONFIGURATION_AXES if rows[part].nunique() > 1] or ["model"]
    return rows.assign(name=rows[varying].agg(" / ".join, axis=1))


def full_configuration_name(cells: pd.DataFrame) -> str:
    """Extractor, strategy and model of the cells of one configuration."""
    return " / ".join(str(cells[part].iloc[0]) for part in CONFIGURATION_AXES)


def group_by_configuration(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name and cells of each configuration, strategies in their one order."""
    rows = add_configuration_names(rows)
    place = {label: k for k, label in enumerate(sort_strategies(rows["strategy"].unique()))}
    found = [(str(name), group) for name, group in rows.groupby("name", sort=False)]
    return sorted(found, key=lambda configuration: place[configuration[1]["strategy"].iloc[0]])


@dataclass(frozen=True)
class SelectedConfigurations:
    """The configurations of a data set that a plot of few panels shows, by their whole names, and the sentence that says so."""

    title: str
    dataset: str
    configurations: list[tuple[str, pd.DataFrame]]
    predictions: list[list[Predictions]]
    selection_note: str


def select_best_configurations(
    results: Results, name: str, metric: str, most: int = 6
) -> Iterator[SelectedConfigurations | Missing]:
    """The best configuration of each strategy, or of each extractor where there is one strategy, of each data set; 'none' is among them."""
    for title, rows in results.most_imbalanced_groups():
        looking = drop_baseline(rows)
        if looking.empty:
            yield Missing(name, f"{title}: only the baseline was run")
            continue
        axis = next(
            (part for part in ("strategy", "extractor", "model") if looking[part].nunique() > 1),
            "model",
        )
        best = _rank_by_mean(looking, metric).drop_duplicates(axis)
        first = best["strategy"].eq("none") & (axis == "strategy")
        kept = pd.concat([best[first], best[~first]]).head(most)
        chosen = [
            (full_configuration_name(cells), cells)
            for _, cells in group_by_configuration(
                looking.merge(kept[CONFIGURATION_AXES], on=CONFIGURATION_AXES)
            )
        ]
        predictions = [_read_escaped_predictions(results.folder, cells) for _, cells in chosen]
        if predictions[0][0].multilabel:
            yield Missing(
                name,
                f"{title}: it is of classes that exclude each other, and these images may have "
                "several",
            )
            continue
        of = f"{len(kept)} of {len(best)}" if len(kept) < len(best) else f"{len(best)}"
        said = (
            f"Shown: the best configuration by {metric} of each {axis}, {of}."
            if len(best) > 1
            else ""
        )
        yield SelectedConfigurations(
            title, results.file_label(str(rows["dataset"].iloc[0])), chosen, predictions, said
        )


def _read_escaped_predictions(folder: Path, cells: pd.DataFrame) -> list[Predictions]:
    return [
        replace(stored, classes=tuple(map(escape_controls, stored.classes)))
        for stored in read_cell_predictions(ResultsFolder(folder).read_predictions, cells)
    ]


def _rank_by_mean(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    sign = 1 if METRICS[metric].greater_is_better else -1
    return (
        (sign * rows.groupby(CONFIGURATION_AXES, sort=False)[metric].mean())
        .sort_values(ascending=False, kind="stable")
        .reset_index()
    )


def find_best_and_worst(rows: pd.DataFrame, metric: str) -> tuple[str, float, str, float]:
    """Name and mean of the best configuration, and of the worst."""
    means = add_configuration_names(rows).groupby("name", sort=False)[metric].mean().dropna()
    if not METRICS[metric].greater_is_better:
        means = -means
    first, last = str(means.idxmax()), str(means.idxmin())
    return first, abs(float(means[first])), last, abs(float(means[last]))


def describe_replicates(rows: pd.DataFrame) -> str:
    """Say what means are over, such as '3 folds and 3 seeds'."""
    counts = [
        f"{n} {unit}{'s' * (n > 1)}" for unit in ("fold", "seed") if (n := rows[unit].nunique()) > 1
    ]
    return " and ".join(counts) or "one split and one seed"


def group_by_setting(
    rows: pd.DataFrame, but: str
) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Yield groups of rows that could be compared were it not for one column, and the labels that they share."""
    shared = [name for name in COMPARABLE if name != but]
    for labels, group in rows.groupby(shared, sort=False, dropna=False):
        yield dict(zip(shared, labels, strict=True)), group


def needs_log_scale(values: pd.Series) -> bool:
    """Whether positive values spread so far that they want a logarithmic axis."""
    return bool(values.min() > 0 and values.max() / values.min() >= 8) and bool(
        np.isfinite(values).all()
    )
