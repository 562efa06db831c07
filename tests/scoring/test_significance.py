"""Tests and intervals against published values and their definitions, and their refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score

from benchmark.scoring.influence import compute_influence
from benchmark.scoring.interval_rules import RULES, group_size_unevenness
from benchmark.scoring.intervals import compare_predictions, interval_over_images
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.paired_shares import tango_interval
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.rank_tests import (
    adjust_by_holm,
    friedman_test,
    nemenyi_test,
    wilcoxon_holm_tests,
    wilcoxon_test,
)
from benchmark.scoring.significance import (
    corrected_t_test,
    delong_test,
    estimate_spread,
    mcnemar,
    paired_t_test,
    wilson_interval,
)

# Demsar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, table 6: AUC
# of four decision trees. The table prints 0.975 twice for 'voting', with ranks 2 and 3 from digits
# that it does not print: the first has a digit more here.
DEMSAR = pd.DataFrame(
    {
        "adult": [0.763, 0.768, 0.771, 0.798],
        "breast cancer": [0.599, 0.591, 0.590, 0.569],
        "breast cancer wisconsin": [0.954, 0.971, 0.968, 0.967],
        "cmc": [0.628, 0.661, 0.654, 0.657],
        "ionosphere": [0.882, 0.888, 0.886, 0.898],
        "iris": [0.936, 0.931, 0.916, 0.931],
        "liver disorders": [0.661, 0.668, 0.609, 0.685],
        "lung cancer": [0.583, 0.583, 0.563, 0.625],
        "lymphography": [0.775, 0.838, 0.866, 0.875],
        "mushroom": [1.000, 1.000, 1.000, 1.000],
        "primary tumor": [0.940, 0.962, 0.965, 0.962],
        "rheum": [0.619, 0.666, 0.614, 0.669],
        "voting": [0.972, 0.981, 0.9751, 0.975],
        "wine": [0.957, 0.978, 0.946, 0.970],
    },
    index=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
).T

# DeLong, DeLong & Clarke-Pearson 1988, ovarian cancer: albumin, total protein, K-G score, and
# whether surgery helped; the 43 complete cases, as listed in the SAS/STAT User's Guide, PROC
# LOGISTIC, example "Comparing Receiver Operating Characteristic Curves".
OVARIAN = np.loadtxt(
    """
    3.0 5.8 10 0; 3.2 6.3 5 1; 3.9 6.8 3 1; 2.8 4.8 6 0; 3.2 5.8 3 1; 0.9 4.0 5 0; 2.5 5.7 8 0
    1.6 5.6 5 1; 3.8 5.7 5 1; 3.7 6.7 6 1; 3.2 5.4 4 1; 3.8 6.6 6 1; 4.1 6.6 5 1; 3.6 5.7 5 1
    4.3 7.0 4 1; 3.6 6.7 4 0; 2.3 4.4 6 1; 4.2 7.6 4 0; 4.0 6.6 6 0; 3.5 5.8 6 1; 3.8 6.8 7 1
    3.0 4.7 8 0; 4.5 7.4 5 1; 3.7 7.4 5 1; 3.1 6.6 6 1; 4.1 8.2 6 1; 4.3 7.0 5 1; 4.3 6.5 4 1
    3.2 5.1 5 1; 2.6 4.7 6 1; 3.3 6.8 6 0; 1.7 4.0 7 0; 3.7 6.1 5 1; 3.3 6.3 7 1; 4.2 7.7 6 1
    3.5 6.2 5 1; 2.9 5.7 9 0; 2.1 4.8 7 1; 2.8 6.2 8 0; 4.0 7.0 7 1; 3.3 5.7 6 1; 3.7 6.9 5 1
    3.6 6.6 5 1
    """.replace(";", "\n").splitlines()
)


# ---- across datasets: the worked examples of Demsar 2006, to the printed digits


def test_wilcoxon_gives_the_sums_of_ranks_of_demsars_table_2():
    result = wilcoxon_test(DEMSAR["C4.5+m"], DEMSAR["C4.5"])
    assert result.n == 14
    assert result.statistic == 12, "R- = 7 + 3.5 + 1.5, the two zeros split evenly (section 3.1.3)"
    assert 14 * 15 / 2 - result.statistic == 93, "R+"
    assert result.significant, "12 is below 21, the critical value for N = 14 at 0.05"
    assert result.p_value == pytest.approx(0.011, abs=5e-4)
    assert result.effect == pytest.approx(0.008), "median of the differences"


def test_friedman_gives_the_statistics_of_demsars_table_6():
    result = friedman_test(DEMSAR)
    assert list(result.ranks.round(3)) == [3.143, 2.000, 2.893, 1.964]
    assert round(result.chi2, 2) == 9.28
    assert round(result.statistic, 2) == 3.69
    assert result.p_value == pytest.approx(stats.f.sf(3.69, 3, 39), abs=1e-3)
    assert result.significant, "3.69 is above 2.85, the critical value of F(3, 39)"
    assert (result.n, result.effect) == (14, pytest.approx(9.28 / (14 * 3), abs=1e-3))


def test_nemenyi_gives_the_critical_differences_of_demsar():
    at_5, at_10 = nemenyi_test(DEMSAR), nemenyi_test(DEMSAR, alpha=0.10)
    assert round(at_5.critical_difference, 2) == 1.25
    assert round(at_10.critical_difference, 2) == 1.12
    assert at_5.effect == pytest.approx(1.179, abs=5e-4), "3.143 - 1.964"
    assert not at_5.significant, "even the best and the worst do not differ at 0.05 (section 3.2.2)"
    below_10 = at_10.p_values.lt(0.10)
    pairs = {
        frozenset((one, two)) for one in below_10 for two in below_10 if below_10.loc[one, two]
    }
    assert pairs == {frozenset(("C4.5", "C4.5+m")), frozenset(("C4.5", "C4.5+m+cf"))}, (
        "at 0.10 C4.5 is worse than these two"
    )


@pytest.mark.parametrize(
    ("k", "alpha", "q"),
    [(3, 0.05, 2.343), (4, 0.05, 2.569), (10, 0.05, 3.164), (4, 0.10, 2.291), (10, 0.10, 2.920)],
)
def test_critical_values_are_those_of_demsars_table_5a(k, alpha, q):
    """The table cuts digits where it should round."""
    scores = pd.DataFrame(np.random.default_rng(0).random((12, k)))
    assert nemenyi_test(scores, alpha=alpha).critical_difference == pytest.approx(
        q * np.sqrt(k * (k + 1) / (6 * 12)), abs=1e-3
    )


def test_holm_rejects_what_it_rejects_in_demsar():
    """Section 3.2.2: of the three p-values, Holm's procedure rejects the first two."""
    ranks = friedman_test(DEMSAR).ranks.round(3)
    z = (ranks["C4.5"] - ranks[["C4.5+m+cf", "C4.5+m", "C4.5+cf"]]) / 0.488
    assert list(z.round(3)) == [2.416, 2.342, 0.512]
    p_values = 2 * stats.norm.sf(z)
    assert list(p_values[:2].round(3)) == [0.016, 0.019]
    assert p_values[2] == pytest.approx(0.607, abs=2e-3), (
        "z = 0.512 has p = 0.609, where the paper prints 0.607"
    )
    adjusted = adjust_by_holm(p_values)
    assert list(adjusted) == pytest.approx([3 * p_values[0], 3 * p_values[0], p_values[2]]), (
        "never below an earlier one"
    )
    assert list(adjusted < 0.05) == [True, True, False]


