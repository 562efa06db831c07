"""Tables in LaTeX compile as they are, in a document of two columns."""

import re
import shutil
import subprocess

import pytest
from small_studies import make_digits_results
from typer.testing import CliRunner

from benchmark import load_results
from benchmark.cli.app import app
from benchmark.errors import UserError
from benchmark.reporting.latex import FITS, write_tables
from benchmark.reporting.leader import find_best_cells
from benchmark.reporting.leaderboard import make_leaderboards
from benchmark.reporting.text_tables import render_tables
from benchmark.results.folder import ResultsFolder

DOCUMENT = r"""\documentclass[twocolumn,10pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage[margin=2cm]{geometry}
\begin{document}
%s
See Table~\ref{%s}.
\end{document}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_digits_results(
        tmp_path_factory.mktemp("latex"),
        ["knn", "gaussian_nb", "nearest_centroid", "majority"],
        "stratified_kfold(folds=3)",
        seeds=(0, 1),
    )


def render(folder, **more):
    rows = load_results(folder)
    return render_tables(
        rows, "latex", "f1", read_predictions=ResultsFolder(folder).read_predictions, **more
    )


def compile_document(text, where):
    label = re.search(r"\\label\{(.*?)\}", text)[1]
    (where / "table.tex").write_text(DOCUMENT % (text, label), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = [subprocess.run(command, cwd=where, capture_output=True, check=False) for _ in range(2)][
        -1
    ]
    log = done.stdout.decode("latin-1")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull" not in log
    assert "undefined" not in log


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("columns", [(), ("rank", "model", "f1", "auc")])
def test_a_leaderboard_compiles_and_fits_a_page_of_two_columns(folder, tmp_path, columns):
    compile_document(render(folder, columns=columns), tmp_path)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_names_that_are_commands_of_latex_compile(folder, tmp_path):
    rows = load_results(folder)
    symbols = "\N{MINUS SIGN}\N{GREEK SMALL LETTER MU}\N{MULTIPLICATION SIGN}≥±ä"
    rows["dataset"] = r"a_b & 50% #1 {x} ~ ^ \ $y$ <z> " + symbols
    text = render_tables(rows, "latex", "f1")
    compile_document(text, tmp_path)


def test_a_table_is_complete(folder):
    text = render(folder)
    for part in (
        r"\usepackage{booktabs}",
        r"\begin{table*}[tp]",
        r"\caption{digits",
        r"\label{tab:digits-stratified-kfold-folds-3-repeats-",
        r"\toprule",
        r"\begin{minipage}{\textwidth}",
        "The best of 3 configurations was chosen on these test images",
    ):
        assert part in text
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 1


def test_the_best_values_are_bold_and_the_baseline_is_never(folder):
    ((_, table),) = make_leaderboards(
        load_results(folder), "f1", ResultsFolder(folder).read_predictions
    )
    best = find_best_cells(table, "f1")
    assert best["f1"].iloc[0]
    assert not best[table["model"] == "majority"].to_numpy().any()
    lowest = table.loc[table["model"] != "majority", "log_loss"].idxmin()
    assert best.loc[lowest, "log_loss"]
    (line,) = [line for line in render(folder).splitlines() if "majority &" in line]
    assert "textbf" not in line


def test_a_wide_table_gets_smaller_letters_and_then_is_scaled():
    import pandas as pd

    wide = pd.DataFrame({f"column {k}": ["0.912 (0.89 to 0.93)"] for k in range(8)})
    narrow, medium = wide.iloc[:, :3], wide.iloc[:, :5]
    assert r"\footnotesize" in write_tables([("", narrow)], ["caption"])
    assert r"\scriptsize" in write_tables([("", medium)], ["caption"])
    assert r"\resizebox{\textwidth}" in write_tables([("", wide)], ["caption"])
    assert FITS["footnotesize"] < FITS["scriptsize"]


def test_columns_are_chosen_by_name_and_a_wrong_one_is_one_line(folder):
    command = ["table", str(folder), "--format", "latex", "--columns"]
    done = CliRunner().invoke(app, [*command, "rank, model, f1"])
    assert done.exit_code == 0, done.output
    assert r"rank & model & f1 \\" in done.output
    assert "fit" not in done.output
    (label,) = re.findall(r"\\label\{(.*?)\}", done.output)
    assert "done is" not in done.output
    whole = CliRunner().invoke(app, ["table", str(folder), "--format", "latex"]).output
    assert r"fit\_s and predict\_s are mean seconds per cell; done is" in whole
    assert label in whole
    other = CliRunner().invoke(app, ["table", str(folder), "--metric", "auc", "--format", "latex"])
    assert label not in other.output
    done = CliRunner().invoke(app, [*command, "rank,modell"])
    assert isinstance(done.exception, UserError)
    assert "unknown column 'modell'; did you mean 'model'?" in str(done.exception)
    done = CliRunner().invoke(app, [*command, "model,model"])
    assert "names model twice" in str(done.exception)
    for wrong in (["--format", "csv"], []):
        done = CliRunner().invoke(app, ["table", str(folder), "--columns", "f1", *wrong])
        assert isinstance(done.exception, UserError)
        assert "--columns are those of" in str(done.exception)
