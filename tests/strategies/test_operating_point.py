"""The strategy that chooses a threshold for a sensitivity or a specificity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from benchmark import load_study, run
from benchmark.strategies.base import HeldOut, Refused
from benchmark.strategies.operating_point import OperatingPoint


def draw(seed, n=80):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.random(n - 2) < 0.3].astype(int)
    score = (rng.normal(y, 1.0) / 8 + 0.5).round(2).clip(0.01, 0.99)  # many equal scores
    return y, np.column_stack([1 - score, score])


def learn(strategy, y, proba):
    strategy.learn(y, lambda: HeldOut(y, proba))
    return strategy.adjust(proba)


@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.8, 0.95]), st.booleans())
def test_the_requirement_is_met_and_the_other_rate_is_the_best(seed, least, by_sensitivity):
    y, proba = draw(seed)
    strategy = OperatingPoint(**{"sensitivity" if by_sensitivity else "specificity": least})
    predicted = learn(strategy, y, proba).argmax(axis=1)
    chosen = (predicted[y == 1] == 1).mean(), (predicted[y == 0] == 0).mean()
    thresholds = [*np.unique(proba[:, 1]), 2]
    rates = [((proba[y == 1, 1] >= t).mean(), (proba[y == 0, 1] < t).mean()) for t in thresholds]
    required, other = (0, 1) if by_sensitivity else (1, 0)
    assert chosen[required] >= least - 1e-12
    assert chosen[other] == max(pair[other] for pair in rates if pair[required] >= least - 1e-12)


@given(st.integers(0, 10_000))
def test_the_auc_stays(seed):
    y, proba = draw(seed)
    adjusted = learn(OperatingPoint(), y, proba)
    assert roc_auc_score(y, adjusted[:, 1]) == pytest.approx(roc_auc_score(y, proba[:, 1]))
    assert adjusted.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("parameters", "task", "reason"),
    [
        ({}, "multiclass", "needs two classes; this dataset is multiclass"),
        ({}, "multilabel", "needs two classes; this dataset is multilabel"),
        ({"sensitivity": 0.9, "specificity": 0.9}, "binary", "not both"),
    ],
)
def test_what_it_cannot_do_is_refused(parameters, task, reason):
    refusal = OperatingPoint(**parameters).refusal(None, np.array([0, 1]), ("a", "b"), task)
    assert reason in refusal


def test_held_out_images_of_one_class_are_refused():
    y, proba = np.zeros(5, int), np.full((5, 2), 0.5)
    with pytest.raises(Refused, match="all of one class"):
        learn(OperatingPoint(), y, proba)


def test_probabilities_of_exactly_zero_and_one_are_thresholds_like_others():
    y, score = np.array([0, 0, 0, 1, 1]), np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    proba = np.column_stack([1 - score, score])
    assert learn(OperatingPoint(0.95), y, proba).argmax(axis=1).tolist() == [0, 0, 1, 1, 1]
    strict = learn(OperatingPoint(specificity=0.95), y, proba)
    assert strict.argmax(axis=1).tolist() == [0] * 5


def test_a_study_reaches_the_sensitivity_only_if_the_positive_class_is_named(tmp_path):
    axes = {
        "extractors": ["hog"],
        "models": ["logistic_regression"],
        "strategies": ["none", "operating_point(sensitivity=0.3)"],
        "split": "holdout(test_size=0.5)",
    }
    study = load_study("digits", datasets=["faces(positive='other')"], **axes)
    rows = run(study, tmp_path / "named", scheduler="inline").set_index("strategy")
    plain, chosen = (
        rows.loc[name, "per_class"]["other"]["recall"]
        for name in ("none", "operating_point(sensitivity=0.3)")
    )
    assert chosen < 0.6 < plain
    rows = run(load_study("digits", datasets=["faces"], **axes), tmp_path / "x", scheduler="inline")
    reason = rows.set_index("strategy").loc["operating_point(sensitivity=0.3)", "reason"]
    assert reason == (
        "operating_point needs the positive class: add positive='face' or positive='other' to the "
        "dataset in the study"
    )


def test_positive_images_with_a_probability_of_zero_are_reached():
    y = np.array([1] * 10 + [0] * 10)
    score = np.r_[np.zeros(3), np.full(7, 0.8), np.zeros(5), np.full(5, 0.3)]
    predicted = learn(OperatingPoint(sensitivity=0.95), y, np.column_stack([1 - score, score]))
    assert (predicted.argmax(axis=1)[y == 1] == 1).all()