def test_wilcoxon_of_one_against_the_others_is_adjusted_and_leaves_refusals_alone():
    scores = DEMSAR.assign(same=DEMSAR["C4.5"])
    results = wilcoxon_holm_tests(scores, "C4.5")
    assert results["same"].refusal
    alone = {
        name: wilcoxon_test(scores["C4.5"], scores[name]).p_value for name in DEMSAR.columns[1:]
    }
    smallest = min(alone, key=alone.get)
    assert results[smallest].p_value == pytest.approx(3 * alone[smallest])


def test_wilcoxon_with_five_data_sets_is_refused_with_the_reason():
    result = wilcoxon_test([0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.2, 0.1, 0.2, 0.1])
    assert np.isnan(result.p_value)
    assert not result.significant
    assert result.refusal == (
        "5 datasets, 5 of them with a difference; at least 6 with a difference are required for a "
        "two-sided p < 0.05 (with 5 the smallest p is 0.0625)"
    )
    six = wilcoxon_test([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.1, 0.2, 0.1, 0.2, 0.1, 0.2])
    assert six.p_value == 2 / 2**6


def test_data_sets_without_a_difference_do_not_count_towards_the_six():
    assert wilcoxon_test(
        [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.9, 0.2, 0.1, 0.2, 0.1, 0.2]
    ).refusal.startswith("6 datasets, 5 of them")


