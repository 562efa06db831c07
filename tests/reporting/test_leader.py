"""Who shares the first place of a leaderboard, and the corrected value of the leader."""

import re

import numpy as np
import pytest
from small_studies import NEARLY_EQUAL, make_digits_results, read_leaderboard

from benchmark import load_results, load_study, run
from benchmark.reporting import leader
from benchmark.reporting.leader import describe_leader, describe_not_compared
from benchmark.reporting.leaderboard import format_leaderboard, make_leaderboards
from benchmark.reporting.table_intervals import NO_PREDICTIONS
from benchmark.reporting.text_tables import render_tables
from benchmark.results.folder import ResultsFolder


@pytest.fixture(scope="module", params=["one test set", "five folds"])
def folder(request, five_folds, tmp_path_factory):
    """Results of ``NEARLY_EQUAL`` on one test set, or in five folds."""
    if request.param == "five folds":
        return five_folds
    one_test_set = tmp_path_factory.mktemp("one_test_set")
    return make_digits_results(one_test_set, NEARLY_EQUAL, "holdout(test_size=0.4)")


def test_what_cannot_be_told_apart_from_the_leader_shares_its_place(folder):
    table = read_leaderboard(folder)
    shared = set(table.loc[table["with_leader"], "model"])
    assert {model for model in shared if model.startswith("knn")} == set(NEARLY_EQUAL[:3])
    assert "nearest_centroid" not in shared
    assert "majority" not in shared
    ranks = format_leaderboard(table)["rank"].tolist()
    assert ranks[0] == "1"
    assert ranks[1].endswith("=")
    assert not ranks[3].endswith("=")
    assert "= cannot be told apart from the best configuration" in render_tables(
        load_results(folder), "md", "f1", read_predictions=ResultsFolder(folder).read_predictions
    )


def test_the_leader_is_corrected_for_its_choice(folder):
    table = read_leaderboard(folder)
    corrected = table["f1_corrected"].dropna()
    assert list(corrected.index) == [0]
    assert table["f1"][0] - 0.02 < corrected[0] < table["f1"][0]
    line = describe_leader(table, "f1")
    assert line.startswith("The best of 4 configurations was chosen on these test images")
    assert f"f1 {table['f1'][0]:.3f}, corrected for the choice {corrected[0]:.3f} (a point" in line


def test_without_predictions_nothing_is_corrected(folder):
    table = read_leaderboard(folder, read=False)
    assert table["f1_corrected"].isna().all()
    over_folds = table["n_planned"][0] > 1
    assert table["with_leader"].any() == over_folds, "tests over folds need no predictions"
    assert describe_leader(table, "f1").endswith(f"it is not corrected here: {NO_PREDICTIONS}.")


def test_configurations_that_cannot_be_compared_share_no_place_and_are_counted(tmp_path):
    axes = {
        "datasets": ["faces"],
        "extractors": ["pixels"],
        "models": ["logistic_regression", "knn", "gaussian_nb"],
        "split": "holdout",
    }
    # a temperature keeps the order of the images, and ties with the leader
    pipelines = {"strategies": ["none", "temperature"]}
    run(load_study("digits", **axes, **pipelines), tmp_path, scheduler="inline")
    table = read_leaderboard(tmp_path, "auc")
    best = table["auc"] == table["auc"].max()
    assert best.sum() == 2
    assert table.loc[best, "with_leader"].all()
    assert table.loc[~best, "with_leader"].isna().all()
    ranks = format_leaderboard(table)["rank"].tolist()
    assert not any(rank.endswith("=") for rank in ranks)
    (line,) = describe_not_compared(table)
    assert re.fullmatch(
        r"4 configurations cannot be compared with the best one: 20 test images of 'other'; auc "
        "requires at least 50 of each class",
        line,
    )


def test_large_test_sets_are_not_corrected(folder, monkeypatch):
    monkeypatch.setattr(leader, "MOST_IMAGES", 100)
    assert read_leaderboard(folder)["f1_corrected"].isna().all()


@pytest.mark.parametrize("metric", ["log_loss", "ece"])
def test_losses_and_metrics_without_a_test_share_no_place_wrongly(folder, metric):
    table = read_leaderboard(folder, metric)
    best, worst = table.iloc[0], table[table["model"] != "majority"].iloc[-1]
    assert best[metric] <= worst[metric]
    tested = table["n_planned"][0] > 1 or metric == "log_loss"
    assert table["with_leader"].any() == tested
    if metric == "log_loss":
        assert best["with_leader"]
        assert best[metric] <= best[f"{metric}_corrected"] < best[metric] + 0.1


def test_the_mean_and_the_corrected_value_are_over_the_same_folds(five_folds):
    rows = load_results(five_folds)
    first = rows["fold"].min()
    without = rows.assign(
        per_class=[
            {
                name: {**values, "support": 0 if (name == "3") & (fold == first) else 9}
                for name, values in per_class.items()
            }
            for per_class, fold in zip(rows["per_class"], rows["fold"], strict=True)
        ]
    )
    read = ResultsFolder(five_folds).read_predictions
    ((_, table),) = make_leaderboards(without, "f1", read)
    others = rows[rows["fold"] != first]
    ((_, expected),) = make_leaderboards(others, "f1", read)
    best = table.iloc[0]
    assert best["f1_n"] == 4
    assert best["f1"] == expected["f1"][0]
    assert best["f1_corrected"] == expected["f1_corrected"][0]
    assert best["f1_corrected"] != read_leaderboard(five_folds)["f1_corrected"][0]


def test_a_single_configuration_is_no_leader(folder):
    rows = load_results(folder)
    alone = rows[rows["model"].isin([NEARLY_EQUAL[0], "majority"])]
    ((_, table),) = make_leaderboards(alone, "f1", ResultsFolder(folder).read_predictions)
    assert not table["with_leader"].any()
    assert np.isnan(table["f1_corrected"]).all()
