"""The most confident mistakes, and labels that may be wrong."""

import shutil

import numpy as np
import pandas as pd
import pytest
from figure_checks import overlapping
from skimage.io import imsave
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from benchmark import load_study, run
from benchmark.cli.app import app
from benchmark.reporting.compare import find_named_configuration
from benchmark.reporting.errors import find_mistakes
from benchmark.reporting.results_view import ResultsView
from benchmark.scoring.label_errors import suggest_labels

SWAPPED = (7, 40, 81, 133, 160)  # images whose label is wrong


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Digits below and from 5 on, of which five have the wrong label."""
    home = tmp_path_factory.mktemp("errors")
    digits, lines = load_digits(), ["image,label"]
    for i in range(200):
        pixels = np.rint(digits.images[i] * 15.9).astype(np.uint8)
        imsave(home / f"{i}.png", pixels, check_contrast=False)
        is_high = (digits.target[i] >= 5) != (i in SWAPPED)
        lines.append(f"{i}.png,{'five or more' if is_high else 'below five'}")
    (home / "cases.csv").write_text("\n".join(lines))
    study = load_study(
        "digits",
        datasets=[f"csv:{home / 'cases.csv'}(name='digits')"],
        extractors=["pixels", "hog(pixels_per_cell=(4, 4))"],
        models=["knn", "rbf_svm", "majority"],
        split="stratified_kfold(folds=4)",
        seeds=[0, 1],
    )
    run(study, home / "out", scheduler="inline")
    return home / "out"


def mistakes_of(folder, name="pixels / none / rbf_svm"):
    view = ResultsView(folder)
    rows = view.load_rows()
    (mistakes,) = find_mistakes(view, rows, find_named_configuration(name, rows, view, "f1"))
    return mistakes


def test_every_test_image_is_listed_with_its_prediction(folder):
    mistakes = mistakes_of(folder)
    table = mistakes.table
    assert sorted(table["id"]) == sorted(f"{i}.png" for i in range(200))
    wrong = mistakes.mistakes
    assert table.head(len(wrong)).equals(wrong)
    assert wrong["probability"].is_monotonic_decreasing
    rows = ResultsView(folder).load_rows()
    own = rows[(rows["model"] == "rbf_svm") & (rows["extractor"] == "pixels")]
    right = (table["true"] == table["predicted"]).mean()
    assert right == pytest.approx(own["accuracy"].mean(), abs=0.01)


def test_wrong_labels_are_suspected(folder):
    suspected = mistakes_of(folder).suspected
    assert {f"{i}.png" for i in SWAPPED} <= set(suspected["id"])
    assert len(suspected) <= 2 * len(SWAPPED)
    assert (suspected["suggested"] != suspected["true"]).all()
    assert (suspected["wrong"] == 4).all()  # the baseline is not counted


@pytest.mark.parametrize(
    "name", ["pixels / none / rbf_svm", "hog(pixels_per_cell=(4, 4)) / none / knn"]
)
def test_the_command_writes_sheets_and_a_table(folder, tmp_path, name):
    done = CliRunner().invoke(app, ["errors", str(folder), name, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "5 labels suspected" in done.output or "labels suspected to be wrong" in done.output
    assert len(list(tmp_path.glob("*-mistakes.png"))) == 1
    assert len(list(tmp_path.glob("*-suspected.png"))) == 1
    (table,) = tmp_path.glob("*.csv")
    assert len(pd.read_csv(table)) == 200


def test_every_condition_has_files_of_its_own(tmp_path):
    study = load_study(
        "digits",
        extractors=["pixels"],
        models=["gaussian_nb"],
        occlusions=["none", "boxes(share=0.25)"],
        train_sizes=[1.0, 100],
        split="holdout",
    )
    run(study, tmp_path, scheduler="inline")
    done = CliRunner().invoke(app, ["errors", str(tmp_path), "pixels / none / gaussian_nb"])
    assert done.exit_code == 0, done.output
    tables = sorted((tmp_path / "errors").glob("*.csv"))
    assert len(tables) == 4
    assert "digits-occlusion_boxes_share_0.25-pixels_none_gaussian_nb" in [
        path.stem for path in tables
    ]


def test_missing_images_are_one_line(folder, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "images")
    done = CliRunner().invoke(app, ["errors", str(copy), "pixels / none / knn"])
    assert done.exit_code != 0
    assert "are no longer in" in str(done.exception)


def test_a_class_without_images_suggests_nothing():
    proba = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    assert suggest_labels(np.array([0, 1]), proba).tolist() == [0, 1]


def test_no_text_of_a_sheet_overlaps(tmp_path):
    from benchmark.reporting.plots.contact_sheet import draw_contact_sheet

    images = np.zeros((8, 8, 8, 3), np.uint8)
    texts = ["a/very/long/path/of/an/image/file.png\nnormal, be… > malignant 0.98\nwrong in 8"] * 8
    plot = draw_contact_sheet("sheet", "title", "caption", images, texts)
    plot.save(tmp_path)
    assert not overlapping(plot.figure)
