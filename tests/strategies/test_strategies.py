"""Strategies: resampling, class weights, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from imblearn.under_sampling import NearMiss

from benchmark.evaluation.components import build_strategy
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.plugins.registry import build_component, resolve_spec
from benchmark.plugins.spec import Spec, parse_sum
from benchmark.strategies.weights import effective_weights


def strategy(name, seed=0):
    return build_strategy(tuple(resolve_spec("strategy", spec) for spec in parse_sum(name)), seed)


@pytest.mark.parametrize(
    ("name", "size"),
    [("random_over", "max"), ("smote(k_neighbors=2)", "max"), ("random_under", "min")],
)
def test_resampling_balances_the_classes_of_features_and_of_images(rare, name, size):
    expected = getattr(np.bincount(rare.targets), size)()
    for X in (rare.images.reshape(len(rare.images), -1).astype(np.float32), rare.images):
        new_X, new_y = strategy(name).resample(X, rare.targets)
        assert set(np.bincount(new_y)) == {expected}
        assert new_X.dtype == X.dtype
        assert new_X.shape[1:] == X.shape[1:]


def test_random_over_only_repeats_images(rare):
    new_X, _ = strategy("random_over").resample(rare.images, rare.targets)
    assert {image.tobytes() for image in new_X} == {image.tobytes() for image in rare.images}


def test_the_seed_decides_the_sample(rare):
    first, again, other = (
        strategy("random_under", seed).resample(rare.images, rare.targets)[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_smote_is_refused_before_it_runs_where_neighbours_are_too_few(rare):
    smote = strategy("smote")
    assert "'3' has 3" in smote.refusal(None, rare.targets, rare.classes, "multiclass")
    assert (
        strategy("smote(k_neighbors=2)").refusal(None, rare.targets, rare.classes, "multiclass")
        is None
    )


@pytest.mark.parametrize(
    "model", ["logistic_regression", "linear_svm", "rbf_svm", "random_forest", "simple_cnn"]
)
def test_class_weight_reaches_the_estimator_inside(model):
    weighted = strategy("class_weight").weight(
        build_component(resolve_spec("model", Spec(model))), np.array([0, 1])
    )
    values = [
        value
        for name, value in weighted.get_params().items()
        if name.split("__")[-1] == "class_weight"
    ]
    assert values.count("balanced") == 1, "once: an estimator that has the parameter passes it on"


def test_any_imbalanced_learn_sampler_is_a_plug_in(tmp_path, rare):
    file = tmp_path / "mine.py"
    file.write_text(
        f"from imblearn.under_sampling import {NearMiss.__name__}\nclass Mine(NearMiss):\n    "
        "pass\n"
    )
    plugin = build_strategy((resolve_spec("strategy", Spec("mine"), [str(file)]),), 0)
    _, y = plugin.resample(rare.images, rare.targets)
    assert set(np.bincount(y)) == {3}


def test_weights_on_a_network_that_corrects_already_are_refused_with_the_reason(rare):
    model = build_component(resolve_spec("model", Spec.parse("simple_cnn(loss='class_balanced')")))
    assert "does not take class weights" in strategy("class_weight").refusal(
        model, rare.targets, rare.classes, "multiclass"
    )
    assert (
        strategy("class_weight").refusal(
            build_component(resolve_spec("model", Spec("simple_cnn"))),
            rare.targets,
            rare.classes,
            "multiclass",
        )
        is None
    )


def test_effective_number_weights_are_those_of_cui_2019():
    y = np.repeat([0, 1, 2], [5000, 500, 50])
    weights = effective_weights(y, 0.999)
    inverse = np.array([0.001 / (1 - 0.999**n) for n in (5000, 500, 50)])
    assert list(weights.values()) == pytest.approx(inverse / inverse.mean())


def test_images_are_selected_by_index_or_interpolated_without_overflow(rare):
    selected, _ = strategy("edited_nearest_neighbours").resample(rare.images, rare.targets)
    assert {image.tobytes() for image in selected} <= {image.tobytes() for image in rare.images}
    resampled, y = strategy("smote(k_neighbors=2)").resample(rare.images, rare.targets)
    threes = rare.images[rare.targets == 3]
    new = resampled[len(rare.images) :]
    assert (y[len(rare.images) :] == 3).sum() == len(resampled[y == 3]) - 3
    assert (new[y[len(rare.images) :] == 3] <= threes.max(axis=0)).all(), (
        "a pixel between those of three images is not above all of them"
    )
    assert (new[y[len(rare.images) :] == 3] >= threes.min(axis=0)).all()


def test_a_sampler_that_fails_is_a_skipped_cell_with_the_reason(digits, make_cell, tmp_path):
    nearly_even = np.concatenate(
        [np.flatnonzero(digits.targets == 0)[:20], np.flatnonzero(digits.targets == 1)[:19]]
    )
    data = replace(
        digits,
        images=digits.images[nearly_even],
        targets=digits.targets[nearly_even],
        classes=("0", "1"),
    )
    row = evaluate_on_dataset(
        make_cell(data, strategy="adasyn", split="holdout(test_size=0.25)"), data, tmp_path
    )
    assert row["status"] == "skipped"
    assert row["reason"].startswith(
        "ADASYN cannot resample this training set: no image of a class to be enlarged has a "
        "neighbour of another"
    )
    assert row["reason"].endswith("(of 29 training images, '1' has 14)")
