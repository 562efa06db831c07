"""Strategies that adjust probabilities after training."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from benchmark.errors import UserError
from benchmark.evaluation.components import build_components
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.training import double_correction_notes
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.scoring.predictions import Predictions
from benchmark.strategies.base import Combined, HeldOut
from benchmark.strategies.thresholds import PriorThreshold, TunedThreshold, tune_class_factors


def unused():
    raise AssertionError("no inner cross-validation is needed")


@given(st.integers(0, 1000), st.floats(0, 2))
def test_prior_threshold_is_mennons_logit_adjustment(seed, tau):
    rng = np.random.default_rng(seed)
    y, proba = rng.choice(4, 200, p=[0.7, 0.2, 0.07, 0.03]), rng.dirichlet(np.ones(4), 30)
    strategy_of_tau = PriorThreshold(tau)
    strategy_of_tau.learn(np.append(y, [0, 1, 2, 3]), unused)
    prior = np.bincount(np.append(y, [0, 1, 2, 3])) / 204
    logits = np.log(proba) - tau * np.log(prior)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(strategy_of_tau.adjust(proba), expected)


def test_a_class_without_training_images_stays_at_zero():
    strategy = PriorThreshold()
    strategy.learn(np.array([0, 0, 2]), unused)
    adjusted = strategy.adjust(np.array([[0.6, 0.0, 0.4, 0.0]]))
    assert adjusted[0, [1, 3]].tolist() == [0, 0]
    assert adjusted.sum() == pytest.approx(1)


def test_with_two_classes_the_best_of_all_thresholds_is_found():
    rng = np.random.default_rng(3)
    y = (rng.random(60) < 0.2).astype(int)
    p = np.clip(rng.normal(0.15 + 0.2 * y, 0.12), 0.01, 0.99)
    best = max(f1_score(y, p > threshold, average="macro") for threshold in np.unique(p) - 1e-9)
    strategy = TunedThreshold("f1")
    strategy.learn(y, lambda: HeldOut(y, np.column_stack([1 - p, p])))
    assert f1_score(
        y, strategy.adjust(np.column_stack([1 - p, p])).argmax(axis=1), average="macro"
    ) == pytest.approx(best)


@given(
    st.integers(0, 100),
    st.sampled_from(
        ["f1", "balanced_accuracy", "minimum_recall", "geometric_mean", "mcc", "accuracy"]
    ),
)
def test_tuning_never_makes_the_tuned_images_worse(seed, metric):
    rng = np.random.default_rng(seed)
    y = rng.choice(3, 80, p=[0.8, 0.15, 0.05])
    proba = rng.dirichlet(np.ones(3), 80) * [3, 1, 0.5]
    proba /= proba.sum(axis=1, keepdims=True)
    from benchmark.scoring.metrics import METRICS

    def value(given):
        return METRICS[metric](Predictions(y, given, ("a", "b", "c"), np.arange(80)))

    weighted = proba * tune_class_factors(proba, y, metric)
    assert value(weighted / weighted.sum(axis=1, keepdims=True)) >= value(proba) - 1e-12


def test_a_metric_of_probabilities_cannot_be_tuned():
    with pytest.raises(UserError, match=r"'metric' .* must be one of 'accuracy'.*Got 'auc'"):
        resolve_spec("strategy", Spec.parse("tuned_threshold(metric='auc')"))


def test_thresholds_are_tuned_on_images_that_the_models_have_not_seen(
    digits, make_cell, tmp_path, monkeypatch
):
    seen = []

    def recorded(self, y, held_out):
        labels, proba = held_out()
        seen.append((proba.argmax(axis=1) == labels).mean())
        self.factors_ = np.ones(10)

    monkeypatch.setattr(TunedThreshold, "learn", recorded)
    row = evaluate_on_dataset(
        make_cell(
            digits,
            model="knn(n_neighbors=1)",
            extractor="shape_histogram",
            strategy="tuned_threshold",
        ),
        digits,
        tmp_path,
    )
    assert row["status"] == "ok", row["reason"]
    assert 0.2 < seen[0] < 0.9, "the nearest neighbour of an image that was seen is itself"


@pytest.mark.parametrize(
    ("model", "strategy", "by"),
    [
        ("balanced_random_forest", "prior_threshold", "PriorThreshold and by the model"),
        ("balanced_random_forest", "smote(k_neighbors=1)", "SMOTE and by the model"),
        ("balanced_random_forest", "class_weight", "ClassWeight and by the model"),
        (
            "easy_ensemble",
            "random_over + prior_threshold",
            "RandomOverSampler and by PriorThreshold and by the model",
        ),
        (
            "simple_cnn(epochs=1, loss='logit_adjusted')",
            "prior_threshold",
            "PriorThreshold and by the model",
        ),
        (
            "simple_cnn(epochs=1, loss='class_balanced')",
            "random_over",
            "RandomOverSampler and by the model",
        ),
        (
            "logistic_regression",
            "class_weight + prior_threshold",
            "ClassWeight and by PriorThreshold",
        ),
        (
            "logistic_regression",
            "random_over + class_weight",
            "RandomOverSampler and by ClassWeight",
        ),
        (
            "logistic_regression",
            "random_over + random_under",
            "RandomOverSampler and by RandomUnderSampler",
        ),
    ],
)
def test_every_strategy_that_corrects_class_frequencies_twice_is_run_with_a_note(
    rare, make_cell, tmp_path, model, strategy, by
):
    row = evaluate_on_dataset(make_cell(rare, model=model, strategy=strategy), rare, tmp_path)
    assert row["status"] == "ok", row["reason"]
    n = by.count(" and by ") + 1
    assert f"class frequencies are corrected {n} times: by {by}" in row["notes"]


@pytest.mark.parametrize(
    "strategy",
    [
        "none",
        "random_over",
        "tomek_links",
        "random_over + tuned_threshold",
        "random_over + tomek_links",
    ],
)
def test_a_single_correction_is_nothing_to_note(digits, make_cell, strategy):
    cell = make_cell(digits, strategy=strategy)
    assert (
        double_correction_notes(
            build_components(cell, digits).strategy, build_components(cell, digits).model
        )
        == []
    )


def test_thresholds_are_tuned_on_the_official_validation_set_where_there_is_one(
    digits, make_cell, tmp_path
):
    subset = np.array(["train", "train", "val", "test"])[np.arange(300) % 4]
    data = replace(digits, subset=subset)
    rows = [
        evaluate_on_dataset(
            make_cell(data, model="gaussian_nb", strategy="tuned_threshold", split=split),
            data,
            tmp_path,
        )
        for split in ("official", "validation", "holdout")
    ]
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert rows[0]["validation"] == "strategy: official validation set (75 images)"
    assert rows[1]["validation"] == rows[2]["validation"] == "strategy: inner folds (3, by image)"


@pytest.mark.parametrize("grouped", [False, True])
def test_thresholds_without_held_out_images_are_a_skip_with_the_number_needed(
    digits, make_cell, tmp_path, grouped
):
    """One training image per class; or two of one patient."""
    chosen = np.concatenate([np.flatnonzero(digits.targets == k)[: 3 + grouped] for k in range(2)])
    subset = np.array(["train"] * (1 + grouped) + ["test"] * 2)[
        np.arange(6 + 2 * grouped) % (3 + grouped)
    ]
    groups = (
        np.array([f"{k}{p}" for k, p in zip(digits.targets[chosen], subset, strict=True)])
        if grouped
        else None
    )
    data = replace(
        digits,
        images=digits.images[chosen],
        targets=digits.targets[chosen],
        classes=("0", "1"),
        subset=subset,
        groups=groups,
    )
    row = evaluate_on_dataset(
        make_cell(data, model="nearest_centroid", strategy="tuned_threshold", split="official"),
        data,
        tmp_path,
    )
    assert row["status"] == "skipped", row["reason"]
    assert (
        f"needs at least 2 {'group' if grouped else 'image'}s in the training set of each of two "
        "classes" in row["reason"]
    )


def test_thresholds_raise_the_recall_of_the_rare_class(rare, make_cell, tmp_path):
    def recall(strategy):
        cell = make_cell(
            rare,
            model="logistic_regression(C=0.01)",
            extractor="shape_histogram",
            strategy=strategy,
        )
        row = evaluate_on_dataset(cell, rare, tmp_path)
        assert row["status"] == "ok", row["reason"]
        stored = Predictions.load(tmp_path / "predictions" / f"{cell.key}.npz")
        return recall_score(stored.y_true, stored.labels, average="macro"), row["auc"]

    assert recall("prior_threshold")[0] > recall("none")[0] + 0.01


def test_a_threshold_is_tuned_on_probabilities_that_the_strategy_before_it_has_adjusted():
    first, second = PriorThreshold(), TunedThreshold()
    y, proba = np.array([0] * 9 + [1]), np.random.default_rng(0).dirichlet([1, 1], 10)
    Combined([first, second]).learn(y, lambda: HeldOut(y, proba))
    assert second.factors_.tolist() == tune_class_factors(first.adjust(proba), y, "f1").tolist()


def test_combined_strategies_act_in_the_order_they_are_written(rare, make_cell, tmp_path):
    rows = [
        evaluate_on_dataset(make_cell(rare, strategy=strategy), rare, tmp_path)
        for strategy in (
            "random_over + prior_threshold",
            "random_over",
            "random_over + tuned_threshold(metric='minimum_recall')",
        )
    ]
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert rows[0]["n_resampled"] == rows[1]["n_resampled"] > rows[0]["n_train"]
    assert rows[0]["log_loss"] != rows[1]["log_loss"]
    assert rows[2]["fit_s"] > rows[1]["fit_s"], "the inner cross-validation is part of fitting"
