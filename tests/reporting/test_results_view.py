"""Rows and predictions per image and per group, and metrics that are computed for a table."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score
from typer.testing import CliRunner

from benchmark import load_results, load_study, run
from benchmark.cli.app import app
from benchmark.errors import UserError
from benchmark.reporting.compare import compare_configurations
from benchmark.reporting.leaderboard import Leaderboard
from benchmark.reporting.metric_sets import METRIC_SETS, parse_metrics
from benchmark.reporting.plots import draw_plots
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.text_tables import render_tables
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.aggregation import aggregate_groups
from benchmark.scoring.metric_lookup import find_metric


@pytest.fixture(scope="module")
def cells(tmp_path_factory, data_folder):
    """Malaria: 307 patients, of whom 134 have cells of both classes."""
    folder = tmp_path_factory.mktemp("malaria")
    study = load_study(
        "digits",
        datasets=["csv:malaria/metadata.csv(name='cells', positive='parasitized')"],
        size=16,
        extractors=["color_histogram(bins=4)"],
        models=["gaussian_nb", "nearest_centroid", "majority"],
        split="holdout(test_size=0.5)",
    )
    run(study, folder, data_folder, scheduler="inline")
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Faces, without a positive class."""
    folder = tmp_path_factory.mktemp("faces")
    axes = {"extractors": ["pixels"], "models": ["knn"], "split": "holdout"}
    run(load_study("digits", datasets=["faces"], **axes), folder, scheduler="inline")
    return folder


def test_clinical_metrics_are_computed_from_the_stored_predictions(cells):
    rows = ResultsView(cells).load_rows(metrics=METRIC_SETS["clinical"])
    for _, row in rows.iterrows():
        p = ResultsFolder(cells).read_predictions(row["key"])
        assert row["sensitivity"] == pytest.approx(recall_score(p.y_true, p.labels))
        for name in METRIC_SETS["clinical"]:
            assert row[name] == pytest.approx(find_metric(name)(p), nan_ok=True)


def test_stored_metrics_are_not_computed_again(cells):
    rows = ResultsView(cells).load_rows(metrics=["f1"])
    pd.testing.assert_frame_equal(rows, load_results(cells))


@pytest.mark.parametrize("how", ["mean", "max", "vote"])
def test_per_group_every_metric_is_that_of_the_aggregated_predictions(cells, how):
    view = ResultsView(cells, "group", how)
    for _, row in view.load_rows(metrics=["sensitivity"]).iterrows():
        p = aggregate_groups(ResultsFolder(cells).read_predictions(row["key"]), how)
        assert row["n_test"] == len(p.y_true)
        assert row["n_images"] == 307
        for name in ("accuracy", "auc", "f1", "sensitivity"):
            assert row[name] == pytest.approx(find_metric(name)(p))
        assert row["per_class"]["parasitized"]["support"] == (p.y_true == 1).sum()


def test_tables_and_tests_per_group_count_groups_and_say_how_they_were_made(cells):
    view = ResultsView(cells, "group")
    text = render_tables(
        view.load_rows(metrics=["sensitivity"]),
        "md",
        "auc",
        Leaderboard(["sensitivity"]),
        view.read_predictions,
    )
    assert "groups: 307 in 6,000 images, made of the column 'group'" in text
    assert (
        "one prediction per group: the mean of the probabilities of its images; 134 of 307 groups "
        "have images of both classes and count as 'parasitized'" in text
    )
    n_test = view.load_rows()["n_test"].iloc[0]
    for metric in ("accuracy", "f1"):
        (comparison,) = compare_configurations(view, "gaussian_nb", "nearest_centroid", metric)
        assert comparison.result.n == n_test
        assert comparison.result.unit.startswith("test groups")


