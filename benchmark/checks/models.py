"""Checks of models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.checks.subject import Subject, same, some_digits
from benchmark.predictions import Predictions
from benchmark.study import takes_images


def _training(subject: Subject) -> tuple[NDArray, NDArray[np.int64]]:
    digits = some_digits()
    kept = digits.targets < 4
    images = digits.images[kept]
    return (images if takes_images(subject.spec) else images.reshape(len(images), -1).astype(np.float32)), digits.targets[kept]


def gives_probabilities(subject: Subject) -> None:
    """``predict_proba`` gives finite probabilities, one column a class of ``classes_``, rows that sum to one."""
    X, y = _training(subject)
    model = subject.build().fit(X, y)
    proba = np.asarray(model.predict_proba(X[:7]))
    assert proba.shape == (7, len(model.classes_)), f"shape {proba.shape} for 7 images and {len(model.classes_)} classes"
    Predictions(np.zeros(7, int), proba, tuple(map(str, model.classes_)), np.arange(7))


def images_are_independent(subject: Subject) -> None:
    """The probabilities of an image do not depend on the other images asked about: no statistics over the test part."""
    X, y = _training(subject)
    model = subject.build().fit(X, y)
    alone = np.vstack([model.predict_proba(X[i : i + 1]) for i in range(5)])
    assert np.allclose(model.predict_proba(X)[:5], alone, atol=1e-4), "an image alone has other probabilities than among others"


def training_data_unchanged(subject: Subject) -> None:
    """``fit`` and ``predict_proba`` leave X and y as they are: work on a copy."""
    X, y = _training(subject)
    given_X, given_y = X.copy(), y.copy()
    subject.build().fit(given_X, given_y).predict_proba(given_X)
    same(given_X, X, "X is different after fit and predict_proba")
    same(given_y, y, "y is different after fit and predict_proba")


def classes_may_be_missing(subject: Subject) -> None:
    """``classes_`` holds the labels seen in ``fit``, also when some in between are missing."""
    X, y = _training(subject)
    kept = y != 1
    model = subject.build().fit(X[kept], y[kept])
    same(model.classes_, np.unique(y[kept]), f"classes_ is {model.classes_} after training on {np.unique(y[kept])}")
