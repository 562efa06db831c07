"""The table of internal and external values, on synthetic hospitals."""

import io

import numpy as np
import pandas as pd
import pytest
from hospitals import DIGITS, write_hospital
from sklearn.metrics import f1_score, roc_auc_score
from typer.testing import CliRunner

from benchmark import load_study, run
from benchmark.cli.app import app
from benchmark.errors import UserError
from benchmark.reporting.leaderboard import make_leaderboards
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.site_table import INTERNAL, LOSS, SiteTable
from benchmark.reporting.text_tables import render_tables

MODELS = ["gaussian_nb", "logistic_regression", "majority"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Hospital A; B with brighter images and fewer positive ones; C with swapped names."""
    home = tmp_path_factory.mktemp("sites")
    a = write_hospital(home / "a", range(300))
    high = [i for i in range(800, 1700) if DIGITS.target[i] >= 5][:40]
    low = [i for i in range(800, 1700) if DIGITS.target[i] < 5][:160]
    b = write_hospital(home / "b", high + low, brightness=60)
    c = write_hospital(home / "c", range(400, 500), invert=True)
    study = load_study(
        "digits",
        datasets=[f"{a}(name='hospital A', group='patient', positive='high')"],
        external=[f"{b}(name='hospital B', group='patient')", f"{c}(name='internal')"],
        extractors=["pixels"],
        models=MODELS,
        seeds=[0, 1],
        split="stratified_kfold(folds=3)",
    )
    run(study, home / "out", scheduler="inline")
    return ResultsView(home / "out")


def make_table(results, metric="f1"):
    view = SiteTable(results)
    rows = results.load_rows(metrics=[metric])
    ((_, table),) = view.make_tables(rows, metric)
    return table, view, rows


def test_external_values_are_means_over_the_models_of_all_folds_and_seeds(results):
    table, _, rows = make_table(results, "auc")
    for _, line in table[2:].iterrows():
        cells = rows[rows["model"] == line["model"]]
        read = results.folder.read_predictions
        values = []
        for key, digest in cells[["key", "predictions"]].to_numpy():
            p = read(key, digest, external=True)
            values.append(roc_auc_score(p.y_true[:200], p.proba[:200, 1]))
        assert len(values) == 6
        assert line["hospital B"] == pytest.approx(np.mean(values))
        assert line["hospital B" + LOSS] == pytest.approx(line[INTERNAL] - np.mean(values))


def test_internal_values_are_those_of_the_leaderboard(results):
    table, _, rows = make_table(results)
    ((_, leaderboard),) = make_leaderboards(rows, "f1", results.read_predictions)
    leaderboard = leaderboard.set_index("model")
    for _, line in table[2:].iterrows():
        for end in ("", "_lower", "_upper"):
            expected = leaderboard.loc[line["model"], f"f1{end}" if end else "f1"]
            assert line[INTERNAL + end] == pytest.approx(expected, nan_ok=True)


def test_numbers_and_shares_of_the_positive_class_are_above_the_values(results):
    table, view, _ = make_table(results)
    head = table.set_index("extractor")
    assert head.loc["(images)", [INTERNAL, "hospital B", "'internal'"]].tolist() == [300, 200, 100]
    assert head.loc["(share of high)", "hospital B"] == 0.2
    text = view.format_table(table)
    assert text["hospital B"].iloc[:2].tolist() == ["200", "20.0%"]
    assert text["hospital B" + LOSS].iloc[:2].tolist() == ["", ""]


def test_a_loss_is_positive_where_the_external_value_is_worse(results):
    at = "hospital B" + LOSS
    for metric in ("accuracy", "log_loss"):
        table, *_ = make_table(results, metric)
        line = table[table["model"] == "logistic_regression"].iloc[0]
        assert line[at] > 0, "brighter images are harder"
        assert np.isnan(line[f"{at}_lower"]) or line[f"{at}_lower"] < line[at] < line[f"{at}_upper"]
        assert np.isfinite(line[f"{at}_lower"]) or metric == "log_loss"


def test_swapped_names_of_classes_are_asked_about_once(results):
    table, view, rows = make_table(results)
    lines = view.describe_tables(rows, [("", table)], "f1")
    asked = [line for line in lines if "do the names of the classes mean the same" in line]
    assert len(asked) == 1, lines
    assert asked[0].startswith("'internal': pixels / none / ")
    assert "(and 1 other like it): the AUC is 0." in asked[0]


def test_the_table_per_group_takes_one_prediction_per_patient(results):
    grouped = ResultsView(results.folder.path, "group")
    with pytest.raises(UserError, match="the images have no groups"):
        make_table(grouped)


def test_values_per_group_are_those_of_aggregated_predictions(tmp_path):
    a = write_hospital(tmp_path / "a", range(300))
    b = write_hospital(tmp_path / "b", range(400, 600), brightness=60)
    study = load_study(
        "digits",
        datasets=[f"{a}(name='A', group='patient')"],
        external=[f"{b}(name='B', group='patient')"],
        extractors=["pixels"],
        models=["gaussian_nb"],
        split="holdout",
    )
    (row,) = run(study, tmp_path / "out", scheduler="inline").to_dict("records")
    results = ResultsView(tmp_path / "out", "group")
    table, *_ = make_table(results)
    p = results.folder.read_predictions(row["key"], row["predictions"], external=True)
    by_patient = pd.DataFrame({"truth": p.y_true, "score": p.proba[:, 1], "patient": p.groups})
    patients = by_patient.groupby("patient").agg({"truth": "max", "score": "mean"})
    expected = f1_score(patients["truth"], patients["score"] > 0.5, average="macro")
    assert table.iloc[-1]["B"] == pytest.approx(expected)
    assert table.set_index("extractor").loc["(groups)", "B"] == 100


def test_a_configuration_that_lacks_cells_has_no_values(results):
    _, view, rows = make_table(results)
    lacking = rows.copy()
    first = lacking.index[lacking["model"] == "gaussian_nb"][0]
    lacking.loc[first, "status"] = "failed"
    ((_, table),) = view.make_tables(lacking, "f1")
    assert table["model"].iloc[-1] == "gaussian_nb"
    text = view.format_table(table).iloc[-1]
    assert text[[INTERNAL, "hospital B", "hospital B" + LOSS, "done"]].tolist() == [
        *("-", "-", "-"),
        "5/6",
    ]


def test_the_csv_has_every_bound_and_every_reason(results):
    _, view, rows = make_table(results)
    text = render_tables(rows, "csv", "f1", view, results.read_predictions)
    table = pd.read_csv(io.StringIO(text))
    line = table[table["model"] == "logistic_regression"].iloc[0]
    for name in (INTERNAL, "hospital B", "'internal'"):
        assert line[f"{name}_lower"] <= line[name] <= line[f"{name}_upper"]
        assert "test images" in line[f"{name}_interval"] or "folds" in line[f"{name}_interval"]


@pytest.mark.parametrize("form", [None, "md", "csv", "latex", "json"])
def test_the_command_prints_every_format(results, form):
    options = ["--format", form] if form else []
    command = ["table", str(results.folder), "--by", "site", "--metric", "sensitivity"]
    done = CliRunner().invoke(app, [*command, *options])
    assert done.exit_code == 0, done.output
    assert "hospital B" in done.output


def test_results_without_external_datasets_say_what_to_add(tmp_path):
    run(
        load_study("digits", extractors=["pixels"], models=["majority"], split="holdout"),
        tmp_path,
        scheduler="inline",
    )
    done = CliRunner().invoke(app, ["table", str(tmp_path), "--by", "site"])
    assert isinstance(done.exception, UserError)
    assert "write external: [csv:hospital_b.csv] into the study" in str(done.exception)


@pytest.fixture
def both_ways(tmp_path):
    """Results of configurations of which one was tested on B, one on C, and one on neither."""
    a = write_hospital(tmp_path / "a", range(200))
    b = write_hospital(tmp_path / "b", range(400, 500), brightness=60)
    c = write_hospital(tmp_path / "c", range(600, 700))
    tested_on = {"gaussian_nb": [f"{b}(name='B')"], "nearest_centroid": [f"{c}(name='C')"]}
    for model, external in (tested_on | {"majority": []}).items():
        study = load_study(
            "digits",
            datasets=[f"{a}(name='A')"],
            external=external,
            extractors=["pixels"],
            models=[model],
            split="holdout",
        )
        run(study, tmp_path / "out", scheduler="inline")
    return ResultsView(tmp_path / "out")


def test_configurations_may_have_been_tested_on_different_datasets_or_on_none(both_ways):
    table, view, rows = make_table(both_ways)
    lines = table.set_index("model")
    assert lines[INTERNAL].iloc[2:].notna().all()
    for model, shown, hidden in (("gaussian_nb", "B", "C"), ("nearest_centroid", "C", "B")):
        assert np.isfinite(lines.loc[model, shown])
        assert np.isnan(lines.loc[model, hidden])
        why = lines.loc[model, f"{hidden}_interval"]
        assert "not all cells of the configuration were tested on it" in why
    assert lines.loc["majority", ["B", "C"]].isna().all()
    text = render_tables(rows, "md", "f1", view, both_ways.read_predictions)
    assert "nan" not in text
    head = table.set_index("extractor").loc["(images)"]
    assert head[["B", "C"]].tolist() == [100, 100]


def test_a_dataset_that_only_some_seeds_were_tested_on_has_no_value(results):
    _, view, rows = make_table(results)
    rows.loc[(rows["model"] == "gaussian_nb") & (rows["seed"] == 1), "external"] = None
    ((_, table),) = view.make_tables(rows, "f1")
    lines = table.set_index("model")
    assert np.isnan(lines.loc["gaussian_nb", "hospital B"])
    assert np.isfinite(lines.loc["logistic_regression", "hospital B"])


def test_a_metric_that_is_undefined_for_a_model_has_no_value_but_a_reason(tmp_path):
    a = write_hospital(tmp_path / "a", range(120))
    b = write_hospital(tmp_path / "b", range(400, 500), brightness=60)
    study = load_study(
        "digits",
        datasets=[f"{a}(name='A', positive='high')"],
        external=[f"{b}(name='B')"],
        extractors=["pixels"],
        models=["majority", "knn"],
        split="stratified_kfold(folds=3)",
    )
    run(study, tmp_path / "out", scheduler="inline")
    table, *_ = make_table(ResultsView(tmp_path / "out"), "ppv")
    line = table.set_index("model").loc["majority"]
    read = ResultsView(tmp_path / "out").folder.read_predictions
    rows = ResultsView(tmp_path / "out").load_rows()
    keys = rows[rows["model"] == "majority"]["key"]
    undefined = sum(not read(key, None).labels.any() for key in keys)
    if undefined:
        assert f"ppv is undefined for {undefined} of 3 cells" in line[f"{INTERNAL}_interval"]
        assert np.isnan(line[INTERNAL])
    else:
        assert np.isfinite(line[INTERNAL])


def test_calibration_is_shown_without_a_loss(results):
    table, view, rows = make_table(results, "calibration_slope")
    assert "hospital B" in table
    assert not any(str(name).endswith(LOSS) for name in table)
    assert "calibration_slope depends on the shares" in " ".join(
        view.describe_tables(rows, [("", table)], "calibration_slope")
    )
