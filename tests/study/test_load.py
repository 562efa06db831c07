"""Loading studies: which suite is chosen, what the study is called, what replaces its keys."""

import numpy as np
import pytest
from skimage.io import imsave
from sklearn.datasets import load_digits

from benchmark import load_study, run
from benchmark.errors import UserError
from benchmark.evaluation.plan import make_plan
from benchmark.results.store import load_results
from benchmark.study.load import read_suites


@pytest.fixture
def folder_of_digits(tmp_path):
    """Ten images each of the digits 0 and 1, in a folder per class."""
    images, labels = load_digits(return_X_y=True)
    for label in (0, 1):
        (tmp_path / "data" / str(label)).mkdir(parents=True)
        for k, image in enumerate(images[labels == label][:10]):
            file = tmp_path / "data" / str(label) / f"{k}.png"
            imsave(file, np.uint8(image.reshape(8, 8) * 15), check_contrast=False)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("datasets", "size", "suite"),
    [
        ([], None, "digits"),
        (["breastmnist"], None, "digits"),
        (["breastmnist"], 28, "digits"),
        (["breastmnist"], 64, "real_images"),
        (["folder:scans"], None, "real_images"),
        (["csv:skin/list.csv(group='patient')"], None, "real_images"),
        (["digits", "folder:scans"], None, "real_images"),
        (["cifar10"], None, "digits"),
    ],
)
def test_without_a_name_the_suite_suits_the_datasets(datasets, size, suite):
    chosen, named = load_study(datasets=datasets, size=size), load_study(suite)
    assert chosen.pipelines == named.pipelines
    assert chosen.models == named.models


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("folder:/data/pbc800", "pbc800"),
        ("folder:/data/pbc800/", "pbc800"),
        ("folder:/data/my scans (2)", "my-scans-2"),
        ("csv:ham10000/metadata.csv", "ham10000-metadata"),
        ("csv:cases.csv(group='patient')", "cases"),
        ("folder:/data/pbc800(name='blood cells')", "blood-cells"),
        ("breastmnist", "breastmnist"),
        ("folder:/", "images"),
        ("folder:/data/細胞", "細胞"),
    ],
)
def test_a_study_without_a_suite_is_named_after_its_data(dataset, name):
    assert load_study(datasets=[dataset]).name == name
    assert load_study("digits", datasets=[dataset]).name == f"digits-on-{name}"
    assert load_study(datasets=[dataset], name="mine").name == "mine"


def test_what_is_named_is_not_optional():
    assert load_study(datasets=["folder:/data/scans"]).optional == ("pretrained",)
    assert load_study(datasets=["folder:/data/scans"], models=["knn"]).optional == ()


def test_the_current_folder_names_a_study(tmp_path, monkeypatch):
    (tmp_path / "cells").mkdir()
    monkeypatch.chdir(tmp_path / "cells")
    assert load_study(datasets=["folder:."]).name == "cells"


def test_a_suite_on_its_own_data_keeps_its_name_and_description():
    for suite in read_suites():
        assert load_study(suite).name == suite
    assert load_study("digits", datasets=["digits"]).name == "digits"
    assert load_study("digits", datasets=["digits"]).description


def test_the_name_of_a_dataset_is_that_in_rows_and_not_part_of_its_place(
    folder_of_digits, tmp_path
):
    axes = {"extractors": ["pixels"], "models": ["majority"], "split": "holdout"}
    named = f"folder:{folder_of_digits}(name='two digits')"
    run(load_study(datasets=[named], **axes), tmp_path / "out")
    rows = load_results(tmp_path / "out")
    assert set(rows["dataset"]) == {"two digits"}
    # the same images in another place, under the same name, are the same cells
    moved = folder_of_digits.rename(tmp_path / "moved")
    again = load_study(datasets=[f"folder:{moved}(name='two digits')"], **axes)
    assert {cell.key for cell in make_plan(again).cells()} == set(rows["key"])
    # the file of the study says where the images are
    assert load_study(tmp_path / "out" / "study.yaml").to_lists()["datasets"] == [named]


@pytest.mark.parametrize("name", ["", "a/b", "../x", " x", "x" * 51, "a\nb", 3])
def test_a_name_that_cannot_be_in_a_table_is_refused(name):
    with pytest.raises(UserError, match="as the name of a dataset"):
        load_study("digits", datasets=[{"folder:scans": {"name": name}}])


def test_two_datasets_of_one_name_are_refused():
    entries = ["digits(name='a')", "faces(name='a')"]
    with pytest.raises(UserError, match="two datasets are named 'a'"):
        load_study("digits", datasets=entries).resolve_components()


def test_official_or_kfold_takes_the_official_split_where_there_is_one():
    axes = {"extractors": ["pixels"], "models": ["majority"]}
    study = load_study(
        "digits", datasets=["digits", "breastmnist"], split="official_or_kfold(folds=5)", **axes
    )
    splits = {(cell.dataset.name, cell.split.name, cell.fold) for cell in make_plan(study).cells()}
    assert splits == {("breastmnist", "official", 0)} | {
        ("digits", "stratified_kfold", fold) for fold in range(5)
    }
