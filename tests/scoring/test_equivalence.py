"""Non-inferiority and equivalence: references, refusals, and type-I errors at the margin."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from benchmark.scoring.equivalence import (
    MarginTest,
    compare_datasets_with_margin,
    compare_with_margin,
)
from benchmark.scoring.paired_shares import tango_interval
from benchmark.scoring.significance import (
    Result,
    Spread,
    corrected_t_test,
    delong_test,
    estimate_spread,
    mcnemar,
    paired_t_test,
)


def accuracies(only_a, only_b, n):
    """McNemar's test of two classifiers with given numbers of discordant images."""
    image = np.arange(n)
    return mcnemar(np.zeros(n), image >= n - only_b, image < only_a)


def test_over_images_it_is_the_paired_tost_of_statsmodels():
    differences = np.random.default_rng(0).normal(0.01, 0.1, 60)
    spread = estimate_spread((differences - differences.mean()) / 60)
    exact = Spread(spread.error, 59, 60)  # without Satterthwaite's correction
    test = compare_with_margin(paired_t_test(differences.mean(), exact), 0.04)
    p_value, (_, p_lower, _), (_, p_upper, _) = DescrStatsW(differences).ttost_mean(-0.04, 0.04)
    assert test.p_equivalent == pytest.approx(p_value)
    assert test.p_noninferior == pytest.approx(p_lower)
    loss = compare_with_margin(paired_t_test(differences.mean(), exact), 0.04, False)
    assert loss.p_noninferior == pytest.approx(p_upper)
    assert loss.p_equivalent == pytest.approx(p_value)


def test_over_folds_the_variance_is_that_of_the_corrected_t_test():
    differences = np.array([0.01, -0.01, 0.02, 0.0, 0.01])
    test = compare_with_margin(corrected_t_test(differences, 80, 20), 0.02)
    error = differences.std(ddof=1) * np.sqrt(1 / 5 + 20 / 80)
    assert test.p_noninferior == pytest.approx(stats.t.sf((0.006 + 0.02) / error, 4))
    assert test.p_equivalent == pytest.approx(stats.t.sf((0.02 - 0.006) / error, 4))
    assert (test.lower, test.upper) == pytest.approx(stats.t.interval(0.9, 4, 0.006, error))


def test_accuracies_are_compared_by_tangos_score_test():
    # Tango (1998): of 44 pairs one is discordant; z = 1.709, p = 0.044 for a margin of 0.1
    test = compare_with_margin(accuracies(0, 1, 44), 0.1)
    assert test.test == "Tango's score test"
    assert test.p_noninferior == pytest.approx(0.044, abs=0.0005)
    assert (test.lower, test.upper) == pytest.approx((-0.096, 0.037), abs=0.0006)


@pytest.mark.parametrize("greater_is_better", [True, False])
@pytest.mark.parametrize("effect", [-0.03, -0.019, 0.0, 0.015, 0.04])
def test_verdicts_follow_from_the_interval_of_90_percent(effect, greater_is_better):
    results = [
        Result("t-test", 200, effect, error=error, df=df, deviation=1.0)
        for error in (0.001, 0.006, 0.02)
        for df in (4, 150, np.inf)
    ]
    results += [accuracies(30 + round(1000 * effect), 30, 1000)]
    for result in results:
        test = compare_with_margin(result, 0.02, greater_is_better)
        above, below = test.lower > -0.02, test.upper < 0.02
        assert test.noninferior == (above if greater_is_better else below)
        assert test.equivalent == (above and below)
        assert test.p_equivalent >= test.p_noninferior


def test_classifiers_that_predict_the_same_are_equivalent_from_the_stated_number_of_images():
    too_few = compare_with_margin(accuracies(0, 0, 132), 0.02)
    assert too_few.refusal.startswith("132 test images; a margin of 0.02 requires at least 133")
    assert not too_few.noninferior
    assert not too_few.equivalent
    assert compare_with_margin(accuracies(0, 0, 133), 0.02).equivalent
    # with the smallest margin for which 132 images are enough, they just are
    assert compare_with_margin(accuracies(0, 0, 132), 0.0201).equivalent


