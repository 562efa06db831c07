"""Metrics against scikit-learn, MedMNIST and their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from benchmark.scoring.metrics import (
    METRICS,
    compute_class_metrics,
    compute_metrics,
    metric_label,
    note_missing_classes,
    note_undefined_metrics,
)
from benchmark.scoring.predictions import Predictions


def predictions(y, proba, ordinal=False):
    proba = np.asarray(proba, dtype=float)
    return Predictions(
        np.asarray(y), proba, tuple("abcdefgh"[: proba.shape[1]]), np.arange(len(y)), ordinal
    )


def random_predictions(seed, k=4, n=60, rounded=False):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(k), n + k)
    if rounded:  # many equal scores
        proba = rng.multinomial(4, np.ones(k) / k, n + k) / 4
    return predictions(np.concatenate([np.arange(k), rng.integers(0, k, n)]), proba)


@given(st.integers(0, 10_000), st.integers(2, 6), st.booleans())
def test_metrics_equal_scikit_learns_own(seed, k, rounded):
    p = random_predictions(seed, k, rounded=rounded)
    computed, y, labels, proba = compute_metrics(p), p.y_true, p.proba.argmax(axis=1), p.proba
    score = proba[:, 1] if k == 2 else proba
    expected = {
        "accuracy": sk.accuracy_score(y, labels),
        "balanced_accuracy": sk.balanced_accuracy_score(y, labels),
        "auc": sk.roc_auc_score(y, score, multi_class="ovr", average="macro"),
        "average_precision": sk.average_precision_score(y, score)
        if k == 2
        else sk.average_precision_score(np.eye(k)[y], proba),
        "log_loss": sk.log_loss(y, proba),
        "mcc": sk.matthews_corrcoef(y, labels),
        "kappa": sk.cohen_kappa_score(y, labels),
        "brier": sk.brier_score_loss(y, proba[:, 1]) if k == 2 else sk.brier_score_loss(y, proba),
        **averages(y, labels),
    }
    for name, value in expected.items():
        assert computed[name] == pytest.approx(value, abs=1e-12), name


@given(st.integers(0, 10_000))
def test_geometric_mean_and_minimum_recall_are_of_the_classes_that_are_there(seed):
    from imblearn.metrics import geometric_mean_score

    p = random_predictions(seed, 4)
    recalls = sk.recall_score(p.y_true, p.labels, average=None)
    assert compute_metrics(p)["geometric_mean"] == pytest.approx(
        geometric_mean_score(p.y_true, p.labels), abs=1e-12
    )
    assert compute_metrics(p)["minimum_recall"] == pytest.approx(recalls.min())


def averages(y, labels, present=None):
    functions = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}
    macro = {
        name: f(y, labels, labels=present, average="macro", zero_division=0)
        for name, f in functions.items()
    }
    weighted = {
        f"{name}_weighted": f(y, labels, labels=present, average="weighted", zero_division=0)
        for name, f in functions.items()
    }
    return macro | weighted


@given(st.integers(0, 10_000))
def test_metrics_equal_scikit_learns_over_the_classes_that_are_there(seed):
    whole = random_predictions(seed, 5)
    kept = whole.y_true != 3
    p = Predictions(
        whole.y_true[kept], whole.proba[kept], whole.classes, whole.test_index[kept], ordinal=True
    )
    y, labels, computed = p.y_true, p.labels, compute_metrics(p)
    expected = averages(y, labels, present=[0, 1, 2, 4])
    expected["kappa"] = sk.cohen_kappa_score(y, labels, weights="quadratic", labels=range(5))
    expected["mcc"] = sk.matthews_corrcoef(y, labels)
    expected["log_loss"] = sk.log_loss(y, p.proba, labels=range(5))
    for name, value in expected.items():
        assert computed[name] == pytest.approx(value, abs=1e-12), name
    values = sk.precision_recall_fscore_support(y, labels, labels=range(5), zero_division=0)
    for k, name in enumerate(p.classes):
        found_here = compute_class_metrics(p)[name]
        area = sk.average_precision_score(y == k, p.proba[:, k]) if k != 3 else float("nan")
        assert found_here.pop("average_precision") == pytest.approx(area, nan_ok=True)
        assert list(found_here.values()) == pytest.approx([column[k] for column in values])


@pytest.mark.parametrize(
    "metric", [metric for metric in METRICS.values() if metric.macro and metric.needs == "labels"]
)
def test_an_average_over_classes_leaves_out_classes_without_test_images(metric):
    truth = np.arange(40) % 3
    one_absent, two_absent = truth.copy(), truth.copy()
    one_absent[:8], two_absent[:8] = 3, [3, 4] * 4
    values = [
        metric(Predictions(truth, np.eye(5)[labels], tuple("abcde"), np.arange(40)))
        for labels in (one_absent, two_absent)
    ]
    assert values[0] == values[1] > 0


@given(st.integers(0, 10_000))
def test_multi_label_metrics_equal_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    truth, proba = rng.integers(0, 2, (40, 4)), rng.random((40, 4)).round(1)
    truth[0], truth[1] = 0, 1
    p = Predictions(truth, proba, tuple("abcd"), np.arange(40))
    computed, labels = compute_metrics(p), (proba > 0.5).astype(int)
    expected = averages(truth, labels) | {
        "f1_micro": sk.f1_score(truth, labels, average="micro"),
        "auc": sk.roc_auc_score(truth, proba),
        "average_precision": sk.average_precision_score(truth, proba),
        "hamming_loss": sk.hamming_loss(truth, labels),
        "label_ranking_average_precision": sk.label_ranking_average_precision_score(truth, proba),
    }
    for name, value in expected.items():
        assert computed[name] == pytest.approx(value, abs=1e-12), name


def test_predictions_of_one_class_alone_have_no_correlation():
    p = predictions([0, 0, 0], [[0.9, 0.1]] * 3)
    assert compute_metrics(p)["mcc"] == 0, "as scikit-learn has it"
    assert np.isnan(compute_metrics(p)["kappa"])


@given(
    st.integers(0, 10_000),
    st.sampled_from(
        [
            (2, "binary-class"),
            (5, "multi-class"),
            (5, "ordinal-regression"),
            (6, "multi-label, binary-class"),
        ]
    ),
)
def test_auc_and_accuracy_equal_medmnists(seed, case):
    from medmnist.evaluator import getACC, getAUC

    k, task = case
    p = random_predictions(seed, k)
    if task.startswith("multi-label"):
        truth = np.random.default_rng(seed).integers(0, 2, p.proba.shape)
        truth[0], truth[1] = 0, 1
        p = Predictions(truth, p.proba, p.classes, p.test_index)
    computed = compute_metrics(p)
    assert computed["auc"] == pytest.approx(getAUC(p.y_true, p.proba, task), abs=1e-12)
    assert computed["accuracy"] == pytest.approx(getACC(p.y_true, p.proba, task), abs=1e-12)


def test_auc_from_hard_labels_is_impossible():
    labels = np.array([0, 1, 1, 0])
    with pytest.raises(ValueError, match="probabilities must have the shape"):
        Predictions(labels, labels.astype(float), ("a", "b"), np.arange(4))
    assert {
        METRICS[name].needs for name in ("auc", "average_precision", "log_loss", "brier", "ece")
    } == {"proba"}
    p = predictions(labels, [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.45, 0.55]])
    assert METRICS["auc"](p) == 1.0, "the second image's rank counts, not its label"


def test_a_class_absent_from_the_test_set_gives_nan_with_a_note():
    p = predictions(
        [0, 0, 1, 1], [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]]
    )
    values = compute_metrics(p)
    assert np.isnan(values["auc"])
    assert np.isnan(values["average_precision"])
    assert values["log_loss"] == pytest.approx(sk.log_loss(p.y_true, p.proba, labels=[0, 1, 2]))
    assert "no test images of: c" in note_undefined_metrics(p)[0]
    assert compute_class_metrics(p)["c"]["support"] == 0
    once = predictions(
        [0, 0, 1, 1], [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]]
    )
    assert compute_metrics(once)["recall"] == compute_metrics(once)["balanced_accuracy"] == 0.5
    assert not note_undefined_metrics(predictions([0, 1], [[0.5, 0.5], [0.5, 0.5]]))


def test_a_test_set_of_one_class_gives_nan_auc_in_a_binary_task():
    assert np.isnan(compute_metrics(predictions([1, 1], [[0.4, 0.6], [0.1, 0.9]]))["auc"])


def test_kappa_is_quadratic_for_ordinal_classes():
    y, proba = [0, 1, 2, 3], np.eye(4)[[0, 1, 3, 3]] * 0.9 + 0.025
    plain, graded = (
        compute_metrics(predictions(y, proba)),
        compute_metrics(predictions(y, proba, ordinal=True)),
    )
    assert graded["kappa"] == pytest.approx(
        sk.cohen_kappa_score(y, [0, 1, 3, 3], weights="quadratic")
    )
    assert graded["kappa"] > plain["kappa"]


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    y = [0] * 8 + [1] * 2
    assert compute_metrics(predictions(y, [[0.8, 0.2]] * 10))["ece"] == pytest.approx(
        0.0, abs=1e-12
    )
    assert compute_metrics(predictions(y, [[0.99, 0.01]] * 10))["ece"] == pytest.approx(0.19)


def test_multi_label_tasks_have_their_own_metrics():
    truth = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0]])
    values = compute_metrics(
        Predictions(
            truth,
            np.array([[0.9, 0.2, 0.4], [0.1, 0.8, 0.3], [0.7, 0.6, 0.1]]),
            ("a", "b", "c"),
            np.arange(3),
        )
    )
    assert values["subset_accuracy"] == pytest.approx(2 / 3)
    assert values["hamming_loss"] == pytest.approx(1 / 9)
    assert values["label_ranking_average_precision"] == 1.0
    assert "log_loss" not in values


def test_calibration_bins_are_closed_on_the_right():
    """Bins are (lower, upper], as in Guo et al. 2017; 0.6 is the upper edge of (8/15, 9/15]."""
    p = predictions([0, 1], [[0.6, 0.4], [0.65, 0.35]])
    assert compute_metrics(p)["ece"] == pytest.approx((0.4 + 0.65) / 2), (
        "two bins: |1 - 0.6| and |0 - 0.65|, half of the images each"
    )
    right_edge = predictions([0, 1], [[0.6, 0.4], [0.55, 0.45]])
    assert compute_metrics(right_edge)["ece"] == pytest.approx(abs(0.5 - 0.575)), (
        "one bin, (8/15, 9/15]"
    )


def test_certain_probabilities_have_an_auc():
    assert (
        compute_metrics(predictions([0, 1, 1, 0], [[1, 0], [0, 1], [0, 1], [1, 0]]))["auc"] == 1.0
    )
    assert compute_metrics(predictions([0, 1, 2], np.eye(3)))["average_precision"] == 1.0
    assert not note_undefined_metrics(predictions([0, 1], np.eye(2)))


def test_multi_label_macro_averages_are_over_the_labels_that_have_test_images():
    """Perfect on three labels, the fourth neither true nor predicted: 1 instead of 0.75."""
    truth = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 1, 0, 0]])
    p = Predictions(truth, truth * 0.8 + 0.1, ("a", "b", "c", "d"), np.arange(3))
    values = compute_metrics(p)
    assert [values[name] for name in ("precision", "recall", "f1")] == [1, 1, 1]
    assert np.isnan(values["auc"])
    assert note_undefined_metrics(p)[0].startswith("no test images of: d")
    assert "macro averages are over the other classes" in note_undefined_metrics(p)[0]


@given(st.integers(0, 10_000))
def test_multi_label_macro_averages_equal_scikit_learns_over_the_labels_present(seed):
    rng = np.random.default_rng(seed)
    truth, proba = rng.integers(0, 2, (30, 5)), rng.random((30, 5)).round(1)
    truth[:, 2] = 0
    truth[0, [0, 1, 3, 4]] = 1
    computed = compute_metrics(Predictions(truth, proba, tuple("abcde"), np.arange(30)))
    expected = averages(truth, (proba > 0.5).astype(int), present=[0, 1, 3, 4])
    for name in ("precision", "recall", "f1"):
        assert computed[name] == pytest.approx(expected[name], abs=1e-12)


def test_the_notes_name_a_class_that_only_the_test_set_has():
    p = predictions([0, 1, 2], np.eye(3) * 0.4 + 0.2)
    assert note_missing_classes(p, np.array([0, 1, 1]))[0].startswith(
        "class 'c' has no training images: none of its 1 test images"
    )
    assert not note_missing_classes(p, np.array([0, 1, 2]))


def test_average_precision_names_the_class_it_is_of():
    assert (
        metric_label("average_precision", ("malignant", "benign"))
        == "average_precision of 'benign'"
    )
    assert metric_label("average_precision", ("a", "b", "c")) == "average_precision"
    assert metric_label("auc", ("malignant", "benign")) == "auc"


@pytest.mark.parametrize("proba", [[[np.nan, 1.0]], [[0.7, 0.7]], [[1.2, -0.2]]])
def test_values_that_are_not_probabilities_are_refused(proba):
    with pytest.raises(ValueError, match="probabilities"):
        predictions([0], proba)


def test_true_classes_that_do_not_exist_are_refused():
    proba = np.full((2, 2), 0.5)
    for y, index in (([0, 2], 2), ([0, -1], 2), ([0, 1], 3)):
        with pytest.raises(ValueError, match="do not match 2 classes and 2 images"):
            Predictions(np.array(y), proba, ("a", "b"), np.arange(index))


def test_predictions_read_back_bit_for_bit_and_hold_no_pickle(tmp_path):
    p = random_predictions(3)
    p.save(tmp_path / "p.npz")
    again = Predictions.load(tmp_path / "p.npz")
    assert again.proba.tobytes() == p.proba.tobytes()
    assert again.classes == p.classes
    assert compute_metrics(again) == compute_metrics(p)
