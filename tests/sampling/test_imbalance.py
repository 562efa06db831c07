"""Smaller and imbalanced training sets: their class sizes, and that samples are nested."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.evaluation.components import build_components, train_test_indices
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.sampling import imbalance

RATIOS = st.floats(1, 1000)
PROFILES = {
    "step": imbalance.step_imbalance,
    "linear": imbalance.linear_imbalance,
    "long_tail": imbalance.long_tail_imbalance,
}


def counts(dataset, cell):
    return np.bincount(
        dataset.targets[train_test_indices(cell, dataset)[0]], minlength=len(dataset.classes)
    )


@given(ratio=RATIOS, n_classes=st.integers(2, 100), name=st.sampled_from(sorted(PROFILES)))
def test_sizes_fall_from_one_to_one_over_the_ratio(ratio, n_classes, name):
    shares = PROFILES[name](n_classes, ratio)
    assert len(shares) == n_classes
    assert shares[0] == pytest.approx(1)
    assert shares[-1] == pytest.approx(1 / ratio)
    assert (np.diff(shares) <= 1e-12).all()


def test_long_tail_is_that_of_cui_2019():
    # CIFAR-10-LT, ratio 100: 5000 * 100^(-i/9), the sizes in the authors' lists
    shares, train = imbalance.long_tail_imbalance(10, 100), np.arange(50_000)
    classes = tuple("0123456789")
    sample = imbalance.sample_training_set(
        train, train % 10, classes, 1.0, shares, classes, seed=0, truncate=True
    )
    assert np.bincount(sample % 10).tolist() == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert len(sample) == 12_406


def test_a_cell_with_a_long_tail_has_the_truncated_sizes(digits, make_cell):
    cell = make_cell(digits, imbalance="long_tail(ratio=8)")
    smallest = np.bincount(digits.targets[train_test_indices(make_cell(digits), digits)[0]]).min()
    assert sorted(counts(digits, cell), reverse=True) == [
        int(smallest * 8 ** (-k / 9) + 1e-9) for k in range(10)
    ]


def test_step_makes_the_share_mu_of_buda_2018_of_the_classes_rare():
    assert imbalance.step_imbalance(10, 50, minority=0.2).tolist() == [1.0] * 8 + [0.02] * 2
    assert imbalance.linear_imbalance(5, 5).tolist() == pytest.approx([1, 0.8, 0.6, 0.4, 0.2])


@pytest.mark.parametrize("ratio", [0.5, float("nan"), float("inf"), -1])
def test_a_ratio_below_one_is_refused(ratio):
    for profile in PROFILES.values():
        with pytest.raises(UserError, match="ratio is the size of the largest class"):
            profile(10, ratio)


@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    ratios=st.tuples(RATIOS, RATIOS),
    amounts=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    name=st.sampled_from(sorted(PROFILES)),
    seed=st.integers(0, 5),
)
def test_smaller_and_steeper_samples_are_nested_in_larger_ones(sizes, ratios, amounts, name, seed):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    classes, train = tuple(map(str, range(len(sizes)))), np.arange(len(labels)) * 3

    def drawn(ratio, amount):
        return imbalance.sample_training_set(
            train, labels, classes, amount, PROFILES[name](len(sizes), ratio), None, seed
        )

    gentle, steep = sorted(ratios)
    less, more = sorted(amounts)
    assert set(drawn(steep, more)) <= set(drawn(gentle, more))
    assert set(drawn(gentle, less)) <= set(drawn(gentle, more)) <= set(train)


def test_the_ratio_holds_exactly_however_large_the_classes_were(digits, make_cell):
    cell = make_cell(digits, imbalance="step(ratio=5, rare=('3', '7'))")
    sizes = counts(digits, cell)
    most = np.bincount(digits.targets[train_test_indices(make_cell(digits), digits)[0]]).min()
    assert set(sizes[[3, 7]]) == {round(most / 5)}
    assert set(np.delete(sizes, [3, 7])) == {most}


def test_the_rare_classes_are_those_named_or_else_the_seeds(digits, make_cell):
    def rare(**how):
        return np.flatnonzero(
            counts(digits, make_cell(digits, imbalance="step(ratio=10, minority=0.3)", **how)) <= 3
        ).tolist()

    assert rare(seed=0) == rare(seed=0, fold=1)
    assert len({tuple(rare(seed=seed)) for seed in range(5)}) > 1
    named = counts(digits, make_cell(digits, imbalance="long_tail(ratio=10, rare=('8', '0'))"))
    assert named.argmin() == 0
    assert np.argsort(named)[1] == 8


@pytest.mark.parametrize("train_size", [0.2, 40])
def test_a_training_size_keeps_the_class_shares(digits, make_cell, train_size):
    whole = counts(digits, make_cell(digits))
    sample = counts(digits, make_cell(digits, train_size=train_size))
    assert sample.sum() == 40
    assert np.abs(sample - whole / 5).max() < 1


def test_the_test_set_is_not_changed(digits, make_cell):
    cell = make_cell(digits, imbalance="long_tail(ratio=20)", train_size=0.5)
    assert np.array_equal(
        train_test_indices(cell, digits)[1], train_test_indices(make_cell(digits), digits)[1]
    )


def test_an_impossible_sample_is_skipped_with_the_reason(digits, make_cell, tmp_path):
    assert (
        "more than the 200 images"
        in build_components(make_cell(digits, train_size=2000), digits).refusal_reason()
    )
    assert (
        "rare lists 'cat', which is no class"
        in build_components(
            make_cell(digits, imbalance="step(ratio=2, rare=('cat',))"), digits
        ).refusal_reason()
    )
    assert (
        "rare lists no class"
        in build_components(
            make_cell(digits, imbalance="step(ratio=2, rare=())"), digits
        ).refusal_reason()
    )
    row = evaluate_on_dataset(make_cell(digits, train_size=2000), digits, tmp_path)
    assert row["status"] == "skipped"


def test_the_row_says_what_the_training_set_was(digits, make_cell, tmp_path):
    cell = make_cell(digits, imbalance="step(ratio=5)", train_size=0.5)
    row = evaluate_on_dataset(cell, digits, tmp_path)
    assert row["status"] == "ok"
    assert (row["imbalance"], row["train_size"]) == ("step(ratio=5)", 0.5)
    assert [cls["train"] for cls in row["per_class"].values()] == counts(digits, cell).tolist()
    assert cell.key != make_cell(digits, imbalance="step(ratio=5)").key


def test_a_learned_extractor_sees_only_the_sample(digits, make_cell):
    from benchmark.evaluation.matrix_keys import MatrixNeeds

    needs = MatrixNeeds({"digits": digits})
    cells = [
        make_cell(digits, extractor="pca(n_components=4)", train_size=size) for size in (1.0, 0.5)
    ]
    assert needs.keys_of(cells[0]) != needs.keys_of(cells[1])


def test_a_profile_needs_its_ratio():
    with pytest.raises(UserError, match="needs ratio"):
        resolve_spec("imbalance", Spec("step"))