def test_differences_that_are_equal_on_paper_tie():
    """0.3 - 0.2 and 0.2 - 0.1 differ in the last bit."""
    a, b = np.array([0.3, 0.1, 0.9, 0.8, 0.7, 0.95]), np.array([0.2, 0.2, 0.1, 0.2, 0.2, 0.0])
    assert wilcoxon_test(a, b).statistic == 1.5


@given(st.integers(3, 6), st.integers(4, 12), st.integers(0, 1000))
@settings(max_examples=20)
def test_friedman_without_ties_is_scipys_and_takes_losses_as_well(k, n, seed):
    scores = pd.DataFrame(np.random.default_rng(seed).random((n, k)))
    outcome = friedman_test(scores)
    assert outcome.chi2 == pytest.approx(stats.friedmanchisquare(*scores.to_numpy().T).statistic)
    assert list(friedman_test(-scores, greater_is_better=False).ranks) == list(outcome.ranks)


def test_friedman_refuses_what_it_cannot_support():
    scores = pd.DataFrame(np.random.default_rng(0).random((10, 4)))
    assert friedman_test(scores.iloc[:, :2]).refusal.startswith(
        "2 configurations; at least 3 are required"
    )
    assert friedman_test(scores.iloc[:2]).refusal.startswith(
        "2 datasets; 4 configurations require at least 3"
    )
    assert nemenyi_test(scores.iloc[:2]).refusal
    scores.iloc[3, 1] = np.nan
    assert friedman_test(scores).refusal.startswith("1 of 10 datasets lack")


def test_nemenyi_refuses_data_sets_too_few_for_any_ranks_to_differ():
    agreed = pd.DataFrame([range(10)] * 2)
    assert not friedman_test(agreed).refusal
    result = nemenyi_test(agreed)
    assert result.refusal.startswith(
        "2 datasets; 10 configurations require at least 3: mean ranks differ by at most 9"
    )
    assert np.isnan(result.p_value)
    assert nemenyi_test(pd.DataFrame([range(10)] * 3)).significant


def test_the_p_value_of_full_agreement_of_few_data_sets_is_not_zero():
    result = friedman_test(pd.DataFrame([[1, 2, 3]] * 3))
    assert result.effect == pytest.approx(1)
    assert result.p_value == pytest.approx(1 / 36), "3! of the 3! ** 3 ways to rank agree"
    assert friedman_test(pd.DataFrame(np.ones((6, 3)))).p_value == 1


# ---- one dataset


