"""Confidence intervals in the tables by class and by occlusion."""

import io

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from small_studies import make_dataset

from benchmark import load_results, load_study, run
from benchmark.cli.rich_output import print_view
from benchmark.reporting.class_table import ClassTable
from benchmark.reporting.occlusion_table import OcclusionTable
from benchmark.reporting.text_tables import render_tables
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.class_intervals import STORED, class_interval_over_images
from benchmark.scoring.intervals import compare_predictions, interval_over_images
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import wilson_interval

HALF = "boxes(share=0.5)"
MODELS = ["gaussian_nb", "nearest_centroid"]


@pytest.fixture(scope="module")
def one_split(tmp_path_factory):
    """Results on one test set, of whole images and of covered ones."""
    return make_folder(tmp_path_factory.mktemp("one"), "holdout(test_size=0.4)")


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("folds"), "stratified_kfold(folds=4)")


def make_folder(folder, split):
    axes = {"extractors": ["pixels"], "models": MODELS, "occlusions": ["none", HALF]}
    run(load_study("digits", split=split, **axes), folder, scheduler="inline")
    return folder


def make_tables(view, folder, metric):
    rows = load_results(folder)
    return [table for _, table in view.make_tables(rows, metric, read_from(folder))]


def read_from(folder):
    return ResultsFolder(folder).read_predictions


def select_cells(folder, model, occlusion="none"):
    rows = load_results(folder)
    return rows[(rows["model"] == model) & (rows["occlusion"] == occlusion)]


def test_the_recall_of_a_class_has_wilsons_interval_of_its_test_images(one_split):
    table = make_tables(ClassTable(), one_split, "recall")[0]
    for line in table.iloc[1:].to_dict("records"):
        (key,) = select_cells(one_split, line["model"])["key"]
        p = read_from(one_split)(key)
        own = p.y_true == p.classes.index("8")
        hits = (p.labels == p.y_true)[own]
        low, high = wilson_interval(hits.mean(), own.sum(), stats.norm.ppf(0.975))
        assert line["8"] == pytest.approx(hits.mean())
        assert (line["8_lower"], line["8_upper"]) == pytest.approx((low, high))
        assert line["8_interval"] == f"Wilson's interval, {own.sum()} test images"


def test_over_folds_the_recall_of_a_class_has_the_corrected_interval(folds):
    table = make_tables(ClassTable(), folds, "recall")[0]
    for line in table.iloc[1:].to_dict("records"):
        cells = select_cells(folds, line["model"])
        values = np.array([classes["8"]["recall"] for classes in cells["per_class"]])
        error = np.sqrt(values.var(ddof=1) * (1 / 4 + 1 / 3))
        low, high = values.mean() + np.array(stats.t.interval(0.95, 3)) * error
        assert line["8_lower"] == pytest.approx(max(low, 0), abs=1e-3)
        assert line["8_upper"] == pytest.approx(min(high, 1), abs=1e-3)
        assert line["8_interval"] == "corrected resampled t-test, 4 folds"


@pytest.mark.parametrize("kind", ["binary", "multi-label"])
@pytest.mark.parametrize("metric", STORED)
def test_the_value_of_a_class_is_the_one_that_the_row_has(tmp_path, kind, metric):
    axes = {"extractors": ["pixels"], "models": ["gaussian_nb"], "split": "holdout(test_size=0.5)"}
    study = load_study("digits", datasets=[make_dataset(kind, tmp_path, 400)], **axes)
    (row,) = run(study, tmp_path / "out", scheduler="inline").to_dict("records")
    predictions = read_from(tmp_path / "out")(row["key"])
    for name, values in row["per_class"].items():
        result = class_interval_over_images(metric, [predictions], name)
        assert result.effect == pytest.approx(values[metric])


