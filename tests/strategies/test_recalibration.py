"""Recalibration after resampling: prior correction, temperature scaling, isotonic regression."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.under_sampling import RandomUnderSampler
from scipy.special import expit
from scipy.stats import multivariate_normal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from benchmark.evaluation.components import build_components
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.evaluation.training import double_correction_notes
from benchmark.scoring.predictions import Predictions
from benchmark.strategies.base import Combined, HeldOut, Refused
from benchmark.strategies.recalibration import Isotonic, PriorCorrection, Temperature
from benchmark.strategies.thresholds import PriorThreshold


class Given(ClassifierMixin, BaseEstimator):
    """Classifier whose probabilities are its input."""

    def fit(self, X, y):
        self.classes_ = np.arange(X.shape[1])
        return self

    def predict(self, X):
        return X.argmax(axis=1)

    def predict_proba(self, X):
        return X


def corrected(before, after, proba):
    """Probabilities after a correction, given the numbers of images per class."""
    strategy = PriorCorrection()
    strategy.learn_shares(*(np.repeat(np.arange(len(n)), n) for n in (before, after)))
    return strategy.adjust(np.array(proba))


def held_out_sample(seed):
    """Targets and overconfident probabilities of three classes, biased to the rare ones."""
    rng = np.random.default_rng(seed)
    y = np.append(rng.choice(3, 400, p=[0.6, 0.3, 0.1]), [0, 1, 2])
    logits = rng.normal(size=(len(y), 3)) + 1.5 * np.eye(3)[y] + np.arange(3)
    proba = np.exp(3 * logits)
    return y, proba / proba.sum(axis=1, keepdims=True)


# prior correction


@given(st.floats(0, 1), st.integers(1, 1000), st.integers(1, 1000), st.floats(0.01, 1))
def test_prior_correction_is_theorem_2_of_elkan(p, n_negative, n_positive, base):
    """The rates are those of Elkan (2001): b of the training set, b' of the new population."""
    total = n_negative + n_positive
    b, new_b = n_positive / total, base * 0.5
    n_new = np.array([round((1 - new_b) * 10_000), round(new_b * 10_000)])
    new_b = n_new[1] / n_new.sum()
    expected = new_b * (p - p * b) / (b - p * b + new_b * p - b * new_b)
    actual = corrected(n_new, [n_negative, n_positive], [[1 - p, p]])
    assert actual[0, 1] == pytest.approx(expected, abs=1e-12)


@given(st.floats(0, 1), st.integers(1, 100), st.integers(100, 1000))
def test_prior_correction_is_equation_4_of_dal_pozzolo_for_under_sampling(p, n_rare, n_common):
    """Beta is the probability that an image of the common class is kept."""
    beta = n_rare / n_common
    expected = beta * p / (beta * p - p + 1)
    actual = corrected([n_common, n_rare], [n_rare, n_rare], [[1 - p, p]])
    assert actual[0, 1] == pytest.approx(expected, abs=1e-12)


def test_prior_correction_gives_the_posterior_of_three_gaussians_from_that_of_even_classes():
    centres, counts = [[0, 0], [2, 0], [0, 2]], np.array([800, 150, 50])
    X = np.random.default_rng(0).normal(size=(200, 2)) * 2
    density = np.column_stack([multivariate_normal(centre).pdf(X) for centre in centres])
    even = density / density.sum(axis=1, keepdims=True)
    true = density * counts / (density * counts).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(corrected(counts, [800] * 3, even), true)


def test_prior_correction_without_resampling_changes_nothing():
    y, proba = held_out_sample(0)
    strategy = PriorCorrection()
    strategy.learn_shares(y, y)
    np.testing.assert_allclose(strategy.adjust(proba), proba, rtol=1e-14)


def test_prior_correction_undoes_prior_threshold_after_perfectly_even_resampling():
    y, proba = held_out_sample(1)
    even = np.repeat(np.arange(3), 50)
    correction, threshold = PriorCorrection(), PriorThreshold()
    correction.learn_shares(y, even)
    threshold.learn(y, held_out=None)
    np.testing.assert_allclose(threshold.adjust(correction.adjust(proba)), proba, rtol=1e-12)


def test_a_class_without_training_images_stays_at_zero_after_every_recalibration():
    labels, proba = held_out_sample(2)
    trained = labels[labels != 1]
    proba = proba * [1, 0, 1]
    proba = np.column_stack([proba / proba.sum(axis=1, keepdims=True), np.zeros(len(proba))])
    for strategy in (PriorCorrection(), Temperature(), Isotonic()):
        strategy.learn_shares(trained, np.array([0, 2]))
        strategy.learn(trained, lambda: HeldOut(labels, proba))  # also images of class 1
        adjusted = strategy.adjust(proba)
        assert (adjusted[:, [1, 3]] == 0).all()
        np.testing.assert_allclose(adjusted.sum(axis=1), 1)


