"""Every command that reads a results folder, over a folder of every kind of task."""

import json
import sys
from io import StringIO
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from small_studies import KINDS, LONG, make_results

from benchmark.cli import app
from benchmark.errors import UserError
from benchmark.store import load_results

RUNNER = CliRunner()


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    if request.param == "ordinal":
        request.getfixturevalue("data_folder")
    return make_results(request.param, tmp_path_factory.mktemp(request.param))


def invoke(*arguments, expect=0):
    done = RUNNER.invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == expect, done.output
    return done.output


@pytest.mark.parametrize("form", [None, "md", "csv", "latex", "json"])
@pytest.mark.parametrize("options", [(), ("--rows",), ("--by", "class", "--metric", "recall"), ("--metric", "average_precision")])
def test_tables_are_printed_in_every_form(folder, form, options):
    said = invoke("table", folder, *options, *(() if form is None else ("--format", form)))
    assert "gaussian" in said or form is None
    if form == "json":
        assert json.loads(said)
    if form == "csv":
        assert len(pd.read_csv(StringIO(said)))


def test_info_and_merge_read_the_folder(folder, tmp_path):
    assert "cells" in invoke("info", folder)
    assert f"rows from {folder}" in invoke("merge", folder, "--out", tmp_path / "all").replace("\n", "")
    assert len(load_results(tmp_path / "all")) == len(load_results(folder))


@pytest.mark.parametrize("metric", ["f1", "accuracy", "auc", "average_precision"])
def test_entries_are_compared(folder, metric):
    strategy = " / none" if load_results(folder)["strategy"].nunique() > 1 else ""
    one, other = (f"color_histogram{strategy} / {model}" for model in ("gaussian_nb", "nearest_centroid"))
    assert "Holm" in (said := invoke("compare", folder, one, other, "--metric", metric)) or "not computed" in said
    assert invoke("compare", folder, "--against", other, "--metric", metric).count("gaussian_nb") >= 2
    with pytest.raises(UserError, match="--against"):
        invoke("compare", folder)


@pytest.mark.parametrize("metric", ["f1", "average_precision"])
def test_pictures_are_drawn_with_short_safe_names(folder, metric, tmp_path):
    invoke("plot", folder, "--out", tmp_path, "--metric", metric)
    names = [path.name for path in tmp_path.glob("*.png")]
    assert names
    for name in names:
        assert len(name) <= 80, name
        assert "tmp" not in name, "no path"
        assert matplotlib.image.imread(tmp_path / name).shape[1] >= 600


def test_the_class_of_an_average_precision_is_named_where_there_are_two(folder, tmp_path):
    binary = "melanoma" in str(load_results(folder)["per_class"].iloc[0])
    said = invoke("table", folder, "--metric", "average_precision", "--format", "md")
    wanted = f"average_precision of '{sorted(LONG)[1]}'"
    assert (wanted in said) == binary
    records = json.loads(invoke("table", folder, "--metric", "average_precision", "--format", "json"))
    assert (records[0].get("average_precision_class") == sorted(LONG)[1]) == binary
    invoke("plot", folder, "--out", tmp_path, "--metric", "average_precision")
    drawn = "".join(path.read_text() for path in tmp_path.glob("cost*.svg"))
    assert ("average_precision of" in drawn) == binary


def test_the_recall_map_and_its_caption_agree(folder, tmp_path):
    invoke("plot", folder, "--out", tmp_path)
    caption = (tmp_path / "captions.md").read_text()
    rows = load_results(folder)
    if "imbalanced" in str(folder):
        return
    means = {
        labels: pd.DataFrame([{c: v["recall"] for c, v in of.items()} for of in group["per_class"]]).mean().min()
        for labels, group in rows[rows["model"] != "majority"].groupby(["extractor", "strategy", "model"])
    }
    assert f"The least value of a row is {max(means.values()):.3f} at best" in caption


def test_plan_and_list_answer():
    assert "cells" in invoke("plan", "digits", "--extractor", "pixels", "--model", "knn")
    said = invoke("list", "metrics")
    assert "mean over the classes with test images (macro) of F1" in said
    assert "of two classes: of the second alone" in said
