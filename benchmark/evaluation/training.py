"""Train the model of a cell and predict its test set; used by the commands ``run`` and ``fit``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.evaluation.components import Components
from benchmark.evaluation.extraction import Features
from benchmark.evaluation.fitting import fit_model
from benchmark.evaluation.inner_folds import (
    held_out_probabilities,
    predict_aligned_proba,
    prepare_fit,
)
from benchmark.evaluation.training_set import TrainingSet, ValidationSet
from benchmark.sampling.splits import Indices, select_official_validation
from benchmark.scoring.predictions import Predictions
from benchmark.strategies.base import Combined, Strategy, may_resample
from benchmark.strategies.thresholds import balances_classes
from benchmark.utils.notes import Note, NoteKind


@dataclass(frozen=True, eq=False)
class Trained:
    """Result of training the model of a cell.

    Parameters
    ----------
    model : fitted scikit-learn classifier
    strategy : Strategy
        It has learned from the training set.
    predictions : Predictions
        Predictions of the test set.
    external : Predictions or None
        Predictions of the external images, if there are any.
    outcome : dict
        Columns of the row: 'resample_s', 'fit_s', 'predict_s', 'n_resampled' and 'validation'.
    notes : tuple of str
    """

    model: Any
    strategy: Strategy
    predictions: Predictions
    external: Predictions | None
    outcome: dict[str, Any]
    notes: tuple[str, ...]


def train_and_predict(components: Components, features: Features) -> Trained:
    """Fit the model and the strategy of a cell to its training set, and predict its test set.

    Parameters
    ----------
    components : Components
    features : Features
        Features of the training and test images, or the images themselves.

    Returns
    -------
    Trained

    Raises
    ------
    Refused
        The strategy or the model cannot work on this training set.
    """
    dataset, strategy = components.dataset, components.strategy
    notes = double_correction_notes(strategy, components.model)
    model = strategy.weight(components.model, dataset.targets[components.train])
    outcome: dict[str, Any] = {}
    validation = _official_validation(components, features) if components.is_official else None
    whole = TrainingSet(features.train, dataset, components.train, strategy, validation)
    training, given = prepare_fit(model, whole)
    with _record_seconds(outcome, "resample_s"):
        X, y = training.resampled_data()
    outcome["n_resampled"] = len(y)
    with _record_seconds(outcome, "fit_s"):
        fit_model(model, X, y, training.describe_rarest_class(), **given)
        strategy.learn_shares(training.y, y)
        strategy.learn(whole.y, lambda: held_out_probabilities(model, whole))
    with _record_seconds(outcome, "predict_s"):
        proba = strategy.adjust(predict_aligned_proba(model, features.test, dataset))
    uses = whole.uses | training.uses
    outcome["validation"] = (
        "; ".join(f"{purpose}: {description}" for purpose, description in uses.items()) or "none"
    )
    predictions = _name_images(proba, dataset, components.test)
    external = None
    if len(components.external_indices):
        proba = strategy.adjust(predict_aligned_proba(model, features.external, dataset))
        external = _name_images(proba, components.all_images, components.external_indices)
    return Trained(model, strategy, predictions, external, outcome, tuple(notes))


def _name_images(proba: NDArray[np.float64], dataset: Dataset, indices: Indices) -> Predictions:
    groups = None if dataset.groups is None else dataset.groups[indices]
    return Predictions(
        dataset.targets[indices], proba, dataset.classes, indices, dataset.ordinal, groups
    )


def double_correction_notes(strategy: Strategy, model: Any) -> list[Note]:
    """Note that class frequencies are corrected for more than once, by strategies and the model.

    Such cells are run nevertheless: some combinations are of interest (Buda, Maki & Mazurowski 2018
    combine over-sampling with thresholding), and others are compared with them. Resampling that a
    strategy undoes afterwards, as in ``smote + prior_correction``, does not count.

    Parameters
    ----------
    strategy : Strategy
    model : scikit-learn classifier
        Before the strategy has set weights.

    Returns
    -------
    list of Note
        One note, or none.
    """
    strategies = strategy.parts if isinstance(strategy, Combined) else [strategy]
    is_undone = any(each.restores_frequencies for each in strategies)
    corrections = [
        type(getattr(each, "sampler", each)).__name__
        for each in strategies
        if each.balances and not (is_undone and may_resample(each))
    ]
    if balances_classes(model):
        corrections.append("the model")
    if len(corrections) < 2:
        return []
    text = f"class frequencies are corrected {len(corrections)} times: by "
    return [Note(text + " and by ".join(corrections), NoteKind.CORRECTION)]


def _official_validation(components: Components, features: Features) -> ValidationSet | None:
    """Return the official validation set without images that share a group with other subsets."""
    indices, n_left_out = select_official_validation(components.dataset)
    return (
        ValidationSet(indices, lambda: features.of_training(indices), n_left_out)
        if len(indices)
        else None
    )


@contextmanager
def _record_seconds(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - start