def test_the_images_of_one_patient_are_one_observation_of_a_class():
    y = np.repeat(np.arange(300) % 2, 4)
    labels = np.where(np.arange(1200) // 4 < 60, 1 - y, y)
    proba, index = np.eye(2)[labels], np.arange(1200)
    patients = (np.arange(1200) // 4).astype(str)
    alone = Predictions(y, proba, ("a", "b"), index)
    grouped = Predictions(y, proba, ("a", "b"), index, groups=patients)
    images = class_interval_over_images("recall", [alone], "b")
    groups = class_interval_over_images("recall", [grouped], "b")
    assert (groups.n, groups.unit) == (150, "groups of test images")
    assert groups.upper - groups.lower > 1.8 * (images.upper - images.lower)


def test_a_class_without_enough_test_images_has_no_interval_and_a_line_says_why(one_split):
    table = make_tables(ClassTable(), one_split, "average_precision")[0]
    shown = table.loc[1:, "8_interval"]
    assert shown.str.startswith("t-interval of placement values").all()
    y = np.repeat([0, 1], [300, 30])
    p = Predictions(y, np.eye(2)[y] * 0.8 + 0.1, ("a", "b"), np.arange(330))
    assert class_interval_over_images("average_precision", [p], "b").refusal == (
        "30 test images of 'b'; average_precision requires at least 50 of each class"
    )
    rows = load_results(one_split)
    text = render_tables(rows, "md", "recall", "class")
    assert "- no interval of " in text, "no predictions were given"


def test_a_class_whose_name_ends_like_a_bound_keeps_its_column(one_split):
    rows = load_results(one_split)
    renamed = [
        {
            "a_lower" if name == "1" else "a" if name == "0" else name: v
            for name, v in values.items()
        }
        for values in rows["per_class"]
    ]
    table = next(ClassTable().make_tables(rows.assign(per_class=renamed), "f1"))[1]
    assert {"a", "a_lower", "class 'a_lower'", "class 'a_lower'_lower"} <= set(table)
    expected = np.mean([values["1"]["f1"] for values in rows["per_class"][rows.index[:1]]])
    line = table[table["model"] == rows["model"].iloc[0]].iloc[0]
    assert line["class 'a_lower'"] == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["f1", "log_loss"])
def test_the_change_under_occlusion_is_paired_on_the_test_images(one_split, metric):
    table = make_tables(OcclusionTable(), one_split, metric)[0]
    for line in table.to_dict("records"):
        whole, covered = (
            read_from(one_split)(select_cells(one_split, line["model"], occlusion)["key"].item())
            for occlusion in ("none", HALF)
        )
        expected = compare_predictions(metric, [covered], [whole])
        shown = line[f"change at {HALF}_lower"], line[f"change at {HALF}_upper"]
        np.testing.assert_array_equal(shown, (expected.lower, expected.upper))
        assert line[f"change at {HALF}"] == pytest.approx(expected.effect)
        interval = interval_over_images(metric, [whole])
        shown = line["none_lower"], line["none_upper"]
        np.testing.assert_array_equal(shown, (interval.lower, interval.upper))


def test_over_folds_the_change_under_occlusion_is_paired_by_fold(folds):
    table = make_tables(OcclusionTable(), folds, "f1")[0]
    for line in table.to_dict("records"):
        whole, covered = (
            select_cells(folds, line["model"], occlusion).set_index("fold")["f1"].astype(float)
            for occlusion in ("none", HALF)
        )
        changes = covered - whole
        error = np.sqrt(changes.var() * (1 / 4 + 1 / 3))
        low, high = changes.mean() + np.array(stats.t.interval(0.95, 3)) * error
        assert line[f"change at {HALF}_lower"] == pytest.approx(low, abs=1e-3)
        assert line[f"change at {HALF}_upper"] == pytest.approx(high, abs=1e-3)


@pytest.mark.parametrize(("view", "value"), [(ClassTable(), "8"), (OcclusionTable(), "none")])
def test_a_configuration_that_lacks_a_cell_is_last_and_has_no_interval(folds, view, value):
    rows = load_results(folds)
    best = next(view.make_tables(rows, "recall", read_from(folds)))[1]
    leader = best.loc[best["n_done"] > 0, "model"].iloc[0]
    lost = (rows["model"] == leader) & (rows["fold"] == 1)
    rows.loc[lost, "status"] = "failed"
    table = next(view.make_tables(rows, "recall", read_from(folds)))[1]
    last = table.iloc[-1]
    assert last["model"] == leader
    assert last["n_done"] < last["n_planned"]
    assert last[f"{value}_interval"] == "none: cells are missing"
    assert np.isnan(last[f"{value}_lower"])
    assert view.format_table(table)["done"].iloc[-1] == f"{last['n_done']}/{last['n_planned']}"


@pytest.mark.parametrize("read", [True, False])
def test_a_class_without_test_images_has_no_value_and_a_line_says_so(one_split, read):
    rows = load_results(one_split)
    emptied = [values | {"8": dict.fromkeys(values["8"], 0)} for values in rows["per_class"]]
    rows = rows.assign(per_class=emptied)
    table = next(ClassTable().make_tables(rows, "f1", read_from(one_split) if read else None))[1]
    absent = table[table["extractor"] != "(training images)"]
    assert absent["8"].isna().all()
    assert set(absent["8_interval"]) == {"none: there are no test images of '8'"}


@pytest.mark.parametrize("view", [ClassTable(), OcclusionTable()])
def test_a_narrow_terminal_leaves_out_the_intervals_before_any_column(one_split, view):
    texts = {width: print_at(one_split, view, width) for width in (85, 320)}
    assert "(0." in texts[320]
    assert "too narrow" not in texts[320]
    assert "This terminal is too narrow for most intervals" in texts[85]


def print_at(folder, view, width):
    console = Console(file=io.StringIO(), width=width)
    print_view(console, load_results(folder), "recall", view, read_from(folder))
    return console.file.getvalue()


def test_a_narrow_terminal_still_shows_the_interval_of_the_worst_class(one_split):
    table = make_tables(ClassTable(), one_split, "recall")[0]
    line = table.iloc[1]
    name = line["worst class"]
    low, high = line[f"{name}_lower"], line[f"{name}_upper"]
    text = print_at(one_split, ClassTable(), 85)
    assert f"{name}: {line[name]:.3f} ({low:.2f} to {high:.2f})" in text


def test_the_spread_over_seeds_is_beside_the_interval(tmp_path):
    axes = {"extractors": ["pixels"], "models": ["random_forest(n_estimators=3)"]}
    study = load_study("digits", split="holdout", occlusions=["none", HALF], seeds=[0, 1], **axes)
    run(study, tmp_path, scheduler="inline")
    table = make_tables(ClassTable(), tmp_path, "recall")[0]
    cells = select_cells(tmp_path, "random_forest(n_estimators=3)")
    values = [classes["8"]["recall"] for classes in cells["per_class"]]
    assert table.loc[1, "8_std_of_seeds"] == pytest.approx(np.std(values, ddof=1))
    text = ClassTable().format_table(table).loc[1, "8"]
    assert text.endswith(f") ±{np.std(values, ddof=1):.3f}")
    table = make_tables(OcclusionTable(), tmp_path, "f1")[0]
    spread = cells["f1"].astype(float).std()
    assert table.loc[0, "none_std_of_seeds"] == pytest.approx(spread)
    assert OcclusionTable().format_table(table).loc[0, "none"].endswith(f") ±{spread:.3f}")


def test_a_table_by_class_of_one_seed_has_no_spread(one_split):
    table = make_tables(ClassTable(), one_split, "recall")[0]
    assert not [name for name in table if name.endswith("_std_of_seeds")]
