"""Splits: groups stay whole, every class is in every test set, or the split is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.datasets.base import Dataset
from benchmark.errors import UserError
from benchmark.sampling.splits import (
    has_official_split,
    holdout_split,
    official_split,
    stratified_kfold,
    validation_split,
)


def lesions(digits, seed=0, multilabel=False):
    groups = np.random.default_rng(seed).integers(0, 60, len(digits.targets))
    if multilabel:
        return replace(
            digits,
            groups=groups,
            targets=np.eye(10, dtype=np.int64)[digits.targets],
            multilabel=True,
        )
    return replace(digits, groups=groups)


@given(seed=st.integers(0, 1000), multilabel=st.booleans())
def test_no_group_is_on_both_sides_of_any_split(digits, seed, multilabel):
    grouped = lesions(digits, seed, multilabel)
    for train, test in [
        *holdout_split(grouped, seed=seed),
        *stratified_kfold(grouped, repeats=2, seed=seed),
    ]:
        assert not set(grouped.groups[train]) & set(grouped.groups[test])


@given(folds=st.integers(2, 6), repeats=st.integers(1, 3), seed=st.integers(0, 100))
def test_every_image_tests_once_a_repeat_and_never_trains_where_it_tests(
    digits, folds, repeats, seed
):
    pairs = stratified_kfold(digits, folds, repeats, seed)
    assert len(pairs) == folds * repeats
    assert all(not set(train) & set(test) for train, test in pairs)
    tests = np.sort(np.concatenate([test for _, test in pairs]))
    assert np.array_equal(tests, np.repeat(np.arange(len(digits.targets)), repeats))


def test_validation_tests_on_the_validation_set_and_never_uses_the_test_set(digits):
    subset = np.array(["train", "train", "val", "test"])[np.arange(len(digits.targets)) % 4]
    ((train, val),) = validation_split(replace(digits, subset=subset))
    assert set(subset[train]) == {"train"}
    assert set(subset[val]) == {"val"}
    with pytest.raises(UserError, match="no official validation set"):
        validation_split(digits)
    with pytest.raises(UserError, match="in both train and val"):
        validation_split(replace(digits, subset=subset, groups=np.zeros(len(subset), int)))


def test_holdout_is_stratified_and_repeats_with_its_seed(digits):
    (train, test), again, other = (
        holdout_split(digits)[0],
        holdout_split(digits)[0],
        holdout_split(digits, seed=43)[0],
    )
    assert len(test) == 60
    assert np.array_equal(test, again[1])
    assert not np.array_equal(test, other[1])
    share = np.bincount(digits.targets[test]) / len(test) - np.bincount(
        digits.targets[train]
    ) / len(train)
    assert np.abs(share).max() < 0.02


def test_a_grouped_holdout_is_near_the_size_asked_for(digits):
    _, test = holdout_split(lesions(digits), test_size=0.25)[0]
    assert abs(len(test) / len(digits.targets) - 0.25) < 0.05


def test_official_never_uses_the_validation_set(digits):
    subset = np.array(["train", "val", "test"])[np.arange(300) % 3]
    train, test = official_split(replace(digits, subset=subset))[0]
    assert set(subset[train]) == {"train"}
    assert set(subset[test]) == {"test"}


def test_an_official_split_that_shares_a_group_is_refused(digits):
    subset = np.where(np.arange(300) < 200, "train", "test")
    with pytest.raises(UserError, match=r"groups .* are in both train and test"):
        official_split(replace(lesions(digits), subset=subset))


def test_a_split_that_cannot_be_made_is_a_user_error(digits, rare):
    with pytest.raises(UserError, match="no official split"):
        official_split(digits)
    with pytest.raises(UserError, match="test_size"):
        holdout_split(digits, test_size=2)
    with pytest.raises(UserError, match="at least 2 folds"):
        stratified_kfold(digits, folds=1)
    with pytest.raises(
        UserError,
        match=(
            r"class '2' has 29 images; stratified_kfold\(folds=500\) would leave .* "
            "use folds=29 .*, or merge the class"
        ),
    ):
        stratified_kfold(digits, folds=500)
    with pytest.raises(
        UserError,
        match=r"class '3' has 3 images; .*use folds=3 .*, or merge the class with another",
    ):
        stratified_kfold(rare, folds=5)
    assert not has_official_split(digits)


def test_merging_is_not_suggested_with_two_classes_only():
    with pytest.raises(
        UserError,
        match=r"without it: use folds=3 \(in a study file, split: stratified_kfold\(folds=3\)\)$",
    ):
        stratified_kfold(dataset_of([0] * 9 + [1] * 3), folds=5)


def dataset_of(labels, groups=None, n_classes=None, multilabel=False):
    """Return a dataset with these labels."""
    labels = np.asarray(labels, dtype=np.int64)
    n = n_classes or (labels.shape[1] if multilabel else labels.max() + 1)
    images = np.zeros((len(labels), 2, 2, 1), np.uint8)
    classes = tuple(chr(ord("a") + k) for k in range(n))
    return Dataset(
        "d",
        images,
        labels,
        classes,
        multilabel=multilabel,
        groups=None if groups is None else np.asarray(groups),
    )


@pytest.mark.parametrize("split", [stratified_kfold, holdout_split])
def test_images_of_one_patient_are_refused_with_the_same_message_by_every_split(split):
    for n in (2, 4, 40):
        with pytest.raises(
            UserError, match=f"all {n} images are of 1 group .*needs at least 2 groups"
        ):
            split(dataset_of([0, 1] * (n // 2), ["P1"] * n))


@pytest.mark.parametrize("split", [stratified_kfold, holdout_split])
@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (
            dataset_of([0] * 9 + [1] * 9 + [2]),
            r"class 'c' has 1 image; .* leave the class out, or merge it with another$",
        ),
        (dataset_of([0] * 9 + [1]), r"class 'b' has 1 image; .* without it: add images of it$"),
        (
            dataset_of([0] * 9 + [1, 1], [0, 1, 2] * 3 + [7, 7]),
            r"class 'b' has 2 images in 1 group; .* add images of it from other groups$",
        ),
        (
            dataset_of([[1, 0, 0], [0, 1, 0]] * 9 + [[0, 0, 1]], multilabel=True),
            r"class 'c' has 1 image; .* leave the class out",
        ),
        (
            dataset_of([[1, 0]] * 9 + [[0, 1]], multilabel=True),
            r"class 'b' has 1 image; .* add images of it$",
        ),
    ],
)
def test_a_class_that_cannot_be_on_both_sides_is_refused_by_name(split, dataset, message):
    with pytest.raises(UserError, match=message):
        split(dataset)


@pytest.mark.parametrize(
    "dataset",
    [
        dataset_of([0] * 9 + [1, 1]),
        dataset_of([0] * 9 + [1, 1, 1], [0, 1, 2] * 3 + [7, 7, 8]),
        dataset_of([[1, 0]] * 9 + [[0, 1]] * 2, multilabel=True),
    ],
)
def test_the_number_of_folds_that_a_refusal_names_works(dataset):
    with pytest.raises(
        UserError,
        match=(
            r"class 'b' has \d images.* use folds=2 "
            r"\(in a study file, split: stratified_kfold\(folds=2\)\)$"
        ),
    ):
        stratified_kfold(dataset, folds=3)
    assert len(stratified_kfold(dataset, folds=2)) == 2


def test_folds_that_mixed_groups_cannot_fill_are_refused_with_a_number_that_works():
    # Class a is in the groups 0, 1 and 2, class b in 0, 1 and 3, and class c in 2, 3 and 4: for 3
    # folds with a and b, the groups 2 and 3 must be in one fold, and c is then in two folds only.
    groups, labels = [0, 1, 2, 0, 1, 3, 2, 3, 4], [0, 0, 0, 1, 1, 1, 2, 2, 2]
    with pytest.raises(UserError, match=r"found no 3 folds with every class.*use folds=2"):
        stratified_kfold(dataset_of(labels, groups), folds=3)
    assert len(stratified_kfold(dataset_of(labels, groups), folds=2)) == 2


def try_split(split):
    """Return the folds and "", or no folds and the message of the refusal."""
    try:
        return split(), ""
    except UserError as error:
        return [], str(error)


@given(
    seed=st.integers(0, 10_000),
    n_groups=st.integers(2, 15),
    n_classes=st.integers(2, 5),
    folds=st.integers(2, 5),
    multilabel=st.booleans(),
)
def test_no_fold_is_empty_or_without_a_class_or_else_it_is_refused(
    seed, n_groups, n_classes, folds, multilabel
):
    """scikit-learn's StratifiedGroupKFold can give test sets of 2, 1, 0, 4 and 3 images."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(n_groups, 4 * n_groups))
    labels = rng.integers(0, n_classes, n)
    groups = rng.integers(0, n_groups, n)
    if multilabel:
        labels = (rng.random((n, n_classes)) < 0.3).astype(int)
    data = dataset_of(labels, groups, n_classes, multilabel)
    for split in (
        lambda: stratified_kfold(data, folds=folds, seed=seed),
        lambda: holdout_split(data, seed=seed),
    ):
        split_folds, message = try_split(split)
        assert (
            split_folds
            or "use folds=" in message
            or "leave" in message
            or "needs at least 2 groups" in message
        )
        classes = np.flatnonzero(data.targets.any(axis=0)) if multilabel else np.unique(labels)
        for side in (side for fold in split_folds for side in fold):
            held = (
                np.flatnonzero(data.targets[side].any(axis=0))
                if multilabel
                else np.unique(labels[side])
            )
            assert held.tolist() == classes.tolist()
        assert not any(set(groups[train]) & set(groups[test]) for train, test in split_folds)