def test_prior_correction_knows_the_shares_of_the_whole_training_set_and_not_of_inner_folds(
    rare, make_cell, tmp_path
):
    """A calibrated model resamples inner folds in between."""
    stored = {}
    for strategy in ("random_under", "random_under + prior_correction"):
        cell = make_cell(rare, model="linear_svm", strategy=strategy)
        row = evaluate_on_dataset(cell, rare, tmp_path)
        assert row["status"] == "ok", row["reason"]
        stored[strategy] = Predictions.load(tmp_path / "predictions" / f"{cell.key}.npz")
    y = rare.targets[build_components(cell, rare).train]
    _, resampled = RandomUnderSampler(random_state=0).fit_resample(np.zeros((len(y), 1)), y)
    expected = stored["random_under"].proba * np.bincount(y) / np.bincount(resampled)
    np.testing.assert_allclose(
        stored["random_under + prior_correction"].proba,
        expected / expected.sum(axis=1, keepdims=True),
    )


def test_under_sampling_with_prior_correction_is_as_calibrated_as_no_sampling():
    """By simulation: the mean predicted share of the rare class, and the log loss."""
    rng = np.random.default_rng(0)

    def sample(n):
        y = (rng.random(n) < 0.05).astype(int)
        return rng.normal(size=(n, 2)) + 1.5 * y[:, None], y

    X, y = sample(20_000)
    X_test, y_test = sample(20_000)
    small, small_y = RandomUnderSampler(random_state=0).fit_resample(X, y)
    raw = LogisticRegression().fit(small, small_y).predict_proba(X_test)
    strategy = PriorCorrection()
    strategy.learn_shares(y, small_y)
    adjusted = strategy.adjust(raw)
    best = log_loss(y_test, LogisticRegression().fit(X, y).predict_proba(X_test))
    assert raw[:, 1].mean() > 2 * y_test.mean()
    assert adjusted[:, 1].mean() == pytest.approx(y_test.mean(), abs=0.005)
    assert log_loss(y_test, adjusted) == pytest.approx(best, rel=0.02)
    assert log_loss(y_test, raw) > 1.5 * best
    assert roc_auc_score(y_test, adjusted[:, 1]) == roc_auc_score(y_test, raw[:, 1])


@pytest.mark.parametrize(
    ("model", "strategy"),
    [
        ("balanced_random_forest", "prior_correction"),
        ("simple_cnn(loss='class_balanced')", "random_over + prior_correction"),
        ("logistic_regression", "class_weight + prior_correction"),
        ("logistic_regression", "prior_correction + class_weight"),
    ],
)
def test_prior_correction_is_refused_where_the_model_corrects_for_the_frequencies(
    rare, make_cell, tmp_path, model, strategy
):
    row = evaluate_on_dataset(make_cell(rare, model=model, strategy=strategy), rare, tmp_path)
    assert row["status"] == "skipped"
    assert "undoes resampling only" in row["reason"]


@pytest.mark.parametrize(
    ("strategy", "n_corrections"),
    [
        ("smote(k_neighbors=1) + prior_correction", 0),
        ("random_over + random_under + prior_correction", 0),
        ("random_over + isotonic", 0),
        ("random_over + temperature", 0),
        ("random_over + prior_correction + prior_threshold", 0),
        ("random_over + temperature + prior_threshold", 2),
        ("random_over + random_under + temperature", 2),
    ],
)
def test_resampling_that_is_undone_is_not_noted_as_a_correction(
    rare, make_cell, strategy, n_corrections
):
    components = build_components(make_cell(rare, strategy=strategy), rare)
    notes = double_correction_notes(components.strategy, components.model)
    expected = [f"class frequencies are corrected {n_corrections} times"] if n_corrections else []
    assert [note.partition(":")[0] for note in notes] == expected


# temperature


@pytest.mark.parametrize("seed", range(5))
def test_temperature_is_that_of_scikit_learn(seed):
    y, proba = held_out_sample(seed)
    new = held_out_sample(seed + 100)[1]
    reference = CalibratedClassifierCV(FrozenEstimator(Given().fit(proba, y)), method="temperature")
    expected = reference.fit(proba, y).predict_proba(new)
    strategy = Temperature()
    strategy.learn(y, lambda: HeldOut(y, proba))
    np.testing.assert_allclose(strategy.adjust(new), expected, atol=1e-5)
    assert strategy.beta_ < 0.8, "the probabilities are overconfident"


def test_temperature_keeps_the_decisions_and_lowers_the_log_loss():
    y, proba = held_out_sample(3)
    strategy = Temperature()
    strategy.learn(y, lambda: HeldOut(y, proba))
    adjusted = strategy.adjust(proba)
    assert (adjusted.argmax(axis=1) == proba.argmax(axis=1)).all()
    assert log_loss(y, adjusted) < log_loss(y, proba) - 0.1


# isotonic