def test_delong_gives_the_published_values_of_ovarian_cancer():
    """Difference, standard error, 95% limits, chi-square and p, to four digits."""
    albumin, protein, kg, helped = OVARIAN[:, 0], OVARIAN[:, 1], 10 - OVARIAN[:, 2], OVARIAN[:, 3]
    for scores, effect, error, lower, upper, chi2, p_value in (
        (albumin, 0.0108, 0.0953, -0.1761, 0.1976, 0.0127, 0.9102),
        (protein, -0.0780, 0.1046, -0.2830, 0.1271, 0.5554, 0.4561),
    ):
        result = delong_test(helped, scores, kg)
        printed = [
            result.effect,
            result.effect / result.statistic,
            result.lower,
            result.upper,
            result.statistic**2,
            result.p_value,
        ]
        assert [round(value, 4) for value in printed] == [
            effect,
            error,
            lower,
            upper,
            chi2,
            p_value,
        ]
        assert result.n == 43
    assert round(roc_auc_score(helped, kg), 4) == 0.7258


def structural_components(truth, scores):
    """DeLong et al. 1988, equations as printed: every positive against every negative."""
    x, y = scores[truth == 1], scores[truth == 0]
    psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    return psi.mean(axis=1), psi.mean(axis=0)


@given(st.integers(0, 10_000), st.integers(4, 40), st.integers(2, 20))
@settings(max_examples=40)
def test_delong_is_what_its_definition_says_and_changes_sign_with_its_arguments(seed, n, levels):
    random = np.random.default_rng(seed)
    truth, a, b = (
        random.integers(2, size=n),
        random.integers(levels, size=n),
        random.integers(levels, size=n),
    )
    assume(2 <= truth.sum() <= n - 2)
    outcome, swapped = delong_test(truth, a, b), delong_test(truth, b, a)
    assert outcome.effect == pytest.approx(roc_auc_score(truth, a) - roc_auc_score(truth, b))
    assert (swapped.effect, swapped.upper) == pytest.approx(
        (-outcome.effect, -outcome.lower), nan_ok=True
    )
    assert swapped.p_value == pytest.approx(outcome.p_value, nan_ok=True)
    (a10, a01), (b10, b01) = structural_components(truth, a), structural_components(truth, b)
    s10, s01 = np.cov(a10, b10), np.cov(a01, b01)
    s = s10 / truth.sum() + s01 / (n - truth.sum())
    variance = s[0, 0] + s[1, 1] - 2 * s[0, 1]
    if not np.isnan(outcome.statistic):
        assert outcome.statistic**2 == pytest.approx(outcome.effect**2 / variance, rel=1e-6)


def test_delong_of_equal_scores_finds_nothing_and_of_too_few_refuses():
    truth = np.array([0, 0, 0, 1, 1, 1])
    same = delong_test(truth, truth * 0.5, truth * 2)
    assert (same.effect, same.p_value) == (0, 1)
    assert delong_test([0, 0, 1], [1, 2, 3], [3, 2, 1]).refusal.startswith(
        "1 positive and 2 negative test images"
    )
    assert "the same for all 6 images" in delong_test(truth, truth, -truth).refusal


def test_mcnemar_is_the_mid_p_binomial_test_of_the_discordant_images():
    truth = np.zeros(100, int)
    a, b = (
        np.r_[np.ones(2, int), np.zeros(98, int)],
        np.r_[np.zeros(2, int), np.ones(9, int), np.zeros(89, int)],
    )
    result = mcnemar(truth, a, b)
    assert result.p_value == pytest.approx(
        stats.binomtest(2, 11).pvalue - stats.binom.pmf(2, 11, 0.5)
    )
    assert (result.n, result.effect) == (100, pytest.approx(0.07))
    assert result.unit == (
        "test images, of which 11 are predicted correctly by one configuration only"
    )


def test_mcnemar_of_five_discordant_images_is_refused():
    truth, a = np.zeros(100, int), np.r_[np.ones(5, int), np.zeros(95, int)]
    assert mcnemar(truth, a, truth).refusal.startswith(
        "the number of test images that only one configuration predicts correctly is 5; at least 6"
    )
    assert not mcnemar(truth, np.r_[np.ones(6, int), np.zeros(94, int)], truth).refusal


