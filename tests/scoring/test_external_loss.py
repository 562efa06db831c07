"""The loss on an external dataset, and the question about names of classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from benchmark.scoring.class_order import ask_about_class_names
from benchmark.scoring.external_loss import estimate_loss
from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import Result


def predict(n, n_wrong):
    y = np.arange(n) % 2
    labels = np.where(np.arange(n) < n_wrong, 1 - y, y)
    return Predictions(y, np.eye(2)[labels], ("a", "b"), np.arange(n))


@pytest.mark.parametrize(("wrong", "n"), [((12, 30), (120, 150)), ((5, 60), (300, 90))])
def test_the_interval_of_accuracies_is_newcombe_s(wrong, n):
    here, there = (
        interval_over_images("accuracy", [predict(*pair)]) for pair in zip(n, wrong, strict=True)
    )
    loss = estimate_loss("accuracy", here, there)
    right = [total - k for total, k in zip(n, wrong, strict=True)]
    expected = confint_proportions_2indep(
        right[0], n[0], right[1], n[1], method="newcomb", compare="diff"
    )
    assert (loss.lower, loss.upper) == pytest.approx(expected, abs=1e-9)


BOUNDED = st.tuples(*[st.floats(0, 1)] * 3).map(sorted)


@given(BOUNDED, BOUNDED)
def test_the_interval_contains_the_loss_and_swapping_the_sides_negates_it(a, b):
    here, there = (
        Result("interval", 10, value, lower=lower, upper=upper) for lower, value, upper in (a, b)
    )
    loss, gain = estimate_loss("auc", here, there), estimate_loss("auc", there, here)
    assert loss.lower <= loss.value <= loss.upper
    assert (loss.value, loss.lower, loss.upper) == (-gain.value, -gain.upper, -gain.lower)
    error = estimate_loss("log_loss", here, there)
    assert (error.value, error.lower, error.upper) == (gain.value, gain.lower, gain.upper)


def test_without_one_of_the_intervals_the_loss_has_none():
    here = Result("interval", 10, 0.9, lower=0.8, upper=0.95)
    loss = estimate_loss("auc", here, Result("interval", 10, 0.7, refusal="too few"))
    assert loss.value == pytest.approx(0.2)
    assert np.isnan(loss.lower)
    assert np.isnan(loss.upper)


def scored(scores, y=(0, 0, 0, 0, 1, 1, 1, 1), groups=None):
    proba = np.column_stack([1 - np.array(scores), scores])
    return Predictions(np.array(y), proba, ("a", "b"), np.arange(len(y)), groups=groups)


def test_names_are_asked_about_if_the_mean_prediction_is_worse_than_chance():
    low, high = np.linspace(0.9, 0.1, 8), np.linspace(0.1, 0.9, 8)
    assert "the AUC is 0.000, below 0.5 by" in ask_about_class_names([scored(low)])[0]
    assert ask_about_class_names([scored(low), scored(low), scored(np.full(8, 0.5))])
    assert not ask_about_class_names([scored(low), scored(high)])
    assert not ask_about_class_names([scored(np.full(8, 0.5))])
    assert not ask_about_class_names([scored(low, [0] * 8)])


def test_images_of_a_patient_are_not_taken_as_independent():
    """Scores that have nothing to do with the class lead to a question in 2.5% of the cases."""
    random = np.random.default_rng(0)
    asked = 0
    for _ in range(300):
        y = np.repeat(random.permutation(np.arange(12) % 2), 20)
        groups = np.repeat(np.arange(12), 20).astype(str)
        scores = np.repeat(random.random(12), 20) * 0.9 + random.random(240) * 0.1
        asked += bool(ask_about_class_names([scored(scores, y, groups)]))
    assert asked <= 18, "of 300; 7.5 are expected"
