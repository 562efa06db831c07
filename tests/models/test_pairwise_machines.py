"""Kernel machines from matrix products are those of scikit-learn's SVC."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import lfw_subset
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from models.kernel_matrix import KERNELS, kernel_matrix
from models.pairwise_machines import FEWEST_FEATURES, PairwiseMachines
from models.svm import CoupledSVC

ENOUGH = FEWEST_FEATURES + 1  # features from which on kernel matrices are computed


def scores_of_svc(X, y, X_test, **parameters):
    svc = SVC(decision_function_shape="ovo", **parameters).fit(X.astype(float), y)
    return svc.decision_function(X_test.astype(float))


@pytest.fixture(scope="module")
def digits():
    """400 digits of 256 pixels: 20 to 60 of each of 6 classes, in random order."""
    images, y = load_digits(return_X_y=True)
    sizes = dict(zip(range(6), (20, 60, 30, 50, 40, 60), strict=True))
    rows = np.concatenate([np.flatnonzero(y == c)[:n] for c, n in sizes.items()])
    rows = np.random.default_rng(0).permutation(rows)
    larger = np.kron(images.reshape(-1, 8, 8), np.ones((2, 2))).reshape(-1, 256)
    return larger[rows].astype(np.float32), y[rows], larger[y < 6][-300:].astype(np.float32)


@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_scores_are_those_of_svc(data):
    n_classes = data.draw(st.integers(2, 5), "classes")
    sizes = data.draw(st.lists(st.integers(1, 12), min_size=n_classes, max_size=n_classes), "sizes")
    d = data.draw(st.sampled_from([1, 5, ENOUGH, 2100]), "features")
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]), "dtype")
    y = random.permutation(np.repeat(np.arange(n_classes) * 3 - 1, sizes))
    X = random.normal(size=(len(y), d)) + y[:, None] * data.draw(st.sampled_from([0, 0.1, 1]))
    if data.draw(st.booleans(), "duplicates"):
        X = X[random.integers(len(X), size=len(X))]
    X = (X * data.draw(st.sampled_from([1e-3, 1, 50]), "scale")).astype(dtype)
    parameters = {
        "kernel": data.draw(st.sampled_from(KERNELS), "kernel"),
        "C": data.draw(st.sampled_from([0.01, 1, 30]), "C"),
        "gamma": data.draw(st.sampled_from(["scale", "auto", 1e-3]), "gamma"),
        "class_weight": data.draw(
            st.sampled_from([None, "balanced", {-1: 3.0, 2: 0.5}]), "class_weight"
        ),
    }
    X_test = np.concatenate([X, X[::-1] * dtype(1.1)])
    expected = scores_of_svc(X, y, X_test, **parameters)
    scores = PairwiseMachines(**parameters).fit(X, y).decision_function(X_test)
    np.testing.assert_allclose(scores, expected, atol=1e-6 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("largest", [1000, 110, 109, 60])
@pytest.mark.parametrize("n_classes", [2, 6])
def test_matrices_of_all_images_of_pairs_and_none_give_the_same_machines(
    largest, n_classes, digits, monkeypatch
):
    """At 110, one matrix per pair of classes; at 109, none for the pair of 60 and 50 images."""
    X, y, X_test = digits
    X, y = X[y < n_classes], y[y < n_classes]
    monkeypatch.setattr("models.pairwise_machines.LARGEST_MATRIX", largest)
    machines = PairwiseMachines(C=10, class_weight="balanced").fit(X, y)
    expected = scores_of_svc(X, y, X_test, C=10, class_weight="balanced")
    np.testing.assert_allclose(machines.decision_function(X_test), expected, atol=1e-9)
    svc = SVC(C=10, class_weight="balanced").fit(X.astype(float), y)
    np.testing.assert_array_equal(machines.support_vectors_, X[svc.support_])
    np.testing.assert_array_equal(machines.n_support_, svc.n_support_)


def test_no_kernel_value_is_computed_by_libsvm_with_enough_features(digits, monkeypatch):
    kernels = []
    fit = SVC.fit
    monkeypatch.setattr(SVC, "fit", lambda svc, X, y: kernels.append(svc.kernel) or fit(svc, X, y))
    X, y, _ = digits
    for n_features in (ENOUGH, FEWEST_FEATURES - 1):
        PairwiseMachines().fit(X[:, :n_features], y)
    assert kernels == ["precomputed", "rbf"]


def test_few_images_at_a_time_have_the_same_scores(digits, monkeypatch):
    X, y, X_test = digits
    machines = PairwiseMachines().fit(X, y)
    scores = machines.decision_function(X_test)
    monkeypatch.setattr("models.pairwise_machines.VALUES_AT_ONCE", 7 * len(X))
    np.testing.assert_allclose(machines.decision_function(X_test), scores, atol=1e-12)


def test_distances_far_from_the_origin_are_accurate():
    faces = lfw_subset().reshape(200, -1)
    near, far = (kernel_matrix(X, X, "rbf", 0.1) for X in (faces, faces + 2.0**20))
    np.testing.assert_allclose(near, far, atol=1e-8)
    np.testing.assert_array_equal(near, near.T)
    np.testing.assert_array_equal(near.diagonal(), 1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_values_of_other_images_are_those_of_the_training_images(kernel):
    """The training set is larger than a tile, and has more features than are converted at once."""
    X = np.random.default_rng(0).normal(size=(300, 2100)).astype(np.float32)
    whole = kernel_matrix(X, X, kernel, 1e-3)
    np.testing.assert_allclose(kernel_matrix(X[:9], X.copy(), kernel, 1e-3), whole[:9], atol=1e-9)
    np.testing.assert_allclose(kernel_matrix(X[9:], X.copy(), kernel, 1e-3), whole[9:], atol=1e-9)


def test_images_that_are_all_equal_have_a_kernel_of_ones():
    X = np.full((8, ENOUGH), 0.1, dtype=np.float32)
    machines = PairwiseMachines().fit(X, np.arange(8) % 2)
    np.testing.assert_allclose(machines.decision_function(X), 0, atol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 6])
def test_machines_of_svc_from_a_file_of_an_earlier_version_give_the_same_probabilities(
    n_classes, digits
):
    X, y, X_test = digits
    X, y = X[y < n_classes], y[y < n_classes]
    model = CoupledSVC().fit(X, y)
    probabilities = model.predict_proba(X_test)
    model.machine_ = make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X_test), probabilities, atol=1e-9)
