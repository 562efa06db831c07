from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.splits import has_official, holdout, official, stratified_kfold, validation


def lesions(digits, seed=0, multilabel=False):
    groups = np.random.default_rng(seed).integers(0, 60, len(digits.targets))
    if multilabel:
        return replace(digits, groups=groups, targets=np.eye(10, dtype=np.int64)[digits.targets], multilabel=True)
    return replace(digits, groups=groups)


@given(seed=st.integers(0, 1000), multilabel=st.booleans())
def test_no_group_is_on_both_sides_of_any_split(digits, seed, multilabel):
    grouped = lesions(digits, seed, multilabel)
    for train, test in [*holdout(grouped, seed=seed), *stratified_kfold(grouped, repeats=2, seed=seed)]:
        assert not set(grouped.groups[train]) & set(grouped.groups[test])


@given(folds=st.integers(2, 6), repeats=st.integers(1, 3), seed=st.integers(0, 100))
def test_every_image_tests_once_a_repeat_and_never_trains_where_it_tests(digits, folds, repeats, seed):
    found = stratified_kfold(digits, folds, repeats, seed)
    assert len(found) == folds * repeats
    assert all(not set(train) & set(test) for train, test in found)
    tests = np.sort(np.concatenate([test for _, test in found]))
    assert np.array_equal(tests, np.repeat(np.arange(len(digits.targets)), repeats))


def test_validation_tests_on_the_validation_part_and_never_sees_the_test_part(digits):
    parts = np.array(["train", "train", "val", "test"])[np.arange(len(digits.targets)) % 4]
    ((train, val),) = validation(replace(digits, part=parts))
    assert set(parts[train]) == {"train"}
    assert set(parts[val]) == {"val"}
    with pytest.raises(UserError, match="no official validation part"):
        validation(digits)
    with pytest.raises(UserError, match="in both train and val"):
        validation(replace(digits, part=parts, groups=np.zeros(len(parts), int)))


def test_holdout_is_stratified_and_repeats_with_its_seed(digits):
    (train, test), again, other = holdout(digits)[0], holdout(digits)[0], holdout(digits, seed=43)[0]
    assert len(test) == 60
    assert np.array_equal(test, again[1])
    assert not np.array_equal(test, other[1])
    share = np.bincount(digits.targets[test]) / len(test) - np.bincount(digits.targets[train]) / len(train)
    assert np.abs(share).max() < 0.02


def test_a_grouped_holdout_is_near_the_size_asked_for(digits):
    _, test = holdout(lesions(digits), test_size=0.25)[0]
    assert abs(len(test) / len(digits.targets) - 0.25) < 0.05


def test_official_never_uses_the_validation_part(digits):
    part = np.array(["train", "val", "test"])[np.arange(300) % 3]
    train, test = official(replace(digits, part=part))[0]
    assert set(part[train]) == {"train"}
    assert set(part[test]) == {"test"}


def test_an_official_split_that_shares_a_group_is_refused(digits):
    part = np.where(np.arange(300) < 200, "train", "test")
    with pytest.raises(UserError, match=r"groups .* are in both train and test"):
        official(replace(lesions(digits), part=part))


def test_a_split_that_cannot_be_made_is_a_users_error(digits, rare):
    with pytest.raises(UserError, match="no official split"):
        official(digits)
    with pytest.raises(UserError, match="test_size"):
        holdout(digits, test_size=2)
    with pytest.raises(UserError, match="at least 2 folds"):
        stratified_kfold(digits, folds=1)
    with pytest.raises(UserError, match="500 folds"):
        stratified_kfold(digits, folds=500)
    assert not has_official(digits)
