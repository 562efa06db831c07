"""Images that are held out of the training set, for models and strategies that need them.

Calibration, tuned thresholds and early stopping need images that a model was not trained on. They
are split off the training set before it is resampled, and by whole groups: after resampling, copies
and interpolations of one image could be on both sides.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from benchmark.evaluation.feature_rows import select_rows
from benchmark.evaluation.fitting import fit_model
from benchmark.evaluation.training_set import TrainingSet
from benchmark.sampling.splits import Fold
from benchmark.strategies.base import HeldOut, Refused
from models.calibration import LARGE

CALIBRATION_FOLDS = 5
STRATEGY_FOLDS = 3


class HasClasses(Protocol):
    """A dataset, or a fitted pipeline."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several classes."""


def prepare_fit(model: Any, training: TrainingSet) -> tuple[TrainingSet, dict[str, Any]]:
    """Prepare the training set of a model, and the held-out images that its ``fit`` takes.

    A model whose ``fit`` has the argument ``inner_folds`` is given an iterable of (X_train,
    y_train, X_held, y_held). A model whose ``fit`` has the argument ``held_out``, and whose
    parameter ``validation`` is above 0, is given (X, y): the official validation set if there is
    one, else this share of the training set.

    Parameters
    ----------
    model : scikit-learn classifier
    training : TrainingSet

    Returns
    -------
    training : TrainingSet
        The images that remain to train on.
    given : dict
        Further arguments of ``fit``.

    Raises
    ------
    Refused
        No images can be held out, or the strategy cannot work on the remaining ones.
    """
    given: dict[str, Any] = {}
    share = getattr(model, "validation", 0)
    if share and has_fit_parameter(model, "held_out"):
        if training.validation:
            official = training.validation
            given["held_out"] = official.features(), training.dataset.targets[official.indices]
            training.uses["early stopping"] = official.short_description
        else:
            remaining, held = _first_fold(training, max(2, round(1 / share)))
            given["held_out"] = select_rows(training.X, held), training.y[held]
            training.uses["early stopping"] = f"{len(held)} images of the training set"
            training = training.select_subset(remaining)
            training.check_strategy(model, "beside the images held out for early stopping")
    if takes_inner_folds(model):
        folds = training.make_inner_folds(CALIBRATION_FOLDS if len(training.indices) < LARGE else 2)
        folds.check_strategy(model)
        given["inner_folds"] = folds
        training.uses["calibration"] = folds.short_description
    return training, given


def _first_fold(training: TrainingSet, n: int) -> Fold:
    folds = training.make_inner_folds(n).folds
    if not folds:
        unit = "image" if training.dataset.groups is None else "group"
        raise Refused(
            "early stopping needs images to hold out, and therefore a class with at least 2 "
            f"{unit}s in the training set; no class has that many"
        )
    return folds[0]


def takes_inner_folds(model: Any) -> bool:
    """Whether the ``fit`` of a model takes inner folds, and uses them with its parameters."""
    return bool(
        has_fit_parameter(model, "inner_folds") and getattr(model, "uses_inner_folds", True)
    )


def held_out_probabilities(model: Any, training: TrainingSet) -> HeldOut:
    """Predict probabilities of images that a model was not trained on, for a strategy.

    They are those of the official validation set by the fitted model. Without such a set, they are
    those of the training images by models that are fitted in inner folds, whose training images are
    resampled in each fold.

    Parameters
    ----------
    model : fitted scikit-learn classifier
    training : TrainingSet

    Returns
    -------
    HeldOut

    Raises
    ------
    Refused
        Images of fewer than two classes can be held out.
    """
    dataset = training.dataset
    if training.validation:
        official = training.validation
        training.uses["strategy"] = official.short_description
        return HeldOut(
            dataset.targets[official.indices],
            predict_aligned_proba(model, official.features(), dataset),
        )
    folds = training.make_inner_folds(STRATEGY_FOLDS)
    held = (
        np.concatenate([held for _, held in folds.folds])
        if folds.folds
        else np.empty(0, dtype=np.int64)
    )
    if not dataset.multilabel and len(np.unique(training.y[held])) < 2:
        unit = "image" if dataset.groups is None else "group"
        raise Refused(
            f"an inner cross-validation needs at least 2 {unit}s in the training set of each of "
            f"two classes; {training.describe_rarest_class()}"
        )
    folds.check_strategy(model)
    training.uses["strategy"] = folds.short_description
    proba = []
    for inner, positions in folds.folds:
        inner_training, given = prepare_fit(model, training.select_subset(inner))
        X, y = inner_training.resampled_data()
        fitted = fit_model(clone(model), X, y, inner_training.describe_rarest_class(), **given)
        proba.append(predict_aligned_proba(fitted, select_rows(training.X, positions), dataset))
    return HeldOut(training.y[held], np.concatenate(proba))


def predict_aligned_proba(model: Any, X: NDArray, classes_of: HasClasses) -> NDArray[np.float64]:
    """Predict probabilities with one column per class of a dataset.

    Parameters
    ----------
    model : fitted scikit-learn classifier
    X : (n, d) float32, or (n, h, w, c) uint8
    classes_of : Dataset or Pipeline
        Gives the classes.

    Returns
    -------
    (n, n_classes) float64
        The probability of a class that the training set lacked is zero.
    """
    proba = np.asarray(model.predict_proba(X))
    if classes_of.multilabel:
        return proba.astype(np.float64)
    full = np.zeros((len(proba), len(classes_of.classes)))
    full[:, np.asarray(model.classes_, dtype=int)] = proba
    return full
