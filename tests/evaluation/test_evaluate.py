"""The rules that keep results honest, and planted errors that the tests must catch."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.inner_folds import predict_aligned_proba
from benchmark.results.columns import COLUMNS
from benchmark.scoring.metrics import METRICS, compute_metrics
from benchmark.scoring.predictions import Predictions
from models.cnn import SimpleCNN

FAKES = str(Path(__file__).parents[1] / "fakes.py")


def proba(folder, row):
    return Predictions.load(folder / "predictions" / f"{row['key']}.npz").proba


def with_official(dataset, wrong=False):
    """Dataset with an official split, whose test labels are wrong if ``wrong`` is True."""
    test = np.arange(len(dataset.targets)) % 3 == 0
    targets = np.where(test & wrong, (dataset.targets + 1) % len(dataset.classes), dataset.targets)
    return replace(dataset, targets=targets, subset=np.where(test, "test", "train"))


def evaluated(dataset, make_cell, folder, *names):
    """Row and probabilities of one cell."""
    row = evaluate_on_dataset(make_cell(dataset, *names, split="official"), dataset, folder)
    assert row["status"] == "ok", row["reason"]
    return row, proba(folder, row)


@pytest.mark.parametrize(
    ("extractor", "strategy", "model"),
    [
        ("sift_bovw", "none", "logistic_regression"),
        ("hog + color_histogram", "smote", "rbf_svm"),
        ("pixels", "random_over", "random_forest"),
        ("pixels", "random_under", "knn"),
        ("pixels", "class_weight", "linear_svm"),
        ("pixels", "random_over", "simple_cnn(epochs=3)"),
    ],
)
def test_nothing_learned_sees_the_labels_of_the_test_set(
    digits, make_cell, tmp_path, extractor, strategy, model
):
    true, first = evaluated(
        with_official(digits), make_cell, tmp_path / "true", extractor, model, strategy
    )
    wrong, second = evaluated(
        with_official(digits, wrong=True), make_cell, tmp_path / "wrong", extractor, model, strategy
    )
    assert np.array_equal(first, second)
    assert true["accuracy"] > 0.4 > wrong["accuracy"]


def test_a_planted_leak_of_test_labels_is_caught_by_the_test_above(digits, make_cell, tmp_path):
    """The features of an extractor that finds the test labels in memory change with them."""
    _, first = evaluated(
        with_official(digits), make_cell, tmp_path / "true", f"{FAKES}:ReadsTestLabels", "knn"
    )
    _, second = evaluated(
        with_official(digits, wrong=True),
        make_cell,
        tmp_path / "wrong",
        f"{FAKES}:ReadsTestLabels",
        "knn",
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("extractor", ["sift_bovw", "pixels"])
def test_nothing_learned_sees_the_images_of_the_test_set(digits, make_cell, tmp_path, extractor):
    """Changing the other test images does not change the prediction of a test image."""
    true = with_official(digits)
    images, tests = true.images.copy(), np.flatnonzero(true.subset == "test")
    images[tests[1:]] = 255 - images[tests[1:]]
    _, first = evaluated(true, make_cell, tmp_path / "true", extractor)
    _, second = evaluated(replace(true, images=images), make_cell, tmp_path / "other", extractor)
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[1:], second[1:])


def test_a_strategy_changes_the_training_set_only(rare, make_cell, tmp_path):
    plain = evaluate_on_dataset(make_cell(rare, split="holdout(test_size=0.3)"), rare, tmp_path)
    over = evaluate_on_dataset(
        make_cell(rare, strategy="random_over", split="holdout(test_size=0.3)"), rare, tmp_path
    )
    assert over["n_test"] == plain["n_test"]
    assert over["n_resampled"] > over["n_train"] == plain["n_train"] == plain["n_resampled"]


@pytest.mark.parametrize("model", ["random_forest", "linear_svm", "simple_cnn(epochs=1)"])
@pytest.mark.parametrize("extractor", ["sift_bovw + pixels", "hog"])
def test_a_cell_run_alone_equals_the_same_cell_run_after_others_bit_for_bit(
    digits, make_cell, tmp_path, model, extractor
):
    cell = make_cell(digits, extractor, model, "random_over", fold=1)
    alone = evaluate_on_dataset(cell, digits, tmp_path / "alone")
    for other in ("knn", "random_forest(n_estimators=7)"):
        evaluate_on_dataset(
            make_cell(digits, extractor, other, fold=1), digits, tmp_path / "company"
        )
        np.random.default_rng().random()
    company = evaluate_on_dataset(
        make_cell(digits, extractor, model, "random_over", fold=1), digits, tmp_path / "company"
    )
    assert (
        proba(tmp_path / "alone", alone).tobytes() == proba(tmp_path / "company", company).tobytes()
    )
    stored = Predictions.load(tmp_path / "alone" / "predictions" / f"{cell.key}.npz")
    assert compute_metrics(stored) == {name: alone[name] for name in METRICS if name in alone}


def test_a_class_missing_from_the_training_set_has_probability_zero_and_its_own_column(
    digits, make_cell, tmp_path
):
    targets = digits.targets
    subset = np.where((np.arange(300) < 200) & (targets != 9), "train", "test")
    lacking = replace(digits, subset=subset)
    row = evaluate_on_dataset(make_cell(lacking, split="official"), lacking, tmp_path)
    probabilities = proba(tmp_path, row)
    assert probabilities.shape[1] == 10
    assert (probabilities[:, 9] == 0).all()
    assert probabilities[:, :9].sum(axis=1) == pytest.approx(1)
    assert row["per_class"]["9"]["recall"] == 0


def test_a_class_missing_from_the_official_test_set_gives_nan_and_a_note(
    digits, make_cell, tmp_path
):
    subset = np.where((np.arange(300) % 3 == 0) & (digits.targets != 3), "test", "train")
    data = replace(digits, subset=subset)
    row = evaluate_on_dataset(make_cell(data, split="official"), data, tmp_path)
    assert row["status"] == "ok"
    assert np.isnan(row["auc"])
    assert any("no test images of: 3" in note for note in row["notes"])
    assert np.isfinite(row["log_loss"])


def test_a_training_set_of_one_class_is_a_skipped_row(digits, make_cell, tmp_path):
    single = replace(digits, subset=np.where(digits.targets == 3, "train", "test"))
    row = evaluate_on_dataset(make_cell(single, split="official"), single, tmp_path)
    assert row["status"] == "skipped"
    assert "single class" in row["reason"]


@pytest.mark.parametrize(
    ("strategy", "model", "reason"),
    [
        ("smote", "knn", "needs 6 training images of each class; '3' has 2"),
        ("class_weight", "knn", "no class_weight"),
        ("none", "one_vs_rest(estimator=simple_cnn)", "takes images"),
        ("none", f"{FAKES}:HardLabelsOnly", "AUC is never computed from hard labels"),
    ],
)
def test_a_cell_that_cannot_be_run_is_a_skipped_row_with_a_reason(
    rare, make_cell, tmp_path, strategy, model, reason
):
    row = evaluate_on_dataset(make_cell(rare, model=model, strategy=strategy), rare, tmp_path)
    assert row["status"] == "skipped"
    assert reason in row["reason"]
    assert not (tmp_path / "predictions").exists()


def test_a_multi_label_task_has_its_metrics_and_refuses_resampling(digits, make_cell, tmp_path):
    targets = np.stack(
        [digits.targets % 2, digits.targets > 4, digits.targets % 3 == 0], axis=1
    ).astype(np.int64)
    multilabel = replace(
        digits, targets=targets, classes=("odd", "large", "third"), multilabel=True
    )
    for model in ("logistic_regression", "multinomial_nb", "majority", "simple_cnn(epochs=3)"):
        row = evaluate_on_dataset(make_cell(multilabel, model=model), multilabel, tmp_path)
        assert row["status"] == "ok", row["reason"]
        assert row["hamming_loss"] == pytest.approx(1 - row["accuracy"])
        assert {
            "subset_accuracy",
            "f1_micro",
            "auc",
            "label_ranking_average_precision",
        } <= row.keys()
    resampled = make_cell(multilabel, strategy="random_over")
    assert evaluate_on_dataset(resampled, multilabel, tmp_path)["status"] == "skipped"


@pytest.mark.parametrize(
    ("extractor", "model", "reason"),
    [(f"{FAKES}:Raises", "knn", "lens cap"), ("pixels", f"{FAKES}:GivesNaN", "NaN")],
)
def test_a_failing_cell_is_a_row_with_reason_and_traceback_never_an_exception(
    digits, make_cell, tmp_path, extractor, model, reason
):
    row = evaluate_on_dataset(make_cell(digits, extractor, model), digits, tmp_path)
    assert row["status"] == "failed"
    assert reason in row["reason"]
    assert "Traceback" in row["traceback"]


def test_a_plug_in_that_changes_its_input_fails_and_leaves_the_data_unchanged(
    digits, make_cell, tmp_path
):
    before = digits.images.copy()
    row = evaluate_on_dataset(make_cell(digits, f"{FAKES}:ChangesInput", "knn"), digits, tmp_path)
    assert "read-only" in row["reason"]
    assert np.array_equal(digits.images, before)


def test_a_row_carries_what_is_needed_to_run_it_again(digits, make_cell, tmp_path):
    row = evaluate_on_dataset(make_cell(digits, "hog", "knn"), digits, tmp_path)
    assert row["params"]["extractor"][0]["params"]["orientations"] == 9
    assert row["params"]["model"]["source"]
    assert row["fingerprint"] == digits.fingerprint
    assert {"libraries", "git_commit", "git_dirty", "processor"} <= row["environment"].keys()
    assert row["seed"] == 0


def test_a_row_says_that_small_images_were_enlarged_and_vectors_are_empty(
    digits, make_cell, tmp_path
):
    row = evaluate_on_dataset(
        make_cell(digits, "sift_bovw(keypoints='detected')", "majority"), digits, tmp_path
    )
    assert any("enlarged from 8x8 to 32x32 (bicubic)" in note for note in row["notes"])
    flat = replace(digits, images=np.zeros_like(digits.images))
    row = evaluate_on_dataset(
        make_cell(flat, "sift_bovw(keypoints='detected')", "majority"), flat, tmp_path
    )
    assert any("300 of 300 images have an all-zero feature vector" in note for note in row["notes"])


def test_features_of_extractors_that_learn_are_cached_per_training_set_and_others_once(
    digits, make_cell, tmp_path
):
    for extractor, expected in (("sift_bovw", 3), ("hog", 1)):
        for fold in range(3):
            evaluate_on_dataset(
                make_cell(digits, extractor, "majority", fold=fold), digits, tmp_path / extractor
            )
        assert len(list((tmp_path / extractor / "features").glob("*.npy"))) == expected


def test_aligned_probabilities_are_in_the_columns_of_their_classes(digits):
    model = SimpleNamespace(
        classes_=np.array([2, 7]), predict_proba=lambda X: np.array([[0.25, 0.75]])
    )
    aligned = predict_aligned_proba(model, digits.images[:1], digits)
    assert aligned[0, 2] == 0.25
    assert aligned[0, 7] == 0.75
    assert aligned.sum() == 1


def test_images_for_early_stopping_are_held_out_by_patient_and_before_resampling(
    digits, make_cell, tmp_path, monkeypatch
):
    fit_arguments = []

    def recorded_fit(self, X, y, held_out):
        fit_arguments.append((X, held_out[0]))
        return fit(self, X, y, held_out)

    fit = SimpleCNN.fit
    monkeypatch.setattr(SimpleCNN, "fit", recorded_fit)
    patients = np.arange(300) // 3
    cell = make_cell(
        digits,
        "pixels",
        "simple_cnn(epochs=2, validation=0.25)",
        "random_over",
        imbalance="step(ratio=3)",
    )
    row = evaluate_on_dataset(cell, replace(digits, groups=patients), tmp_path)
    assert row["status"] == "ok", row["reason"]
    assert all("val_loss" in epoch for epoch in row["history"])
    ((trained, held),) = fit_arguments
    patient_of = {
        image.tobytes(): patient for image, patient in zip(digits.images, patients, strict=True)
    }
    trained_patients, held_patients = (
        {patient_of[image.tobytes()] for image in images} for images in (trained, held)
    )
    assert not trained_patients & held_patients
    assert len(trained) > len(np.unique(trained, axis=0))  # copies
    assert len(held) == len(np.unique(held, axis=0))


def test_every_column_of_a_row_is_documented(make_cell, digits, tmp_path):
    row = evaluate_on_dataset(
        make_cell(digits, "pixels", "simple_cnn(epochs=1)", strategy="class_weight"),
        digits,
        tmp_path,
    )
    assert row["status"] == "ok", row["reason"]
    assert set(row) <= set(COLUMNS)
    assert all(column.meaning for column in COLUMNS.values())
