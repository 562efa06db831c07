"""The value of a leader, corrected for its choice on the test images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.selection import SCORES, _draw_images, correct_for_selection


def draw(random, n, n_classes=3, strength=1.0, shared=0.0, groups=None, copies=1):
    """Predictions of equally good classifiers, which share a part of their noise."""
    y = random.permutation(np.arange(n) % n_classes)
    common = random.normal(size=(n, n_classes))
    own = random.normal(size=(copies, n, n_classes))
    scores = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    scores[:, np.arange(n), y] += strength
    proba = np.exp(scores)
    proba /= proba.sum(axis=2, keepdims=True)
    names = tuple("abcdefgh"[:n_classes])
    return [Predictions(y, each, names, np.arange(n), groups=groups) for each in proba]


@pytest.mark.parametrize(
    "metric", [name for name in SCORES if name not in ("subset_accuracy", "hamming_loss")]
)
@given(seed=st.integers(0, 2**32 - 1), n_classes=st.integers(2, 5), digits=st.sampled_from([1, 9]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_weights_count_as_repeated_images(metric, seed, n_classes, digits):
    random = np.random.default_rng(seed)
    (p,) = draw(random, 40, n_classes)
    p = Predictions(
        p.y_true,
        np.round(p.proba, digits) / np.round(p.proba, digits).sum(axis=1, keepdims=True),
        p.classes,
        p.test_index,
    )  # with ties, if it has one digit
    weights = random.integers(1, 4, 40)
    (value,) = SCORES[metric](p)(weights[None].astype(float))
    assert value == pytest.approx(METRICS[metric](p.take_images(np.repeat(np.arange(40), weights))))
    assert SCORES[metric](p)(np.ones((1, 40)))[0] == pytest.approx(METRICS[metric](p))


@pytest.mark.parametrize(
    "metric", ["precision", "recall", "f1", "auc", "subset_accuracy", "hamming_loss"]
)
def test_images_with_several_labels_are_weighted_too(metric):
    random = np.random.default_rng(0)
    y, proba = random.integers(0, 2, (50, 4)), random.random((50, 4))
    p = Predictions(y, proba, tuple("abcd"), np.arange(50))
    assert SCORES[metric](p)(np.ones((1, 50)))[0] == pytest.approx(METRICS[metric](p))
    assert np.isnan(correct_for_selection("accuracy", [[p], [p]]))


@pytest.mark.parametrize("n_folds", [1, 3])
def test_the_best_of_equal_configurations_is_corrected_to_what_they_are_worth(n_folds):
    random = np.random.default_rng(0)
    truth = METRICS["accuracy"](draw(random, 100_000)[0])
    leaders, corrected = [], []
    for _ in range(60):
        folds = [draw(random, 150 // n_folds, copies=20) for _ in range(n_folds)]
        configurations = [*zip(*folds, strict=True)]
        leaders.append(
            max(np.mean([METRICS["accuracy"](p) for p in cells]) for cells in configurations)
        )
        corrected.append(correct_for_selection("accuracy", configurations, n_draws=100))
    assert np.mean(leaders) > truth + 0.05
    assert abs(np.mean(corrected) - truth) < 0.015


def test_a_configuration_that_is_far_ahead_is_not_corrected():
    random = np.random.default_rng(0)
    others = draw(random, 300, copies=10, strength=0.5)
    (best,) = draw(random, 300, strength=4.0)
    best = Predictions(
        others[0].y_true,
        best.proba[np.argsort(best.y_true, kind="stable")][
            np.argsort(np.argsort(others[0].y_true, kind="stable"))
        ],
        best.classes,
        best.test_index,
    )
    corrected = correct_for_selection("f1", [[best], *([p] for p in others)])
    assert corrected == pytest.approx(METRICS["f1"](best), abs=0.003)


def test_images_of_a_group_are_drawn_together():
    groups = np.repeat(np.arange(10), 5).astype(str)
    (p,) = draw(np.random.default_rng(0), 50, groups=groups)
    weights = next(_draw_images([p], 20, np.random.default_rng(0))).reshape(20, 10, 5)
    assert (weights == weights[:, :, :1]).all()
    assert (weights[:, :, 0].sum(axis=1) == 10).all()


def test_nothing_is_chosen_among_one_configuration():
    (p,) = draw(np.random.default_rng(0), 50)
    assert np.isnan(correct_for_selection("f1", [[p]]))
    assert np.isnan(correct_for_selection("ece", [[p], [p]]))


def test_an_image_is_drawn_as_often_in_every_repeat():
    random = np.random.default_rng(0)
    (p,) = draw(random, 60)
    first, second = p.take_images(np.arange(40)), p.take_images(np.arange(59, 19, -1))
    drawn = [*_draw_images([first, second], 5, random)]
    assert (drawn[0][:, 20:40] == drawn[1][:, ::-1][:, :20]).all()


def test_repeats_of_the_same_images_are_corrected_like_one():
    random = np.random.default_rng(1)
    table = draw(random, 150, copies=20)
    once = correct_for_selection("accuracy", [[p] for p in table])
    assert correct_for_selection("accuracy", [[p] * 4 for p in table]) == pytest.approx(once)


@pytest.mark.parametrize("metric", ["auc", "log_loss", "f1"])
def test_rare_classes_and_few_groups_cause_no_warning(metric):
    y = (np.arange(60) < 5).astype(int)
    random = np.random.default_rng(0)
    groups = np.array(["a", "b", "c"])[np.arange(60) % 3]
    table = []
    for _ in range(4):
        share = random.random(60)
        proba = np.stack([1 - share, share], axis=1)
        table.append([Predictions(y, proba, ("no", "yes"), np.arange(60), groups=groups)])
    assert np.isfinite(correct_for_selection(metric, table))


def test_the_corrected_value_is_never_better_than_the_printed_one():
    random = np.random.default_rng(2)
    for _ in range(10):
        table = draw(random, 80, copies=3)
        best = max(METRICS["f1"](p) for p in table)
        assert correct_for_selection("f1", [[p] for p in table]) <= best + 1e-12
