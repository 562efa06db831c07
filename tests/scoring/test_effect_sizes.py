"""Effect sizes: definitions, references, and the coverage of their intervals."""

import numpy as np
import pytest
from scipy import stats

from benchmark.scoring.effect_sizes import _noncentrality_interval, compute_effect_size
from benchmark.scoring.significance import (
    Result,
    corrected_t_test,
    delong_test,
    estimate_spread,
    mcnemar,
    paired_t_test,
)


def test_the_noncentrality_interval_equals_that_of_mbess():
    # the example of conf.limits.nct in the R package MBESS (Kelley 2007)
    expected = (0.8337502, 4.815359)
    assert _noncentrality_interval(2.83, 126, 0.05) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("df", [3, 9.5, 200])
@pytest.mark.parametrize("statistic", [-40.0, -2.0, 0.0, 0.3, 12.0])
def test_the_noncentral_t_distribution_has_the_given_tails_at_its_bounds(df, statistic):
    lower, upper = _noncentrality_interval(statistic, df, 0.05)
    assert lower < statistic < upper
    assert stats.nct.sf(statistic, df, lower) == pytest.approx(0.025, abs=1e-4)
    assert stats.nct.cdf(statistic, df, upper) == pytest.approx(0.025, abs=1e-4)


def test_a_normal_statistic_has_a_normal_interval():
    assert _noncentrality_interval(1.0, np.inf, 0.05) == pytest.approx(stats.norm.interval(0.95, 1))
    nearly = _noncentrality_interval(1.0, 1e7, 0.05)
    assert _noncentrality_interval(1.0, np.inf, 0.05) == pytest.approx(nearly, abs=1e-4)


def test_d_z_is_the_difference_divided_by_the_standard_deviation_of_the_differences():
    random = np.random.default_rng(0)
    differences = random.normal(0.1, 0.3, 50)
    size = compute_effect_size(corrected_t_test(differences[:10], n_train=90, n_test=10))
    assert size.name == "d_z"
    assert size.value == pytest.approx(differences[:10].mean() / differences[:10].std(ddof=1))
    spread = estimate_spread((differences - differences.mean()) / 50)
    size = compute_effect_size(paired_t_test(differences.mean(), spread))
    assert size.value == pytest.approx(differences.mean() / differences.std(ddof=1))
    statistic = stats.ttest_1samp(differences, 0).statistic
    assert size.value == pytest.approx(statistic / np.sqrt(50))


def test_an_interval_excludes_no_effect_where_the_test_rejects():
    random = np.random.default_rng(1)
    rejected = []
    for _ in range(60):
        truth = random.integers(0, 2, 80)
        scores = truth[:, None] + random.normal(size=(80, 2)) * [1, 1.6]
        for result in (
            delong_test(truth, *scores.T),
            corrected_t_test(random.normal(0.8, 1, 6), 80, 20),
            mcnemar(truth, *(scores > 0.5).T),
        ):
            size = compute_effect_size(result)
            no_effect = 1 if size.name == "odds ratio" else 0
            rejected.append(result.p_value < 0.05)
            assert (size.lower > no_effect or size.upper < no_effect) == rejected[-1]
    assert 20 < sum(rejected) < 160


def test_too_few_folds_and_differences_without_variance_have_none():
    three = compute_effect_size(corrected_t_test([0.1, 0.2, 0.4], 80, 40))
    assert three.refusal == "3 folds; at least 4 are required for a finite variance"
    assert np.isnan(three.value)
    assert not compute_effect_size(corrected_t_test([0.1, 0.2, 0.4, 0.2], 80, 40)).refusal
    assert compute_effect_size(corrected_t_test([0.0] * 5, 80, 40)) is None
    assert compute_effect_size(Result("a test", 3, 0.1, refusal="too few")) is None
    few = mcnemar([0] * 9, [0] * 9, [1] * 3 + [0] * 6)
    assert few.refusal
    assert compute_effect_size(few) is None


def test_the_odds_ratio_may_be_infinite():
    size = compute_effect_size(mcnemar([0] * 50, [0] * 50, [1] * 8 + [0] * 42))
    assert (size.value, size.upper) == (np.inf, np.inf)
    assert size.lower > 1


def test_over_folds_the_interval_of_d_z_covers_if_the_overlap_is_as_assumed():
    random = np.random.default_rng(2)
    folds, samples, effect, correlation = 5, 2000, 0.8, 0.2  # n_test / n
    common = random.normal(size=(samples, 1)) * np.sqrt(correlation)
    own = random.normal(size=(samples, folds)) * np.sqrt(1 - correlation)
    mean = effect * np.sqrt(1 - correlation)
    covered = []
    for differences in mean + common + own:
        size = compute_effect_size(corrected_t_test(differences, n_train=80, n_test=20))
        covered.append(size.lower <= effect <= size.upper)
    assert 0.94 < np.mean(covered) < 0.96
