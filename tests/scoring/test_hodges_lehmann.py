"""Intervals of median differences over datasets."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from benchmark.scoring.hodges_lehmann import hodges_lehmann_interval


def test_the_interval_is_that_of_hollander_and_wolfe():
    """Depression of nine patients before and after therapy (Hollander & Wolfe, table 3.1)."""
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    result = hodges_lehmann_interval(np.subtract(after, before))
    assert result.effect == pytest.approx(-0.46)
    assert (result.lower, result.upper) == pytest.approx((-0.786, -0.010))
    assert (result.n, result.unit) == (9, "datasets")


@given(st.lists(st.integers(-1000, 1000), min_size=6, max_size=20, unique_by=abs))
def test_the_interval_excludes_zero_where_wilcoxons_exact_test_rejects(differences):
    assume(0 not in differences)
    result = hodges_lehmann_interval(differences)
    p_value = stats.wilcoxon(differences, method="exact").pvalue
    # a bound of exactly 0 needs equal differences, which unique_by leaves out
    assert (result.lower > 0 or result.upper < 0) == (p_value <= 0.05)
    assert result.lower <= result.effect <= result.upper
    mirrored = hodges_lehmann_interval(np.negative(differences))
    assert (mirrored.lower, mirrored.upper) == (-result.upper, -result.lower)


def test_five_differences_are_refused_and_six_are_enough():
    assert hodges_lehmann_interval([1, 2, 3, 4, 5]).refusal == "5 datasets; at least 6 are required"
    six = hodges_lehmann_interval([1, 2, 3, 4, 5, 6])
    assert (six.refusal, six.lower, six.upper) == ("", 1, 6)
    assert hodges_lehmann_interval([1, 2, 3, 4, 5, 6, 7], alpha=0.01).refusal == (
        "7 datasets; at least 8 are required"
    )


def test_symmetric_differences_are_covered_in_94_to_98_percent():
    random = np.random.default_rng(0)
    for n in (6, 8, 12):
        results = [hodges_lehmann_interval(random.standard_t(3, size=n)) for _ in range(1500)]
        assert 0.94 <= np.mean([r.lower <= 0 <= r.upper for r in results]) <= 0.98


def test_differences_of_equal_decimal_numbers_are_zero():
    result = hodges_lehmann_interval([0.1 + 0.2 - 0.3] * 6)
    assert (result.lower, result.effect, result.upper) == (0, 0, 0)
