"""The sentence that compares the best classical configuration with the best deep one."""

import re

import numpy as np
import pandas as pd
import pytest
from approach_verdicts import draw_results, rank_models

from benchmark import load_results, load_study, run
from benchmark.reporting.approaches import compare_approaches, describe_approaches
from benchmark.reporting.leaderboard import rank_configurations
from benchmark.reporting.text_tables import render_tables
from benchmark.results.folder import ResultsFolder


@pytest.fixture(scope="module", params=["holdout(test_size=0.4)", "stratified_kfold(folds=5)"])
def folder(request, tmp_path_factory):
    """Results of a network after one epoch, and of classical models, tuned and not."""
    folder = tmp_path_factory.mktemp("out")
    axes = {
        "extractors": ["pixels"],
        "models": ["majority", "knn", "nearest_centroid", "simple_cnn(epochs=1)"],
        "split": request.param,
    }
    run(load_study("digits", **axes), folder, scheduler="inline")
    return folder


def verdict_of(folder, metric="f1", read=True, rows=None):
    rows = load_results(folder) if rows is None else rows
    reader = ResultsFolder(folder).read_predictions if read else None
    table = rank_configurations(rows, metric, reader)
    return compare_approaches(table, rows, metric, reader), table


def test_a_clear_difference_is_stated_with_its_interval_and_the_cost(folder):
    verdict, table = verdict_of(folder)
    assert (verdict.better, verdict.worse) == ("classical", "deep")
    assert verdict.is_distinct
    assert verdict.n == {"classical": 2, "deep": 1}
    text = describe_approaches(verdict, "f1")
    means = table.set_index("model")["f1"]
    gap = means["knn"] - means["simple_cnn(epochs=1)"]
    assert text.startswith(
        f"Classical against deep: the best classical configuration (pixels / none / knn: f1 "
        f"{means['knn']:.3f}) is better than the best deep configuration (images / none / "
        f"simple_cnn(epochs=1): f1 {means['simple_cnn(epochs=1)']:.3f}). "
        f"The difference is {gap:.3f} ("
    )
    assert (
        " in favour of classical, corrected for the choice among 2 classical configurations and 1 "
        "deep configuration." in text
    )
    assert re.search(r"Time per cell: 0\.\d+ s for classical, 0\.\d+ s for deep\.", text)
    assert 0 < verdict.difference.lower < gap < verdict.difference.upper
    read = ResultsFolder(folder).read_predictions
    assert text in render_tables(load_results(folder), "md", "f1", read_predictions=read)


def test_a_loss_is_better_if_it_is_lower(folder):
    verdict, table = verdict_of(folder, "log_loss")
    text = describe_approaches(verdict, "log_loss")
    best = table[table["model"] != "majority"].iloc[0]
    assert verdict.better == ("deep" if best["extractor"] == "images" else "classical")
    other = table[(table["extractor"] == "images") != (verdict.better == "deep")].iloc[0]
    if load_results(folder)["fold"].nunique() == 1:
        assert "cannot be compared: " in text, "a test of log loss takes more images"
        assert "test images" in text
        return
    gap = other["log_loss"] - best["log_loss"]
    assert f"The difference is {gap:.3f} (" in text
    assert f"in favour of {verdict.better}" in text


def test_equal_configurations_cannot_be_told_apart(folder):
    rows = load_results(folder)
    rows["approach"] = np.where(rows["model"] == "knn", "deep", "classical")
    twin = rows[rows["model"] == "knn"].assign(model="knn(p=2)", approach="classical")
    verdict, _ = verdict_of(folder, rows=pd.concat([rows, twin], ignore_index=True))
    assert not verdict.is_distinct
    assert "cannot be told apart from" in describe_approaches(verdict, "f1")


