"""Curves of the positive class against scikit-learn and dcurves."""

import numpy as np
import pandas as pd
import pytest
from dcurves import dca
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from benchmark.scoring.binary_curves import CURVES, compute_curve, net_benefit_at, roc_curve_at
from benchmark.scoring.binary_scores import calibration_band
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions


def draw(seed, n=80, groups=None, rounded=True):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.random(n - 2) < 0.4].astype(int)
    score = 1 / (1 + np.exp(-(1.5 * (y - 0.5) + rng.normal(size=n))))
    score = (score.round(1) if rounded else score).clip(0.01, 0.99)
    return Predictions(
        y, np.column_stack([1 - score, score]), ("a", "b"), np.arange(n), groups=groups
    )


@given(st.integers(0, 10_000), st.booleans())
def test_the_roc_curve_is_scikit_learns(seed, rounded):
    p = draw(seed, rounded=rounded)
    grid = np.linspace(0.001, 1, 57)
    rate, sensitivity, _ = sk.roc_curve(p.y_true, p.proba[:, 1])
    (curve,) = roc_curve_at(grid, p.y_true == 1, p.proba[:, 1], np.ones((1, 80)))
    # at a false-positive rate with several points, interpolation takes the last
    expected = np.interp(grid, rate + 1e-12 * np.arange(len(rate)), sensitivity)
    assert curve == pytest.approx(expected, abs=1e-6)
    area = np.trapezoid(*roc_curve_at(np.linspace(0, 1, 5001), p.y_true == 1, p.proba[:, 1],
                                      np.ones((1, 80))), dx=1 / 5000)  # fmt: skip
    assert area == pytest.approx(sk.roc_auc_score(p.y_true, p.proba[:, 1]), abs=2e-3)


@given(st.integers(0, 10_000))
def test_precision_is_scikit_learns_at_every_recall_that_occurs(seed):
    p = draw(seed)
    precision, recall, _ = sk.precision_recall_curve(p.y_true, p.proba[:, 1])
    function, _ = CURVES["precision_recall"]
    for value in np.unique(recall[recall > 0]):
        (curve,) = function(np.array([value]), p.y_true == 1, p.proba[:, 1], np.ones((1, 80)))
        assert curve[0] == pytest.approx(precision[recall == value].max())


@given(st.integers(0, 10_000))
def test_the_decision_curve_is_that_of_dcurves(seed):
    p = draw(seed)
    grid = np.arange(1, 100) / 100
    table = pd.DataFrame({"outcome": p.y_true, "model": p.proba[:, 1]})
    expected = dca(table, "outcome", ["model"], thresholds=grid)
    expected = expected[expected["model"] == "model"]["net_benefit"].to_numpy()
    (curve,) = net_benefit_at(grid, p.y_true == 1, p.proba[:, 1], np.ones((1, 80)))
    assert curve == pytest.approx(expected, abs=1e-9)
    assert curve[19] == pytest.approx(find_metric("net_benefit(0.2)")(p), abs=1e-9)


@pytest.mark.parametrize("name", list(CURVES))
@pytest.mark.parametrize("groups", [None, (np.arange(80) // 4).astype(str)])
def test_a_band_holds_its_curve_and_is_wider_for_groups_that_are_alike(name, groups):
    p = draw(1, groups=groups, rounded=False)
    curve, lower, upper = compute_curve(name, [p])
    inside = (lower <= curve + 1e-9) & (curve <= upper + 1e-9)
    assert inside.mean() > 0.95


def test_weights_are_repetitions():
    p = draw(2)
    weights = np.random.default_rng(0).integers(0, 4, (1, 80))
    repeated = np.repeat(np.arange(80), weights[0])
    truth, score = p.y_true == 1, p.proba[:, 1]
    for function, grid in CURVES.values():
        (weighted,) = function(grid, truth, score, weights.astype(float))
        (plain,) = function(grid, truth[repeated], score[repeated], np.ones((1, len(repeated))))
        assert weighted == pytest.approx(plain)


def test_the_calibration_band_holds_its_line_and_is_missing_for_separated_classes():
    p = draw(3, n=300)
    probability, share, lower, upper = calibration_band(p.y_true == 1, p.proba[:, 1])
    assert (np.diff(probability) > 0).all()
    assert ((lower <= share) & (share <= upper)).all()
    assert calibration_band(np.array([False, True]), np.array([0.1, 0.9])) is None
