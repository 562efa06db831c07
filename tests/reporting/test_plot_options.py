"""Kinds and formats of plots are chosen on the command line."""

import re

import pytest
from small_studies import make_digits_results
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.errors import UserError
from benchmark.reporting.plots import draw_plots


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_digits_results(
        tmp_path_factory.mktemp("options"), ["knn", "gaussian_nb", "majority"], "holdout"
    )


def test_one_kind_in_one_format_is_one_file_and_its_captions(folder, tmp_path):
    command = ["plot", str(folder), "--kind", "confusion", "--format", "pdf"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (pdf,) = tmp_path.glob("*.pdf")
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["captions.md", pdf.name]
    assert f"({pdf.name})" in (tmp_path / "captions.md").read_text("utf-8")


def test_the_same_plot_is_the_same_file(folder, tmp_path):
    for name in ("a", "b"):
        command = [
            "plot",
            str(folder),
            "--kind",
            "leaderboard",
            "--format",
            "pdf",
            "--format",
            "svg",
        ]
        CliRunner().invoke(app, [*command, "--out", str(tmp_path / name)])
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert {path.rpartition(".")[2] for path in files} == {"md", "pdf", "svg"}
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (["--kind", "rco"], "unknown kind of plot 'rco'; did you mean 'roc'?"),
        (["--format", "jpg"], "unknown format 'jpg'"),
    ],
)
def test_an_unknown_choice_is_one_line(folder, option, reason):
    done = CliRunner().invoke(app, ["plot", str(folder), *option])
    assert isinstance(done.exception, UserError)
    assert reason in str(done.exception)


def test_a_kind_that_is_drawn_later_is_added_to_the_captions(folder, tmp_path):
    list(draw_plots(folder, out=tmp_path, kinds=["recall"], forms=["svg"]))
    list(draw_plots(folder, out=tmp_path, kinds=["cost"], forms=["svg"]))
    list(draw_plots(folder, out=tmp_path, kinds=["cost"], forms=["svg"]))
    captions = (tmp_path / "captions.md").read_text("utf-8")
    assert [line for line in captions.splitlines() if line.startswith("## ")] == [
        "## recall",
        "## cost-f1",
    ]
    list(draw_plots(folder, out=tmp_path, kinds=[], forms=["svg"]))
    names = re.findall(r"\((.*)\.svg\)", (tmp_path / "captions.md").read_text("utf-8"))
    assert sorted(names) == sorted(path.stem for path in tmp_path.glob("*.svg"))
