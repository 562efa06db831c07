"""Comparisons of configurations: the choice of the test, adjustments, sentences and tables."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from stored_cells import HOG, PIXELS, add, folds_of, predicted

from benchmark import load_study, run
from benchmark.errors import UserError
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.reporting.comparable_rows import CONFIGURATION_AXES
from benchmark.reporting.compare import compare_all_configurations, compare_configurations
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.comparison_table import make_comparison_tables
from benchmark.reporting.configuration_lookup import find_configuration
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import Result, corrected_t_test, delong_test, mcnemar


@pytest.fixture
def y():
    return np.arange(120) % 2


# ---- which test


def test_accuracy_on_one_split_is_tested_by_mcnemar_and_bounded_by_tangos_interval(tmp_path, y):
    a, b = predicted(y, [0, 1]), predicted(y, range(1, 15))
    add(tmp_path, HOG, a), add(tmp_path, PIXELS, b)
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    expected = mcnemar(y, a.labels, b.labels)
    assert (comparison.result.p_value, comparison.result.effect) == (
        expected.p_value,
        pytest.approx(12 / 120),
    )
    assert 0 < comparison.result.lower < 12 / 120 < comparison.result.upper
    assert comparison.result.unit == (
        "test images, of which 14 are predicted correctly by one configuration only"
    )


def test_the_auc_of_two_classes_is_tested_by_delong_and_of_three_by_the_jackknife(tmp_path):
    y = np.arange(420) % 2
    a, b = predicted(y, range(0, 20)), predicted(y, range(10, 60))
    add(tmp_path, HOG, a), add(tmp_path, PIXELS, b)
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels", "auc")
    assert comparison.result == delong_test(y, a.proba[:, 1], b.proba[:, 1])
    three = np.arange(420) % 3
    for configuration, wrong in ((HOG, range(0, 20)), (PIXELS, range(10, 60))):
        add(tmp_path, configuration, predicted(three, wrong, 3), dataset="skin")
    comparisons = compare_configurations(tmp_path, "hog", "pixels", "auc")
    assert [comparison.result.test for comparison in comparisons] == [
        "DeLong's test",
        "paired jackknife t-test",
        "Wilcoxon's signed-rank test",
    ]


def test_probabilities_that_happen_to_be_0_or_1_have_an_auc_like_any_others(tmp_path):
    y = np.arange(400) % 2
    certain = predicted(y, range(40))
    certain = replace(certain, proba=np.eye(2)[certain.labels])
    add(tmp_path, HOG, certain)
    add(tmp_path, PIXELS, predicted(y, range(80)))
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels", "auc")
    assert comparison.mean_a == pytest.approx(0.9)
    assert comparison.result == delong_test(
        y, certain.proba[:, 1], predicted(y, range(80)).proba[:, 1]
    )


def test_images_of_one_patient_are_one_observation(tmp_path):
    patients = np.array([f"p{i // 6}" for i in range(600)])
    for configuration, wrong in ((HOG, range(0, 600, 20)), (PIXELS, range(0, 600, 5))):
        add(tmp_path, configuration, predicted(np.arange(600) % 2, wrong, groups=patients))
    for metric in ("accuracy", "auc", "f1"):
        (comparison,) = compare_configurations(tmp_path, "hog", "pixels", metric)
        assert (comparison.result.test, comparison.result.n, comparison.result.unit) == (
            "paired jackknife t-test",
            100,
            "groups of test images",
        )


def test_groups_of_one_image_each_change_nothing(tmp_path, y):
    for configuration, wrong in ((HOG, [0, 1]), (PIXELS, range(1, 15))):
        add(tmp_path, configuration, predicted(y, wrong, groups=np.arange(120).astype(str)))
    assert (
        compare_configurations(tmp_path, "hog", "pixels", "accuracy")[0].result.test
        == "McNemar's mid-p test"
    )


def test_seeds_on_one_split_do_not_count_as_further_test_images(tmp_path, y):
    for seed in (0, 1):
        add(tmp_path, HOG, predicted(y, [0, 1]), seed=seed)
        add(tmp_path, PIXELS, predicted(y, range(1, 15)), seed=seed)
    (alike,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    assert (alike.result.test, alike.result.n) == ("McNemar's mid-p test", 120), (
        "both seeds predict the same: one classifier"
    )
    add(tmp_path, HOG, predicted(y, [0, 1, 2, 3]), seed=2)
    add(tmp_path, PIXELS, predicted(y, range(1, 15)), seed=2)
    (other,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    assert (other.result.test, other.result.n) == ("paired jackknife t-test", 120)
    assert other.result.effect == pytest.approx(14 / 120 - (2 + 2 + 4) / 3 / 120), (
        "of the means over seeds"
    )


def test_folds_are_tested_by_the_corrected_t_test_with_seeds_averaged_first(tmp_path, y):
    wrong_of_a = {(0, 0): 4, (0, 1): 6, (1, 0): 8, (1, 1): 8, (2, 0): 3, (2, 1): 7}
    for (fold, seed), k in wrong_of_a.items():
        add(tmp_path, HOG, predicted(y, range(k)), split="stratified_kfold", fold=fold, seed=seed)
        add(
            tmp_path,
            PIXELS,
            predicted(y, range(10 + fold)),
            split="stratified_kfold",
            fold=fold,
            seed=seed,
        )
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    by_hand = np.array([10 - 5, 11 - 8, 12 - 5]) / 120
    assert comparison.result.n == 3, "folds, not 6 cells"
    assert comparison.result.p_value == pytest.approx(corrected_t_test(by_hand, 240, 120).p_value)
    assert comparison.result.effect == pytest.approx(by_hand.mean())
    assert comparison.mean_a - comparison.mean_b == pytest.approx(comparison.result.effect)


def test_several_data_sets_are_tested_by_wilcoxon_from_six_on(tmp_path):
    y = np.arange(400) % 2
    for k in range(6):
        add(tmp_path, HOG, predicted(y, range(k)), dataset=f"set{k}")
        add(tmp_path, PIXELS, predicted(y, range(40 + 2 * k)), dataset=f"set{k}")
        if k == 0:
            (only,) = compare_configurations(tmp_path, "hog", "pixels", "auc")
            assert only.result.test == "DeLong's test", "one dataset is none to compare across"
        if k == 4:
            *_, five = compare_configurations(tmp_path, "hog", "pixels", "auc")
            assert (
                "is not computed: 5 datasets, 5 of them with a difference; at least 6 with a "
                "difference are required" in five.summary
            )
    *each, last = compare_configurations(tmp_path, "hog", "pixels", "auc")
    assert len(each) == 6
    assert last.result.p_value == 2 / 2**6
    assert last.summary.startswith("across 6 datasets")


def test_incomplete_datasets_are_left_out_across_datasets_and_named(tmp_path):
    y = np.arange(400) % 2
    for k in range(8):
        for configuration, wrong in ((HOG, range(k)), (PIXELS, range(40 + 2 * k))):
            for fold in range(2):
                if k == 7 and configuration == PIXELS:
                    continue
                is_missing = (k, fold, configuration) == (0, 1, HOG)
                status = "failed" if is_missing else "ok"
                add(
                    tmp_path,
                    configuration,
                    predicted(y, wrong),
                    dataset=f"set{k}",
                    split="stratified_kfold",
                    fold=fold,
                    status=status,
                )
    *_, across = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    assert across.title.startswith("across 6 datasets")
    assert across.result.n == 6
    assert across.summary.endswith(
        "Left out as incomplete: set0 (hog / smote / rbf_svm has 1 of 2 cells), set7 (pixels / "
        "none / knn is not evaluated)."
    )


def test_across_datasets_the_pseudomedian_is_not_presented_as_the_difference_of_the_means(tmp_path):
    y = np.arange(400) % 2
    for k, wrong in enumerate((40, 41, 42, 43, 44, 45, 200)):
        add(tmp_path, HOG, predicted(y, range(wrong)), dataset=f"set{k}")
        add(tmp_path, PIXELS, predicted(y, range(46)), dataset=f"set{k}")
    *_, across = compare_all_configurations(tmp_path, "pixels", "accuracy")
    assert across.result.effect > 0 > across.mean_a - across.mean_b
    assert (
        "higher than pixels / none / knn in accuracy (pseudomedian of the differences on each "
        "dataset, higher is better; means over datasets 0.838 and 0.885)" in across.summary
    )
    assert "assume that the differences are distributed symmetrically" in across.summary
    ((_, _, lines),) = make_comparison_tables([across])
    assert "not the difference of the means" in lines[0]
    assert any("assume that the differences are distributed symm" in line for line in lines)


# ---- sentences


def summarize(effect, p_value=0.01, metric="f1", **more):
    result = Result(
        "McNemar's test", 156, effect, p_value, lower=effect - 0.02, upper=effect + 0.02
    )
    a, b = (("A", "none", "knn", "none"), ("B", "none", "knn", "none"))
    return Comparison(
        "breast · official", "breast", a, b, metric, 0.8 + effect, 0.8, replace(result, **more)
    ).summary


def test_the_sentences_hold_effect_interval_test_and_verdict():
    assert summarize(0.05) == (
        "breast · official · none · knn: A is 0.05 higher than B in f1 (0.850 against 0.800, "
        "higher is better), 95% interval of the difference "
        "0.03 to 0.07. McNemar's test on 156 test images: p = 0.01. The difference is significant: "
        "A is better."
    )


def test_the_lower_loss_is_better():
    assert summarize(0.05, metric="log_loss").endswith("B is better.")
    assert summarize(-0.05, metric="log_loss").endswith("A is better.")
    assert summarize(-0.05).endswith("B is better.")
    assert "A is 0.05 lower than B in log_loss" in summarize(-0.05, metric="log_loss")


def test_without_significance_no_winner_is_named_and_a_refusal_gives_the_reason():
    assert summarize(0.05, p_value=0.3).endswith("p = 0.3. The difference is not significant.")
    assert summarize(0.05, p_value=np.nan, refusal="5 of 6").endswith(
        "McNemar's test is not computed: 5 of 6."
    )
    assert "A is equal to B" in summarize(0.0, p_value=1.0)
    assert "p < 0.001" in summarize(0.05, p_value=1e-9)
    assert summarize(np.nan, p_value=np.nan, refusal="no image").startswith(
        "breast · official · none · knn: the difference of A and B in f1 is undefined."
    )


def test_an_effect_changes_sign_with_the_order_of_the_configurations(tmp_path, y):
    add(tmp_path, HOG, predicted(y, [0, 1])), add(tmp_path, PIXELS, predicted(y, range(1, 15)))
    (one,), (two,) = (
        compare_configurations(tmp_path, "hog", "pixels"),
        compare_configurations(tmp_path, "pixels", "hog"),
    )
    assert one.result.effect == -two.result.effect
    assert (one.result.lower, one.result.p_value) == (
        pytest.approx(-two.result.upper),
        two.result.p_value,
    )
    assert "hog / smote / rbf_svm is better" in one.summary
    assert "hog / smote / rbf_svm is better" in two.summary


def test_cells_that_only_one_configuration_has_completed_do_not_count_and_are_reported(tmp_path, y):
    for fold in range(3):
        add(tmp_path, HOG, predicted(y, range(fold)), split="stratified_kfold", fold=fold)
        status = "failed" if fold == 2 else "ok"
        add(
            tmp_path,
            PIXELS,
            predicted(y, range(9)),
            split="stratified_kfold",
            fold=fold,
            status=status,
        )
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels")
    assert comparison.result.n == 2
    assert comparison.summary.endswith("Only 2 of 3 pairs of cells are completed.")


# ---- several comparisons


THIRD = ("lbp", "none", "random_forest", "none")


def test_a_pair_picked_from_a_table_is_adjusted_for_all_pairs_of_the_table(tmp_path, y):
    folds_of(tmp_path, HOG, (4, 5, 7), y)
    folds_of(tmp_path, PIXELS, (9, 10, 13), y)
    (alone,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    assert alone.result.significant
    assert "adjusted" not in alone.summary
    for k in range(10):
        folds_of(
            tmp_path, ("lbp", "none", f"random_forest(n_estimators={k + 1})"), (9 + k, 4, 20), y
        )
    folds_of(tmp_path, ("pixels", "none", "majority"), (60, 60, 60), y)
    (picked,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    assert picked.result.p_value == pytest.approx(alone.result.p_value)
    assert picked.result.family == 66, "12 x 11 / 2; the baseline is no candidate"
    assert picked.result.adjusted == pytest.approx(min(1, 66 * picked.result.p_value))
    assert (
        "adjusted for the 66 comparisons that this one was chosen from (Bonferroni). The "
        "difference is not significant." in picked.summary
    )
    assert picked.result.lower <= 0 <= picked.result.upper
    assert "at 95% for all 66 comparisons together" in picked.summary
    (baseline,) = compare_configurations(tmp_path, "hog", "majority", "accuracy")
    assert baseline.result.family == 12, "only one of the two was chosen"


def test_a_reference_that_was_chosen_by_its_rank_or_leads_is_noted(tmp_path, y):
    for k, extractor in enumerate(("hog", "lbp", "pixels")):
        folds_of(tmp_path, (extractor, "none", "knn"), (4 + 3 * k, 5 + 4 * k, 7 + 3 * k), y)
    folds_of(tmp_path, ("pixels", "none", "majority"), (60, 60, 60), y)
    noted = {
        against: any(
            "The reference was chosen on the same test images, and the adjustment does not account "
            "for that choice." in line
            for _, _, lines in make_comparison_tables(
                compare_all_configurations(tmp_path, against, "accuracy")
            )
            for line in lines
        )
        for against in ("1", "2", "hog", "lbp", "majority")
    }
    assert noted == {"1": True, "2": True, "hog": True, "lbp": False, "majority": False}


@pytest.mark.parametrize("seed", range(8))
def test_verdict_adjusted_p_value_and_interval_agree(tmp_path, seed):
    random, y = np.random.default_rng(seed), np.arange(120) % 2
    for k in range(6):
        wrong = random.integers(3, 12) + random.integers(0, 4, 3)
        folds_of(tmp_path, ("hog", "none", f"random_forest(n_estimators={k + 1})"), wrong, y)
    comparisons = compare_all_configurations(tmp_path, "random_forest(n_estimators=1)", "accuracy")
    assert len(comparisons) == 5
    for comparison in comparisons:
        result = comparison.result
        if not np.isnan(result.p_value) and not np.isnan(result.lower):
            assert result.significant == (result.adjusted < 0.05)
            assert result.significant or result.lower <= 0 <= result.upper
            assert ("is better" in comparison.summary.split("Corrected")[1]) == result.significant


def test_all_configurations_are_compared_with_one_the_best_first(tmp_path, y):
    folds_of(tmp_path, HOG, (4, 5, 7), y)
    folds_of(tmp_path, PIXELS, (9, 10, 13), y)
    folds_of(tmp_path, THIRD, (1, 2, 3), y)
    comparisons = compare_all_configurations(tmp_path, "pixels", "accuracy")
    assert [comparison.a[0] for comparison in comparisons] == ["lbp", "hog"]
    assert {comparison.result.family for comparison in comparisons} == {2}
    pair = compare_configurations(tmp_path, "hog", "pixels", "accuracy")[0].result
    assert pair.family == 3
    assert pair.p_value == comparisons[1].result.p_value
    assert pair.adjusted > comparisons[1].result.adjusted


def test_a_configuration_without_completed_cells_is_listed_with_the_reason(tmp_path, y):
    folds_of(tmp_path, HOG, (4, 5, 7), y)
    folds_of(tmp_path, PIXELS, (9, 10, 13), y)
    folds_of(tmp_path, THIRD, (1, 2, 3), y, status="skipped")
    comparisons = compare_all_configurations(tmp_path, "pixels", "accuracy")
    assert [comparison.a[0] for comparison in comparisons] == ["hog", "lbp"]
    assert (
        "not computed: no fold and seed is completed for both configurations"
        in comparisons[1].summary
    )
    ((_, table, lines),) = make_comparison_tables(comparisons)
    assert list(table["verdict"]) == ["better", "not computed"]
    assert (
        "lbp / none / random_forest: the comparison is not computed: no fold and seed is completed "
        "for both configurations" in lines
    )


def test_every_interval_of_a_family_has_the_level_that_makes_all_hold_together(tmp_path, y):
    folds_of(tmp_path, PIXELS, (9, 10, 13), y)
    folds_of(tmp_path, HOG, (4, 5, 7), y)
    folds_of(tmp_path, THIRD, (1, 12, 23), y)
    folds_of(tmp_path, ("gist", "none", "knn"), (10, 11, 12), y)
    results = [
        result.result for result in compare_all_configurations(tmp_path, "pixels", "accuracy")
    ]
    assert len({result.p_value for result in results}) == 3
    picked = compare_configurations(tmp_path, "hog", "pixels", "accuracy")[0].result
    for result, family in (*((result, 3) for result in results), (picked, 6)):
        assert (result.family, result.alpha) == (family, pytest.approx(0.05 / family))
        tail = stats.t.isf(0.05 / family / 2, 2)
        half = tail * result.effect / result.statistic
        assert result.upper - result.effect == pytest.approx(half)


@pytest.mark.slow
def test_the_order_of_a_pair_changes_neither_its_adjusted_p_value_nor_its_verdict(tmp_path, y):
    random = np.random.default_rng(0)
    names = [("hog", "none", f"random_forest(n_estimators={k + 1})") for k in range(5)]
    for name in names:
        folds_of(tmp_path, name, random.integers(3, 12) + random.integers(0, 4, 3), y)
    for a, b in combinations((" / ".join(name) for name in names), 2):
        one, two = (
            compare_configurations(tmp_path, *order, "accuracy")[0].result
            for order in ((a, b), (b, a))
        )
        assert one.adjusted == pytest.approx(two.adjusted)
        assert (one.lower, one.upper) == (pytest.approx(-two.upper), pytest.approx(-two.lower))
        assert (one.family, one.significant) == (two.family, two.significant)


@pytest.fixture
def four_by_two(tmp_path, y):
    """Two extractors and two models with two strategies each, and the baselines."""
    for k, (extractor, strategy, model) in enumerate(
        product(("hog", "lbp"), ("none", "smote"), ("knn", "rbf_svm"))
    ):
        add(tmp_path, (extractor, strategy, model), predicted(y, range(5 + 4 * k)))
    for extractor in ("hog", "lbp"):
        add(tmp_path, (extractor, "none", "majority"), predicted(y, range(0, 120, 2)))
    return tmp_path


def test_against_a_strategy_each_configuration_is_compared_with_that_of_its_extractor_and_model(
    four_by_two,
):
    comparisons = compare_all_configurations(four_by_two, "none", "accuracy")
    assert {(comparison.a, comparison.b) for comparison in comparisons} == {
        ((extractor, "smote", model, "none"), (extractor, "none", model, "none"))
        for extractor in ("hog", "lbp")
        for model in ("knn", "rbf_svm")
    }
    assert {comparison.result.family for comparison in comparisons} == {4}
    with pytest.raises(
        UserError, match=r"'hog' matches 4 configurations of .*; give more of the name"
    ):
        compare_all_configurations(four_by_two, "hog", "accuracy")


def test_a_table_of_comparisons_has_a_row_per_configuration_and_says_what_its_columns_mean(
    four_by_two,
):
    (title, table, lines), *further = make_comparison_tables(
        compare_all_configurations(four_by_two, "hog / none / knn", "accuracy")
    )
    assert not further
    assert title == "breast · official: compared with hog / none / knn"
    first = table.iloc[0].to_dict()
    assert (first["model"], first["accuracy"], first["difference"]) == (
        "rbf_svm",
        "0.925",
        "-0.033",
    )
    assert set(table["verdict"]) == {"not computed", "worse"}
    assert any(
        line.startswith("hog / none / rbf_svm: ") and "is not computed: " in line for line in lines
    )
    assert len(table) == 7
    assert "all 6 comparisons together (Bonferroni)" in lines[0]
    assert "higher is better" in lines[0]
    assert lines[0].startswith("Best first")
    ((title, table, lines),) = make_comparison_tables(
        compare_all_configurations(four_by_two, "none", "accuracy")
    )
    assert title == "breast · official: compared with strategy none, all else equal"
    assert lines[0].startswith("Largest improvement first")
    assert set(table["strategy"]) == {"smote"}


def test_every_configuration_is_compared_with_one_baseline_and_no_baseline_with_another(
    four_by_two,
):
    comparisons = compare_all_configurations(four_by_two, "majority", "accuracy")
    assert len(comparisons) == 8
    assert all(
        "majority" in comparison.b and "majority" not in comparison.a for comparison in comparisons
    )
    assert (
        "majority"
        in compare_configurations(four_by_two, "hog / none / knn", "majority", "accuracy")[0].b
    )


def test_a_p_value_is_printed_with_the_digits_that_show_its_side_of_the_level():
    assert "p = 0.0496." in summarize(0.05, p_value=0.04962)
    assert "p = 0.05." in summarize(0.05, p_value=0.05)
    assert summarize(0.05, p_value=0.05).endswith("The difference is not significant."), (
        "strictly below"
    )
    assert summarize(0.01, p_value=0.049).endswith("The difference is not significant."), (
        "the interval holds zero"
    )


def test_folds_that_lack_a_class_are_not_averaged_with_complete_ones(tmp_path):
    y = np.arange(120) % 3
    for configuration, k in ((HOG, 4), (PIXELS, 9)):
        for fold in range(4):
            truth = np.where(y == 2, 0, y) if fold == 3 else y
            add(
                tmp_path,
                configuration,
                predicted(truth, range(k + fold), 3),
                split="stratified_kfold",
                fold=fold,
            )
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels")
    assert comparison.result.n == 3
    assert (
        "over 3 of 4 folds, those with test images of every class: 1 without test images of class 2"
        in comparison.summary
    )
    (accuracy,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    assert accuracy.result.n == 4


def test_average_precision_of_two_classes_names_its_class(tmp_path, y):
    for configuration, wrong in ((HOG, [0, 1]), (PIXELS, range(1, 15))):
        add(tmp_path, configuration, predicted(y, wrong))
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels", "average_precision")
    assert "in average_precision of 'class 1' (" in comparison.summary


def test_groups_of_rows_are_titled_by_what_sets_them_apart(tmp_path, y):
    for more in (
        {},
        {"train_size": 0.1},
        {"occlusion": "boxes(share=0.1)"},
        {"imbalance": "step(ratio=10)", "size": 28},
        {"fingerprint": "other"},
    ):
        for configuration in (HOG, PIXELS):
            add(tmp_path, configuration, predicted(y, [0]), **more)
    titles = [comparison.title for comparison in compare_configurations(tmp_path, "hog", "pixels")]
    known, other = "data breast · official", "data other · official"
    apart = ("0.1 of the training set", "occlusion boxes(share=0.1)", "28 px · step(ratio=10)")
    assert titles == [
        f"breast · {words}" for words in (known, *(f"{label} · {known}" for label in apart), other)
    ]


# ---- names


@pytest.fixture
def configurations():
    names = [
        HOG,
        PIXELS,
        ("hog", "none", "rbf_svm"),
        ("hog + pixels", "none", "knn"),
        ("lib/p.py:Mine", "none", "one_vs_rest(estimator=knn)"),
    ]
    return pd.DataFrame([(*name[:3], "none") for name in names], columns=CONFIGURATION_AXES)


@pytest.mark.parametrize(
    ("name", "configuration"),
    [
        ("hog / smote / rbf_svm", 0),
        ("hog/smote/rbf_svm", 0),
        ("smote", 0),
        ("hog / sm", 0),
        ("pixels", 1),  # 'hog + pixels' holds it, and this is it
        ("hog / none", 2),
        ("none / rbf", 2),
        ("hog + pixels", 3),
        ("hog / none / knn", 3),  # no 'hog' has a knn
        ("p.py", 4),
        ("lib/p.py:Mine", 4),
        ("one_vs_rest", 4),
    ],
)
def test_a_name_may_be_abbreviated_as_long_as_it_is_unique(configurations, name, configuration):
    assert find_configuration(name, configurations, "out") == tuple(
        configurations.iloc[configuration]
    )


def test_a_name_means_the_baseline_only_where_it_matches_nothing_else():
    rows = pd.DataFrame(
        [
            ("hog", "none", "majority", "none"),
            ("hog", "none", "knn", "none"),
            ("hog", "smote", "knn", "none"),
        ],
        columns=CONFIGURATION_AXES,
    )
    assert find_configuration("none", rows, Path()) == ("hog", "none", "knn", "none")
    assert find_configuration("majority", rows, Path()) == ("hog", "none", "majority", "none")


@pytest.mark.parametrize(
    ("name", "tuning"),
    [
        ("rbf_svm", "none"),
        ("rbf", "none"),
        ("hog / none / rbf_svm", "none"),
        ("rbf_svm (tuned 25)", "random(n=25)"),
        ("tuned", "random(n=25)"),
    ],
)
def test_a_tuned_configuration_is_named_as_in_the_tables(name, tuning):
    rows = pd.DataFrame(
        [("hog", "none", "rbf_svm", label) for label in ("none", "random(n=25)")],
        columns=CONFIGURATION_AXES,
    )
    assert find_configuration(name, rows, Path()) == ("hog", "none", "rbf_svm", tuning)


def test_errors_of_ambiguous_and_unknown_names_list_the_nearest(configurations):
    with pytest.raises(
        UserError,
        match="'rbf_svm' matches 2 configurations of out: "
        "'hog / smote / rbf_svm', 'hog / none / rbf_svm'; give more",
    ):
        find_configuration("rbf_svm", configurations, "out")
    with pytest.raises(
        UserError,
        match=r"no configuration 'hgo / smote' in out; nearest: 'hog / smote / rbf_svm', ",
    ):
        find_configuration("hgo / smote", configurations, "out")
    with pytest.raises(UserError, match="no configuration"):
        find_configuration("a / b / c / d", configurations, "out")


# ---- errors that the user can fix


def test_errors_name_what_is_wrong(tmp_path, y):
    key = add(tmp_path, HOG, predicted(y, [0]))
    add(tmp_path, PIXELS, predicted(y, [1]), split="holdout")
    for arguments, message in (
        (("hog", "pixels", "f2"), "did you mean 'f1'"),
        (("hog", "smote"), "both name hog / smote / rbf_svm"),
        (("hog", "pixels", "hamming_loss"), "no row in .* has the metric hamming_loss"),
        (("hog", "pixels"), "no fold and seed in .* is completed for both"),
    ):
        with pytest.raises(UserError, match=message):
            compare_configurations(tmp_path, *arguments)
    add(tmp_path, PIXELS, predicted(y, [1]))
    path = tmp_path / "predictions" / f"{key}.npz"
    content = path.read_bytes()
    for damaged in (content[:200], content[:100] + bytes(50) + content[150:]):
        path.write_bytes(damaged)
        with pytest.raises(
            UserError, match=r"is corrupted or truncated.* run its study again with --force"
        ):
            compare_configurations(tmp_path, "hog", "pixels")
    path.unlink()
    with pytest.raises(UserError, match=r"is missing: run its study again with --force"):
        compare_configurations(tmp_path, "hog", "pixels")


def test_predictions_of_other_images_are_not_compared(tmp_path, y):
    add(tmp_path, HOG, predicted(y, [0])), add(tmp_path, PIXELS, predicted(1 - y, [0]))
    with pytest.raises(UserError, match="tested on different images"):
        compare_configurations(tmp_path, "hog", "pixels")


# ---- predictions hold groups


def test_a_cell_stores_the_groups_of_its_test_images(tmp_path, digits, make_cell):
    patients = np.array([f"patient {i // 4}" for i in range(len(digits.images))])
    dataset = replace(digits, groups=patients)
    cell = make_cell(dataset, split="holdout", model="majority")
    assert evaluate_on_dataset(cell, dataset, tmp_path)["status"] == "ok"
    stored = Predictions.load(tmp_path / "predictions" / f"{cell.key}.npz")
    assert (stored.groups == patients[stored.test_index]).all()
    without = make_cell(digits, split="holdout", model="majority")
    evaluate_on_dataset(without, digits, tmp_path)
    assert Predictions.load(tmp_path / "predictions" / f"{without.key}.npz").groups is None


# ---- the command


def test_compare_on_the_command_line(tmp_path):
    run(
        load_study("digits", extractors=["pixels"], models=["knn", "gaussian_nb"]), tmp_path / "out"
    )

    def benchmark(*arguments, expect=0):
        command = [sys.executable, "-m", "benchmark", "compare", str(tmp_path / "out"), *arguments]
        process = subprocess.run(
            command, capture_output=True, text=True, env=dict(os.environ), check=False
        )
        assert process.returncode == expect, process.stdout + process.stderr
        return process

    rows = json.loads(
        pd.read_csv(tmp_path / "out" / "leaderboard.csv").set_index("model")["log_loss"].to_json()
    )
    printed = benchmark("knn", "gaussian_nb", "--metric", "log_loss").stdout
    assert printed.startswith("digits · stratified_kfold")
    assert f"({rows['knn']:.3f} against {rows['gaussian_nb']:.3f}, lower is better)" in printed
    assert "Corrected resampled t-test on 3 folds: p" in printed
    assert (
        "The difference is significant: knn is better. The standardized difference d_z is not "
        "computed: 3 folds; at least 4 are required" in printed
    )
    by_rank = benchmark("1", "2", "--metric", "log_loss").stdout
    assert by_rank == printed
    values = json.loads(
        benchmark("1", "2", "--metric", "log_loss", "--margin", "0.5", "--format", "json").stdout
    )
    assert [line["margin_verdict"] for line in values] == ["non-inferior"]
    table = benchmark("--against", "2", "--metric", "log_loss", "--margin", "0.5").stdout
    assert "margin 0.5" in table
    assert "non-inferior, p" in table
    wrong = benchmark("1", "2", "--margin", "-0.1", expect=2)
    assert wrong.stderr.startswith("error: the margin is -0.1; ")
    assert wrong.stderr.count("\n") == 1
    wrong = benchmark("knn", "rbf_svm", expect=2)
    assert wrong.stderr.startswith("error: no configuration 'rbf_svm'")
    assert wrong.stderr.count("\n") == 1


def test_a_table_notes_that_holm_may_reject_where_an_interval_contains_zero():
    result = Result(
        "A test", 3, 0.5, p_value=0.003, lower=-0.1, upper=1.1, family=14, adjusted=0.041
    )
    one = Comparison("digits", "digits", HOG, PIXELS, "f1", 0.9, 0.4, result)
    ((_, table, lines),) = make_comparison_tables([one])
    assert table["verdict"].tolist() == ["better"]
    assert any(line.startswith("Holm's procedure rejects slightly more often") for line in lines)
    ((_, _, lines),) = make_comparison_tables([replace(one, result=replace(result, lower=0.1))])
    assert not any(line.startswith("Holm") for line in lines)