@pytest.mark.parametrize("n_classes", [2, 3])
def test_isotonic_is_that_of_scikit_learn_within_the_softened_targets(n_classes):
    y, proba = (array[:400] for array in held_out_sample(4))
    if n_classes == 2:
        y, proba = np.minimum(y, 1), np.column_stack([proba[:, 0], 1 - proba[:, 0]])
    strategy = Isotonic()
    strategy.learn(y, lambda: HeldOut(y, proba))
    columns = []
    for k in range(n_classes):
        n = (y == k).sum()
        mapped = IsotonicRegression(out_of_bounds="clip").fit(proba[:, k], y == k)
        low, high = 1 / (len(y) - n + 2), 1 - 1 / (n + 2)
        columns.append(np.clip(mapped.predict(proba[:, k]), low, high))
    expected = np.column_stack(columns)
    np.testing.assert_allclose(
        strategy.adjust(proba), expected / expected.sum(axis=1, keepdims=True)
    )
    if n_classes == 2:
        reference = CalibratedClassifierCV(
            FrozenEstimator(Given().fit(proba, y)), method="isotonic"
        )
        theirs = reference.fit(proba, y).predict_proba(proba)
        inside = (theirs > 0.05) & (theirs < 0.95)
        np.testing.assert_allclose(strategy.adjust(proba)[inside], theirs[inside])


def test_isotonic_gives_no_class_the_probability_zero_or_one():
    y, proba = held_out_sample(5)
    strategy = Isotonic()
    strategy.learn(y, lambda: HeldOut(y, proba))
    adjusted = strategy.adjust(np.eye(3))
    assert 0 < adjusted.min() < adjusted.max() < 1


def test_a_class_without_held_out_images_keeps_its_probability_before_scaling():
    y, proba = np.array([0, 1] * 20), np.tile([[0.3, 0.5, 0.2]], (40, 1))
    strategy = Isotonic()
    strategy.learn(np.array([0, 1, 2]), lambda: HeldOut(y, proba))
    np.testing.assert_allclose(strategy.adjust(proba[:1]), [[0.5 / 1.2, 0.5 / 1.2, 0.2 / 1.2]])


# both


@pytest.mark.parametrize("strategy", [Temperature(), Isotonic()])
def test_held_out_images_of_one_class_are_refused(strategy):
    y = np.array([0, 0, 1])
    with pytest.raises(
        Refused, match="at least 2 classes; the 2 held-out images are all of one class"
    ):
        strategy.learn(y, lambda: HeldOut(y[:2], np.full((2, 2), 0.5)))


def test_a_recalibration_learns_from_probabilities_that_the_one_before_it_has_adjusted():
    y, proba = held_out_sample(6)
    first, second = PriorCorrection(), Temperature()
    both = Combined([first, second])
    both.learn_shares(y, np.repeat(np.arange(3), 100))
    both.learn(y, lambda: HeldOut(y, proba))
    alone = Temperature()
    alone.learn(y, lambda: HeldOut(y, first.adjust(proba)))
    assert second.beta_ == alone.beta_


@pytest.mark.parametrize("name", ["prior_correction", "temperature", "isotonic"])
def test_recalibration_is_refused_for_several_labels_per_image(
    several_labels, make_cell, tmp_path, name
):
    row = evaluate_on_dataset(make_cell(several_labels, strategy=name), several_labels, tmp_path)
    assert row["status"] == "skipped"
    assert row["reason"] == (
        f"{name} needs classes that exclude each other; this dataset has several per image"
    )


@pytest.mark.parametrize("name", ["temperature", "isotonic"])
def test_held_out_images_are_those_of_inner_folds_before_resampling_or_the_validation_set(
    digits, make_cell, tmp_path, name
):
    subset = np.array(["train", "train", "val", "test"])[np.arange(300) % 4]
    data = replace(digits, subset=subset)
    rows = [
        evaluate_on_dataset(
            make_cell(data, model="gaussian_nb", strategy=f"random_over + {name}", split=split),
            data,
            tmp_path,
        )
        for split in ("official", "holdout")
    ]
    assert [row["validation"] for row in rows] == [
        "strategy: official validation set (75 images)",
        "strategy: inner folds (3, by image)",
    ]


def test_recalibration_lowers_the_log_loss_of_over_sampled_digits(rare, make_cell, tmp_path):
    """Four digits, of which two are rare."""

    def value(strategy):
        cell = make_cell(rare, extractor="shape_histogram", model="gaussian_nb", strategy=strategy)
        row = evaluate_on_dataset(cell, rare, tmp_path)
        assert row["status"] == "ok", row["reason"]
        return row["log_loss"]

    before = value("random_over")
    assert value("random_over + temperature") < before
    assert value("random_over + isotonic") < before


def test_probabilities_beyond_those_of_held_out_images_keep_to_the_ends_of_the_curve():
    y, p = np.array([0, 0, 1, 1] * 10), np.tile([0.3, 0.4, 0.6, 0.7], 10)
    strategy = Isotonic()
    strategy.learn(y, lambda: HeldOut(y, np.column_stack([1 - p, p])))
    ends = strategy.adjust(np.array([[0.9, 0.1], [0.7, 0.3], [0.3, 0.7], [0.1, 0.9]]))
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[2], ends[3])
    assert expit(0) > ends[0, 1]
