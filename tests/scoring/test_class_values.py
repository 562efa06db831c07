"""Metrics of one class against the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from benchmark.scoring.class_intervals import (
    ALIASES,
    CLASS_METRICS,
    class_interval_over_images,
    compute_class_value,
)
from benchmark.scoring.predictions import Predictions


def draw(seed, n=90):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, 2, rng.integers(0, 3, n - 3)]
    proba = rng.dirichlet(np.ones(3), n)
    proba[np.arange(n), y] += 0.5
    return Predictions(y, proba / proba.sum(axis=1, keepdims=True), ("a", "b", "c"), np.arange(n))


@given(st.integers(0, 10_000))
def test_values_are_scikit_learns_for_the_class_against_the_rest(seed):
    p = draw(seed)
    for k, name in enumerate(p.classes):
        truth, predicted = p.y_true == k, p.labels == k
        expected = {
            "specificity": sk.recall_score(truth, predicted, pos_label=False),
            "npv": sk.precision_score(truth, predicted, pos_label=False),
            "auc": sk.roc_auc_score(truth, p.proba[:, k]),
        }
        for metric, value in expected.items():
            assert compute_class_value(metric, p, name) == pytest.approx(value)


@pytest.mark.parametrize("metric", CLASS_METRICS)
def test_every_metric_of_a_class_has_an_interval_around_its_value(metric):
    p = draw(0, n=600)
    result = class_interval_over_images(metric, [p], "b")
    assert result.lower <= result.effect <= result.upper
    same = class_interval_over_images(ALIASES.get(metric, metric), [p], "b")
    assert (same.lower, same.upper) == (result.lower, result.upper)
