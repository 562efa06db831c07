"""Compute metrics that rows do not have from the stored predictions of their cells."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from benchmark.datasets.positive import suggest_positive
from benchmark.errors import UserError
from benchmark.results.dataset_record import read_dataset_record
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import read_cell_predictions
from benchmark.utils.status import Status


def compute_missing_metrics(
    rows: pd.DataFrame, metrics: Iterable[str], folder: ResultsFolder
) -> pd.DataFrame:
    """Add the metrics that the rows lack, computed from the predictions in the results folder.

    Parameters
    ----------
    rows : DataFrame
        As returned by ``load_results``, with the columns key, predictions and fingerprint.
    metrics : iterable of str
        Canonical names; see ``metric_lookup.find_metric``.
    folder : ResultsFolder

    Returns
    -------
    DataFrame
        NaN in rows that are not 'ok', and where a metric is undefined.

    Raises
    ------
    UserError
        A metric is about a positive class, and no dataset has two classes, or one that has two
        does not name the positive one; or predictions are missing or damaged.
    """
    missing = [find_metric(name) for name in dict.fromkeys(metrics) if name not in rows]
    if not missing:
        return rows
    if any(metric.binary for metric in missing):
        check_positive_classes(rows, next(m.name for m in missing if m.binary), folder)
    done = rows[rows["status"] == Status.OK]
    predictions = (
        read_cell_predictions(folder.read_predictions, done.loc[[index]])[0] for index in done.index
    )
    values = [[metric(p) for metric in missing] for p in predictions]
    names = [metric.name for metric in missing]
    computed = pd.DataFrame(values, done.index, names, dtype=float)
    return rows.join(computed.reindex(rows.index, fill_value=np.nan))


def check_positive_classes(rows: pd.DataFrame, metric: str, folder: ResultsFolder) -> None:
    """Check that every binary dataset of the rows names its positive class.

    Raises
    ------
    UserError
        One does not, or no dataset is binary.
    """
    records = {
        name: read_dataset_record(folder.dataset_record(fingerprint))
        for name, fingerprint in rows[["dataset", "fingerprint"]].drop_duplicates().to_numpy()
    }
    binary = {name: record for name, record in records.items() if record.is_binary}
    if not binary:
        name, record = next(iter(records.items()))
        task = "multi-label" if record.multilabel else f"of {len(record.classes)} classes"
        raise UserError(
            f"{metric} needs two classes, one of them positive, and '{name}' is {task}; "
            "`table DIR --by class` shows each class against the rest"
        )
    for name, record in binary.items():
        if record.positive is None:
            raise UserError(
                f"{metric} needs the positive class of '{name}': "
                f"{suggest_positive(record.classes)}, and run it again"
            )
