"""Held-out images are no copies of training images, and share no group with them."""

from dataclasses import replace
from functools import wraps
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.validation import has_fit_parameter

import models
from benchmark.evaluation.components import build_components, build_strategy
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.inner_folds import takes_inner_folds
from benchmark.evaluation.training_set import TrainingSet
from benchmark.pipelines.pipeline import fit_pipeline
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.sampling.splits import inner_folds
from benchmark.scoring.predictions import Predictions
from benchmark.strategies.base import Strategy
from models.calibration import Calibrated, HeldOut
from models.network_classifier import NetworkClassifier
from models.standardizer import Standardizer
from models.svm import CoupledSVC

FAKES = str(Path(__file__).parents[1] / "fakes.py")
NETWORK = "(epochs=1, validation=0.25)"
MODELS = {
    name: f"{name}{NETWORK}" for name in ("simple_cnn", "resnet18", "resnet50", "fast_resnet")
} | {
    "one_vs_rest": "one_vs_rest(estimator=rbf_svm)",
    "gradient_boosting": "gradient_boosting(max_iter=2)",
    "lightgbm": "lightgbm(max_iter=2)",
}
CALIBRATED = ["linear_svm", "rbf_svm", "nystroem_svm", "one_vs_rest(estimator=rbf_svm)"]


class Copies(Strategy):
    """Every image twice, for images and features alike."""

    def resample(self, X, y):
        return np.concatenate([X, X]), np.concatenate([y, y])


@pytest.fixture
def tagged(digits):
    """60 images of three classes, with the number of the image and of its patient as pixels.

    Pixel (0, 0) is the number of the image, pixel (0, 1) that of the patient.
    """
    chosen = np.concatenate([np.flatnonzero(digits.targets == k)[:10] for k in range(3)])
    images = np.repeat(digits.images[chosen], 2, axis=0)
    patients = np.arange(len(images)) // 4
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.arange(len(images)), patients
    return replace(
        digits,
        images=images,
        targets=np.repeat(digits.targets[chosen], 2),
        classes=("0", "1", "2"),
        groups=patients,
    )


@pytest.fixture
def watched(monkeypatch):
    """Record (training images, held-out images) of every model that is fitted during a test."""
    pairs = []

    def watch(cls):
        real_fit = cls.fit

        @wraps(real_fit)
        def recorded_fit(self, X, y, **given):
            if "inner_folds" in given:
                given["inner_folds"] = list(given["inner_folds"])
                pairs.extend((X_train, X_held) for X_train, _, X_held, _ in given["inner_folds"])
            if "held_out" in given:
                pairs.append((X, given["held_out"][0]))
            return real_fit(self, X, y, **given)

        monkeypatch.setattr(cls, "fit", recorded_fit)

    for cls in (Calibrated, CoupledSVC, NetworkClassifier, models.one_vs_rest.OneVsRest):
        watch(cls)
    return pairs


def pixels(X):
    """Pixels from 0 to 255, (n, d), of images or of features that are pixels."""
    flat = np.asarray(X).reshape(len(X), -1)
    return np.rint(flat * 255).astype(int) if flat.max() <= 1 else flat.astype(int)


def tags(X, tag):
    return set(pixels(X)[:, tag].tolist())


def originals(X, dataset):
    """Patient of each row of X; None if the row is not an image of the dataset."""
    known = {
        image.tobytes(): patient
        for image, patient in zip(pixels(dataset.images), dataset.groups, strict=True)
    }
    return [known.get(row.tobytes()) for row in pixels(X)]


@pytest.mark.parametrize(
    ("model", "strategy"),
    [
        *((model, "random_over") for model in models.REGISTRY),
        *(
            (model, "smote(k_neighbors=1)")
            for model in ("linear_svm", "rbf_svm", "one_vs_rest", "simple_cnn")
        ),
        *(
            (model, "random_over + tuned_threshold")
            for model in ("knn", "rbf_svm", "one_vs_rest", "simple_cnn")
        ),
    ],
)
def test_no_model_of_the_registry_holds_out_a_copy_or_the_patient_of_an_image_it_is_trained_on(
    tagged, make_cell, tmp_path, monkeypatch, watched, model, strategy
):
    cell = make_cell(
        tagged, model=MODELS.get(model, model), strategy=strategy, imbalance="step(ratio=1.5)"
    )
    row = evaluate_on_dataset(cell, tagged, tmp_path)
    assert row["status"] == "ok", row["reason"]
    for X_train, X_held in watched:
        held = originals(X_held, tagged)
        assert None not in held
        assert not set(held) & set(originals(X_train, tagged)), "patients on both sides"
        assert len(X_held) == len(np.unique(X_held.reshape(len(X_held), -1), axis=0)), (
            "copies among the images held out"
        )
    holds_out = MODELS.get(model, model) in CALIBRATED or NETWORK in MODELS.get(model, "")
    assert bool(watched) == holds_out
    assert (row["validation"] != "none") == (holds_out or "tuned" in strategy)
    assert "by group" in row["validation"] or not takes_inner_folds(
        build_components(cell, tagged).model
    )


