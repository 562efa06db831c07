"""Thresholds moved after training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from benchmark.errors import UserError
from benchmark.evaluate import evaluate
from benchmark.plugins import resolve
from benchmark.predictions import Predictions
from benchmark.prepare import refusal
from benchmark.spec import Spec
from benchmark.strategies.thresholds import PriorThreshold, TunedThreshold, tune


def unused():
    raise AssertionError("no inner cross-validation is needed")


@given(st.integers(0, 1000), st.floats(0, 2))
def test_prior_threshold_is_mennons_logit_adjustment(seed, tau):
    rng = np.random.default_rng(seed)
    y, proba = rng.choice(4, 200, p=[0.7, 0.2, 0.07, 0.03]), rng.dirichlet(np.ones(4), 30)
    found = PriorThreshold(tau)
    found.learn(np.append(y, [0, 1, 2, 3]), unused)
    prior = np.bincount(np.append(y, [0, 1, 2, 3])) / 204
    logits = np.log(proba) - tau * np.log(prior)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(found.adjust(proba), expected)


def test_a_class_without_training_images_stays_at_zero():
    found = PriorThreshold()
    found.learn(np.array([0, 0, 2]), unused)
    adjusted = found.adjust(np.array([[0.6, 0.0, 0.4, 0.0]]))
    assert adjusted[0, [1, 3]].tolist() == [0, 0]
    assert adjusted.sum() == pytest.approx(1)


def test_with_two_classes_the_best_of_all_thresholds_is_found():
    rng = np.random.default_rng(3)
    y = (rng.random(60) < 0.2).astype(int)
    p = np.clip(rng.normal(0.15 + 0.2 * y, 0.12), 0.01, 0.99)
    best = max(f1_score(y, p > threshold, average="macro") for threshold in np.unique(p) - 1e-9)
    found = TunedThreshold("f1")
    found.learn(y, lambda: np.column_stack([1 - p, p]))
    assert f1_score(y, found.adjust(np.column_stack([1 - p, p])).argmax(axis=1), average="macro") == pytest.approx(best)


@given(st.integers(0, 100), st.sampled_from(["f1", "balanced_accuracy", "minimum_recall", "geometric_mean", "mcc", "accuracy"]))
def test_tuning_never_makes_the_tuned_images_worse(seed, metric):
    rng = np.random.default_rng(seed)
    y = rng.choice(3, 80, p=[0.8, 0.15, 0.05])
    proba = rng.dirichlet(np.ones(3), 80) * [3, 1, 0.5]
    proba /= proba.sum(axis=1, keepdims=True)
    from benchmark.metrics import METRICS

    def value(given):
        return METRICS[metric](Predictions(y, given, ("a", "b", "c"), np.arange(80)))

    weighted = proba * tune(proba, y, metric)
    assert value(weighted / weighted.sum(axis=1, keepdims=True)) >= value(proba) - 1e-12


def test_a_metric_of_probabilities_cannot_be_tuned():
    with pytest.raises(UserError, match="metric='auc'; it must be a metric of labels"):
        resolve("strategy", Spec.parse("tuned_threshold(metric='auc')"))


def test_thresholds_are_tuned_on_images_that_the_models_have_not_seen(digits, make_cell, tmp_path, monkeypatch):
    seen = []

    def recorded(self, y, held_out):
        seen.append((held_out().argmax(axis=1) == y).mean())
        self.factors_ = np.ones(10)

    monkeypatch.setattr(TunedThreshold, "learn", recorded)
    row = evaluate(make_cell(digits, model="knn(n_neighbors=1)", extractor="shape_histogram", strategy="tuned_threshold"), digits, tmp_path)
    assert row["status"] == "ok", row["reason"]
    assert 0.2 < seen[0] < 0.9, "the nearest neighbour of an image that was seen is itself"


@pytest.mark.parametrize(
    ("model", "strategy"),
    [
        ("balanced_random_forest", "prior_threshold"),
        ("easy_ensemble", "random_over + prior_threshold"),
        ("simple_cnn(loss='logit_adjusted')", "prior_threshold"),
        ("logistic_regression", "class_weight + prior_threshold"),
    ],
)
def test_class_frequencies_are_not_corrected_twice(digits, make_cell, model, strategy):
    assert "would correct twice" in refusal(make_cell(digits, model=model, strategy=strategy), digits)
    plain = strategy.replace("prior_threshold", "tuned_threshold")
    assert refusal(make_cell(digits, model=model, strategy=plain), digits) is None


def test_thresholds_raise_the_recall_of_the_rare_class(rare, make_cell, tmp_path):
    def recall(strategy):
        cell = make_cell(rare, model="logistic_regression(C=0.01)", extractor="shape_histogram", strategy=strategy)
        row = evaluate(cell, rare, tmp_path)
        assert row["status"] == "ok", row["reason"]
        stored = Predictions.load(tmp_path / "predictions" / f"{cell.key}.npz")
        return recall_score(stored.y_true, stored.labels, average="macro"), row["auc"]

    assert recall("prior_threshold")[0] > recall("none")[0] + 0.01


def test_combined_strategies_act_in_the_order_they_are_written(rare, make_cell, tmp_path):
    rows = [
        evaluate(make_cell(rare, strategy=strategy), rare, tmp_path)
        for strategy in ("random_over + prior_threshold", "random_over", "random_over + tuned_threshold(metric='minimum_recall')")
    ]
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert rows[0]["n_resampled"] == rows[1]["n_resampled"] > rows[0]["n_train"]
    assert rows[0]["log_loss"] != rows[1]["log_loss"]
    assert rows[2]["fit_s"] > rows[1]["fit_s"], "the inner cross-validation is part of fitting"
