"""What tables, tests and plots see of a results folder: its rows and predictions, per unit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.datasets.base import NO_GROUP
from benchmark.datasets.positive import suggest_positive
from benchmark.errors import UserError, unknown_name_error
from benchmark.results.dataset_record import DatasetRecord, read_dataset_record
from benchmark.results.folder import ResultsFolder
from benchmark.results.store import load_results
from benchmark.scoring.aggregation import METHODS, aggregate_groups
from benchmark.scoring.class_intervals import CLASS_METRICS
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.metrics import compute_class_metrics, compute_metrics
from benchmark.scoring.predictions import Predictions, read_cell_predictions
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.status import Status

UNITS = ("image", "group")
# columns of rows that are needed to compute metrics of their predictions
_NEEDED = ("predictions", "per_class", "n_images", "n_test")


class ResultsView:
    """Rows and predictions of a results folder, per image or per group (patient, lesion).

    Parameters
    ----------
    path : str or Path
        Results folder.
    unit : {'image', 'group'}
        What a prediction is about. Per group, all metrics are computed anew.
    aggregate : {'mean', 'max', 'vote'} or None
        How the predictions of the images of a group become one, 'mean' by default; see
        ``benchmark.scoring.aggregation.aggregate_groups``.

    Raises
    ------
    UserError
        The unit or the aggregate is unknown, or images are to be aggregated to images.
    """

    def __init__(self, path: str | Path, unit: str = "image", aggregate: str | None = None) -> None:
        if unit not in UNITS:
            raise unknown_name_error("unit", unit, UNITS)
        if aggregate is not None and unit == "image":
            raise UserError(f"--aggregate {aggregate} needs --unit group")
        aggregate = "mean" if aggregate is None else aggregate
        if aggregate not in METHODS:
            raise unknown_name_error("aggregate", aggregate, METHODS)
        self.folder = ResultsFolder(path)
        self.unit = unit
        self.aggregate = aggregate
        self.read_predictions = lru_cache(maxsize=64)(self._read_predictions)
        self.read_sites = lru_cache(maxsize=64)(self._read_sites)
        self._list_external = lru_cache(maxsize=64)(self._read_external_names)

    def describe_unit(self) -> str:
        """Describe what a prediction is about; empty for images."""
        if self.unit == "image":
            return ""
        return f"one prediction per group: {METHODS[self.aggregate][1]} of its images"

    def __str__(self) -> str:
        return str(self.folder)

    def _read_predictions(self, key: str, digest: str | None = None) -> Predictions:
        predictions = self.folder.read_predictions(key, digest)
        return self._convert(predictions)

    def _convert(self, predictions: Predictions) -> Predictions:
        if self.unit == "image":
            return predictions
        return aggregate_groups(predictions, self.aggregate)

    def load_rows(
        self, columns: Iterable[str] | None = None, metrics: Iterable[str] = ()
    ) -> pd.DataFrame:
        """Load the rows, with the values of the unit.

        Parameters
        ----------
        columns : iterable of str or None
            See ``load_results``.
        metrics : iterable of str
            Metrics that the rows shall have; those that are not stored are computed from the
            predictions, if they apply to the task.

        Raises
        ------
        UserError
            As ``load_results``; a metric is about a positive class, and no dataset has two classes,
            or one that has two does not name the positive one; images have no groups; or
            predictions are missing or damaged.
        """
        metrics = [find_metric(name).name for name in metrics]
        wanted = None if columns is None else {*columns, *metrics, *_NEEDED}
        rows = load_results(self.folder.path, wanted)
        missing = [name for name in dict.fromkeys(metrics) if name not in rows]
        binary = [name for name in missing if find_metric(name).binary]
        if binary:
            self._check_positive_classes(rows, binary[0])
        if missing or self.unit == "group":
            rows = self._compute(rows, missing)
        return rows

    def _compute(self, rows: pd.DataFrame, missing: list[str]) -> pd.DataFrame:
        done = rows.index[rows["status"] == Status.OK]
        values: list[dict[str, Any]] = []
        for index in done:
            (p,) = read_cell_predictions(self.read_predictions, rows.loc[[index]])
            declared = [find_metric(name) for name in missing]
            computed: dict[str, Any] = {
                metric.name: metric(p) for metric in declared if metric.is_defined_for(p)
            }
            if self.unit == "group":
                computed |= compute_metrics(p) | {"n_test": len(p.y_true)}
                computed["per_class"] = _with_training_images(p, rows.at[index, "per_class"])
            values.append(computed)
        table = pd.DataFrame(values, done).reindex(rows.index)
        rows = rows.copy()
        for name in [name for name in table if name in rows or name in missing]:
            rows[name] = table[name]
        return self._describe_groups(rows) if self.unit == "group" else rows

    def _describe_groups(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Count groups in place of images, and note what each prediction is about."""
        counts: dict[str, int] = {}
        notes: dict[str, Note] = {}
        for fingerprint in rows["fingerprint"].unique():
            record = self.read_record(fingerprint)
            n_classes = record.images.groupby("group")["class"].nunique()
            counts[fingerprint] = len(n_classes)
            text = self.describe_unit()
            if n_mixed := int((n_classes > 1).sum()):
                text += (
                    f"; {n_mixed:,} of {len(n_classes):,} groups have images of both classes and "
                    f"count as '{record.classes[-1]}'"
                )
            notes[fingerprint] = Note(text, NoteKind.GROUPS)
        stored = rows["notes"] if "notes" in rows else [None] * len(rows)
        noted = [
            [*(listed if isinstance(listed, list) else ()), notes[fingerprint]]
            for listed, fingerprint in zip(stored, rows["fingerprint"], strict=True)
        ]
        return rows.assign(n_images=rows["fingerprint"].map(counts), notes=noted)

    def _read_sites(self, key: str, digest: str | None, external: str) -> dict[str, Predictions]:
        """Read the predictions of the external images of a cell, by the name of their dataset.

        Parameters
        ----------
        key : str
        digest : str or None
            See ``ResultsFolder.read_predictions``.
        external : str
            Value of the column of this name in the row of the cell.

        Raises
        ------
        UserError
            A file is missing or damaged.
        """
        everything = self.folder.read_predictions(key, digest, external=True)
        names = self._list_external(external)[everything.test_index]
        sites = {}
        for name in dict.fromkeys(names.tolist()):
            try:
                sites[name] = self._convert(_take_site(everything, names == name))
            except UserError as error:
                raise UserError(f"external dataset '{name}': {error}") from None
        return sites

    def _read_external_names(self, external: str) -> NDArray[np.str_]:
        images = self.read_record(external).images
        if "external" not in images:
            raise UserError(
                f"{self.folder.dataset_record(external)}.csv has no column 'external': it was "
                "edited; run the study again: completed cells are kept"
            )
        return images["external"].to_numpy(dtype=np.str_)

    def read_record(self, fingerprint: str) -> DatasetRecord:
        """Read the record of the dataset with this fingerprint."""
        return read_dataset_record(self.folder.dataset_record(fingerprint))

    def records(self, rows: pd.DataFrame) -> dict[str, DatasetRecord]:
        """Read the record of each dataset of the rows, by its name in tables."""
        pairs = rows[["dataset", "fingerprint"]].drop_duplicates().to_numpy()
        return {name: self.read_record(fingerprint) for name, fingerprint in pairs}

    def _check_positive_classes(self, rows: pd.DataFrame, metric: str) -> None:
        """Check that every binary dataset of the rows names its positive class."""
        records = self.records(rows)
        binary = {name: record for name, record in records.items() if record.is_binary}
        if not binary:
            name, record = next(iter(records.items()))
            task = "multi-label" if record.multilabel else f"of {len(record.classes)} classes"
            raise UserError(
                f"{metric} needs two classes, one of them positive, and '{name}' is {task}; "
                "`table DIR --by class --metric NAME` shows each class against the rest: "
                f"{', '.join(CLASS_METRICS)}"
            )
        for name, record in binary.items():
            if record.positive is None:
                raise UserError(
                    f"{metric} needs the positive class of '{name}': "
                    f"{suggest_positive(record.classes)}, and run it again"
                )


def _take_site(p: Predictions, members: NDArray[np.bool_]) -> Predictions:
    taken = p.take_members(members)
    if taken.groups is not None and (taken.groups == NO_GROUP).all():
        return replace(taken, groups=None)
    return taken


def _with_training_images(
    p: Predictions, stored: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Metrics of each class, with the numbers of training images that are stored."""
    return {
        name: {**values, "train": stored[name]["train"]}
        for name, values in compute_class_metrics(p).items()
    }


def as_view(folder: str | Path | ResultsView) -> ResultsView:
    """Return a view unchanged, and a results folder as a view per image."""
    return folder if isinstance(folder, ResultsView) else ResultsView(folder)