def test_the_corrected_t_test_by_hand():
    """Differences 1, 2, 3, 4 hundredths, 75 train and 25 test.

    Mean 0.025; variance (0.015^2 + 0.005^2 + 0.005^2 + 0.015^2) / 3 = 0.0005 / 3; times 1/4 + 25/75
    = 7/12 that is 0.0035 / 36, whose root is 0.0098601; t = 0.025 / 0.0098601 = 2.53546 with 3
    degrees of freedom. t(0.975; 3) = 3.18245: half the interval is 0.0313794. An uncorrected t-test
    has 1/4: t = 0.025 / 0.0064550 = 3.87298, and calls it significant.
    """
    differences = [0.01, 0.02, 0.03, 0.04]
    result = corrected_t_test(differences, n_train=75, n_test=25)
    assert (result.n, result.effect) == (4, pytest.approx(0.025))
    assert result.statistic == pytest.approx(2.53546, abs=1e-5)
    assert (result.lower, result.upper) == pytest.approx(
        (0.025 - 0.0313794, 0.025 + 0.0313794), abs=1e-6
    )
    assert result.p_value == pytest.approx(0.085, abs=5e-4)
    assert not result.significant
    assert stats.ttest_1samp(differences, 0).pvalue < 0.05


def test_the_corrected_t_test_refuses_what_has_no_variance():
    assert (
        corrected_t_test([0.1], 2, 1).refusal
        == "1 fold; at least 2 are required to estimate a variance"
    )
    assert corrected_t_test([0.1, 0.1, 0.1], 2, 1).refusal.startswith(
        "the difference is the same on all 3 folds"
    )
    assert corrected_t_test([0.1, np.nan, 0.1], 2, 1).refusal.startswith(
        "undefined on 1 of 3 folds"
    )
    assert corrected_t_test([0.0, 0.0], 2, 1).p_value == 1


# ---- intervals and tests from influences


def a_test_set(seed, n, k=3, separation=1.5, multilabel=False):
    random = np.random.default_rng(seed)
    if multilabel:
        y = (random.random((n, k)) < 0.4).astype(int)
        proba = stats.norm.cdf(separation * (y - 0.5) + random.normal(size=(n, k)))
    else:
        y = random.integers(0, k, n)
        score = np.exp(separation * np.eye(k)[y] + random.normal(size=(n, k)))
        proba = score / score.sum(axis=1, keepdims=True)
    return Predictions(y, proba, tuple("abcdefgh"[:k]), np.arange(n))


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize(
    "name", [name for name in METRICS if name not in ("minimum_recall", "ece")]
)
def test_influences_are_what_the_metric_loses_without_an_image(name, multilabel):
    if METRICS[name].multilabel not in (None, multilabel):
        return
    p = a_test_set(1, 200, multilabel=multilabel)
    influence, value = compute_influence(name, p), METRICS[name](p)
    left_out = [
        value - METRICS[name](p.take_images(np.delete(np.arange(200), i))) for i in range(200)
    ]
    assert abs(influence.sum()) < 1e-6
    assert np.corrcoef(influence, left_out)[0, 1] > 0.999
    assert np.sqrt((influence**2).sum()) == pytest.approx(
        np.std(left_out, ddof=1) * np.sqrt(199), rel=0.05
    )


def test_the_influences_on_an_auc_are_delongs():
    p, q = a_test_set(1, 300, 2), a_test_set(1, 300, 2)
    q = replace(q, proba=a_test_set(2, 300, 2).proba)
    spread = estimate_spread(compute_influence("auc", p) - compute_influence("auc", q))
    known = delong_test(p.y_true, p.proba[:, 1], q.proba[:, 1])
    assert spread.error == pytest.approx(abs(known.effect / known.statistic), rel=2e-3)


def test_a_spread_of_equal_units_is_that_of_a_mean():
    values = np.random.default_rng(0).normal(size=400)
    spread = estimate_spread((values - values.mean()) / 400)
    assert spread.error == pytest.approx(values.std(ddof=1) / 20)
    assert 300 < spread.df <= 399


