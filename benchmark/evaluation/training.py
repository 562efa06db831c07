"""The training of a cell: the one path on which ``run`` and ``fit`` both train a model and predict the test set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmark.evaluation.components import Components
from benchmark.evaluation.feature_cache import Features
from benchmark.evaluation.fitting import fit_model
from benchmark.evaluation.inner_folds import (
    TrainingSet,
    Validation,
    held_out_probabilities,
    predict_aligned_proba,
    prepare_fit,
)
from benchmark.sampling.splits import select_official_validation
from benchmark.scoring.predictions import Predictions
from benchmark.strategies.base import Combined, Strategy
from benchmark.strategies.thresholds import balances_classes
from benchmark.utils.notes import Note, NoteKind


@dataclass(frozen=True, eq=False)
class Trained:
    """What training a cell gave.

    Parameters
    ----------
    model : fitted scikit-learn classifier
    strategy : Strategy
        It has learned what it learns from the training set.
    predictions : Predictions
        Of the test set.
    outcome : dict
        Seconds, the number of images after resampling, and what was used as 'validation'.
    notes : tuple of str
    """

    model: Any
    strategy: Strategy
    predictions: Predictions
    outcome: dict[str, Any]
    notes: tuple[str, ...]


def train_and_predict(components: Components, features: Features) -> Trained:
    """Fit the model of a cell, and what its strategy learns, to the training set, and predict the test set.

    Parameters
    ----------
    components : Components
    features : Features
        Of the training and test images, or the images themselves.

    Raises
    ------
    Refused
        The strategy or the model cannot work on this training set.
    """
    dataset, strategy, test = components.dataset, components.strategy, components.test
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
        strategy.learn(whole.y, lambda: held_out_probabilities(model, whole))
    with _record_seconds(outcome, "predict_s"):
        proba = strategy.adjust(predict_aligned_proba(model, features.test, dataset))
    uses = whole.uses | training.uses
    outcome["validation"] = "; ".join(f"{what}: {text}" for what, text in uses.items()) or "none"
    groups = None if dataset.groups is None else dataset.groups[test]
    predictions = Predictions(
        dataset.targets[test], proba, dataset.classes, test, dataset.ordinal, groups
    )
    return Trained(model, strategy, predictions, outcome, tuple(notes))


def double_correction_notes(strategy: Strategy, model: Any) -> list[Note]:
    """Note that the class frequencies are corrected for more than once, by strategies and by what the model does itself.

    Such cells are run, whatever the strategies: some combinations are of interest (Buda, Maki &
    Mazurowski 2018 follow over-sampling by thresholding), and others are compared with them.

    Parameters
    ----------
    strategy : Strategy
    model : scikit-learn classifier
        Not yet weighted by the strategy.
    """
    parts = strategy.parts if isinstance(strategy, Combined) else [strategy]
    by = [
        type(getattr(part, "sampler", part)).__name__
        for part in parts
        if getattr(part, "balances", False)
    ]
    by += ["the model"] if balances_classes(model) else []
    text = f"class frequencies are corrected {len(by)} times: by {' and by '.join(by)}"
    return [Note(text, NoteKind.CORRECTION)] if len(by) > 1 else []


def _official_validation(components: Components, features: Features) -> Validation | None:
    """The official validation set, if there is one that shares no group with the rest."""
    indices, n_left_out = select_official_validation(components.dataset)
    return (
        Validation(indices, lambda: features.of_training(indices), n_left_out)
        if len(indices)
        else None
    )


@contextmanager
def _record_seconds(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - start
