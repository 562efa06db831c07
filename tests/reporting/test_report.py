"""The report: one HTML file whose numbers are those of the tables."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from hospitals import DIGITS, write_hospital
from typer.testing import CliRunner

from benchmark import load_study, run
from benchmark.cli.app import app
from benchmark.errors import UserError
from benchmark.plugins.registry import registered_targets
from benchmark.reporting.leaderboard import Leaderboard
from benchmark.reporting.report import build_report
from benchmark.reporting.report.methods import list_components
from benchmark.reporting.report.references import ALWAYS, METHODS, PAPERS, cite, read_entries
from benchmark.reporting.results_view import ResultsView
from benchmark.reporting.site_table import SiteTable
from benchmark.reporting.subgroup_table import SubgroupTable
from benchmark.tuning import REGISTRY as SEARCHES
from features import HOG


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of a study with attributes, an external hospital, tuning and a failure."""
    home = tmp_path_factory.mktemp("report")
    a = write_hospital(home / "a", range(240))
    high = [i for i in range(800, 1700) if DIGITS.target[i] >= 5][:40]
    b = write_hospital(home / "b", [*range(400, 460), *high], brightness=60)
    attributes = "attributes=('sex', 'age')"
    study = load_study(
        "digits",
        description="Are low and high digits told apart?",
        datasets=[f"{a}(name='hospital A', group='patient', positive='high', {attributes})"],
        external=[f"{b}(name='hospital B', group='patient', {attributes})"],
        extractors=["pixels", "hog(pixels_per_cell=(2, 2))"],
        models=["gaussian_nb", "knn(n_neighbors=200)", "majority"],
        strategies=["none", "smote"],
        tunings=["none", "random(n=2)"],
        split="stratified_kfold(folds=3)",
    )
    run(study, home / "out", scheduler="inline")
    return home / "out"


@pytest.fixture(scope="module")
def page(folder):
    return build_report(folder)


class TableParser(HTMLParser):
    """Collects the tables of a page: caption, header and cells as texts."""

    def __init__(self):
        super().__init__()
        self.tables, self._text = [], None

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append({"caption": "", "lines": []})
        elif tag == "tr":
            self.tables[-1]["lines"].append([])
        elif tag in ("th", "td", "caption"):
            self._text = ""

    def handle_data(self, data):
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag):
        if tag == "caption":
            self.tables[-1]["caption"], self._text = self._text, None
        elif tag in ("th", "td"):
            self.tables[-1]["lines"][-1].append(self._text)
            self._text = None


def tables_of(page):
    """Titles and tables of the page, as texts."""
    parser = TableParser()
    parser.feed(page)
    return [
        (table["caption"], pd.DataFrame(table["lines"][1:], columns=table["lines"][0]))
        for table in parser.tables
    ]


@pytest.mark.parametrize("view", ["leaderboard", "site", "subgroup"])
def test_every_number_equals_that_of_the_table(folder, page, view):
    results = ResultsView(folder)
    rows = results.load_rows(metrics=["f1"])
    made = {
        "leaderboard": Leaderboard(),
        "site": SiteTable(results),
        "subgroup": SubgroupTable(results, "sex"),
    }[view]
    ((title, table),) = made.make_tables(rows, "f1", results.read_predictions)
    expected = made.format_table(table).astype(str)
    matching = [
        shown
        for name, shown in tables_of(page)
        if name == title and sorted(shown.columns) == sorted(expected.columns)
    ]
    assert len(matching) == 1
    assert matching[0][list(expected)].to_numpy().tolist() == expected.to_numpy().tolist()


def test_it_answers_the_question_and_names_what_is_behind_the_answer(page):
    text = re.sub(r"<[^>]+>", " ", page)
    assert "Are low and high digits told apart?" in text
    assert re.search(r"the best of \d+ configurations by f1 is (pixels|hog)", text)
    assert "majority, which ignores the images, reaches" in text


