"""Checks of strategies."""

from __future__ import annotations

import numpy as np

from benchmark.checks.subject import Subject, same, uneven_digits
from benchmark.prepare import make_strategy
from benchmark.strategies.base import HeldOut


def training_part_fits(subject: Subject) -> None:
    """``resample`` gives as many labels as samples, of the same width and of no new class, and leaves its input as it is."""
    digits = uneven_digits()
    X, y = digits.images.reshape(len(digits.images), -1).astype(np.float32), digits.targets
    given_X, given_y = X.copy(), y.copy()
    new_X, new_y = make_strategy((subject.spec,), 0).resample(given_X, given_y)
    assert len(new_X) == len(new_y), f"{len(new_X)} samples and {len(new_y)} labels"
    assert new_X.shape[1] == X.shape[1], f"{new_X.shape[1]} features instead of {X.shape[1]}"
    assert set(new_y) <= set(y), f"new classes: {set(new_y) - set(y)}"
    same(given_X, X, "X is different after resample")
    same(given_y, y, "y is different after resample")


def images_are_adjusted_alone(subject: Subject) -> None:
    """``adjust`` changes the probabilities of an image by what was learned, not by those of the other test images."""
    digits = uneven_digits()
    strategy, proba = make_strategy((subject.spec,), 0), np.random.default_rng(0).dirichlet(np.ones(3), len(digits.targets))
    strategy.learn(digits.targets, lambda: HeldOut(digits.targets, proba.copy()))
    alone = np.vstack([strategy.adjust(proba[i : i + 1].copy()) for i in range(5)])
    assert np.allclose(strategy.adjust(proba.copy())[:5], alone), "an image alone is given other probabilities than among others"
