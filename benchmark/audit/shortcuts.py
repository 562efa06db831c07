"""Whether a fact that has nothing to do with the finding predicts the class."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.preprocessing import OrdinalEncoder

from benchmark.audit.facts import Facts
from benchmark.datasets.base import Dataset
from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.predictions import Predictions

FOLDS = 5
FEWEST = 10  # images, or groups, of a class
STRONG = 0.8  # AUC
CLEAR = 0.65  # AUC that is above 0.5 where there is no interval


@dataclass(frozen=True)
class Probe:
    """How well one fact alone predicts the class.

    Parameters
    ----------
    fact : str
    auc : float
        Macro one-vs-rest, of out-of-fold probabilities.
    lower, upper : float
        95% confidence interval; NaN where it cannot be computed.
    """

    fact: str
    auc: float
    lower: float
    upper: float

    @property
    def beats_chance(self) -> bool:
        """Whether the fact says something of the class."""
        return self.lower > 0.5 if np.isfinite(self.lower) else self.auc > CLEAR


def probe_facts(dataset: Dataset, facts: Facts) -> list[Probe]:
    """Predict the class from each fact alone, in five folds; the strongest first.

    Facts that are equal for all images are left out, and all of them where a class has too few
    images or an image may have several classes.
    """
    if dataset.multilabel or not _has_enough(dataset):
        return []
    probes = []
    for name, values in facts.items():
        columns = _encode(values)
        if columns is not None:
            probes.append(_probe(dataset, name, columns))
    return sorted(probes, key=lambda probe: -probe.auc)


def _has_enough(dataset: Dataset) -> bool:
    units = np.arange(len(dataset.targets)) if dataset.groups is None else dataset.groups
    return all(
        len(np.unique(units[dataset.targets == k])) >= FEWEST for k in range(len(dataset.classes))
    )


def _encode(values: NDArray) -> NDArray[np.float64] | None:
    """Encode text as numbers; None if all values are equal."""
    columns = values.reshape(len(values), -1)
    if columns.dtype.kind in "US":
        columns = OrdinalEncoder().fit_transform(columns)
    columns = columns.astype(np.float64)
    differs = [len(np.unique(column[~np.isnan(column)])) > 1 for column in columns.T]
    return columns[:, differs] if any(differs) else None


def _probe(dataset: Dataset, name: str, columns: NDArray[np.float64]) -> Probe:
    model = HistGradientBoostingClassifier(max_iter=30, max_depth=3, random_state=0)
    grouped = dataset.groups is not None
    folds = (StratifiedGroupKFold if grouped else StratifiedKFold)(
        FOLDS, shuffle=True, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class is absent from a fold of a few groups
        proba = cross_val_predict(
            model,
            columns,
            dataset.targets,
            groups=dataset.groups,
            cv=folds,
            method="predict_proba",
        )
    proba = proba / proba.sum(axis=1, keepdims=True)
    groups = None if dataset.groups is None else dataset.groups.astype(str)
    index = np.arange(len(proba))
    predictions = Predictions(dataset.targets, proba, dataset.classes, index, groups=groups)
    result = interval_over_images("auc", [predictions])
    return Probe(name, result.effect, result.lower, result.upper)
