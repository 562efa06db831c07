"""The table by subgroup, on real images with invented attributes."""

import io

import numpy as np
import pandas as pd
import pytest
from skimage.io import imsave
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score, roc_auc_score

from benchmark import load_study, run
from benchmark.errors import UserError
from benchmark.reporting.leaderboard import Leaderboard
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.subgroup_table import WORST, SubgroupTable, parse_edges
from benchmark.reporting.text_tables import render_tables
from benchmark.results.folder import ResultsFolder
from benchmark.scoring.pooling import pool_test_sets


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Even and odd digits from two hospitals, of which one has darker images; some ages missing."""
    folder = tmp_path_factory.mktemp("subgroups")
    digits = load_digits()
    rows = []
    for i in range(400):
        site = "north" if i % 3 else "south"
        pixels = digits.images[i] * (16 if site == "north" else 5)
        imsave(folder / f"{i}.png", pixels.clip(0, 255).astype(np.uint8), check_contrast=False)
        label = "odd" if digits.target[i] % 2 else "even"
        rows.append((f"{i}.png", label, site, "" if i % 50 == 0 else 20 + i % 60))
    table = pd.DataFrame(rows, columns=["image", "label", "site", "age"])
    table.to_csv(folder / "cases.csv", index=False)
    study = load_study(
        "digits",
        datasets=[
            f"csv:{folder / 'cases.csv'}(name='digits', attributes=('site', 'age'), positive='odd')"
        ],
        extractors=["pixels"],
        models=["gaussian_nb", "logistic_regression", "majority"],
        split="stratified_kfold(folds=4)",
    )
    run(study, folder / "out", scheduler="inline")
    return ResultsView(folder / "out")


def make_table(results, attribute, metric="f1", edges=None):
    view = SubgroupTable(results, attribute, edges)
    ((title, table),) = view.make_tables(results.load_rows(metrics=[metric]), metric)
    return title, table, view


def test_values_are_those_of_all_folds_together(results):
    _, table, _ = make_table(results, "site")
    rows = results.load_rows()
    record = next(iter(results.records(rows).values()))
    for _, line in table[2:].iterrows():
        cells = rows[rows["model"] == line["model"]].sort_values("fold")
        reader = ResultsFolder(results.folder.path).read_predictions
        (p,) = pool_test_sets([reader(key) for key in cells["key"]])
        for name in ("north", "south"):
            members = (record.attributes["site"].iloc[p.test_index] == name).to_numpy()
            expected = f1_score(p.y_true[members], p.labels[members], average="macro")
            assert line[name] == pytest.approx(expected)
    numbers = table.set_index("extractor")
    assert numbers.loc["(test images)", ["north", "south"]].tolist() == [266, 134]
    assert 0.4 < numbers.loc["(positive)", "north"] < 0.6


def test_the_worst_subgroup_is_named_in_the_table_and_in_the_leaderboard(results):
    _, table, _ = make_table(results, "site")
    line = table[table["model"] == "gaussian_nb"].iloc[0]
    assert line["worst subgroup"] == min("north", "south", key=lambda name: line[name])
    leaderboard = Leaderboard((), results, "site")
    rows = results.load_rows()
    text = render_tables(rows, "md", "f1", leaderboard, results.read_predictions)
    assert f"{line['worst subgroup']} {line[line['worst subgroup']]:.3f} (" in text
    assert "worst by site" in text


def test_a_configuration_that_lacks_cells_is_last_and_has_no_values(results):
    view, rows = SubgroupTable(results, "site"), results.load_rows(metrics=["f1"])
    first = rows.index[rows["model"] == "gaussian_nb"][0]
    rows.loc[first, "status"] = "failed"
    text = render_tables(rows, "md", "f1", view, results.read_predictions)
    (line,) = [line for line in text.splitlines() if "gaussian_nb" in line]
    assert [cell.strip() for cell in line.split("|")[4:-1]] == ["-", "-", "-", "-", "3/4"]


def test_every_subgroup_has_its_gap_in_the_csv(results):
    view = SubgroupTable(results, "site")
    rows = results.load_rows()
    table = pd.read_csv(
        io.StringIO(render_tables(rows, "csv", "f1", view, results.read_predictions))
    )
    assert list(table.columns[:5]) == ["table", "extractor", "strategy", "model", "tuning"]
    line = table[table["model"] == "logistic_regression"].iloc[0]
    assert line["south_gap"] == pytest.approx(-line["north_gap"])
    assert line["south_gap_lower"] < line["south_gap"] < line["south_gap_upper"]
    assert 0 <= line["south_gap_p"] <= 1


def test_ages_are_binned_and_those_that_are_missing_are_a_subgroup(results):
    title, table, view = make_table(results, "age", "accuracy", (40, 60))
    assert title.endswith("· age")
    shown = view.format_table(table)
    assert {"below 40", "40 to below 60", "60 and above", "missing"} <= set(shown)
    assert "-" in set(shown["missing"])  # 8 images are too few


@pytest.mark.parametrize("form", ["md", "csv", "latex", "json"])
def test_every_format_has_the_subgroups(results, form):
    text = render_tables(
        results.load_rows(), form, "f1", SubgroupTable(results, "site"), results.read_predictions
    )
    assert "north" in text
    assert "south" in text


def test_an_unknown_attribute_is_refused_with_the_nearest(results):
    with pytest.raises(UserError, match="unknown attribute 'sites'; did you mean 'site'"):
        make_table(results, "sites")


def test_images_without_attributes_say_how_to_name_them(five_folds):
    view = ResultsView(five_folds)
    with pytest.raises(UserError, match=r"no attribute 'sex', nor any other: add attributes="):
        list(SubgroupTable(view, "sex").make_tables(view.load_rows(), "f1"))


@pytest.mark.parametrize("edges", ["nan", "inf", "", "40,nan"])
def test_bins_are_finite_numbers(edges):
    with pytest.raises(UserError, match="write numbers separated by commas"):
        parse_edges(edges)


def test_values_with_the_names_of_columns_are_quoted(results, monkeypatch):
    names = np.array(["f", "f_gap", "done", "model"])[np.arange(400) % 4]
    rows = results.load_rows(metrics=["sensitivity"])
    ((fingerprint, record),) = [(f, results.read_record(f)) for f in rows["fingerprint"].unique()]
    record.attributes["columns"] = names
    monkeypatch.setattr(results, "read_record", {fingerprint: record}.__getitem__)
    _, table, view = make_table(results, "columns", "sensitivity")
    shown = [name for name in table if f"{name}_interval" in table]
    assert set(shown) == {"'f'", "'f_gap'", "'done'", "'model'"}
    assert [table[name].iloc[0] for name in shown] == [100] * 4
    assert set(table[WORST].iloc[2:]) <= {*shown}
    assert "'done'" in view.format_table(table)


def test_a_constant_model_has_an_auc_of_one_half_in_every_subgroup(results):
    _, table, _ = make_table(results, "site", "auc")
    (line,) = [line for _, line in table[2:].iterrows() if line["model"] == "majority"]
    assert line["north"] == line["south"] == 0.5
    assert line["north_gap"] == 0


def test_an_auc_of_two_classes_is_near_the_mean_over_folds(results):
    rows = results.load_rows()
    _, table, _ = make_table(results, "site", "auc")
    (line,) = [line for _, line in table[2:].iterrows() if line["model"] == "logistic_regression"]
    (record,) = results.records(rows).values()
    north = (record.attributes["site"] == "north").to_numpy()
    values = []
    for _, row in rows[rows["model"] == "logistic_regression"].iterrows():
        p = ResultsFolder(results.folder.path).read_predictions(row["key"])
        inside = north[p.test_index]
        values.append(roc_auc_score(p.y_true[inside], p.proba[inside, 1]))
    assert line["north"] == pytest.approx(np.mean(values), abs=0.01)


def test_a_metric_of_ranks_is_said_to_depend_on_all_folds(results):
    rows = results.load_rows()
    for metric, said in (("auc", True), ("f1", False)):
        view = SubgroupTable(results, "site")
        lines = view.describe_tables(rows, list(view.make_tables(rows, metric)), metric)
        assert any("by the ranks of their probabilities" in line for line in lines) == said
