"""Tables as text, for names with characters that are special in a format."""

import csv
import io
import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.engine.runner import run
from benchmark.errors import UserError
from benchmark.reporting.plots import draw_plots
from benchmark.reporting.text_tables import (
    VIEWS,
    WRITERS,
    _format_markdown,
    render_rows,
    render_tables,
)
from benchmark.results.store import load_results
from benchmark.study.study import Study
from benchmark.utils.console import VisibleConsole, print_json

NAMES = ("a|b", "c\x1b[31m", "50%_&#{}~^\\$", "d\u202ee\x9b\x7f")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results with class names that are special in Markdown, LaTeX or a terminal."""
    root = tmp_path_factory.mktemp("names") / "set"
    for n, name in enumerate(NAMES):
        (root / name).mkdir(parents=True)
        for i in range(6):
            pixels = np.random.default_rng(10 * n + i).integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    models = ["majority", "nearest_centroid"]
    run(
        Study(name="x", datasets=[f"folder:{root}"], extractors=["pixels"], models=models),
        root.parent / "out",
    )
    return root.parent / "out"


@pytest.fixture(scope="module")
def rows(folder):
    return load_results(folder)


def test_a_pipe_is_escaped_in_the_header_of_a_markdown_table_as_in_its_cells(rows):
    lines = [
        line
        for line in render_tables(rows, "md", "recall", "class").splitlines()
        if line.startswith("|")
    ]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert r"a\|b" in lines[0]


def test_names_are_no_tags_links_or_code_in_markdown():
    rows = pd.DataFrame({"model": ["<script>alert(1)</script> [a](b) `c` *d*"], "f1": [0.5]})
    text = _format_markdown("<b>", rows)
    assert r"&lt;script>alert(1)&lt;/script> \[a](b) \`c\` \*d\*" in text
    assert text.startswith("### &lt;b>")


def test_special_characters_of_latex_are_escaped_in_header_and_cells(rows):
    text = render_tables(rows, "latex", "recall", "class")
    assert r"50\%\_\&\#\{\}\textasciitilde{}\^{}\textbackslash{}\$" in text
    assert text.rstrip().endswith(r"\end{table*}")


@pytest.mark.parametrize("form", WRITERS)
def test_no_table_holds_a_control_character(rows, form):
    texts = [
        render_tables(rows, form, "f1"),
        render_tables(rows, form, "recall", "class"),
        render_rows(rows, form),
    ]
    for text in texts:
        assert not {"\x1b", "\x9b", "\u202e", "\x7f"} & set(text)
        assert form != "json" or json.loads(text)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_written_in_every_format(rows, form, view):
    covered = rows.assign(
        occlusion="boxes(share=0.5)", f1=rows["f1"] / 2, key=rows["key"] + "-covered"
    )
    tuned = rows.assign(
        tuning="random(n=2)",
        tuned_by="log_loss",
        inner_score=1.0,
        n_candidates=2,
        tune_s=1.0,
        chosen=[{}] * len(rows),
        key=rows["key"] + "-tuned",
    )
    text = render_tables(pd.concat([rows, covered, tuned], ignore_index=True), form, "f1", view)
    assert "nearest_centroid" in text.replace("\\_", "_")
    assert text.endswith("\n")


def test_a_format_added_to_the_writers_writes_rows_too(rows, monkeypatch):
    monkeypatch.setitem(WRITERS, "n", lambda document: str(len(document.tables[0][1])))
    assert render_rows(rows, "n") == str(len(rows))


def test_text_that_looks_like_a_number_is_written_as_it_is(rows):
    key = "123456789012345678e9"
    assert key in render_rows(rows.iloc[:1].assign(key=key), "md")


def test_an_unknown_format_or_view_is_named_with_the_nearest(rows):
    with pytest.raises(UserError, match="did you mean 'latex'"):
        render_tables(rows, "latx", "f1")
    with pytest.raises(UserError, match="did you mean 'class'"):
        render_tables(rows, "md", "f1", "clas")
    with pytest.raises(UserError, match="format"):
        render_rows(rows, "xml")


def test_no_plot_and_no_caption_holds_a_control_character(folder, tmp_path):
    list(draw_plots(folder, "recall", tmp_path))
    plots = list(tmp_path.glob("*.svg"))
    assert {"recall", "confusion"} <= {path.stem.partition("-")[0] for path in plots}
    for path in plots:
        ElementTree.parse(path)
    for path in [*plots, tmp_path / "captions.md"]:
        assert not {"\x1b", "\x9b", "\u202e", "\x7f"} & set(path.read_text("utf-8"))


@pytest.mark.parametrize("form", WRITERS)
def test_a_table_by_class_without_completed_cells_is_a_user_error(rows, form):
    with pytest.raises(UserError, match="no cell has status 'ok'"):
        render_tables(rows.assign(status="failed"), form, "recall", "class")


def test_a_reason_of_several_lines_is_written_on_one(rows):
    bad = rows.assign(status="failed", reason="first\n| second \\end{tabular}\n\n# third")
    assert len([line for line in render_rows(bad, "md").splitlines() if line]) == 2 + len(bad)
    assert (
        r"first | second \end{tabular} # third" in render_tables(bad, "md", "f1").splitlines()[-1]
    )
    assert render_tables(bad, "latex", "f1").splitlines()[-3].endswith(r"\par")
    assert {row["reason"] for row in csv.DictReader(io.StringIO(render_rows(bad, "csv")))} == {
        bad["reason"][0]
    }


def test_printed_json_can_be_read_back_and_has_no_control_characters(capsys):
    value = {"class": "\x9b31m\x1b\u202e\U000e0041é", "path": "\udcff"}
    print_json(value)
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").isprintable()
    assert json.loads(printed) == value


def test_the_console_escapes_control_characters_in_lines_and_tables():
    from rich.table import Table

    stream = io.StringIO()
    console = VisibleConsole(file=stream, width=100)
    table = Table("\x1b[31mhead", title="\x9btitle")
    table.add_row("\x1b]0;cell\x07")
    console.print("\x1b[31mline", markup=False)
    console.print(table)
    assert not {"\x1b", "\x9b", "\x07"} & set(stream.getvalue())
    assert all(
        text in stream.getvalue()
        for text in (r"\x1b[31mline", r"\x1b[31mhead", r"\x9btitle", r"\x1b]0;cell\x07")
    )