def test_without_variance_it_is_refused_with_the_reason_of_the_test_or_its_own():
    refused = compare_with_margin(Result("t-test", 9, 0.1, refusal="9 images"), 0.02)
    assert refused.refusal == "9 images"
    same = compare_with_margin(corrected_t_test([0.0] * 5, 80, 20), 0.02)
    assert same.refusal == (
        "the difference is zero for all folds, so that its variance cannot be estimated"
    )


def test_the_interval_is_wider_for_several_comparisons():
    result = accuracies(5, 9, 500)
    test = compare_with_margin(result, 0.02, family=8)
    assert (test.lower, test.upper) == tango_interval(5, 9, 500, 0.1 / 8)
    assert test.p_noninferior == compare_with_margin(result, 0.02).p_noninferior


def test_datasets_are_compared_by_wilcoxons_shifted_test():
    differences = np.array([0.01, -0.012, 0.004, 0.015, -0.001, 0.002, 0.031])
    test = compare_datasets_with_margin(differences, 0.02)
    greater = stats.wilcoxon(differences + 0.02, alternative="greater").pvalue
    less = stats.wilcoxon(differences - 0.02, alternative="less").pvalue
    assert test.p_noninferior == pytest.approx(greater)
    assert test.p_equivalent == pytest.approx(max(greater, less))
    loss = compare_datasets_with_margin(differences, 0.02, greater_is_better=False)
    assert loss.p_noninferior == pytest.approx(less)
    four = compare_datasets_with_margin(differences[:4], 0.02)
    assert four.refusal == "4 datasets; at least 5 are required for a one-sided p < 0.05"
    assert isinstance(four, MarginTest)
    assert compare_datasets_with_margin([0.001] * 5, 0.02).equivalent


# ---- type-I errors: the true difference is the margin


@pytest.mark.parametrize("discordant", [0.001, 0.05, 0.3])
@pytest.mark.parametrize(("n", "margin"), [(133, 0.02), (300, 0.02), (60, 0.05), (78, 0.1)])
def test_the_type_1_error_of_accuracies_is_near_the_nominal_one(n, margin, discordant):
    share_a, share_b = discordant / 2, discordant / 2 + margin
    error = 0.0
    for only_a in range(int(stats.binom.isf(1e-5, n, share_a)) + 1):
        counts = np.arange(int(stats.binom.isf(1e-5, n, share_b)) + 1)
        counts = counts[counts <= n - only_a]
        rejected = [
            compare_with_margin(
                Result("McNemar", n, 0.0, discordant=(only_a, int(only_b))), margin
            ).noninferior
            for only_b in counts
        ]
        given = stats.binom.pmf(counts, n - only_a, share_b / (1 - share_a))
        error += stats.binom.pmf(only_a, n, share_a) * (given * rejected).sum()
    assert 0.04 < error < 0.066
    if discordant == 0.3:
        assert error == pytest.approx(0.05, abs=0.001), "many discordant images"


def test_the_type_1_error_over_folds_is_nominal_if_the_overlap_is_as_assumed():
    random = np.random.default_rng(0)
    folds, samples, correlation = 5, 4000, 0.2
    common = random.normal(size=(samples, 1)) * np.sqrt(correlation)
    own = random.normal(size=(samples, folds)) * np.sqrt(1 - correlation)
    tests = [
        compare_with_margin(corrected_t_test(differences, 80, 20), 0.5)
        for differences in -0.5 + common + own
    ]
    assert 0.04 < np.mean([test.noninferior for test in tests]) < 0.06


def test_the_type_1_error_of_areas_is_near_the_nominal_one():
    random = np.random.default_rng(0)
    truth = np.arange(300) % 2
    strong, weak = 1.5, 1.5 - 0.35
    margin = stats.norm.cdf(strong / np.sqrt(2)) - stats.norm.cdf(weak / np.sqrt(2))
    rejected = []
    for _ in range(800):
        common = random.normal(size=300) * np.sqrt(0.6)
        scores = common[:, None] + random.normal(size=(300, 2)) * np.sqrt(0.4)
        a, b = (scores + truth[:, None] * [weak, strong]).T
        rejected.append(compare_with_margin(delong_test(truth, a, b), margin).noninferior)
    assert 0.03 < np.mean(rejected) < 0.07