@pytest.mark.parametrize(
    "anchor",
    [
        *("answer", "data", "leaderboard", "plots", "subgroups", "sites", "failures", "tuning"),
        *("completeness", "methods", "checklists", "provenance"),
    ],
)
def test_every_section_is_there_and_in_the_navigation(page, anchor):
    assert f'<section id="{anchor}"' in page
    assert f'href="#{anchor}"' in page


def test_it_refers_to_nothing_outside_itself(page):
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    sources = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", without_namespaces)
    assert sources
    assert {source[0] for source in sources} <= {"#", "d"}, set(sources)
    assert all(source.startswith(("#", "data:")) for source in sources)
    assert "default-src 'none'" in page


def test_ids_are_unique(page):
    ids = re.findall(r'<(?:section|main|h2)[^>]* id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    groups = re.findall(r' id="((?:figure|axes|patch|text)_\d+)"', page)
    assert not groups


def test_cells_that_were_refused_are_listed_with_the_reason(page):
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    assert "n_neighbors=200 needs at least 200 training images" in text


def test_the_methods_follow_from_the_rows(page):
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    for sentence in (
        "The dataset 'hospital A' has 240 images of 120 groups (made of the column 'patient')",
        "Three-fold stratified cross-validation was used.",
        "Images of a group were never on both sides of a split, inner folds included.",
        "Strategies, all of which learn from training images only: smote.",
        "Trained models were also tested on 'hospital B' (100 images).",
        "Parameters were tuned by random search of 2 candidates (at most), compared by log_loss on",
        "configurations were ranked by f1",
        "scikit-learn ",
    ):
        assert sentence in text
    for key in ("chawla2002", "dalal2005", "bergstra2012", "zou2008"):
        assert f"{{{key}," in text
    assert "{breiman2001," not in text


def test_every_parameter_of_a_component_is_listed_with_its_value(page):
    table = dict(tables_of(page))["Parameters, before tuning"]
    (hog,) = table.loc[table["component"] == "hog", "parameters"]
    defaults = HOG(pixels_per_cell=(2, 2)).get_params()
    assert hog.split("=")[0] == "orientations"
    assert all(f"{name}={value!r}" in hog for name, value in defaults.items()), hog


def test_the_checklists_have_all_items(page):
    tables = dict(tables_of(page))
    for name, n in (
        ("TRIPOD+AI (Collins et al. 2024)", 52),
        ("CLAIM 2024 (Tejani et al. 2024)", 44),
    ):
        assert len(tables[name]) == n
        assert {"author", "Data", "Methods and references"} <= set(tables[name]["answered in"])
    first = tables["TRIPOD+AI (Collins et al. 2024)"]["item"].str.extract(r"(\d+)")[0]
    assert first.nunique() == 27


def test_every_component_has_its_papers_or_none(folder):
    kinds = ("extractor", "model", "strategy")
    registered = {name for kind in kinds for name in registered_targets(kind)} | {*SEARCHES}
    assert registered <= set(PAPERS)
    used = {key for keys in PAPERS.values() for key in keys} | {*ALWAYS, *METHODS.values()}
    assert used == set(read_entries())
    rows = ResultsView(folder).load_rows()
    assert {"pixels", "hog", "gaussian_nb", "smote", "random"} <= set(
        list_components(rows[rows["status"] == "ok"])
    )


def test_papers_are_cited_that_the_report_names_and_no_others(page):
    prose, entries = html.unescape(page).split("BibTeX", 1)
    prose = re.sub(r"<(svg|style|script|pre).*?</\1>", "", prose, flags=re.DOTALL)
    for words, key in METHODS.items():
        if words != "decision curves" and words != "net benefit":  # both cite one paper
            assert (words.lower() in prose.lower()) == (f"{{{key}," in entries), words


def test_entries_are_bibtex():
    for key, entry in read_entries().items():
        assert re.fullmatch(rf"@\w+\{{{key}, .*year=\{{\d{{4}}\}}\}}", entry, re.DOTALL), entry
        assert entry.count("{") == entry.count("}")
    assert cite(["no such component"]).startswith("@")


def test_names_from_files_are_texts(tmp_path):
    hostile = "<script>alert(1)</script>"
    home = tmp_path / "a"
    data = write_hospital(home, range(80), names=("low", hostile))
    study = load_study(
        "digits", datasets=[data], extractors=["pixels"], models=["knn"], split="holdout"
    ).model_copy(update={"description": hostile})
    run(study, tmp_path / "out", scheduler="inline")
    page = build_report(tmp_path / "out")
    assert hostile not in page
    assert html.escape(hostile) in page
    assert page.count("<script>") == 1


def test_the_command_writes_it_into_the_results_folder_or_elsewhere(folder, tmp_path):
    done = CliRunner().invoke(app, ["report", str(folder), "--metric", "auc"])
    assert done.exit_code == 0, done.output
    assert "report.html (0." in done.output
    elsewhere = tmp_path / "new" / "mine.html"
    done = CliRunner().invoke(app, ["report", str(folder), "--out", str(elsewhere)])
    assert done.exit_code == 0, done.output
    assert elsewhere.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert elsewhere.stat().st_size < 5e6


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["--metric", "acuracy"], "did you mean 'accuracy'"),
        (["--unit", "patient"], "unknown unit 'patient'"),
    ],
)
def test_mistakes_are_one_line(folder, command, reason):
    done = CliRunner().invoke(app, ["report", str(folder), *command])
    assert isinstance(done.exception, UserError)
    assert reason in str(done.exception)


