"""Whether a fact that has nothing to do with the content of an image predicts its class."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.preprocessing import OrdinalEncoder

from benchmark.audit.facts import Facts
from benchmark.audit.frequent_classes import FEWEST, count_units
from benchmark.datasets.base import Dataset
from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import ALPHA

FOLDS = 5
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
    beats_chance : bool
        Whether the fact says something of the class, corrected for the number of facts.
    """

    fact: str
    auc: float
    lower: float
    upper: float
    beats_chance: bool


def probe_facts(dataset: Dataset, facts: Facts) -> list[Probe]:
    """Predict the class from each fact alone, in five folds; the strongest first.

    Facts with one value are skipped. There are none where ``explain_no_probes`` says why.
    """
    if explain_no_probes(dataset, facts):
        return []
    encoded = {name: _encode(values) for name, values in facts.items()}
    varying = {name: columns for name, columns in encoded.items() if columns is not None}
    probes = [_probe(dataset, name, varying[name], len(varying)) for name in varying]
    return sorted(probes, key=lambda probe: -probe.auc)


def explain_no_probes(dataset: Dataset, facts: Facts) -> str:
    """Say why no fact is probed; empty if some are."""
    if dataset.multilabel:
        return "shortcuts: an image may have several classes"
    if count_units(dataset).min() < FEWEST:
        return f"shortcuts: a class has fewer than {FEWEST} images or groups"
    if all(_encode(values) is None for values in facts.values()):
        return "shortcuts: no fact of the files, the borders or the attributes differs"
    return ""


def _encode(values: NDArray) -> NDArray[np.float64] | None:
    """Encode text as numbers; None if all values are equal."""
    columns = values.reshape(len(values), -1)
    if columns.dtype.kind in "US":
        columns = OrdinalEncoder().fit_transform(columns)
    columns = columns.astype(np.float64)
    differs = [len(np.unique(column[~np.isnan(column)])) > 1 for column in columns.T]
    return columns[:, differs] if any(differs) else None


def _probe(dataset: Dataset, name: str, columns: NDArray[np.float64], n_facts: int) -> Probe:
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
    corrected = interval_over_images("auc", [predictions], ALPHA / n_facts)
    clear = corrected.lower > 0.5 if np.isfinite(corrected.lower) else result.effect > CLEAR
    return Probe(name, result.effect, result.lower, result.upper, bool(clear))