def test_an_undefined_contribution_makes_the_spread_undefined_and_the_test_refused():
    spread = estimate_spread([0.1, np.nan, -0.1])
    assert np.isnan(spread.error)
    assert estimate_spread([0.0, 0.0]).error == 0
    result = paired_t_test(0.1, spread)
    assert np.isnan(result.p_value)
    assert result.refusal == (
        "the contribution of some test images is undefined, so that the variance cannot be "
        "estimated"
    )


def test_a_spread_that_one_unit_decides_has_few_degrees_of_freedom():
    assert estimate_spread([-1.0] + [1 / 399] * 399).df < 3


def test_the_images_of_a_patient_are_one_unit():
    groups = np.repeat(np.arange(20), 10)
    # equal within a patient: 20 observations instead of 200
    values = np.random.default_rng(1).normal(size=20)[groups]
    values -= values.mean()
    by_group, by_image = estimate_spread(values / 200, groups), estimate_spread(values / 200)
    assert by_group.error == pytest.approx(np.sqrt(10) * by_image.error, rel=0.05)
    assert by_group.n == 20


def test_wilsons_interval_is_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    for right, n in ((0, 10), (7, 50), (50, 50)):
        assert wilson_interval(right / n, n, stats.norm.isf(0.025)) == pytest.approx(
            proportion_confint(right, n, method="wilson"), abs=1e-12
        )


@pytest.mark.parametrize(
    ("only_a", "only_b", "n"), [(1, 0, 44), (8, 0, 30), (20, 20, 60), (12, 3, 200)]
)
def test_the_limits_of_tangos_interval_are_where_the_score_test_rejects(only_a, only_b, n):
    """The most likely share of discordant images, given the difference, is found numerically."""
    for limit in tango_interval(only_a, only_b, n, 0.05):

        def loss(share, limit=limit):
            return -(
                only_a * np.log(share + limit)
                + only_b * np.log(share)
                + (n - only_a - only_b) * np.log(1 - 2 * share - limit)
            )

        bounds = max(0, -limit) + 1e-12, (1 - limit) / 2 - 1e-12
        share = optimize.minimize_scalar(
            loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}
        ).x
        score = (only_a - only_b - n * limit) / np.sqrt(n * (2 * share + limit * (1 - limit)))
        assert abs(score) == pytest.approx(1.96, abs=1e-3)


@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 200),
    st.sampled_from([0.05, 0.01, 0.002]),
)
@settings(max_examples=60)
def test_mcnemars_interval_holds_zero_where_the_test_does_not_reject(only_a, only_b, both, alpha):
    assume(only_a + only_b >= 6)
    truth = np.zeros(only_a + only_b + both, int)
    a, b = (
        np.repeat([0, 1, 0], [only_a, only_b, both]),
        np.repeat([1, 0, 0], [only_a, only_b, both]),
    )
    outcome = mcnemar(truth, a, b, alpha)
    assert outcome.lower <= outcome.effect <= outcome.upper
    if outcome.p_value >= alpha:
        assert outcome.lower <= 0 <= outcome.upper
    assert outcome.p_value <= stats.binomtest(only_a, only_a + only_b).pvalue + 1e-12
    assert not outcome.significant or not outcome.lower <= 0 <= outcome.upper


def test_classifiers_that_err_equally_often_have_p_of_one():
    truth = np.zeros(60, int)
    result = mcnemar(truth, np.repeat([0, 1, 0], 20), np.repeat([1, 0, 0], 20))
    assert (result.p_value, result.effect) == (1, 0)


