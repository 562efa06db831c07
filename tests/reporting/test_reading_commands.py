"""Every command that reads a results folder, for every kind of task."""

import json
from io import StringIO

import matplotlib.image
import pandas as pd
import pytest
from small_studies import KINDS, LONG, make_results
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.errors import UserError
from benchmark.results.store import load_results

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
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--rows",),
        ("--by", "class", "--metric", "recall"),
        ("--by", "dataset", "--metric", "auc"),
        ("--metric", "average_precision"),
    ],
)
def test_tables_are_printed_in_every_form(folder, form, options):
    output = invoke("table", folder, *options, *(() if form is None else ("--format", form)))
    assert "gaussian" in output or form is None
    if form == "json":
        assert json.loads(output)
    if form == "csv":
        assert len(pd.read_csv(StringIO(output)))


def test_info_and_merge_read_the_folder(folder, tmp_path):
    assert "cells" in invoke("info", folder)
    assert f"rows from {folder}" in invoke("merge", folder, "--out", tmp_path / "all").replace(
        "\n", ""
    )
    assert len(load_results(tmp_path / "all")) == len(load_results(folder))


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["f1", "auc"])
def test_configurations_are_compared(folder, metric):
    strategy = " / none" if load_results(folder)["strategy"].nunique() > 1 else ""
    one, other = (
        f"color_histogram{strategy} / {model}" for model in ("gaussian_nb", "nearest_centroid")
    )
    output = invoke("compare", folder, one, other, "--metric", metric)
    assert "Holm" in output or "not computed" in output or "ordinal" in str(folder), (
        "the ordinal table has no third configuration"
    )
    assert "gaussian_nb" in invoke("compare", folder, "--against", other, "--metric", metric)
    with pytest.raises(UserError, match="--against"):
        invoke("compare", folder)


@pytest.fixture(scope="module")
def drawn(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("plots")
    invoke("plot", folder, "--out", out, "--metric", "average_precision")
    return out


@pytest.mark.slow
def test_plots_are_drawn_with_short_safe_names(drawn):
    names = [path.name for path in drawn.glob("*.png")]
    assert names
    for name in names:
        assert len(name) <= 80, name
        assert "tmp" not in name, "no path"
        assert matplotlib.image.imread(drawn / name).shape[1] >= 600


@pytest.mark.slow
def test_the_class_of_an_average_precision_is_named_where_there_are_two(folder, drawn):
    binary = "melanoma" in str(load_results(folder)["per_class"].iloc[0])
    output = invoke("table", folder, "--metric", "average_precision", "--format", "md")
    wanted = f"average_precision of '{sorted(LONG)[1]}'"
    assert (wanted in output) == binary
    records = json.loads(
        invoke("table", folder, "--metric", "average_precision", "--format", "json")
    )
    assert (records[0].get("average_precision_class") == sorted(LONG)[1]) == binary
    assert (
        "average_precision of" in "".join(path.read_text() for path in drawn.glob("cost*.svg"))
    ) == binary


def test_the_recall_map_and_its_caption_agree(folder, drawn):
    caption = (drawn / "captions.md").read_text()
    rows = load_results(folder)
    if rows["imbalance"].nunique() > 1:
        rows = rows[rows["imbalance"] == "step(ratio=5)"]
    if "no. 1" in caption:
        return
    means = {
        labels: pd.DataFrame([{c: v["recall"] for c, v in of.items()} for of in group["per_class"]])
        .mean()
        .min()
        for labels, group in rows[rows["model"] != "majority"].groupby(
            ["extractor", "strategy", "model"]
        )
    }
    lowest, highest = f"{min(means.values()):.3f}", f"{max(means.values()):.3f}"
    if lowest == highest:
        assert f"The lowest recall of each row is {lowest}." in caption
        return
    assert f"The lowest recall of a row is at best {highest}" in caption


def test_plan_and_list_answer():
    assert "cells" in invoke("plan", "digits", "--extractor", "pixels", "--model", "knn")
    output = invoke("list", "metrics")
    assert "mean over the classes with test images (macro) of F1" in output
    assert "with two classes, of the second only" in output