def test_every_model_that_takes_held_out_images_is_among_those_watched():
    for name in models.REGISTRY:
        model = make_model_of(MODELS.get(name, name))
        assert not has_fit_parameter(model, "inner_folds") or isinstance(
            model, Calibrated | CoupledSVC | models.one_vs_rest.OneVsRest
        )
        assert not has_fit_parameter(model, "held_out") or isinstance(model, NetworkClassifier)


def make_model_of(text):
    from benchmark.plugins.registry import build_component

    return build_component(resolve_spec("model", Spec.parse(text)))


@pytest.mark.parametrize("model", CALIBRATED)
def test_the_scaler_of_a_calibrated_model_sees_no_held_out_image(
    tagged, make_cell, monkeypatch, model
):
    """Every scaler is fitted to images that include none of those held out in its fold."""
    fitted_tags = []
    real_fit = Standardizer.fit

    @wraps(real_fit)
    def recorded_fit(self, X, y=None):
        fitted_tags.append(tags(X, 0))
        return real_fit(self, X, y)

    monkeypatch.setattr(Standardizer, "fit", recorded_fit)
    data = replace(tagged, groups=None)
    X = data.images.reshape(60, -1).astype(np.float32)
    training = TrainingSet(X, data, np.arange(60), Strategy())
    folds = training.make_inner_folds(5)
    make_model_of(model).fit(X, data.targets, inner_folds=folds)
    held = [set(positions.tolist()) for _, positions in folds.folds]
    n = 3 if model.startswith("one_vs_rest") else 1
    assert len(fitted_tags) == n * (len(folds) + 1)
    assert all(
        any(not image_tags & positions for positions in held)
        for image_tags in fitted_tags
        if len(image_tags) < 60
    )


@pytest.mark.parametrize("model", CALIBRATED)
def test_copies_of_the_training_images_leave_probabilities_as_they_are(tagged, make_cell, model):
    """Scores of copies would differ from those of held-out images, and spoil the calibration."""
    data = replace(tagged, groups=None)
    X, half = data.images.reshape(60, -1).astype(np.float32), np.arange(60) % 2 == 0
    where = np.flatnonzero(half)
    losses = []
    for strategy in (Strategy(), Copies()):
        training = TrainingSet(X[half], data, where, strategy)
        fitted = make_model_of(model).fit(
            *training.resampled_data(), inner_folds=training.make_inner_folds(5)
        )
        losses.append(
            -np.log(fitted.predict_proba(X[~half])[np.arange(30), data.targets[~half]]).mean()
        )
    assert losses[1] == pytest.approx(losses[0], rel=0.35)