def test_a_folder_without_results_is_one_line(tmp_path):
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert isinstance(done.exception, UserError)
    assert "run a study" in str(done.exception)
    assert not list(Path(tmp_path).iterdir())


def run_small_study(folder, models, **keys):
    axes = {"datasets": ["digits"], "extractors": ["pixels"], "models": models, **keys}
    run(load_study("digits", **axes), folder, scheduler="inline")
    return html.unescape(re.sub(r"<[^>]+>", " ", build_report(folder)))


def test_a_study_without_a_description_is_asked_what_its_rows_can_answer(tmp_path):
    text = run_small_study(tmp_path, ["gaussian_nb", "majority"])
    assert "Which configuration is the best by f1?" in text
    assert "Six extractors" not in text  # the description of the suite


def test_configurations_of_the_same_value_share_the_first_place(tmp_path):
    models = ["knn(n_neighbors=1)", "knn(n_neighbors=1, weights='distance')", "gaussian_nb"]
    text = run_small_study(tmp_path, models)
    assert "2 of 3 configurations by f1 are first, as is pixels / none / knn(n_neighbors=1" in text


@pytest.mark.parametrize(
    "models", [["knn(n_neighbors=2000)"], ["knn(n_neighbors=2000)", "majority"]]
)
def test_cells_that_all_failed_make_a_report_that_says_why(tmp_path, models):
    text = run_small_study(tmp_path, models)
    assert "n_neighbors=2000 needs at least 2000 training images" in text


def test_a_report_never_overwrites_a_file_of_another_kind(folder, tmp_path):
    stored = (folder / "results.sqlite").read_bytes()
    for path in (folder / "results.sqlite", folder, tmp_path / "report.pdf", "/dev/full"):
        done = CliRunner().invoke(app, ["report", str(folder), "--out", str(path)])
        assert isinstance(done.exception, UserError)
    assert (folder / "results.sqlite").read_bytes() == stored
    assert Path("/dev/full").is_char_device()
    mine = tmp_path / "mine.html"
    mine.write_text("notes of mine")
    done = CliRunner().invoke(app, ["report", str(folder), "--out", str(mine)])
    assert "a file of another kind" in str(done.exception)
    assert mine.read_text() == "notes of mine"


def test_an_audit_is_the_part_after_the_data(folder):
    page = build_report(folder, audit=True)
    anchors = re.findall(r'<section id="(\w+)"', page)
    assert anchors[:4] == ["answer", "data", "audit", "leaderboard"]
    assert any(list(table.columns) == ["about", "leak", "finding"] for _, table in tables_of(page))
    assert '<section id="audit"' not in build_report(folder)


def test_images_that_are_gone_leave_the_rest_of_the_report(folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "images")
    page = build_report(copy)
    assert "are no longer in" in page
    assert '<section id="leaderboard"' in page
