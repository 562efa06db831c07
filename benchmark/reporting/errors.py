"""The most confident mistakes of a configuration, and images that all configurations get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.errors import UserError
from benchmark.plugins.registry import BASELINE
from benchmark.reporting.comparable_rows import (
    CONFIGURATION_AXES,
    Configuration,
    configuration_name,
    group_comparable_rows,
    list_conditions,
)
from benchmark.reporting.results_view import ResultsView
from benchmark.scoring.label_errors import average_probabilities, suggest_labels
from benchmark.scoring.pooling import pool_test_sets
from benchmark.scoring.predictions import Predictions, read_cell_predictions
from benchmark.utils.status import Status


@dataclass(frozen=True)
class Mistakes:
    """The mistakes of one configuration on one dataset.

    Parameters
    ----------
    title : str
        Title of the rows.
    fingerprint : str
        That of the dataset.
    dataset : str
        Name of the dataset.
    conditions : tuple of str
        What else distinguishes the rows from others of the dataset.
    configuration : str
    table : DataFrame
        One line per test image, the most confident mistakes first. The columns are id, true,
        predicted and probability (of the predicted class; means over seeds); wrong, the number of
        configurations that are wrong, out of ``configurations``; suggested, the class that
        confident learning suggests from the mean probabilities of all configurations, empty if it
        is the true one; group, if there are groups. The index is that of the image in the dataset.
    """

    title: str
    fingerprint: str
    dataset: str
    conditions: tuple[str, ...]
    configuration: str
    table: pd.DataFrame

    @property
    def mistakes(self) -> pd.DataFrame:
        """The lines of images that the configuration gets wrong."""
        return self.table[self.table["predicted"] != self.table["true"]]

    @property
    def suspected(self) -> pd.DataFrame:
        """The lines of images that all configurations get wrong, and whose label is suspected."""
        everywhere = self.table["wrong"] == self.table["configurations"]
        return self.table[everywhere & (self.table["suggested"] != "")]


def find_mistakes(
    view: ResultsView, rows: pd.DataFrame, configuration: Configuration
) -> Iterator[Mistakes]:
    """Yield the mistakes of a configuration for each group of comparable rows that has it.

    Parameters
    ----------
    view : ResultsView
    rows : DataFrame
        As ``view.load_rows`` returns them.
    configuration : labels of extractor, strategy, model and tuning

    Raises
    ------
    UserError
        Images have several labels, or predictions are missing.
    """
    for title, group in group_comparable_rows(rows):
        done = group[(group["status"] == Status.OK) & (group["model"] != BASELINE)]
        predictions = {
            labels: _average_seeds(view, cells)
            for labels, cells in done.groupby(CONFIGURATION_AXES, sort=False)
            if len(cells) == len(_cells_of(group, labels))
        }
        own = predictions.get(tuple(configuration))
        if own is None:
            continue
        if own.multilabel:
            raise UserError(f"{title}: images have several labels, and no single prediction")
        first = group.iloc[0]
        yield Mistakes(
            title,
            str(first["fingerprint"]),
            str(first["dataset"]),
            _list_conditions(first, rows),
            configuration_name(list(configuration)),
            _tabulate(view, str(first["fingerprint"]), own, list(predictions.values())),
        )


def _list_conditions(labels: pd.Series, rows: pd.DataFrame) -> tuple[str, ...]:
    splits = rows.loc[rows["dataset"] == labels["dataset"], "split"].unique()
    conditions = list_conditions(labels.to_dict(), rows)
    return (*conditions, *([labels["split"]] if len(splits) > 1 else []))


def _cells_of(rows: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    return rows[(rows[CONFIGURATION_AXES] == list(labels)).all(axis=1)]


def _average_seeds(view: ResultsView, cells: pd.DataFrame) -> Predictions:
    """Predictions of all folds together, with the mean probabilities of seeds and repetitions."""
    sets: list[Predictions] = []
    for _, own in cells.groupby("seed", sort=True):
        sets += pool_test_sets(
            read_cell_predictions(view.read_predictions, own.sort_values("fold"))
        )
    return sets[0].with_probabilities(average_probabilities(sets)) if len(sets) > 1 else sets[0]


def _tabulate(
    view: ResultsView, fingerprint: str, own: Predictions, others: list[Predictions]
) -> pd.DataFrame:
    record = view.read_record(fingerprint)
    alike = [p for p in others if np.array_equal(p.test_index, own.test_index)]
    suggested = suggest_labels(own.y_true, average_probabilities(alike))
    names = np.array(own.classes, dtype=object)
    table = pd.DataFrame(
        {
            "id": record.images["id"].iloc[own.test_index].to_numpy(),
            "true": names[own.y_true],
            "predicted": names[own.labels],
            "probability": own.proba.max(axis=1),
            "wrong": np.sum([p.labels != p.y_true for p in alike], axis=0),
            "configurations": len(alike),
            "suggested": np.where(suggested == own.y_true, "", names[suggested]),
        },
        index=own.test_index,
    )
    if own.groups is not None:
        table["group"] = own.groups
    is_right = table["predicted"] == table["true"]
    order = pd.DataFrame({"right": is_right, "confidence": -table["probability"]})
    return table.loc[order.sort_values(["right", "confidence"], kind="stable").index]