def test_an_interval_says_how_many_images_or_groups_it_needs():
    rare = a_test_set(0, 200)
    rare = replace(rare, y_true=np.where(np.arange(200) < 9, 2, np.arange(200) % 2))
    assert (
        interval_over_images("f1", [rare]).refusal
        == "9 test images of 'c'; f1 requires at least 20 of each class"
    )
    assert np.isnan(interval_over_images("f1", [rare]).lower)
    assert "'c'" not in interval_over_images("accuracy", [rare]).refusal, (
        "an accuracy needs no class"
    )
    few = replace(a_test_set(0, 200), groups=(np.arange(200) // 20).astype(str))
    assert (
        interval_over_images("accuracy", [few]).refusal
        == "10 groups of test images; accuracy requires at least 20"
    )
    assert (
        interval_over_images("log_loss", [a_test_set(0, 200)]).refusal
        == "200 test images; log_loss requires at least 400"
    )
    assert (
        "is known to have its nominal level"
        in interval_over_images("minimum_recall", [rare]).refusal
    )


def test_a_class_without_errors_is_not_without_uncertainty():
    y = np.arange(200) % 2
    perfect = Predictions(y, np.eye(2)[y] * 0.8 + 0.1, ("a", "b"), np.arange(200))
    result = interval_over_images("f1", [perfect])
    assert result.effect == result.upper == 1
    assert 0.7 < result.lower < 0.985


def test_an_interval_by_patients_is_wider_than_by_images():
    p = a_test_set(0, 600)
    # sorted so that the images of a patient are all predicted correctly or all wrongly
    order = np.argsort(p.y_true * 2 + (p.labels == p.y_true), kind="stable")
    by_image = replace(p.take_images(order))
    by_group = replace(by_image, groups=(np.arange(600) // 5).astype(str))
    narrow, wide = interval_over_images("f1", [by_image]), interval_over_images("f1", [by_group])
    assert wide.upper - wide.lower > 1.5 * (narrow.upper - narrow.lower)


def test_a_difference_that_few_images_decide_is_not_tested():
    p = a_test_set(0, 300, 2, separation=6)
    q = replace(p, proba=np.where(np.arange(300)[:, None] < 4, p.proba[:, ::-1], p.proba))
    assert (
        "determine the difference; at least 15 are required"
        in compare_predictions("f1", [p], [q]).refusal
    )
    assert compare_predictions("f1", [p], [p]).p_value == 1


def grouped(sizes):
    """A test set of two classes with groups of these sizes, one class in each."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    random, n = np.random.default_rng(0), len(groups)
    right = random.random(n) < 0.8
    y = groups % 2
    proba = np.where((np.where(right, y, 1 - y) == 1)[:, None], (0.2, 0.8), (0.8, 0.2))
    return Predictions(y, proba, ("a", "b"), np.arange(n), groups=groups.astype(str))


def test_groups_that_differ_too_much_in_size_get_neither_interval_nor_test():
    uneven = grouped([*[2] * 58, 60, 60])
    other = replace(uneven, proba=uneven.proba[::-1])
    assert group_size_unevenness([*[2] * 58, 60, 60]) > 2
    for result in (
        interval_over_images("accuracy", [uneven]),
        compare_predictions("accuracy", [uneven], [other]),
    ):
        assert "differ too much in size" in result.refusal
        assert "keep at most k images of each group, chosen at random" in result.refusal
        assert np.isnan([result.lower, result.p_value]).all()
    assert (
        "too much"
        not in interval_over_images(
            "accuracy",
            [uneven],
            rules={kind: replace(rule, uneven=np.inf) for kind, rule in RULES.items()},
        ).refusal
    )


def test_groups_that_differ_a_little_in_size_get_both():
    sizes = [2, 3, 4, 5, 8] * 12
    even = grouped(sizes)
    assert group_size_unevenness([3, 3, 3]) == 1
    assert group_size_unevenness(sizes) == pytest.approx(1 + np.var(sizes) / np.mean(sizes) ** 2)
    assert interval_over_images("accuracy", [even]).refusal == ""
    assert (
        compare_predictions("accuracy", [even], [replace(even, proba=even.proba[::-1])]).refusal
        == ""
    )