def test_the_empty_test_fold_of_scikit_learns_grouped_folds_does_not_happen():
    labels, groups = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 2, 3, 4, 5, 5, 5, 5]
    with pytest.raises(UserError, match=r"class 'b' has 4 images in 1 group"):
        stratified_kfold(dataset_of(labels, groups), folds=5)


def test_a_label_with_6_of_300_positives_is_in_every_fold_of_5(digits):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = (rng.random((300, 4)) < [0.4, 0.2, 0.1, 0]).astype(int)
        labels[rng.choice(300, 6, replace=False), 3] = 1
        for groups in (None, np.arange(300) // 2):
            folds = stratified_kfold(
                dataset_of(labels, groups, multilabel=True), folds=5, seed=seed
            )
            sums = np.array([labels[test].sum(axis=0) for _, test in folds])
            assert (sums > 0).all()
            if groups is None:
                assert (np.ptp(sums, axis=0) <= 2).all(), "every fold has its share"
                assert {len(test) for _, test in folds} <= {59, 60, 61}


def test_a_holdout_of_several_labels_is_stratified_and_near_the_size_asked_for():
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 3)) < [0.5, 0.1, 0.02]).astype(int)
    ((_, test),) = holdout_split(dataset_of(labels, multilabel=True), test_size=0.3)
    assert abs(len(test) - 90) <= 2
    assert np.abs(labels[test].sum(axis=0) - 0.3 * labels.sum(axis=0)).max() <= 1


