"""Standardised features are those of scikit-learn's StandardScaler."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from models.standardizer import COLUMNS_AT_ONCE, Standardizer


def assert_same(X, X_test):
    ours, theirs = Standardizer().fit(X), StandardScaler().fit(X)
    np.testing.assert_allclose(ours.mean_, theirs.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.scale_, theirs.scale_, rtol=1e-12)
    np.testing.assert_array_equal(ours.scale_ == 1, theirs.scale_ == 1)
    before = X_test.copy()
    np.testing.assert_allclose(ours.transform(X_test), theirs.transform(X_test), rtol=1e-6)
    np.testing.assert_array_equal(X_test, before)


@given(data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_standardised_features_are_those_of_scikit_learn(data):
    n = data.draw(st.integers(1, 40), "images")
    d = data.draw(st.sampled_from([1, 3, COLUMNS_AT_ONCE + 1]), "features")
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    scale = 10.0 ** random.integers(-6, 6, d)
    offset = scale * random.choice([0, 0.1, 1e3], d)
    X = random.normal(size=(n + 5, d)) * scale + offset
    X[:n, random.random(d) < 0.2] = data.draw(st.sampled_from([0, 0.1, 1e8]), "constant")
    X = X.astype(data.draw(st.sampled_from([np.float32, np.float64]), "dtype"))
    assert_same(X[:n], X[n:])


@pytest.mark.parametrize("order", ["C", "F"])
def test_digits_are_those_of_scikit_learn(order):
    X = load_digits().data.astype(np.float32, order=order)
    assert_same(X[:900], X[900:])
