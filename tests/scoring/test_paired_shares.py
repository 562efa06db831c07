"""Score statistic, intervals and odds ratio of two shares on the same images."""

import numpy as np
import pytest
from scipy import optimize, stats

from benchmark.scoring.paired_shares import odds_ratio_interval, tango_interval, tango_score
from benchmark.scoring.significance import mcnemar


@pytest.mark.parametrize(
    ("counts", "alpha", "published"),
    [
        ((0, 1, 44), 0.1, (-0.096, 0.037)),  # Tango (1998)
        ((9, 3, 32), 0.05, (-0.027, 0.390)),  # Tango (1998)
        ((1, 7, 21), 0.05, (-0.517, -0.026)),  # Fagerland, Lydersen & Laake (2014)
        ((16, 8, 86), 0.05, (-0.020, 0.207)),  # Agresti & Min (2005)
    ],
)
def test_the_interval_of_the_difference_equals_published_ones(counts, alpha, published):
    assert tango_interval(*counts, alpha) == pytest.approx(published, abs=0.0006)


@pytest.mark.parametrize("difference", [-0.3, -0.02, 0.05, 0.4])
@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (3, 8), (20, 1)])
def test_the_score_uses_the_most_likely_discordant_shares(only_a, only_b, difference):
    n = 90

    def minus_likelihood(share_b):
        shares = share_b + difference, share_b, 1 - 2 * share_b - difference
        counts = only_a, only_b, n - only_a - only_b
        return -sum(k * np.log(p) for k, p in zip(counts, shares, strict=True) if k)

    bounds = max(0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12
    most_likely = optimize.minimize_scalar(
        minus_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}
    ).x
    variance = n * (2 * most_likely + difference - difference**2)
    score = (only_a - only_b - n * difference) / np.sqrt(variance)
    assert tango_score(only_a, only_b, n, difference) == pytest.approx(score, rel=1e-3)


def test_at_no_difference_the_score_is_the_statistic_of_mcnemar():
    assert tango_score(18, 8, 100, 0.0) == pytest.approx((18 - 8) / np.sqrt(26))


def test_the_interval_of_the_odds_ratio_equals_a_published_one():
    # Fagerland, Lydersen & Laake (2014)
    assert odds_ratio_interval(1, 7, 0.05) == pytest.approx((0.006, 0.924), abs=0.0005)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 9), (9, 0), (5, 5), (2, 12), (40, 61)])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_the_odds_ratio_is_bounded_by_the_mid_p_tails_of_the_binomial(only_a, only_b, alpha):
    n = only_a + only_b
    for bound, tail in zip(
        odds_ratio_interval(only_a, only_b, alpha), (1 - alpha / 2, alpha / 2), strict=True
    ):
        share = bound / (1 + bound)
        if 0 < bound < np.inf:
            below = stats.binom.cdf(only_a, n, share) - stats.binom.pmf(only_a, n, share) / 2
            assert below == pytest.approx(tail, abs=1e-6)
    assert odds_ratio_interval(only_b, only_a, alpha) == pytest.approx(
        tuple(1 / x if x else np.inf for x in odds_ratio_interval(only_a, only_b, alpha)[::-1])
    )


@pytest.mark.parametrize(("only_a", "only_b"), [(k, 20 - k) for k in range(0, 21, 2)])
def test_the_odds_ratio_excludes_1_where_mcnemars_test_rejects(only_a, only_b):
    truth = np.zeros(100)
    wrong_b = np.arange(100) < only_a
    wrong_a = np.arange(100) >= 100 - only_b
    result = mcnemar(truth, wrong_a, wrong_b)
    lower, upper = odds_ratio_interval(only_a, only_b, 0.05)
    assert result.discordant == (only_a, only_b)
    assert (result.p_value < 0.05) == (not lower <= 1 <= upper)


def test_one_sided_counts_have_an_open_interval():
    assert odds_ratio_interval(0, 8, 0.05)[0] == 0
    assert odds_ratio_interval(8, 0, 0.05)[1] == np.inf
