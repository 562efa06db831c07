"""Trained pipelines, one classical and one deep, of few images."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.pipelines.pipeline import fit


@pytest.fixture(scope="session")
def classical(digits, make_cell):
    return fit(make_cell(digits, "hog", "logistic_regression", "random_over + prior_threshold", split="holdout"), digits)


@pytest.fixture(scope="session")
def deep(digits, make_cell):
    return fit(make_cell(digits, model="simple_cnn(epochs=3)", split="holdout"), digits)


@pytest.fixture(scope="session")
def several_labels(digits):
    """Digits with two labels each: whether it is even, and whether it is above four."""
    labels = np.stack([digits.targets % 2 == 0, digits.targets > 4], axis=1).astype(np.int64)
    return replace(digits, targets=labels, classes=("even", "large"), multilabel=True)