def test_unequal_tuning_is_said(folder):
    rows = load_results(folder)
    rows.loc[rows["model"] == "knn", "tuning"] = "random(n=25)"
    verdict, _ = verdict_of(folder, rows=rows)
    text = describe_approaches(verdict, "f1")
    assert "knn (tuned 25)" in text
    assert text.endswith(
        "not tuned with equal effort: classical as listed and tuned 25, deep as listed."
    )


def test_there_is_no_sentence_without_both_approaches(folder):
    rows = load_results(folder)
    classical = rows[rows["approach"] == "classical"]
    verdict, table = verdict_of(folder, rows=classical)
    assert verdict is None
    assert table.attrs["approaches"] == ""


def test_without_predictions_only_differences_over_folds_are_stated(folder):
    verdict, _ = verdict_of(folder, read=False)
    several_folds = load_results(folder)["fold"].nunique() > 1
    assert (verdict is not None) == several_folds


def test_the_verdict_and_its_interval_agree():
    verdicts = [
        draw_verdict(seed, metric, n_folds, advantage)
        for seed in range(6)
        for metric, n_folds in (("accuracy", 1), ("f1", 1), ("accuracy", 5))
        for advantage in (0.0, 0.3, 0.8)
    ]
    assert {verdict.is_distinct for verdict in verdicts} == {False, True}
    for verdict in verdicts:
        assert not verdict.difference.refusal
        assert verdict.is_distinct == (verdict.difference.lower > 0)
        assert verdict.difference.lower <= verdict.difference.effect <= verdict.difference.upper


def draw_verdict(seed, metric, n_folds, advantage):
    random = np.random.default_rng(seed)
    rows, predictions = draw_results(random, "2 classes", 300, n_folds, metric, advantage)
    table = rank_models(rows, metric)
    return compare_approaches(table, rows, metric, lambda key, _: predictions[key])


def test_a_configuration_that_is_uncertain_decides_although_it_is_not_the_best():
    """One deep configuration is surely worse; another, lower one varies between the folds."""
    scores = {
        "classical 0": ("classical", [0.90, 0.91, 0.89, 0.90, 0.91]),
        "deep 0": ("deep", [0.885, 0.885, 0.875, 0.875, 0.885]),
        "deep 1": ("deep", [0.99, 0.70, 0.95, 0.75, 0.99]),
    }
    rows = pd.DataFrame(
        [
            make_row(name, approach, fold, value)
            for name, (approach, values) in scores.items()
            for fold, value in enumerate(values)
        ]
    )
    verdict = compare_approaches(rank_models(rows, "f1"), rows, "f1")
    assert verdict.comparison.b[2] == "deep 0"
    assert not verdict.is_distinct
    assert verdict.difference.lower < 0
    without = rows[rows["model"] != "deep 1"]
    verdict = compare_approaches(rank_models(without, "f1"), without, "f1")
    assert verdict.is_distinct
    assert verdict.difference.lower > 0


def make_row(name, approach, fold, value):
    rows, _ = draw_results(np.random.default_rng(0), "2 classes", 10, 1, "f1", 0)
    return rows.iloc[0].to_dict() | {
        "model": name,
        "approach": approach,
        "fold": fold,
        "f1": value,
        "key": f"{name}-{fold}",
        "n_images": 300,
        "n_test": 60,
    }


def test_a_comparison_that_is_refused_and_decides_is_named():
    rows, predictions = draw_results(np.random.default_rng(0), "4 classes", 60, 1, "f1", 0)
    verdict = compare_approaches(
        rank_models(rows, "f1"), rows, "f1", lambda key, _: predictions[key]
    )
    text = describe_approaches(verdict, "f1")
    assert "cannot be compared: " in text
    assert verdict.difference.refusal in text


def test_the_same_tuning_written_in_two_ways_is_equal_effort(folder):
    rows = load_results(folder)
    rows["tuning"] = np.where(rows["approach"] == "deep", "random", "random(n=25)")
    verdict, _ = verdict_of(folder, rows=rows)
    assert "equal effort" not in describe_approaches(verdict, "f1")
