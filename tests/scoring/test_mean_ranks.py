"""Ranks, wins and intervals of mean ranks over datasets."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from benchmark.scoring.mean_ranks import count_pairwise_wins, count_wins, estimate_mean_ranks
from benchmark.scoring.rank_tests import rank_within_datasets

# few levels, so that most datasets have ties
SCORES = st.tuples(st.integers(1, 8), st.integers(1, 7)).flatmap(
    lambda shape: arrays(float, shape, elements=st.integers(0, 4).map(lambda k: k / 10))
)


@given(SCORES, st.booleans())
def test_ranks_are_those_of_scipy_and_pandas_with_ties(scores, greater):
    table = pd.DataFrame(scores)
    ranks = rank_within_datasets(table, greater)
    assert np.array_equal(ranks, stats.rankdata(-scores if greater else scores, axis=1))
    assert np.array_equal(ranks, table.rank(axis=1, ascending=not greater))
    assert ranks.sum(axis=1) == pytest.approx(
        np.full(len(scores), np.arange(1, scores.shape[1] + 1).sum())
    )


def test_scores_that_are_equal_on_paper_share_a_rank():
    assert rank_within_datasets(pd.DataFrame([[0.1 + 0.2, 0.3, 0.1]]), True).tolist() == [
        [1.5, 1.5, 3]
    ]


@given(SCORES, st.booleans())
def test_wins_are_counted_by_the_definition_with_ties(scores, greater):
    table = pd.DataFrame(scores)
    signed = scores if greater else -scores
    best = signed.max(axis=1)
    assert count_wins(table, greater).tolist() == [
        sum(row[k] == top for row, top in zip(signed, best, strict=True))
        for k in range(scores.shape[1])
    ]
    wins = count_pairwise_wins(table, greater).to_numpy()
    for a in range(scores.shape[1]):
        for b in range(scores.shape[1]):
            better = (signed[:, a] > signed[:, b]).sum()
            assert wins[a, b] == better + (signed[:, a] == signed[:, b]).sum() / 2


@given(SCORES, st.booleans())
def test_pairwise_wins_give_the_mean_ranks(scores, greater):
    table = pd.DataFrame(scores)
    wins = count_pairwise_wins(table, greater)
    assert np.all(wins + wins.T == len(scores))
    lost = wins.sum(axis=0) / len(scores)
    means = [result.effect for result in estimate_mean_ranks(table, greater).values()]
    assert means == pytest.approx((lost + 0.5).tolist())


@given(SCORES)
def test_the_names_and_order_of_datasets_do_not_matter_for_ranks_and_wins(scores):
    table = pd.DataFrame(scores)
    turned = table.iloc[::-1]
    assert count_wins(table).equals(count_wins(turned))
    assert count_pairwise_wins(table).equals(count_pairwise_wins(turned))
    for one, other in zip(
        estimate_mean_ranks(table).values(), estimate_mean_ranks(turned).values(), strict=True
    ):
        assert one.effect == pytest.approx(other.effect)


def draw_scores(random, n, spread, k=6):
    return pd.DataFrame(spread * np.linspace(1, -1, k) + random.normal(size=(n, k)))


def test_bounds_are_those_of_a_studentized_bootstrap_written_as_a_loop():
    scores = draw_scores(np.random.default_rng(3), 14, 1.0)
    ranks = rank_within_datasets(scores, True)[:, 0]
    random, deviations = np.random.default_rng(4), []
    for _ in range(20_000):
        drawn = random.choice(ranks, len(ranks))
        error = max(drawn.std(ddof=1) / np.sqrt(len(drawn)), 1e-9)
        deviations.append((drawn.mean() - ranks.mean()) / error)
    high, low = np.quantile(deviations, [0.975, 0.025])
    error = ranks.std(ddof=1) / np.sqrt(len(ranks))
    result = estimate_mean_ranks(scores)[0]
    assert result.lower == pytest.approx(max(1, ranks.mean() - high * error), abs=0.05)
    assert result.upper == pytest.approx(ranks.mean() - low * error, abs=0.05)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_intervals_cover_the_true_mean_ranks_in_93_to_98_percent_on_average(spread):
    random = np.random.default_rng(0)
    truth = rank_within_datasets(draw_scores(random, 50_000, spread), True).mean(axis=0)
    covered = [
        result.lower <= true_rank <= result.upper
        for _ in range(250)
        for true_rank, result in zip(
            truth, estimate_mean_ranks(draw_scores(random, 12, spread)).values(), strict=True
        )
        if not result.refusal
    ]
    assert len(covered) > 1200
    assert 0.93 <= np.mean(covered) <= 0.98


def test_an_interval_stays_within_the_ranks_and_is_the_same_again():
    scores = draw_scores(np.random.default_rng(1), 11, 0.7)
    results = estimate_mean_ranks(scores)
    assert all(1 <= r.lower <= r.effect <= r.upper <= 6 for r in results.values())
    assert results == estimate_mean_ranks(scores)


def test_a_refusal_names_the_number_that_is_required():
    random = np.random.default_rng(0)
    few = estimate_mean_ranks(draw_scores(random, 9, 0))[0]
    assert few.refusal == "9 datasets; at least 10 are required"
    assert np.isnan(few.lower)
    assert few.effect > 0
    two = estimate_mean_ranks(draw_scores(random, 12, 0, k=4))[0]
    assert two.refusal == "4 configurations; at least 5 are required"
    winner = draw_scores(random, 12, 0).assign(best=9.0)
    assert estimate_mean_ranks(winner)["best"].refusal == (
        "the rank is the same on 12 of 12 datasets; at least 4 with another rank are required"
    )
    assert not estimate_mean_ranks(winner)[0].refusal
