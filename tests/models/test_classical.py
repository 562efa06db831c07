"""Tests of the scikit-learn models of the registry."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from skimage.data import lfw_subset
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from models import REGISTRY, classical
from models.calibration import fit_sigmoid, stratified_folds
from models.linear_svm import STEEP, WIDE, LinearSVM
from models.svm import couple_pairwise_probabilities

NAMES = [name for name, target in REGISTRY.items() if target.startswith("models.classical:")]
WEIGHTED = [
    "logistic_regression",
    "linear_svm",
    "rbf_svm",
    "nystroem_svm",
    "random_forest",
    "gradient_boosting",
    "one_vs_rest",
]
SCALED = [
    "logistic_regression",
    "linear_svm",
    "rbf_svm",
    "nystroem_svm",
    "knn",
    "nearest_centroid",
    "gaussian_nb",
    "multinomial_nb",
]


def build(name, seed=0, **parameters):
    if name == "one_vs_rest":
        parameters = {"estimator": classical.logistic_regression(), **parameters}
    model = getattr(classical, name)(**parameters)
    return model.set_params(**dict.fromkeys(deep(model, "random_state"), seed))


def deep(model, parameter):
    return [key for key in model.get_params(deep=True) if key.split("__")[-1] == parameter]


def assert_probabilities(model, X):
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (len(X), len(model.classes_))
    assert np.isfinite(probabilities).all()
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X))


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:900].astype(np.float32), y[:900]


@pytest.fixture(scope="module")
def faces():
    images = lfw_subset()  # 100 faces, then 100 that are not
    return images[:, ::2, ::2].reshape(200, -1).astype(np.float32), np.repeat([1, 0], 100)


def rare(digits, counts):
    """The first ``counts[c]`` digits of each class c, in their original order."""
    X, y = digits
    rows = np.sort(np.concatenate([np.flatnonzero(y == c)[:n] for c, n in counts.items()]))
    return X[rows], y[rows]


@pytest.mark.parametrize("name", NAMES)
def test_learns_ten_digits(name, digits):
    X, y = digits
    model = build(name).fit(X[:600], y[:600])
    assert_probabilities(model, X[600:])
    least_accuracy = {"majority": 0.08, "gaussian_nb": 0.65}.get(name, 0.8)
    assert model.score(X[600:], y[600:]) > least_accuracy


@pytest.mark.parametrize("name", NAMES)
def test_learns_two_classes_of_photographs(name, faces):
    X, y = faces
    model = build(name).fit(X[::2], y[::2])
    assert_probabilities(model, X[1::2])
    assert model.score(X[1::2], y[1::2]) >= (0.5 if name == "majority" else 0.75)


@pytest.mark.parametrize("name", NAMES)
def test_labels_with_gaps_keep_their_numbers(name, digits):
    X, y = rare(digits, {0: 30, 2: 30, 3: 30})
    model = build(name).fit(X, y)
    assert model.classes_.tolist() == [0, 2, 3]
    assert_probabilities(model, X)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_rare", [1, 2, 4])
def test_twenty_images_with_a_rare_class_and_constant_features_are_enough(name, n_rare, digits):
    X, y = rare(digits, {0: 14 - n_rare, 1: 6, 5: n_rare})
    assert (np.ptp(X, axis=0) == 0).any()
    model = build(name).fit(X, y)
    assert_probabilities(model, digits[0])


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_probabilities_also_for_a_clone(name, digits):
    X, y = rare(digits, dict.fromkeys(range(5), 15))
    first = build(name, seed=7)
    second = clone(first)
    np.testing.assert_array_equal(
        first.fit(X, y).predict_proba(X), second.fit(X, y).predict_proba(X)
    )


@pytest.mark.parametrize("name", NAMES)
def test_functions_take_only_what_is_a_parameter_of_the_estimator(name):
    parameters = inspect.signature(getattr(classical, name)).parameters
    assert not {"random_state", "class_weight", "n_jobs"} & set(parameters)
    for parameter, described in parameters.items():
        if described.default is inspect.Parameter.empty:
            continue
        if isinstance(described.default, bool):  # selects the steps, and is not a parameter of one
            continue
        value = {float: 0.25, int: 3, str: "auto", type(None): 4}[type(described.default)]
        model = build(name, **{parameter: value})
        assert [model.get_params()[key] for key in deep(model, parameter)] == [value]


def test_rbf_svm_standardizes_by_default():
    X, y = load_digits(return_X_y=True)
    machines = [
        build("rbf_svm", standardize=value).fit(X[:60], y[:60]).machine_ for value in (True, False)
    ]
    assert [len(machine) for machine in machines] == [2, 1]


@pytest.mark.parametrize("name", NAMES)
def test_class_weight_is_found_exactly_where_it_is_listed(name):
    assert bool(deep(build(name), "class_weight")) == (name in WEIGHTED)


@pytest.mark.parametrize("name", WEIGHTED)
def test_balanced_weights_raise_the_rare_class_s_probability(name, digits):
    X, y = rare(digits, {3: 80, 8: 8})
    X = X + np.random.default_rng(0).normal(0, 8, X.shape).astype(np.float32)
    plain, weighted = build(name), build(name)
    weighted.set_params(**dict.fromkeys(deep(weighted, "class_weight"), "balanced"))
    if name == "random_forest":  # a leaf with a single image is pure for any weight
        plain.set_params(min_samples_leaf=5)
        weighted.set_params(min_samples_leaf=5)
    test = digits[0][100:][digits[1][100:] == 8] + 0.0
    test += np.random.default_rng(1).normal(0, 8, test.shape).astype(np.float32)
    assert (
        weighted.fit(X, y).predict_proba(test)[:, 1].mean()
        > 1.05 * plain.fit(X, y).predict_proba(test)[:, 1].mean()
    )


@pytest.mark.parametrize("name", SCALED)
def test_the_unit_of_a_feature_does_not_matter(name, digits):
    X, y = rare(digits, dict.fromkeys(range(4), 20))
    unit = 10.0 ** (np.arange(64) % 7 - 3)
    expected = build(name).fit(X.astype(float), y).predict_proba(X.astype(float))
    np.testing.assert_allclose(
        build(name).fit(X * unit, y).predict_proba(X * unit), expected, atol=2e-3
    )


@pytest.mark.parametrize(
    "name", ["multinomial_nb", "logistic_regression", "rbf_svm", "random_forest"]
)
def test_one_vs_rest_takes_many_labels_at_once(name, digits):
    X, y = digits
    labels = np.column_stack([y % 2 == 0, y > 4, y == 3]).astype(int)
    model = OneVsRestClassifier(build(name)).fit(X[:300], labels[:300])
    probabilities = model.predict_proba(X[600:])
    assert probabilities.shape == (300, 3)
    assert ((probabilities > 0.5) == labels[600:]).mean() > 0.7


def test_rbf_svm_probabilities_beat_those_from_calibrated_counts_of_votes(digits):
    X, y = digits
    votes = make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(), ensemble=False))
    losses = [
        log_loss(y[600:], model.fit(X[:600], y[:600]).predict_proba(X[600:]))
        for model in (build("rbf_svm"), votes)
    ]
    assert losses[0] < 0.8 * losses[1]


@given(st.integers(2, 6).flatmap(lambda k: st.lists(st.floats(0.01, 1), min_size=k, max_size=k)))
@settings(max_examples=50, derandomize=True)
def test_coupling_gives_back_the_probabilities_that_the_pairs_came_from(shares):
    p = np.array(shares) / np.sum(shares)
    wins = p[:, None] / (p[:, None] + p)
    np.fill_diagonal(wins, 0)
    np.testing.assert_allclose(couple_pairwise_probabilities(wins[None])[0], p, atol=1e-9)


def test_a_sigmoid_is_that_of_scikit_learn_s_calibration(digits):
    X, y = digits
    model = CalibratedClassifierCV(SVC(), ensemble=False, cv=3).fit(X[:300], y[:300] == 3)
    held_out = cross_val_predict(SVC(), X[:300], y[:300] == 3, cv=3, method="decision_function")
    slope, intercept = fit_sigmoid(held_out, y[:300] == 3, np.ones(300))
    theirs = model.calibrated_classifiers_[0].calibrators[0]  # 1 / (1 + exp(a * score + b))
    np.testing.assert_allclose([slope, intercept], [-theirs.a_, -theirs.b_], rtol=1e-3)


@given(data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_sigmoid_is_at_the_minimum_of_its_loss(data):
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    n = data.draw(st.integers(2, 200), "images")
    positive = random.random(n) < data.draw(st.sampled_from([0.02, 0.5]), "share")
    positive[:2] = [True, False]
    scores = random.normal(size=n) + positive * data.draw(st.sampled_from([-1, 0, 1, 100]), "gap")
    scores *= data.draw(st.sampled_from([0, 1e-3, 1, 1e3]), "scale")
    weight = random.choice([0.1, 1, 20], n)
    slope, intercept = fit_sigmoid(scores, positive, weight)
    target = np.where(positive, 1 - 1 / (positive.sum() + 2), 1 / ((~positive).sum() + 2))
    error = weight * (expit(slope * scores + intercept) - target)
    assert abs(error.sum()) < 1e-5 * weight.sum()
    assert abs(error @ scores) < 1e-5 * (weight @ np.abs(scores)) + 1e-12


@pytest.mark.parametrize("classes", [[0, 1], [3, 5, 8]])
@pytest.mark.parametrize("C", [1e-3, 1e-1])
def test_linear_svm_minimises_what_linear_svc_does(classes, C, digits):
    X, y = digits
    X, y = (X[np.isin(y, classes)] / 16, y[np.isin(y, classes)])
    ours, theirs = (
        LinearSVM(C=C).fit(X, y),
        LinearSVC(C=C, intercept_scaling=1e3, tol=1e-8, dual=False).fit(X, y),
    )

    def objective(W, b):
        side = np.where(y[:, None] == (classes if len(classes) > 2 else classes[1:]), 1, -1)
        return (
            0.5 * np.square(W).sum() + C * np.square(np.maximum(1 - side * (X @ W.T + b), 0)).sum()
        )

    least = objective(theirs.coef_, theirs.intercept_)
    assert objective(ours.coef_, ours.intercept_) <= 1.001 * least
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.99


@pytest.mark.parametrize("C", [1e-3, 1, 1e4])
def test_linear_svm_finds_the_minimum_with_more_features_than_images_and_separable_classes(C):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(60, 500)).astype(np.float32), random.integers(0, 2, 60)
    ours, theirs = (
        LinearSVM(C=C).fit(X, y),
        LinearSVC(C=C, intercept_scaling=1e3, tol=1e-6, dual=False, max_iter=10_000).fit(X, y),
    )

    def objective(model):
        short = np.maximum(
            1 - np.where(y == 1, 1, -1) * (X.astype(float) @ model.coef_[0] + model.intercept_), 0
        )
        return 0.5 * np.square(model.coef_).sum() + C * np.square(short).sum()

    assert objective(ours) <= 1.1 * objective(theirs)


@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_linear_svm_of_few_images_is_where_the_gradient_is_zero(data):
    """With more features than images, for a small C (L-BFGS) and a large one (libsvm)."""
    sizes = data.draw(st.lists(st.integers(1, 15), min_size=2, max_size=4), "sizes")
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    y = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    d = len(y) * data.draw(st.sampled_from([1, 2, 5]), "features per image") + 1
    X = random.normal(size=(len(y), d)) + y[:, None] * 0.1
    if data.draw(st.booleans(), "duplicates"):
        X = X[random.integers(len(X), size=len(X))]
    C = data.draw(st.sampled_from([1e-4, 1e-2, 1, 100]), "C")
    weight = random.integers(0 if data.draw(st.booleans(), "zeros") else 1, 4, len(y))
    weight[0] = 1
    model = LinearSVM(C=C, max_iter=10_000).fit(X, y, sample_weight=weight)
    sides = np.where(y[:, None] == (model.classes_ if len(sizes) > 2 else [1]), 1, -1)
    for side, coef, intercept in zip(sides.T, model.coef_, model.intercept_, strict=True):
        shortfall = np.maximum(1 - side * (X @ coef + intercept), 0)
        pull = 2 * C * weight * side * shortfall
        # accuracy of the scores; libsvm stores dot products in single precision
        by_libsvm = C * d > STEEP and d > WIDE * len(y)
        rounding = 1e-7 * np.abs(pull).sum() * np.square(X).sum(axis=1).max()
        most = 2 * C * weight * (2e-5 + rounding if by_libsvm else 0.02)
        assert np.linalg.norm(coef - pull @ X) <= most @ np.linalg.norm(X, axis=1)
        assert abs(pull.sum()) <= most.sum()


def test_linear_svm_of_few_images_is_the_same_in_any_number_of_features(faces):
    """Features of zeros change nothing but the choice of the method."""
    X, y = faces
    X = StandardScaler().fit_transform(X[::2, :90])
    wide = np.hstack([X, np.zeros((100, 300), dtype=np.float32)])
    for C in (1e-2, 1):
        scores = LinearSVM(C=C).fit(X, y[::2]).decision_function(X)
        np.testing.assert_allclose(
            LinearSVM(C=C).fit(wide, y[::2]).decision_function(wide), scores, atol=0.02
        )


@pytest.mark.parametrize("name", ["linear_svm", "nystroem_svm", "rbf_svm"])
@pytest.mark.parametrize("C", [-1.0, 0.0, np.nan])
def test_a_wrong_penalty_is_refused_by_name(name, C, digits):
    with pytest.raises(ValueError, match=r"'C' parameter of (CoupledSVC|LinearSVM)") as refusal:
        build(name, C=C).fit(digits[0][:60], digits[1][:60])
    assert "cross_val_predict" not in str(refusal.value)


def test_weights_of_linear_svm_count_images(digits):
    X, y = digits[0][:200] / 16, digits[1][:200] % 3
    times = np.arange(200) % 3
    weighted = LinearSVM(C=0.1).fit(X, y, sample_weight=times)
    repeated = LinearSVM(C=0.1).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(
        weighted.decision_function(X), repeated.decision_function(X), atol=0.02
    )
    for wrong in (np.zeros(200), -np.ones(200)):
        with pytest.raises(ValueError, match=r"Sample weights|Negative"):
            LinearSVM().fit(X, y, sample_weight=wrong)


def test_linear_svm_says_when_it_is_stopped_before_its_minimum(digits):
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        LinearSVM(max_iter=3).fit(*digits)


def test_many_classes_are_coupled_in_chunks_of_images(monkeypatch, digits):
    model = build("rbf_svm").fit(digits[0][:300], digits[1][:300])
    whole = model.predict_proba(digits[0])
    monkeypatch.setattr("models.svm.AT_ONCE", 700)
    np.testing.assert_allclose(model.predict_proba(digits[0]), whole, atol=1e-12)


def test_nystroem_svm_comes_near_the_kernel_machine_it_approximates(digits):
    X, y = digits
    exact, near = (
        build(name).fit(X[:600], y[:600]).score(X[600:], y[600:])
        for name in ("rbf_svm", "nystroem_svm")
    )
    assert near > exact - 0.04


def test_two_folds_are_enough_to_calibrate_many_images():
    y = np.arange(10_000) % 3
    assert len(list(stratified_folds(y, y))) == 2
    assert len(list(stratified_folds(y[1:], y[1:]))) == 5


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize(
    "counts", [{0: 9, 1: 7}, {0: 9, 1: 3, 2: 4}, {0: 8, 1: 1}, {0: 2, 1: 1, 2: 1}, {0: 1, 1: 1}]
)
def test_every_fold_trains_on_every_class_and_never_holds_out_a_single_image(counts, in_order):
    y = np.repeat(list(counts), list(counts.values()))
    y = y if in_order else np.random.default_rng(0).permutation(y)
    rows = np.arange(len(y))
    folds = list(stratified_folds(rows, y))
    several = [n for n in counts.values() if n > 1]
    assert len(folds) == (min([5, *several]) if several else 0)
    held = [row for *_, rows_held, _ in folds for row in rows_held]
    assert sorted(held) == [row for row in rows if counts[y[row]] > 1]
    for rows_train, y_train, rows_held, y_held in folds:
        assert set(y_train) == set(counts)
        assert not set(rows_train) & set(rows_held)
        assert np.array_equal(y[rows_train], y_train)
        assert np.array_equal(y[rows_held], y_held)
        assert len(rows_held) > 0


def test_svm_refuses_a_single_class(digits):
    with pytest.raises(ValueError, match="needs two classes"):
        build("linear_svm").fit(digits[0][:10], np.zeros(10, dtype=int))


def test_nearest_centroid_predicts_the_nearest_mean(digits):
    X, y = digits
    model = build("nearest_centroid").fit(X[:600], y[:600])
    scaled = model[0].transform(X)
    means = np.array([scaled[:600][y[:600] == c].mean(axis=0) for c in range(10)])
    nearest = np.linalg.norm(scaled[:, None] - means, axis=2).argmin(axis=1)
    assert (model.predict(X) == nearest).mean() > 0.999


@pytest.mark.parametrize(
    "X",
    [np.eye(4, dtype=np.float32), np.ones((4, 3), dtype=np.float32)],
    ids=["one-each", "all-constant"],
)
def test_nearest_centroid_needs_no_spread_within_classes(X):
    model = build("nearest_centroid").fit(X, np.arange(4))
    assert_probabilities(model, X)


def test_gaussian_nb_says_when_no_feature_varies():
    with pytest.raises(ValueError, match="No feature in X meets the variance threshold"):
        build("gaussian_nb").fit(np.ones((8, 3), dtype=np.float32), np.arange(8) % 2)


def test_multinomial_nb_clips_features_to_the_training_range(digits):
    X = digits[0][:, np.ptp(digits[0][:100], axis=0) > 0] - 8.0
    model = build("multinomial_nb").fit(X[:100], digits[1][:100])
    beyond = 3 * X
    within = np.clip(beyond, X[:100].min(axis=0), X[:100].max(axis=0))
    assert_probabilities(model, beyond)
    np.testing.assert_allclose(model.predict_proba(beyond), model.predict_proba(within), atol=1e-6)


def test_gradient_boosting_holds_no_images_back():
    X = np.random.default_rng(0).normal(size=(10_050, 1)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    y[0] = 2  # a class of one image, which a stratified split cannot hold out
    assert build("gradient_boosting", max_iter=3).fit(X, y).n_iter_ == 3


def test_knn_says_when_there_are_fewer_images_than_neighbours(digits):
    model = build("knn", n_neighbors=9).fit(digits[0][:6], digits[1][:6])
    with pytest.raises(ValueError, match="n_neighbors = 9, n_samples_fit = 6"):
        model.predict_proba(digits[0])


def test_majority_gives_the_training_frequencies(digits):
    model = build("majority").fit(digits[0][:4], [0, 2, 2, 2])
    assert model.predict_proba(digits[0][:1]).tolist() == [[0.25, 0.75]]


def test_classical_models_import_neither_torch_nor_opencv():
    code = "import sys, models.classical; sys.exit(bool({'torch', 'cv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_vs_rest_answers_the_same_for_a_label_that_all_images_have_or_none_has(digits):
    X, y = digits[0][:300], digits[1][:300]
    labels = np.column_stack([np.ones_like(y), np.zeros_like(y), y % 2])
    folds = [(X[:200], labels[:200], X[200:], labels[200:])]
    with pytest.warns(UserWarning, match="training image has the label") as caught:
        model = build("one_vs_rest", estimator=classical.linear_svm()).fit(
            X, labels, inner_folds=folds
        )
    assert {str(warning.message) for warning in caught} == {
        "every training image has the label 0",
        "no training image has the label 1",
    }
    proba = model.predict_proba(X)
    assert (proba[:, :2] == [1, 0]).all()
    assert ((proba[:, 2] > 0.5) == labels[:, 2]).mean() > 0.9
