"""Tests of imbalanced-learn's ensembles in the registry."""

import inspect
import pickle

import numpy as np
import pytest
from imblearn.ensemble import BalancedBaggingClassifier
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import recall_score
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from models import REGISTRY, imbalanced

NAMES = [name for name, target in REGISTRY.items() if target.startswith("models.imbalanced:")]


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


def build(name, seed=0, **parameters):
    model = getattr(imbalanced, name)(**parameters)
    return model.set_params(
        **{key: seed for key in model.get_params() if key.split("__")[-1] == "random_state"}
    )


def rare(digits, counts):
    """The first ``counts[c]`` digits of each class c, in their original order."""
    X, y = digits
    rows = np.sort(np.concatenate([np.flatnonzero(y == c)[:n] for c, n in counts.items()]))
    return X[rows], y[rows]


def test_the_registry_has_all_four_ensembles():
    assert NAMES == ["balanced_random_forest", "easy_ensemble", "rus_boost", "balanced_bagging"]


@pytest.mark.parametrize("name", NAMES)
def test_finds_more_of_a_rare_digit_than_a_tree_does(name, digits):
    X, y = rare(digits, {3: 120, 5: 120, 8: 8})
    of_classes = np.isin(digits[1], [3, 5, 8])
    X_test, y_test = digits[0][of_classes][400:], digits[1][of_classes][400:]
    tree, model = (each.fit(X, y) for each in (DecisionTreeClassifier(random_state=0), build(name)))
    before, after = (
        recall_score(y_test, each.predict(X_test), labels=[8], average="macro")
        for each in (tree, model)
    )
    assert after > 0.1 + before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "counts", [{0: 13, 1: 6, 5: 1}, {0: 12, 1: 6, 5: 2}, {0: 30, 1: 6}], ids=str
)
def test_small_samples_give_probabilities_of_every_class(name, counts, digits):
    X, y = rare(digits, counts)
    model = build(name).fit(X, y)
    probabilities = model.predict_proba(digits[0])
    assert model.classes_.tolist() == sorted(counts)
    assert probabilities.shape == (len(digits[0]), len(counts))
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(
        model.classes_[probabilities.argmax(axis=1)], model.predict(digits[0])
    )


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_probabilities_also_for_a_clone_and_a_pickle(name, digits):
    X, y = rare(digits, {0: 20, 1: 20, 2: 6})
    first = build(name, seed=7, n_estimators=3)
    second = clone(first)
    expected = first.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(second.fit(X, y).predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(first)).predict_proba(X), expected)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_have_imbalanced_learn_s_names_and_defaults(name):
    function = getattr(imbalanced, name)
    theirs = type(function())().get_params()
    ours = {
        key: parameter.default for key, parameter in inspect.signature(function).parameters.items()
    }
    assert ours == {key: theirs[key] for key in ours}
    assert not {"random_state", "class_weight", "n_jobs"} & set(ours)
    for key, default in ours.items():
        value = {float: 0.25, int: 3, str: "log2", type(None): 4}[type(default)]
        assert function(**{key: value}).get_params()[key] == value


def test_two_classes_can_be_bagged_when_one_has_a_single_image(digits):
    X, y = rare(digits, {0: 50, 1: 1})
    with pytest.raises(ValueError, match="more than 1 class"):
        BalancedBaggingClassifier(random_state=0).fit(X, y)
    model = build("balanced_bagging", n_estimators=100).fit(X, y)
    share = np.mean([len(member.classes_) == 2 for member in model.estimators_])
    assert share == pytest.approx(1 - np.exp(-1), abs=0.15)
    assert model.predict_proba(X)[y == 1, 1] == pytest.approx(share)


def test_bagging_is_imbalanced_learn_s_where_that_works(digits):
    X, y = rare(digits, {0: 40, 1: 20, 2: 10})
    expected = BalancedBaggingClassifier(random_state=3).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(
        build("balanced_bagging", seed=3).fit(X, y).predict_proba(X), expected
    )


def test_rus_boost_says_when_its_first_stump_is_worse_than_chance(digits):
    X, y = rare(digits, {3: 50, 8: 1})
    outcomes = []
    for seed in range(12):
        try:
            build("rus_boost", seed=seed).fit(X, y)
            outcomes.append("fitted")
        except ValueError as error:
            outcomes.append(str(error))
    assert "fitted" in outcomes
    assert all("worse than random" in outcome for outcome in outcomes if outcome != "fitted")
