"""Metrics of subgroups, and their gaps to the other images."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

from benchmark.errors import UserError
from benchmark.scoring.pooling import pool_test_sets
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.subgroups import assign_subgroups, compare_subgroups, join_group_values


def draw(rng, n=400, harm=0.0, groups=None):
    """Predictions that are worse for women, by ``harm`` standard deviations."""
    sex = np.where(rng.random(n) < 0.4, "f", "m")
    y = (rng.random(n) < 0.5).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal((2 * y - 1) * (1.2 - harm * (sex == "f")), 1.0))))
    p = Predictions(y, np.column_stack([1 - score, score]), ("a", "b"), np.arange(n), groups=groups)
    return p, pd.Series(sex).astype("category")


@given(st.integers(0, 1000))
def test_values_are_those_of_scikit_learn_on_the_subgroup(seed):
    p, sex = draw(np.random.default_rng(seed))
    for metric, score in (("accuracy", accuracy_score), ("sensitivity", recall_score)):
        for name, result in compare_subgroups(metric, [p], sex).items():
            members = (sex == name).to_numpy()
            inside = score(p.y_true[members], p.labels[members])
            outside = score(p.y_true[~members], p.labels[~members])
            assert result.n == members.sum()
            assert result.prevalence == pytest.approx(p.y_true[members].mean())
            assert result.value.effect == pytest.approx(inside)
            assert result.value.lower <= inside <= result.value.upper
            assert result.gap.effect == pytest.approx(inside - outside)


def test_of_two_subgroups_the_gaps_are_opposite_and_one_test():
    p, sex = draw(np.random.default_rng(0), harm=1.0)
    women, men = (compare_subgroups("accuracy", [p], sex)[name].gap for name in "fm")
    assert women.effect == pytest.approx(-men.effect)
    assert women.adjusted == pytest.approx(women.p_value)
    assert women.p_value < 0.05


@pytest.mark.parametrize("per_patient", [1, 4])
def test_a_gap_that_is_not_there_is_found_in_five_percent(per_patient):
    rng = np.random.default_rng(1)
    rejected = []
    for _ in range(300):
        groups = None if per_patient == 1 else (np.arange(400) // per_patient).astype(str)
        p, sex = draw(rng, groups=groups)
        rejected.append(compare_subgroups("accuracy", [p], sex)["f"].gap.p_value < 0.05)
    assert 0.02 <= np.mean(rejected) <= 0.085


def test_p_values_of_several_subgroups_are_adjusted_by_holm():
    rng = np.random.default_rng(2)
    p, sex = draw(rng, n=900, harm=1.0)
    site = pd.Series(np.where(sex == "f", "f", rng.choice(["x", "y"], 900))).astype("category")
    gaps = [result.gap for result in compare_subgroups("accuracy", [p], site).values()]
    assert {gap.family for gap in gaps} == {3}
    smallest = min(gaps, key=lambda gap: gap.p_value)
    assert smallest.adjusted == pytest.approx(3 * smallest.p_value)


def test_small_subgroups_and_those_without_a_class_have_no_value():
    p, _ = draw(np.random.default_rng(3), n=200)
    subgroup = np.where(p.y_true == 1, "x", "y").astype(object)
    subgroup[:5] = "few"
    results = compare_subgroups("f1", [p], pd.Series(subgroup).astype("category"))
    assert results["few"].n == 5
    assert "at least 10 are required" in results["few"].value.refusal
    assert "no test images of a; a mean over the other classes" in results["x"].value.refusal
    assert np.isnan(results["x"].value.effect)


def test_numbers_are_binned_by_quartiles_or_the_given_edges():
    age = pd.Series([*range(100), np.nan], name="age")
    quartiles = assign_subgroups(age).value_counts(sort=False)
    assert list(quartiles.index) == [
        "below 25", "25 to below 50", "50 to below 74", "74 and above", "missing",
    ]  # fmt: skip
    assert quartiles.tolist() == [25, 25, 24, 26, 1]
    assert assign_subgroups(age, (40,)).value_counts(sort=False).to_dict() == {
        "below 40": 40,
        "40 and above": 60,
        "missing": 1,
    }


@pytest.mark.parametrize("values", [[1.0, 1.0, np.nan], [np.nan, np.nan]])
def test_constant_and_missing_numbers_are_subgroups(values):
    groups = assign_subgroups(pd.Series(values, dtype=float))
    assert groups.notna().all()
    assert groups.iloc[-1] == "missing"


def test_text_has_a_subgroup_per_value_and_one_for_the_rare():
    site = pd.Series([f"s{i}" for i in range(20) for _ in range(21 - i)] + [np.nan])
    groups = assign_subgroups(site)
    assert list(groups.cat.categories) == [*(f"s{i}" for i in range(15)), "other", "missing"]
    with pytest.raises(UserError, match="is text, which has no bins"):
        assign_subgroups(site, (1,))


def test_folds_are_joined_and_repetitions_are_not():
    p, _ = draw(np.random.default_rng(4), n=40)
    folds = [p.take_members(np.arange(40) % 4 == k) for k in range(4)]
    pooled = pool_test_sets([*folds, *folds[::-1]])
    assert len(pooled) == 2
    for joined in pooled:
        assert joined.test_index.tolist() == list(range(40))
        assert joined.y_true.tolist() == p.y_true.tolist()
        np.testing.assert_array_equal(joined.proba, p.proba)


def test_numbers_that_differ_in_late_digits_are_different_subgroups():
    year = pd.Series([2014.0, 2015, 2016, 2017, 2018, 2019] * 10)
    assert assign_subgroups(year).nunique() == 4
    identifier = pd.Series([1000001.0, 1000002, 1000003, 1000004] * 5)
    expected = ["1000001", "1000002", "1000003", "1000004"]
    assert assign_subgroups(identifier).value_counts(sort=False).index.tolist() == expected
    edges = (1000002, 1000003)
    names = assign_subgroups(identifier, edges).value_counts(sort=False).index.tolist()
    assert names == ["below 1000002", "1000002 to below 1000003", "1000003 and above"]


def test_a_number_of_two_values_is_not_binned():
    assert assign_subgroups(pd.Series([0.0, 1, 1])).tolist() == ["0", "1", "1"]


def test_values_called_other_are_with_the_rare_ones():
    race = pd.Series(["other", *"abcdefghijklmnopqrst"] * 2 + ["other"])
    groups = assign_subgroups(race)
    assert (groups == "other").sum() == 3 + 2 * (20 - 14)
    assert assign_subgroups(pd.Series(["other", "a"])).tolist() == ["other", "a"]


def test_a_group_with_several_values_is_in_no_subgroup_of_one():
    age = assign_subgroups(pd.Series([30.0, 70, 30, 30]), (60,))
    joined = join_group_values(age, pd.Series(["p1", "p1", "p2", "p2"]))
    assert joined.tolist() == ["several values", "several values", "below 60", "below 60"]


@pytest.mark.parametrize("metric", ["auc", "f1"])
def test_a_mean_over_classes_needs_five_images_of_each(metric):
    y = np.r_[np.zeros(4, int), np.ones(40, int), np.tile([0, 1], 30)]
    proba = np.random.default_rng(0).dirichlet([1, 1], len(y))
    predictions = Predictions(y, proba, ("a", "b"), np.arange(len(y)))
    site = pd.Series(np.where(np.arange(len(y)) < 44, "few", "many"), dtype="category")
    results = compare_subgroups(metric, [predictions], site)
    assert "4 test images of 'a'; at least 5" in results["few"].value.refusal
    assert np.isfinite(results["many"].value.effect)