def test_plots_per_group_say_so_and_do_not_replace_those_per_image(cells, tmp_path):
    images = {str(path) for path in draw_plots(ResultsView(cells), "auc", tmp_path)}
    assert "one prediction per group" not in (tmp_path / "captions.md").read_text()
    groups = {str(path) for path in draw_plots(ResultsView(cells, "group"), "auc", tmp_path)}
    drawn = {path for path in groups if path.endswith(".png")}
    assert drawn
    assert not drawn & images
    captions = (tmp_path / "captions.md").read_text()
    assert captions.count("one prediction per group: the mean of the prob") == len(drawn)


def test_comparisons_per_group_say_so(cells):
    command = ["compare", str(cells), "1", "2", "--unit", "group", "--aggregate", "max"]
    output = CliRunner().invoke(app, command).output
    assert "one prediction per group: the highest probability" in output.replace("\n", " ")


def test_how_to_aggregate_needs_groups():
    with pytest.raises(UserError, match="--aggregate vote needs --unit group"):
        ResultsView("anywhere", aggregate="vote")


def test_a_table_names_the_positive_class_and_what_is_optimistic(cells):
    view, metrics = ResultsView(cells), ["sensitivity", "sensitivity_at_specificity(0.9)"]
    rows = view.load_rows(metrics=metrics)
    text = render_tables(rows, "md", "auc", Leaderboard(metrics), view.read_predictions)
    assert re.search(r"cells: the positive class is 'parasitized', \d\d\.\d% of the test", text)
    assert "sensitivity_at_specificity(0.9): the threshold is chosen on the test set" in text


def test_intervals_of_clinical_metrics_are_in_every_format(cells):
    view, metrics = ResultsView(cells, "group"), ["sensitivity", "net_benefit(0.2)"]
    rows = view.load_rows(metrics=metrics)
    table = pd.read_csv(
        io.StringIO(render_tables(rows, "csv", "auc", Leaderboard(metrics), view.read_predictions))
    )
    shown = table[table["model"] != "majority"]
    for name in metrics:
        assert (shown[f"{name}_lower"] <= shown[name]).all()
        assert np.isfinite(shown[f"{name}_upper"]).all()


@pytest.mark.parametrize(
    ("metric", "unit", "reason"),
    [
        (
            "sensitivity",
            "image",
            "sensitivity needs the positive class of 'faces': add positive='face' or "
            "positive='other' to the dataset in the study, and run it again",
        ),
        ("auc", "group", "the images have no groups"),
        ("auc", "patient", "unknown unit 'patient'"),
    ],
)
def test_what_the_results_lack_is_one_line(faces, metric, unit, reason):
    with pytest.raises(UserError, match=reason):
        ResultsView(faces, unit).load_rows(metrics=[metric])


def test_a_metric_of_a_positive_class_of_ten_classes_is_refused(five_folds):
    with pytest.raises(UserError, match="needs two classes, one of them positive, and 'digits' is"):
        ResultsView(five_folds).load_rows(metrics=["ppv"])


@pytest.mark.parametrize(
    ("text", "prevalence", "expected"),
    [
        ("clinical", None, METRIC_SETS["clinical"]),
        ("auc, net_benefit(threshold=0.20)", None, ("auc", "net_benefit(0.2)")),
        ("sensitivity,ppv", 0.05, ("sensitivity", "ppv(0.05)")),
    ],
)
def test_metrics_of_a_table_are_a_set_or_a_list(text, prevalence, expected):
    assert parse_metrics(text, prevalence) == expected


@pytest.mark.parametrize(
    ("text", "prevalence", "reason"),
    [
        ("clinicl", None, "unknown metric 'clinicl'"),
        ("ppv", 5, "--prevalence is a number between 0 and 1, not 5"),
        ("ppv", 0, "--prevalence is a number between 0 and 1, not 0"),
    ],
)
def test_a_wrong_list_of_metrics_is_one_line(text, prevalence, reason):
    with pytest.raises(UserError, match=reason):
        parse_metrics(text, prevalence)
