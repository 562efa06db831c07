"""The table of tuned configurations beside untuned ones, and their names everywhere else."""

import re

import pytest

from benchmark import load_results, load_study, run
from benchmark.__main__ import main
from benchmark.errors import UserError
from benchmark.reporting.plots.rows import add_configuration_names
from benchmark.reporting.text_tables import find_view, render_tables
from benchmark.reporting.tuning_table import describe_choices
from benchmark.results.folder import ResultsFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    axes = {
        "extractors": ["pixels"],
        "models": ["majority", "knn", "nearest_centroid"],
        "tunings": ["none", "random(n=4)", "grid(points=2, metric='auc')"],
        "search_spaces": {"knn": {"n_neighbors": [1, 3, 25]}},
    }
    run(load_study("digits", **axes), folder, scheduler="inline")
    return folder


def test_each_tuned_configuration_is_beside_its_default(folder):
    rows, read = load_results(folder), ResultsFolder(folder).read_predictions
    ((_, table),) = find_view("tuning").make_tables(rows, "f1", read)
    assert set(table["tuning"]) == {"random(n=4)", "grid(metric='auc', points=2)"}
    for line in table.to_dict("records"):
        of = {"model": line["model"], "extractor": line["extractor"]}
        cells = rows[(rows[list(of)] == list(of.values())).all(axis=1)]
        tuned = cells[cells["tuning"] == line["tuning"]]
        assert line["default"] == pytest.approx(cells.loc[cells["tuning"] == "none", "f1"].mean())
        assert line["tuned"] == pytest.approx(tuned["f1"].mean())
        assert line["gain"] == pytest.approx(line["tuned"] - line["default"])
        assert line["gain_lower"] < line["gain"] < line["gain_upper"]
        assert (line["n_done"], line["n_planned"]) == (3, 3)
        assert line["inner"] == pytest.approx(tuned["inner_score"].mean())
        assert line["outer"] == pytest.approx(tuned[line["tuned_by"]].mean())
        assert line["tuned_lower"] < line["tuned"] < line["tuned_upper"]
        assert line["candidates"] == 4
    markdown = render_tables(rows, "md", "f1", "tuning", read)
    assert "knn (tuned 4)" in markdown
    assert "knn (tuned by grid, metric='auc', points=2)" in markdown


def test_leaderboard_and_plots_name_the_tuning_behind_the_model(folder):
    rows = load_results(folder)
    markdown = render_tables(rows, "md", "f1")
    assert "| knn (tuned 4) " in markdown
    assert "tuning" not in markdown.split("\n")[2]
    assert "tuning" in render_tables(rows, "csv", "f1").split("\n")[0]
    names = set(add_configuration_names(rows)["name"])
    assert {"knn", "knn (tuned 4)", "nearest_centroid"} <= names


def test_what_cannot_be_tuned_is_listed_with_the_reason(folder):
    markdown = render_tables(load_results(folder), "md", "f1")
    assert re.search(
        r"\d+ skipped: pixels / none / nearest_centroid \(tuned 4\).*: there is nothing to tune",
        markdown,
    )


def test_a_folder_without_tuned_cells_says_how_to_tune(tmp_path):
    run(load_study("digits", extractors=["pixels"], models=["knn"]), tmp_path, scheduler="inline")
    with pytest.raises(UserError, match=r"add --tuning 'random\(n=25\)' to the command"):
        list(find_view("tuning").make_tables(load_results(tmp_path), "f1", None))


def test_choices_are_ranges_of_numbers_and_the_most_frequent_of_other_values():
    choices = [
        {"a": {"k": 1, "w": "x"}},
        {"a": {"k": 30, "w": "y"}},
        {"a": {"k": 7, "w": "y"}},
        {},
    ]
    assert describe_choices(choices) == "a(k=1 to 30, w=y in 2 of 4); default in 1 of 4"
    assert describe_choices([{}, {}]) == "default"
    assert describe_choices([{"a": {"k": 2}}] * 2) == "a(k=2)"
    assert describe_choices([{"a": {"k": True}}]) == "a(k=True)"


def test_the_command_prints_the_table(folder, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark", "table", str(folder), "--by", "tuning"])
    with pytest.raises(SystemExit):
        main()
    assert "tuned 4" in capsys.readouterr().out
