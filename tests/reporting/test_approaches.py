"""The sentence that compares the best classical configuration with the best deep one."""

import numpy as np
import pandas as pd
import pytest

from benchmark import load_results, load_study, run
from benchmark.reporting.approaches import compare_approaches, describe_approaches
from benchmark.reporting.leaderboard import rank_configurations
from benchmark.reporting.text_tables import render_tables
from benchmark.results.folder import ResultsFolder

FEW = "train_sizes", [60]


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
        f"Classical is better by {gap:.3f} ("
    )
    assert "corrected for the choice among 2 classical and 1 deep configurations." in text
    assert "Time per cell: 1 s for classical, " in text
    assert verdict.comparison.result.lower < gap < verdict.comparison.result.upper
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
    assert f"{verdict.better.capitalize()} is better by {gap:.3f}" in text


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
