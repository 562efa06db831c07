"""Checks of strategies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.checks.subject import (
    Subject,
    describe_type,
    imbalanced_digits,
    require_equal,
    require_true,
)
from benchmark.datasets.base import Dataset
from benchmark.evaluation.components import build_strategy
from benchmark.strategies.base import HeldOut


def _flatten_images(digits: Dataset) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    return digits.images.reshape(len(digits.images), -1).astype(np.float32), digits.targets


def resample_with_plugin(subject: Subject, X: NDArray, y: NDArray[np.int64]) -> Any:
    """Training set resampled by the plug-in itself, without the engine's wrapper of samplers."""
    strategy = subject.build()
    return (strategy.resample if hasattr(strategy, "resample") else strategy.fit_resample)(X, y)


def gives_training_set(subject: Subject) -> None:
    """Resampling returns (X, y) with the given features, dtypes and classes."""
    # kept alive, so that a plug-in that searches the memory for the dataset finds it
    digits = imbalanced_digits()
    X, y = _flatten_images(digits)
    pair = resample_with_plugin(subject, X.copy(), y.copy())
    require_true(
        isinstance(pair, tuple | list) and len(pair) == 2,
        f"resampling returns {describe_type(pair)}: return the samples and their labels, `return "
        "X, y`",
    )
    new_X, new_y = (np.asarray(array) for array in pair)
    require_true(
        len(new_X) == len(new_y),
        f"resampling returns {len(new_X)} samples and {len(new_y)} labels: return as many labels "
        "as samples",
    )
    require_true(
        new_X.shape[1:] == X.shape[1:],
        f"samples have shape {new_X.shape[1:]} instead of {X.shape[1:]}: keep every feature",
    )
    require_true(
        new_X.dtype == X.dtype,
        f"samples are {new_X.dtype} and were {X.dtype}: return X.astype(the type it came in)",
    )
    require_true(
        new_y.dtype == y.dtype,
        f"labels are {new_y.dtype} and were {y.dtype}: return y.astype(the type it came in)",
    )
    require_true(
        np.isfinite(new_X).all(), "samples contain NaN or infinity: look for a division by zero"
    )
    require_true(
        set(new_y) <= set(y),
        f"new classes {sorted(set(new_y) - set(y))}: return only labels that occur in y",
    )
    require_true(
        set(new_y) == set(y),
        f"no sample is left of classes {sorted(set(y) - set(new_y))}: keep at least one per class",
    )


def input_unchanged(subject: Subject) -> None:
    """Resampling does not change X and y."""
    digits = imbalanced_digits()
    X, y = _flatten_images(digits)
    passed_X, passed_y = X.copy(), y.copy()
    resample_with_plugin(subject, passed_X, passed_y)
    require_equal(passed_X, X, "resampling changes X: work on a copy, X = X.copy()")
    require_equal(passed_y, y, "resampling changes y: work on a copy, y = y.copy()")


def images_are_adjusted_alone(subject: Subject) -> None:
    """``adjust`` of an image's probabilities does not depend on those of other test images."""
    strategy = build_strategy((subject.spec,), 0)
    n_classes = 2 if strategy.needs_positive else 3
    targets = imbalanced_digits().targets % n_classes
    proba = np.random.default_rng(0).dirichlet(np.ones(n_classes), len(targets))
    strategy.learn_shares(targets, targets)
    strategy.learn(targets, lambda: HeldOut(targets, proba.copy()))
    together = strategy.adjust(proba.copy())
    require_true(
        np.shape(together) == proba.shape,
        f"adjust returns {describe_type(together)} of shape {np.shape(together)}: return "
        f"{proba.shape}",
    )
    alone = np.vstack([strategy.adjust(proba[i : i + 1].copy()) for i in range(5)])
    require_true(
        np.allclose(together[:5], alone),
        "an image has other adjusted probabilities alone than with others: use in adjust only what "
        "learn has stored",
    )