def test_many_images_of_each_patient_are_calibrated_as_well_as_one(make_cell, tmp_path):
    """With 200 patients of five nearly equal images, folds by image give a higher log loss."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    patients = rng.normal(0, 1, (400, 64))
    patients[:, 0] += 2 * labels - 1
    images = np.clip(
        128 + 25 * (np.repeat(patients, 5, axis=0) + rng.normal(0, 0.3, (2000, 64))), 0, 255
    )
    groups = np.repeat(np.arange(400), 5)
    from benchmark.datasets.base import Dataset

    data = Dataset(
        "patients",
        images.astype(np.uint8).reshape(-1, 8, 8, 1),
        np.repeat(labels, 5),
        ("a", "b"),
        groups=groups,
        subset=np.where(groups < 200, "train", "test"),
    )
    row = evaluate_on_dataset(make_cell(data, model="linear_svm", split="official"), data, tmp_path)
    assert row["log_loss"] < 0.5
    assert row["validation"] == "calibration: inner folds (5, by group)"
    ungrouped = evaluate_on_dataset(
        make_cell(replace(data, groups=None), model="linear_svm", split="official"),
        replace(data, groups=None),
        tmp_path,
    )
    assert ungrouped["log_loss"] > 0.5 + 0.02, "the planted error: folds by image"


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    n_groups=st.integers(2, 12),
    seed=st.integers(0, 1000),
    folds=st.integers(2, 6),
    multilabel=st.booleans(),
)
def test_every_inner_training_side_has_every_class_and_shares_no_group_with_what_is_held_out(
    digits, sizes, n_groups, seed, folds, multilabel
):
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    groups = rng.integers(0, n_groups, len(targets))
    if multilabel:
        targets = np.eye(len(sizes), dtype=np.int64)[targets] | (
            rng.random((len(targets), len(sizes))) < 0.2
        )
    data = replace(
        digits,
        images=digits.images[: len(targets)],
        targets=targets,
        groups=groups,
        multilabel=multilabel,
        classes=tuple(map(str, range(len(sizes)))),
    )
    train = np.arange(len(targets))
    held_ever = []
    for inner, held in inner_folds(data, train, folds):
        assert len(held)
        assert not set(groups[inner]) & set(groups[held])
        assert sorted([*inner, *held]) == train.tolist()
        held_ever += held.tolist()
        if multilabel:
            assert (targets[inner].any(axis=0) == targets.any(axis=0)).all()
            assert ((1 - targets[inner]).any(axis=0) == (1 - targets).any(axis=0)).all()
        else:
            assert set(targets[inner]) == set(targets)
    assert len(held_ever) == len(set(held_ever))


def test_several_labels_are_calibrated_by_group(several_labels, make_cell, tmp_path, watched):
    patients = np.arange(300) // 3
    images = several_labels.images.copy()
    images[:, 0, 0, 0] = patients
    images[:, 0, 1, 0] = 255
    data = replace(several_labels, images=images, groups=patients)
    row = evaluate_on_dataset(make_cell(data, model="linear_svm"), data, tmp_path)
    assert row["status"] == "ok", row["reason"]
    assert row["validation"] == "calibration: inner folds (5, by group)"
    assert len(watched) == 5 + 2 * 5  # five folds of the wrapper, and five of each label
    assert not any(tags(X_train, 0) & tags(X_held, 0) for X_train, X_held in watched)


def test_a_class_that_cannot_be_held_out_keeps_the_decision_of_the_machine(digits):
    X, y = digits.images.reshape(300, -1).astype(np.float32), digits.targets
    rows = np.concatenate([np.flatnonzero(y == 0)[:20], np.flatnonzero(y == 1)[:1]])
    for name in ("linear_svm", "rbf_svm(C=10, gamma=0.001)"):
        model = make_model_of(name).fit(X[rows], y[rows])
        assert model.sigmoids_.tolist() == [[1, 0]]
        second_wins = model.machine_.decision_function(X[y < 2]) > 0
        assert np.array_equal(model.predict(X[y < 2]), second_wins)


def test_held_out_images_count_as_their_classes_do_in_the_training_set(digits):
    """A sigmoid fitted to the frequencies of the held-out images would undo the resampling."""
    from sklearn.svm import SVC

    X, y = digits.images.reshape(300, -1).astype(np.float32), digits.targets
    rare = np.concatenate([np.flatnonzero(y == 0)[:25], np.flatnonzero(y == 1)[:5]])
    pairs = [(X[rare], y[rare], X[rare[::3]], y[rare[::3]])]
    balanced = np.concatenate([rare, np.repeat(rare[25:], 4)])
    held = HeldOut(SVC(), X[balanced], y[balanced], pairs)
    assert held.weight[held.codes == 0].sum() == pytest.approx(held.weight[held.codes == 1].sum())


def test_early_stopping_uses_the_official_validation_set_where_there_is_one(
    digits, make_cell, tmp_path, watched
):
    subset = np.array(["train", "train", "val", "test"])[np.arange(300) % 4]
    data = replace(digits, subset=subset)
    row = evaluate_on_dataset(
        make_cell(data, model="simple_cnn(epochs=2, validation=0.1)", split="official"),
        data,
        tmp_path,
    )
    assert row["validation"] == "early stopping: official validation set (75 images)"
    ((trained, held),) = watched
    assert len(trained) == 150
    assert np.array_equal(held, data.images[subset == "val"])
    plain = evaluate_on_dataset(
        make_cell(data, model="simple_cnn(epochs=1)", split="official"), data, tmp_path
    )
    assert plain["validation"] == "none"


def test_validation_images_of_a_patient_in_another_subset_are_left_out_and_counted_in_the_row(
    digits, make_cell, tmp_path, watched
):
    subset = np.array(["train", "train", "val", "test"])[np.arange(300) % 4]
    patients = np.where(np.arange(300) < 40, "shared", "p") + np.char.mod(
        "%d", np.where(np.arange(300) < 40, 0, np.arange(300))
    )
    patients[(np.arange(300) < 40) & (subset == "test")] = "other"
    data = replace(digits, subset=subset, groups=patients)
    row = evaluate_on_dataset(
        make_cell(data, model="simple_cnn(epochs=1, validation=0.1)", split="official"),
        data,
        tmp_path,
    )
    assert row["validation"] == (
        "early stopping: official validation set (65 images; 10 more share a group with the "
        "training or test set)"
    )
    assert len(watched[0][1]) == 65


def test_a_pipeline_is_trained_with_the_same_inner_folds_as_its_cell(tagged, make_cell, tmp_path):
    cell = make_cell(
        tagged, model="rbf_svm", strategy="random_over", imbalance="step(ratio=3)", split="holdout"
    )
    row = evaluate_on_dataset(cell, tagged, tmp_path)
    stored = Predictions.load(tmp_path / "predictions" / f"{row['key']}.npz")
    assert np.array_equal(
        fit_pipeline(cell, tagged).predict_proba(tagged.images[stored.test_index]), stored.proba
    )


@pytest.mark.parametrize(
    ("model", "strategy", "grouped", "reason"),
    [
        (
            "OwnFolds",
            "random_over",
            False,
            "OwnFolds splits the training set inside fit, and would have resampled images",
        ),
        ("OwnFolds", "none", True, "images of one group"),
        ("OwnFolds", "none", False, None),
        ("StopsEarly", "smote(k_neighbors=1)", False, "StopsEarly splits the training set"),
        (
            "BaggedSVM",
            "none",
            False,
            "Calibrated splits the training set inside fit, and would have bootstrap samples",
        ),
        (
            "PipedSVM",
            "random_over",
            False,
            "Calibrated splits the training set inside fit, and would have resampled images",
        ),
        ("PipedSVM", "none", False, None),
        ("TakesFolds", "random_over", True, None),
    ],
)
def test_a_plug_in_that_splits_the_training_set_itself_is_skipped_where_its_folds_would_leak(
    digits, make_cell, tmp_path, model, strategy, grouped, reason
):
    data = replace(digits, groups=np.arange(300) // 2) if grouped else digits
    cell = make_cell(data, model=f"{FAKES}:{model}", strategy=strategy)
    refusal = build_components(cell, data).refusal_reason()
    if reason is None:
        assert refusal is None
        assert evaluate_on_dataset(cell, data, tmp_path)["status"] == "ok"
    else:
        assert reason in refusal


@pytest.mark.parametrize("model", ["knn", "one_vs_rest(estimator=knn)", "knn(n_neighbors=9)"])
@pytest.mark.parametrize("strategy", ["random_under", "random_under + tuned_threshold"])
def test_fewer_images_than_neighbours_after_resampling_are_a_skip_with_the_number_needed(
    rare, make_cell, tmp_path, model, strategy
):
    data = replace(
        rare,
        images=rare.images[rare.targets != 2],
        targets=np.minimum(rare.targets[rare.targets != 2], 2),
        classes=("0", "1", "3"),
    )
    cell = make_cell(
        data, model=model, strategy=strategy, imbalance="step(ratio=30)", split="holdout"
    )
    row = evaluate_on_dataset(cell, data, tmp_path)
    needed = 9 if "9" in model else 5
    assert row["status"] == "skipped", row["reason"]
    assert row["reason"].startswith(
        f"n_neighbors={needed} needs at least {needed} training images; it is given 3"
    )


def test_smote_that_an_inner_fold_is_too_small_for_is_a_skip_with_the_number_needed(
    digits, make_cell, tmp_path
):
    chosen = np.concatenate(
        [np.flatnonzero(digits.targets == 0), np.flatnonzero(digits.targets == 1)[:8]]
    )
    data = replace(
        digits, images=digits.images[chosen], targets=digits.targets[chosen], classes=("0", "1")
    )
    row = evaluate_on_dataset(
        make_cell(data, model="rbf_svm", strategy="smote", split="holdout(test_size=0.12)"),
        data,
        tmp_path,
    )
    assert row["status"] == "skipped", row["reason"]
    assert (
        "in an inner fold of the training set: SMOTE with 5 neighbours needs 6 training images of "
        "each class; '1' has 5" in row["reason"]
    )


def test_early_stopping_of_classes_of_one_image_is_a_skip(digits, make_cell, tmp_path):
    # the training images are the digits 0 to 9, each once
    data = replace(digits, subset=np.where(np.arange(300) < 10, "train", "test"))
    row = evaluate_on_dataset(
        make_cell(data, model="simple_cnn(epochs=1, validation=0.2)", split="official"),
        data,
        tmp_path,
    )
    assert row["status"] == "skipped", row["reason"]
    assert "a class with at least 2 images" in row["reason"]


def test_the_training_set_is_resampled_inside_each_inner_fold(tagged):
    training = TrainingSet(
        tagged.images,
        tagged,
        np.arange(60),
        build_strategy((resolve_spec("strategy", Spec("random_over")),), 0),
    )
    for pair in training.make_inner_folds(3):
        assert len(set(np.bincount(pair.y_train))) == 1
        assert tags(pair.X_train, 1) | tags(pair.X_held, 1) == set(range(15))
        assert not tags(pair.X_train, 1) & tags(pair.X_held, 1)
