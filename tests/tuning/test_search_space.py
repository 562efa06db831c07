"""Search spaces: the same text in a study file, beside a component and in a row."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import features
import models
from benchmark.errors import UserError
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.study.load import load_study
from benchmark.study.spaces import check_space, declared_space
from benchmark.tuning.search_space import Distribution, format_space, read_space, read_values
from benchmark.tuning.searches import GridSearch, RandomSearch

NUMBERS = st.floats(1e-6, 1e6, allow_nan=False)


@pytest.mark.parametrize("kind", ["extractor", "model"])
def test_every_declared_search_space_names_parameters_and_values_that_they_take(kind):
    registry = {"extractor": features, "model": models}[kind].REGISTRY
    declared = 0
    for name in registry:
        given = {"estimator": Spec("knn")} if name == "one_vs_rest" else {}
        spec = resolve_spec(kind, Spec(name, tuple(given.items())))
        space = declared_space(spec.target, name)
        check_space(spec, space, name)
        declared += bool(space)
    assert declared > len(registry) / 2


@given(st.sampled_from(["uniform", "loguniform"]), NUMBERS, NUMBERS)
def test_a_distribution_is_read_back_from_its_label(name, low, width):
    values = Distribution(name, low, low + max(width, low * 1e-3))
    assert read_values(values.label, "x") == values


@given(st.integers(-50, 50), st.integers(1, 50), st.integers(2, 30))
def test_spaced_integers_are_distinct_and_below_the_upper_limit(low, width, n):
    values = Distribution("randint", low, low + width).spaced_values(n)
    assert len(set(values)) == len(values) <= min(n, width)
    assert min(values) == low
    assert max(values) == (low + width - 1 if width > 1 else low)


@given(st.integers(0, 2**28), st.integers(1, 30))
def test_random_candidates_begin_with_the_default_and_are_within_the_limits(seed, n):
    space = {
        "machine": read_space({"C": "loguniform(0.1, 10)", "k": "randint(2, 5)"}, "machine"),
        "texture": read_space({"grid": [[1, 1], [2, 2]]}, "texture"),
    }
    first, *others = RandomSearch(n=n).list_candidates(space, seed)
    assert first == {}
    assert len(others) == n - 1
    for candidate in others:
        assert 0.1 <= candidate["machine"]["C"] <= 10
        assert type(candidate["machine"]["C"]) is float
        assert candidate["machine"]["k"] in (2, 3, 4)
        assert candidate["texture"]["grid"] in ((1, 1), (2, 2))
    assert RandomSearch(n=n).list_candidates(space, seed) == [first, *others]


def test_a_grid_has_every_combination_once_and_is_counted_before_it_is_listed():
    space = {"m": read_space({"C": "loguniform(1, 100)", "w": ["a", "b"]}, "m")}
    search = GridSearch(points=3)
    candidates = search.list_candidates(space, 0)
    expected = [{}, *({"m": {"C": c, "w": w}} for c in (1, 10, 100) for w in "ab")]
    assert [
        {"m": {k: round(v, 9) if k == "C" else v for k, v in each["m"].items()}} if each else {}
        for each in candidates
    ] == expected
    assert search.count_candidates(space) == len(candidates)
    assert "more than 10000" in GridSearch(points=100).refusal(
        {"m": read_space({"a": "uniform(0, 1)", "b": "uniform(0, 1)", "c": "uniform(0, 1)"}, "m")}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loguniform(0, 1)", "two numbers above 0"),
        ("uniform(2, 1)", "the smaller one first"),
        ("randint(1.5, 3)", "two integers"),
        ("uniform(1)", "two numbers"),
        ("uniform(0, 1e999)", "two numbers"),
        ("normal(0, 1)", "unknown distribution"),
        ("C", "write a list of values"),
        (3, "write a list of values"),
        ([], "list 1 to 1000 values, not 0"),
        ("uniform(__import__('os'), 1)", "write a list of values"),
        ("uniform(True, 2)", "two numbers"),
    ],
)
def test_a_wrong_distribution_is_named_with_what_to_write(text, message):
    with pytest.raises(UserError, match="rbf_svm, C") as error:
        read_space({"C": text}, "rbf_svm")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({"knn": {"k": [1]}}, "n_neighbors"),
        ({"kn": {"n_neighbors": [1]}}, "knn"),
        ({"knn": {"n_neighbors": [1, 0]}}, "'n_neighbors' parameter"),
        ({"knn": {"n_neighbors": "uniform(1, 5)"}}, "n_neighbors"),
        ({"knn": [1]}, "parameter: [values]"),
        (["knn"], "write a mapping"),
    ],
)
def test_a_study_refuses_a_search_space_that_does_not_fit_its_components(spaces, message):
    with pytest.raises(UserError) as error:
        load_study(
            "digits", extractors=["pixels"], models=["knn"], search_spaces=spaces
        ).resolve_components()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_study_with_search_spaces_is_read_back_from_its_yaml(tmp_path):
    spaces = {"knn": {"n_neighbors": [1, 5], "weights": ["uniform"]}}
    study = load_study("digits", extractors=["pixels"], models=["knn"], search_spaces=spaces)
    (tmp_path / "study.yaml").write_text(study.to_yaml())
    assert load_study(tmp_path / "study.yaml") == study
    assert format_space(study.search_spaces) == spaces


def test_values_of_loguniform_are_spaced_by_equal_factors():
    values = Distribution("loguniform", 0.001, 1000).spaced_values(7)
    factors = [b / a for a, b in pairwise(values)]
    assert all(math.isclose(factor, 10) for factor in factors)
