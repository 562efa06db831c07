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
    """What the plug-in itself, not the harness's wrapper of a sampler, makes of a training set."""
    strategy = subject.build()
    return (strategy.resample if hasattr(strategy, "resample") else strategy.fit_resample)(X, y)


def gives_training_set(subject: Subject) -> None:
    """Resampling gives (X, y): as many labels as samples, of the same width and type, and of no new class."""
    digits = (
        imbalanced_digits()
    )  # bound to a name, so that a plug-in that searches the memory for the dataset finds it
    X, y = _flatten_images(digits)
    pair = resample_with_plugin(subject, X.copy(), y.copy())
    problem = f"resampling returns {describe_type(pair)}: return the samples and their labels, `return X, y`"
    require_true(isinstance(pair, tuple | list) and len(pair) == 2, problem)
    new_X, new_y = (np.asarray(part) for part in pair)
    require_true(
        len(new_X) == len(new_y),
        f"resampling gives {len(new_X)} samples and {len(new_y)} labels: return as many labels as "
        "samples",
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
        np.isfinite(new_X).all(), "samples hold NaN or infinity: look for a division by zero"
    )
    require_true(
        set(new_y) <= set(y),
        f"new classes {sorted(set(new_y) - set(y))}: return only labels that were given",
    )
    require_true(
        set(new_y) == set(y),
        f"no sample is left of classes {sorted(set(y) - set(new_y))}: keep at least one per class",
    )


def input_unchanged(subject: Subject) -> None:
    """Resampling leaves X and y as they are."""
    digits = imbalanced_digits()
    X, y = _flatten_images(digits)
    given_X, given_y = X.copy(), y.copy()
    resample_with_plugin(subject, given_X, given_y)
    require_equal(given_X, X, "X is different after resampling: work on a copy, X = X.copy()")
    require_equal(given_y, y, "y is different after resampling: work on a copy, y = y.copy()")


def images_are_adjusted_alone(subject: Subject) -> None:
    """``adjust`` changes the probabilities of an image by what was learned, not by those of the other test images."""
    digits = imbalanced_digits()
    strategy, proba = (
        build_strategy((subject.spec,), 0),
        np.random.default_rng(0).dirichlet(np.ones(3), len(digits.targets)),
    )
    strategy.learn(digits.targets, lambda: HeldOut(digits.targets, proba.copy()))
    together = strategy.adjust(proba.copy())
    require_true(
        np.shape(together) == proba.shape,
        f"adjust gives {describe_type(together)} of shape {np.shape(together)}: return "
        f"{proba.shape}",
    )
    alone = np.vstack([strategy.adjust(proba[i : i + 1].copy()) for i in range(5)])
    problem = "an image alone has other adjusted probabilities than among others: use in adjust only what learn found"
    require_true(np.allclose(together[:5], alone), problem)
