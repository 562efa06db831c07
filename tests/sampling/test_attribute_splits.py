"""Splits by an attribute of the images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut

from benchmark import load_study, run
from benchmark.datasets.bundled import load_faces
from benchmark.errors import UserError
from benchmark.evaluation.plan import generate_cells
from benchmark.sampling.attribute_splits import leave_one_group_out, predefined

SITE = np.array(["north", "south", "west"])[np.arange(200) % 3]
FACES = replace(load_faces("faces", Path(), None), attributes={"site": SITE})


def test_every_site_is_tested_once_as_in_scikit_learn():
    folds = leave_one_group_out(FACES, "site")
    expected = LeaveOneGroupOut().split(FACES.targets, FACES.targets, SITE)
    for (train, test), (expected_train, expected_test) in zip(folds, expected, strict=True):
        np.testing.assert_array_equal(train, expected_train)
        np.testing.assert_array_equal(test, expected_test)


def test_images_with_minus_one_are_never_tested():
    fold = np.where(np.arange(200) < 50, -1.0, np.arange(200) % 2)
    folds = predefined(replace(FACES, attributes={"fold": fold}), "fold")
    assert len(folds) == 2
    for train, test in folds:
        assert set(range(50)) <= set(train.tolist())
        assert not set(train.tolist()) & set(test.tolist())
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(50, 200))


def test_one_fold_and_the_training_set_are_a_predefined_split():
    fold = np.where(np.arange(200) % 4 == 0, 0.0, -1.0)
    ((train, test),) = predefined(replace(FACES, attributes={"fold": fold}), "fold")
    assert len(test) == 50
    assert len(train) == 150


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({}, "the images have no attributes; add attributes="),
        ({"sites": SITE}, "unknown attribute 'site'; did you mean 'sites'"),
        ({"site": np.where(np.arange(200) < 3, "", SITE)}, "3 images have no site; fill in"),
        ({"site": np.full(200, "north")}, "site has 1 value; at least 2"),
        ({"site": np.arange(200).astype(float)}, "site has 200 values; .* at most 100"),
        (
            {"site": np.where(FACES.targets == 1, "north", "south")},
            "without site 'north', the training images are of fewer than two classes",
        ),
    ],
)
def test_what_cannot_be_split_is_one_line(attributes, reason):
    with pytest.raises(UserError, match=reason):
        leave_one_group_out(replace(FACES, attributes=attributes), "site")


def test_a_patient_at_two_sites_is_refused():
    groups = np.array([f"p{i // 2}" for i in range(200)])
    with pytest.raises(UserError, match=r"100 groups .*, such as 'p0', have images with several"):
        leave_one_group_out(replace(FACES, groups=groups), "site")


def test_other_values_of_the_attribute_are_other_cells_and_unused_ones_are_not():
    moved = np.where(np.arange(200) == 5, "north", SITE)

    def keys(site, split):
        axes = {"extractors": ["pixels"], "models": ["knn"], "datasets": ["faces"]}
        study = load_study("digits", split=split, **axes).resolve_components()
        dataset = replace(FACES, attributes={"site": site})
        return {cell.key for cell in generate_cells(study, {"faces": dataset}, {"faces": 2})}

    by_site, by_fold = "leave_one_group_out(attribute='site')", "stratified_kfold"
    assert not keys(SITE, by_site) & keys(moved, by_site)
    assert keys(SITE, by_fold) == keys(moved, by_fold)


def test_a_study_runs_a_fold_per_site(tmp_path):
    from skimage.io import imsave

    lines = ["image,label,site"]
    for i in (*range(30), *range(100, 130)):
        imsave(tmp_path / f"{i}.png", FACES.images[i, ..., 0], check_contrast=False)
        lines.append(f"{i}.png,{FACES.classes[FACES.targets[i]]},{SITE[i]}")
    (tmp_path / "cases.csv").write_text("\n".join(lines))
    study = load_study(
        "digits",
        datasets=[f"csv:{tmp_path / 'cases.csv'}(attributes=('site',))"],
        split="leave_one_group_out(attribute='site')",
        extractors=["pixels"],
        models=["knn"],
    )
    rows = run(study, tmp_path / "out", scheduler="inline")
    assert rows["status"].tolist() == ["ok"] * 3
    assert rows["n_test"].tolist() == [20, 20, 20]


def test_sites_with_long_numbers_are_not_merged_and_are_in_order():
    site = np.array([1234561.0, 1234562.0, 1300000.0])[np.arange(200) % 3]
    assert len(leave_one_group_out(replace(FACES, attributes={"site": site}), "site")) == 3
    fold = np.array([2.0, 10.0])[np.arange(200) % 2]
    (_, first), _ = predefined(replace(FACES, attributes={"fold": fold}), "fold")
    assert set(fold[first]) == {2.0}
