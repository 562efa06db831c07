"""Options of comparisons: against a strategy, ranks as names, margins, effect sizes, formats."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from stored_cells import HOG, PIXELS, add, folds_of, predicted

from benchmark.cli.rich_output import print_comparisons
from benchmark.errors import UserError
from benchmark.reporting.comparable_rows import CONFIGURATION_AXES
from benchmark.reporting.compare import compare_all_configurations, compare_configurations
from benchmark.reporting.comparison_table import make_comparison_tables, render_comparisons
from benchmark.reporting.configuration_lookup import pair_with_counterparts
from benchmark.scoring.equivalence import compare_with_margin
from benchmark.scoring.hodges_lehmann import hodges_lehmann_interval
from benchmark.scoring.rank_tests import adjust_by_holm

MODELS = [("hog", "none", f"random_forest(n_estimators={k})", "none") for k in range(1, 7)]
TUNED = "random(n=25)"


@pytest.fixture
def y():
    return np.arange(120) % 2


# ---- against a strategy


def test_a_configuration_without_a_counterpart_is_listed_with_the_reason(tmp_path, y):
    for extractor, strategy in (
        *(("hog", "none"), ("hog", "smote"), ("lbp", "none"), ("lbp", "smote")),
        ("pixels", "smote"),
    ):
        add(tmp_path, (extractor, strategy, "knn"), predicted(y, range(9 + len(strategy))))
    comparisons = compare_all_configurations(tmp_path, "none", "f1")
    assert [comparison.a[0] for comparison in comparisons] == ["hog", "lbp", "pixels"]
    assert comparisons[2].result.refusal == (
        "the configuration to compare it with is not in these results"
    )
    ((_, table, lines),) = make_comparison_tables(comparisons)
    assert table["verdict"].iloc[2] == "not computed"
    assert any(line.startswith("pixels / smote / knn: ") for line in lines)


def test_the_tuning_is_alike_in_both_or_is_what_is_compared(tmp_path, y):
    rows = pd.DataFrame(
        [
            ("hog", strategy, "knn", tuning)
            for strategy in ("none", "smote")
            for tuning in ("none", TUNED)
        ],
        columns=CONFIGURATION_AXES,
    )
    assert pair_with_counterparts("none", rows) == [
        (("hog", "smote", "knn", tuning), ("hog", "none", "knn", tuning))
        for tuning in ("none", TUNED)
    ]
    two_models = pd.concat([rows, rows.assign(model="rbf_svm")])
    assert pair_with_counterparts("knn", two_models) == [], "a name, which is ambiguous"
    for k, extractor in enumerate(("hog", "lbp")):
        add(tmp_path, (extractor, "none", "knn", "none"), predicted(y, range(8, 20 + k)))
        add(tmp_path, (extractor, "none", "knn", TUNED), predicted(y, range(k, 9)))
    comparisons = compare_all_configurations(tmp_path, "none", "accuracy")
    assert [(each.a, each.b) for each in comparisons] == [
        ((extractor, "none", "knn", TUNED), (extractor, "none", "knn", "none"))
        for extractor in ("lbp", "hog")
    ]
    ((title, table, _),) = make_comparison_tables(comparisons)
    assert title.endswith(": compared with tuning none, all else equal")
    assert "knn (tuned 25)" in table.to_string() + title
    console = Console(file=io.StringIO(), width=150)
    print_comparisons(console, compare_all_configurations(tmp_path, "hog / none / knn"))
    assert "knn (tuned 25)" in console.file.getvalue()


# ---- ranks


def test_a_rank_names_a_configuration_of_the_leaderboard_of_the_metric(tmp_path, y):
    for k, configuration in enumerate(MODELS[:3]):
        folds_of(tmp_path, configuration, (3 + 4 * k, 5 + 4 * k, 6 + 4 * k), y)
    (by_rank,) = compare_configurations(tmp_path, "1", "3", "accuracy", margin=0.02)
    (by_name,) = compare_configurations(
        tmp_path, "n_estimators=1", "n_estimators=3", "accuracy", margin=0.02
    )
    assert by_rank == by_name
    assert (by_rank.a, by_rank.b) == (MODELS[0], MODELS[2])
    (worst_first,) = compare_configurations(tmp_path, "3", "1", "log_loss")
    assert (worst_first.a, worst_first.b) == (MODELS[2], MODELS[0])
    against = compare_all_configurations(tmp_path, "1", "accuracy")
    assert {comparison.b for comparison in against} == {MODELS[0]}
    assert len(against) == 2


def test_ranks_that_are_ambiguous_or_missing_are_refused_in_one_line(tmp_path, y):
    for configuration, k in ((HOG, 3), (PIXELS, 3), (MODELS[0], 9)):
        folds_of(tmp_path, configuration, (k, k, k + 1), y)
    messages = {
        ("1", "hog"): r"rank 1 by f1 is ambiguous in .*: 'hog / smote / rbf_svm' \(breast · "
        r"stratified_kfold\) and 'pixels / none / knn' \(.*\) have it; give the name instead",
        ("3", "2"): r"no configuration of .* has rank 2 by f1: 3 configurations ranked",
        ("3", "0"): r"has rank 0 by f1",
        ("3", "17"): r"has rank 17 by f1",
    }
    for names, message in messages.items():
        with pytest.raises(UserError, match=message) as error:
            compare_configurations(tmp_path, *names)
        assert "\n" not in str(error.value)


def test_a_rank_may_be_the_same_configuration_in_several_leaderboards(tmp_path, y):
    for dataset in ("breast", "skin"):
        folds_of(tmp_path, HOG, (3, 4, 6), y, dataset=dataset)
        folds_of(tmp_path, PIXELS, (13, 14, 16), y, dataset=dataset)
    assert compare_configurations(tmp_path, "1", "2")[0].a == HOG
    folds_of(tmp_path, MODELS[0], (1, 1, 2), y, dataset="skin")
    with pytest.raises(UserError, match=r"\(breast · .*\(skin · .* have it"):
        compare_configurations(tmp_path, "1", "pixels")


# ---- margins


def test_without_a_margin_nothing_is_said_about_one(tmp_path, y):
    add(tmp_path, HOG, predicted(y, [0, 1])), add(tmp_path, PIXELS, predicted(y, range(1, 15)))
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    assert comparison.margin_test is None
    assert "shown" not in comparison.summary
    assert "margin" not in render_comparisons([comparison], "md")


def test_the_sentence_on_a_margin_names_test_p_values_and_interval(tmp_path):
    y = np.arange(400) % 2
    add(tmp_path, HOG, predicted(y, range(3))), add(tmp_path, PIXELS, predicted(y, range(2, 8)))
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy", margin=0.03)
    assert comparison.summary.endswith(
        "Odds ratio 2.5 (0.49 to 19), hog / smote / rbf_svm alone being correct on 5 images and "
        "pixels / none / knn alone on 2. hog / smote / rbf_svm is shown to be no more than 0.03 "
        "worse than pixels / none / knn (one-sided Tango's score test, p < 0.001), and the two are "
        "shown to be equivalent within 0.03 (two one-sided tests, p = 0.0082); 90% interval of the "
        "difference -0.00408 to 0.0211."
    )
    (reverse,) = compare_configurations(tmp_path, "pixels", "hog", "accuracy", margin=0.01)
    assert reverse.margin_test.p_noninferior > 0.05
    assert "knn is not shown to be no more than 0.01 worse" in reverse.summary
    assert "are not shown to be equivalent within 0.01" in reverse.summary


def test_equal_predictions_are_equivalent_although_their_difference_is_not_tested(tmp_path):
    y = np.arange(400) % 2
    for configuration in (HOG, PIXELS):
        add(tmp_path, configuration, predicted(y, range(3)))
    (accuracy,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy", margin=0.02)
    assert accuracy.result.refusal
    assert accuracy.margin_test.equivalent
    (loss,) = compare_configurations(tmp_path, "hog", "pixels", "log_loss", margin=0.02)
    assert loss.margin_test.refusal.startswith("the difference is zero for all test images")
    assert "is not tested: the difference is zero for all test images" in loss.summary


def test_a_lower_loss_is_not_worse(tmp_path, y):
    for fold, (wrong_a, wrong_b) in enumerate(((2, 9), (3, 9), (2, 12), (1, 9), (4, 13))):
        for configuration, wrong in ((HOG, wrong_a), (PIXELS, wrong_b)):
            predictions = predicted(y, range(wrong))
            add(tmp_path, configuration, predictions, split="stratified_kfold", fold=fold)
    (loss,) = compare_configurations(tmp_path, "hog", "pixels", "log_loss", margin=0.001)
    assert loss.result.effect < 0
    assert loss.margin_test.noninferior
    assert not loss.margin_test.equivalent
    (accuracy,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy", margin=0.001)
    assert accuracy.margin_test.noninferior


def test_the_tests_of_a_margin_are_adjusted_by_holm(tmp_path, y):
    random = np.random.default_rng(3)
    for configuration in MODELS:
        folds_of(tmp_path, configuration, random.integers(3, 9, 3), y)
    comparisons = compare_all_configurations(tmp_path, "1", "accuracy", margin=0.05)
    assert len(comparisons) == 5
    single = [compare_with_margin(comparison.result, 0.05) for comparison in comparisons]
    tests = [comparison.margin_test for comparison in comparisons]
    for kind in ("p_noninferior", "p_equivalent"):
        adjusted = adjust_by_holm([getattr(test, kind) for test in single])
        assert [getattr(test, kind) for test in tests] == pytest.approx(list(adjusted))
    assert tests[0].p_noninferior > single[0].p_noninferior
    for comparison in comparisons:
        test = comparison.margin_test
        assert test.family == 5
        wide = compare_with_margin(comparison.result, 0.05, family=5)
        assert (test.lower, test.upper) == (wide.lower, wide.upper)
    picked, reverse = (
        compare_configurations(tmp_path, *names, "accuracy", margin=0.05)[0].margin_test
        for names in (("n_estimators=2", "n_estimators=4"), ("n_estimators=4", "n_estimators=2"))
    )
    assert picked.p_equivalent == pytest.approx(reverse.p_equivalent)
    assert (picked.lower, picked.upper) == pytest.approx((-reverse.upper, -reverse.lower))


def test_datasets_have_a_margin_and_an_interval_of_their_own(tmp_path):
    y = np.arange(400) % 2
    for k in range(7):
        add(tmp_path, HOG, predicted(y, range(6 + k % 3)), dataset=f"set{k}")
        add(tmp_path, PIXELS, predicted(y, range(6 + 2 * k % 5)), dataset=f"set{k}")
    *each, across = compare_configurations(tmp_path, "hog", "pixels", "accuracy", margin=0.02)
    assert len(each) == 7
    assert across.title == "across 7 datasets, by the Hodges-Lehmann estimate"
    assert across.result.lower <= across.result.effect <= across.result.upper
    assert across.margin_test.equivalent
    assert "one-sided Wilcoxon's signed-rank test" in across.summary
    for k in range(7):
        add(tmp_path, MODELS[0], predicted(y, range(20 + k)), dataset=f"set{k}")
    *_, picked = compare_configurations(tmp_path, "hog / smote", "pixels", "accuracy", margin=0.02)
    assert (picked.result.family, picked.margin_test.family) == (3, 3)
    differences = [comparison.result.effect for comparison in each]
    interval = hodges_lehmann_interval(differences, 0.05 / 3)
    assert (picked.result.lower, picked.result.upper) == (interval.lower, interval.upper)


@pytest.mark.parametrize("margin", [0, -0.02, 1, 3, np.nan, np.inf])
def test_a_margin_is_a_difference_of_the_metric(tmp_path, y, margin):
    add(tmp_path, HOG, predicted(y, [0])), add(tmp_path, PIXELS, predicted(y, [1]))
    with pytest.raises(UserError, match=r"the margin is .*is above 0 and below 1, such as 0\.02"):
        compare_configurations(tmp_path, "hog", "pixels", "accuracy", margin=margin)
    if margin == 3:
        assert compare_configurations(tmp_path, "hog", "pixels", "log_loss", margin=margin)


# ---- tables


def test_every_comparison_is_in_every_format(tmp_path, y):
    for k, configuration in enumerate(MODELS[:4]):
        add(tmp_path, configuration, predicted(y, range(3 * k, 3 * k + 9)))
    comparisons = compare_all_configurations(tmp_path, "n_estimators=1", "accuracy", margin=0.1)
    values = pd.read_csv(io.StringIO(render_comparisons(comparisons, "csv")))
    records = json.loads(render_comparisons(comparisons, "json"))
    assert [record["model"] for record in records] == values["model"].tolist()
    first, line = comparisons[0], values.iloc[0]
    assert line["difference"] == first.result.effect
    assert line["p_adjusted"] == first.result.adjusted
    assert line["level"] == pytest.approx(1 - 0.05 / first.result.family)
    assert (line["effect_size"], line["effect_size_value"]) == ("odds ratio", 1.0)
    assert line["p_equivalent"] == pytest.approx(first.margin_test.p_equivalent)
    assert line["with_model"] == MODELS[0][2]
    markdown, latex = (render_comparisons(comparisons, form) for form in ("md", "latex"))
    for model in values["model"]:
        assert model in markdown
        assert model.replace("_", r"\_") in latex
    assert "margin 0.1" in markdown
    assert "effect size: odds ratio, the number of test images" in markdown
    with pytest.raises(UserError, match="unknown format 'tex'"):
        render_comparisons(comparisons, "tex")


def test_json_has_infinite_values_as_texts_and_all_digits(tmp_path, y):
    add(tmp_path, HOG, predicted(y, []))
    add(tmp_path, PIXELS, predicted(y, range(7)))
    comparisons = compare_all_configurations(tmp_path, "pixels", "accuracy")
    (line,) = json.loads(render_comparisons(comparisons, "json"))
    assert (line["effect_size"], line["effect_size_value"]) == ("odds ratio", "inf")
    assert line["difference"] == comparisons[0].result.effect
    assert line["p_value"] == comparisons[0].result.p_value


def test_axes_that_all_share_are_in_the_title(tmp_path, y):
    for k, configuration in enumerate(MODELS[:3]):
        folds_of(tmp_path, configuration, (3 + k, 5, 9 - k), y)
    comparisons = compare_all_configurations(tmp_path, "n_estimators=2", "accuracy")
    ((title, table, _),) = make_comparison_tables(comparisons)
    assert title == (
        "breast · stratified_kfold · hog · none: compared with random_forest(n_estimators=2)"
    )
    assert list(table)[:2] == ["model", "accuracy"]


def test_reasons_that_differ_in_numbers_only_are_one_line(tmp_path, y):
    for k, configuration in enumerate(MODELS[:4]):
        add(tmp_path, configuration, predicted(y, range(k)))
    comparisons = compare_all_configurations(tmp_path, "n_estimators=1", "accuracy")
    assert len({comparison.result.refusal for comparison in comparisons}) == 3
    ((_, _, lines),) = make_comparison_tables(comparisons)
    (line,) = [line for line in lines if "is not computed" in line]
    assert line.startswith(
        "3 configurations, such as hog / none / random_forest(n_estimators=2): McNemar's mid-p "
        "test is not computed: "
    )
    values = json.loads(render_comparisons(comparisons, "json"))
    assert len({line["reason"] for line in values}) == 3


def test_small_differences_are_shown_with_more_decimals(tmp_path):
    y = np.arange(2000) % 2
    for k, configuration in enumerate((HOG, PIXELS)):
        predictions = predicted(y, range(100))
        predictions.proba[:, 0] += np.linspace(0, 1e-3 * k, 2000)
        predictions.proba[:, 1] -= np.linspace(0, 1e-3 * k, 2000)
        add(tmp_path, configuration, predictions)
    ((_, table, _),) = make_comparison_tables(
        compare_all_configurations(tmp_path, "pixels", "log_loss")
    )
    lower, _, upper = table["interval"].iloc[0].split()
    assert float(lower) < float(table["difference"].iloc[0]) < float(upper)


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_a_narrow_terminal_keeps_names_difference_and_verdict(tmp_path, y, width):
    for k, configuration in enumerate((HOG, PIXELS, MODELS[0])):
        add(tmp_path, configuration, predicted(y, range(9 * k, 9 * k + 9)))
    comparisons = compare_all_configurations(tmp_path, "pixels", "accuracy")
    console = Console(file=io.StringIO(), width=width)
    print_comparisons(console, comparisons)
    printed = console.file.getvalue()
    assert "difference" in printed
    assert "verdict" in printed
    assert ("too narrow for" in printed) == (width < 100)
    if width > 60:
        assert "random_forest" in printed


def test_differences_of_bounded_metrics_have_bounded_intervals(tmp_path, y):
    folds_of(tmp_path, HOG, (4, 60, 7), y)
    folds_of(tmp_path, PIXELS, (60, 5, 50), y)
    (comparison,) = compare_configurations(tmp_path, "hog", "pixels", "accuracy")
    assert comparison.result.lower == -1
    assert comparison.result.upper == 1
    ((_, table, lines),) = make_comparison_tables([comparison])
    assert "effect size" not in table, "there is none for 3 folds"
    assert any("d_z is not computed: 3 folds; at least 4" in line for line in lines)
