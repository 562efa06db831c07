"""One prediction per group."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.scoring.aggregation import METHODS, aggregate_groups
from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions


def draw(seed, k=2, pure=False, n=60):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 12, n)
    y = groups % k if pure else rng.integers(0, k, n)
    names = np.array([f"p{g}" for g in groups])
    proba = rng.dirichlet(np.ones(k), n)
    return Predictions(y, proba, tuple("abc"[:k]), np.arange(n), groups=names)


@given(st.integers(0, 10_000), st.sampled_from(["mean", "max", "vote"]))
def test_aggregates_are_those_of_a_group_by(seed, how):
    p = draw(seed)
    table = pd.DataFrame({"group": p.groups, "y": p.y_true, "score": p.proba[:, 1]})
    table["vote"] = (p.labels == 1).astype(float)
    by = table.groupby("group")
    expected = {"mean": by["score"].mean, "max": by["score"].max, "vote": by["vote"].mean}[how]()
    aggregated = aggregate_groups(p, how)
    assert aggregated.proba[:, 1] == pytest.approx(expected.to_numpy())
    assert aggregated.y_true.tolist() == by["y"].max().tolist()  # positive if any image is
    assert aggregated.groups is None


@pytest.mark.parametrize("how", ["mean", "max", "vote"])
@given(share=st.floats(0.01, 0.99), seed=st.integers(0, 100))
def test_a_constant_prediction_ranks_no_group_before_another(how, share, seed):
    p = draw(seed, pure=True)
    constant = p.with_probabilities(np.tile([1 - share, share], (len(p.y_true), 1)))
    aggregated = aggregate_groups(constant, how)
    assert len(np.unique(aggregated.proba, axis=0)) == 1
    assert find_metric("auc")(aggregated) == 0.5


@pytest.mark.parametrize("how", ["mean", "vote"])
def test_pure_groups_of_several_classes_keep_their_class(how):
    p = draw(1, k=3, pure=True)
    aggregated = aggregate_groups(p, how)
    names = np.unique(p.groups)
    assert aggregated.y_true.tolist() == [int(name[1:]) % 3 for name in names]
    assert aggregated.proba.sum(axis=1) == pytest.approx(1)


def test_the_observations_of_an_interval_are_groups():
    result = interval_over_images("accuracy", [aggregate_groups(draw(2))])
    assert (result.n, result.unit) == (12, "test groups")


@pytest.mark.parametrize(
    ("p", "how", "reason"),
    [
        (draw(1, k=3), "mean", "have images of several classes, so that they have no class of"),
        (draw(1, k=3, pure=True), "max", "there are 3 classes; use mean or vote"),
        (Predictions(np.array([0]), np.ones((1, 1)), ("a",), np.arange(1)), "mean", "no groups"),
    ],
)
def test_what_cannot_be_aggregated_is_refused(p, how, reason):
    with pytest.raises(UserError, match=reason):
        aggregate_groups(p, how)


def test_all_methods_give_probabilities():
    for how in METHODS:
        aggregate_groups(draw(3), how)  # Predictions checks them