def test_a_rare_class_is_on_both_sides_of_a_holdout():
    for seed in range(20):
        ((train, test),) = holdout_split(
            dataset_of([0] * 100 + [1, 1], n_classes=2), test_size=0.1, seed=seed
        )
        assert {100, 101} & set(train)
        assert {100, 101} & set(test)


def test_images_without_any_label_are_split_as_well():
    labels = np.zeros((40, 2), int)
    labels[:10, 0] = labels[5:15, 1] = 1
    tests = np.sort(
        np.concatenate(
            [test for _, test in stratified_kfold(dataset_of(labels, multilabel=True), folds=4)]
        )
    )
    assert tests.tolist() == list(range(40))


@given(st.integers(0, 1000), st.sampled_from([0.1, 0.2, 0.5, 0.7]))
def test_a_grouped_holdout_has_groups_of_the_same_sizes_on_both_sides(seed, test_size):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(600), rng.integers(1, 6, 600))
    sizes = np.bincount(groups)[groups]
    targets = rng.permutation(groups.max() + 1)[groups] % 3
    images = np.zeros((len(groups), 1, 1, 1), np.uint8)
    dataset = Dataset("grouped", images, targets, ("a", "b", "c"), groups=groups)
    ((train, test),) = holdout_split(dataset, test_size, seed)
    assert len(test) == pytest.approx(test_size * len(groups), rel=0.05)
    assert sizes[test].mean() == pytest.approx(sizes[train].mean(), rel=0.05)
    shares = [np.bincount(targets[side]) / len(side) for side in (train, test)]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.02)
