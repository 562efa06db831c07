"""Metrics of the positive class against scikit-learn, statsmodels, dcurves and definitions."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from dcurves import dca
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from benchmark.errors import UserError
from benchmark.scoring.metric_lookup import find_metric, list_metric_names
from benchmark.scoring.predictions import Predictions

SEEDS = st.integers(0, 10_000)


def binary_predictions(seed, n=60, rounded=True):
    """Probabilities of two classes, of which many are equal if they are rounded."""
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.random(n - 2) < 0.4].astype(int)
    score = 1 / (1 + np.exp(-(1.5 * (y - 0.5) + rng.normal(size=n))))
    return as_predictions(y, (score.round(1) if rounded else score).clip(0.01, 0.99))


def as_predictions(y, score):
    return Predictions(
        np.asarray(y, int),
        np.column_stack([1 - np.asarray(score), score]),
        ("benign", "malignant"),
        np.arange(len(y)),
    )


def value(name, p):
    return find_metric(name)(p)


@given(SEEDS)
def test_rates_equal_scikit_learns(seed):
    p = binary_predictions(seed)
    expected = {
        "sensitivity": sk.recall_score(p.y_true, p.labels),
        "specificity": sk.recall_score(p.y_true, p.labels, pos_label=0),
        "ppv": sk.precision_score(p.y_true, p.labels, zero_division=np.nan),
        "npv": sk.precision_score(p.y_true, p.labels, pos_label=0, zero_division=np.nan),
        "youden": sk.balanced_accuracy_score(p.y_true, p.labels, adjusted=True),
    }
    for name, number in expected.items():
        assert value(name, p) == pytest.approx(number, abs=1e-9, nan_ok=True), name
    if len(np.unique(p.labels)) == 2 and len(np.unique(p.labels[p.y_true == 0])) == 2:
        positive, negative = sk.class_likelihood_ratios(p.y_true, p.labels)
        assert value("lr_positive", p) == pytest.approx(positive, abs=1e-9)
        assert value("lr_negative", p) == pytest.approx(negative, abs=1e-9)


@given(SEEDS, st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_operating_points_are_the_best_of_all_thresholds(seed, least):
    p = binary_predictions(seed)
    truth, score = p.y_true == 1, p.proba[:, 1]
    thresholds = [*np.unique(score), 2.0]
    rates = [((score >= t)[truth].mean(), (score < t)[~truth].mean()) for t in thresholds]
    name = "sensitivity_at_specificity"
    best = max(sensitivity for sensitivity, specificity in rates if specificity >= least - 1e-12)
    assert value(f"{name}({least})", p) == pytest.approx(best, abs=1e-9)
    name = "specificity_at_sensitivity"
    best = max(specificity for sensitivity, specificity in rates if sensitivity >= least - 1e-12)
    assert value(f"{name}({least})", p) == pytest.approx(best, abs=1e-9)


@given(SEEDS, st.sampled_from([0.05, 0.2, 0.3, 0.5, 0.9]))
def test_the_net_benefit_equals_that_of_dcurves(seed, threshold):
    p = binary_predictions(seed)
    table = pd.DataFrame({"outcome": p.y_true, "model": p.proba[:, 1]})
    curve = dca(table, "outcome", ["model"], thresholds=[threshold])
    expected = curve.loc[curve["model"] == "model", "net_benefit"].item()
    assert value(f"net_benefit({threshold})", p) == pytest.approx(expected, abs=1e-9)


@given(SEEDS)
def test_calibration_equals_the_generalized_linear_model_of_statsmodels(seed):
    p = binary_predictions(seed, 200)
    logit = np.log(p.proba[:, 1] / p.proba[:, 0])
    family = sm.families.Binomial()
    slope = sm.GLM(p.y_true, sm.add_constant(logit), family=family).fit(tol=1e-12).params[1]
    large = sm.GLM(p.y_true, np.ones((200, 1)), family=family, offset=logit).fit(tol=1e-12)
    assert value("calibration_slope", p) == pytest.approx(slope, abs=1e-9)
    assert value("calibration_intercept", p) == pytest.approx(large.params[0], abs=1e-9)
    expected = p.y_true.sum() / p.proba[:, 1].sum()
    assert value("observed_expected", p) == pytest.approx(expected, abs=1e-9)


@given(SEEDS, st.sampled_from([0.01, 0.05, 0.5]))
def test_predictive_values_at_a_prevalence_are_those_of_a_resampled_test_set(seed, prevalence):
    p = binary_predictions(seed)
    positives = (p.y_true == 1).sum()
    weights = np.where(p.y_true == 1, prevalence / positives, (1 - prevalence) / (60 - positives))
    for name, k in (("ppv", 1), ("npv", 0)):
        expected = sk.precision_score(
            p.y_true, p.labels, pos_label=k, sample_weight=weights, zero_division=np.nan
        )
        assert value(f"{name}({prevalence})", p) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(SEEDS)
def test_swapping_the_classes_swaps_the_rates_and_leaves_the_auc(seed):
    p = binary_predictions(seed, rounded=False)
    swapped = Predictions(1 - p.y_true, p.proba[:, ::-1], p.classes[::-1], p.test_index)
    assert value("sensitivity", swapped) == value("specificity", p)
    assert value("ppv", swapped) == pytest.approx(value("npv", p), nan_ok=True)
    assert value("auc", swapped) == pytest.approx(value("auc", p))
    assert value("average_precision", swapped) != value("average_precision", p)
    assert value("calibration_slope", swapped) == pytest.approx(value("calibration_slope", p))


@pytest.mark.parametrize(
    ("name", "y", "score", "expected"),
    [
        ("sensitivity", [0, 0, 0], [0.1, 0.9, 0.2], np.nan),
        ("specificity", [1, 1, 1], [0.1, 0.9, 0.2], np.nan),
        ("ppv", [0, 1, 1], [0.1, 0.2, 0.5], np.nan),  # one half is not above one half
        ("npv", [0, 1, 1], [0.6, 0.7, 0.8], np.nan),
        ("lr_positive", [0, 0, 1], [0.1, 0.2, 0.9], np.inf),
        ("lr_negative", [0, 0, 1], [0.9, 0.8, 0.1], np.inf),
        ("calibration_slope", [0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], np.nan),  # separated
        ("calibration_slope", [0, 0, 1, 1], [0.1, 0.2, 0.2, 0.9], np.nan),  # but for a tie
        ("calibration_slope", [0, 1, 0, 1], [0.4, 0.4, 0.4, 0.4], np.nan),
        ("calibration_slope", [1, 1], [0.4, 0.6], np.nan),
        ("calibration_intercept", [1, 1], [0.4, 0.6], np.nan),
        ("observed_expected", [0, 1], [0.0, 0.0], np.nan),
        ("sensitivity_at_specificity(0.9)", [0, 0], [0.4, 0.6], np.nan),
        ("specificity_at_sensitivity(0.9)", [0, 0], [0.4, 0.6], np.nan),
        ("net_benefit(0.5)", [0, 1], [0.5, 0.5], 0.0),  # one true, one false positive
    ],
)
def test_an_undefined_metric_is_nan_and_an_unbounded_one_infinite(name, y, score, expected):
    assert value(name, as_predictions(y, score)) == pytest.approx(expected, nan_ok=True)


def test_probabilities_of_zero_and_one_have_a_calibration():
    p = as_predictions([0, 1, 0, 1, 0, 1], [0, 1, 1, 0, 0.3, 0.8])
    assert np.isfinite(value("calibration_slope", p))


@pytest.mark.parametrize("k", [3, 1])
def test_a_metric_of_a_positive_class_needs_two_classes(k):
    y = np.arange(6) % k
    p = Predictions(y, np.full((6, k), 1 / k), tuple("abc"[:k]), np.arange(6))
    assert np.isnan(value("sensitivity", p))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sensitivty", "unknown metric 'sensitivty'.*sensitivity"),
        ("net_benefit", r"metric 'net_benefit' needs a threshold: write net_benefit\(0.1\)"),
        ("net_benefit(1.5)", "threshold is a number between 0 and 1"),
        ("net_benefit(0)", "threshold is a number between 0 and 1"),
        ("net_benefit(-0.1)", "threshold is a number between 0 and 1"),
        ("net_benefit(1.2.3)", "threshold is a number between 0 and 1"),
        ("net_benefit(specificity=0.5)", "its parameter is threshold, not specificity"),
        ("f1(0.5)", "unknown metric"),
    ],
)
def test_an_unknown_metric_or_parameter_is_refused(name, reason):
    with pytest.raises(UserError, match=reason):
        find_metric(name)


def test_every_name_that_is_listed_is_found():
    for name in list_metric_names():
        find_metric(name.replace("(", "(0.5#").partition("#")[0] + ")" if "(" in name else name)
