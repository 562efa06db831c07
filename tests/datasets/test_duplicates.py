"""Notes on copies, near-duplicates and shared groups; dropping of exact copies."""

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from benchmark import load_study, run
from benchmark.datasets.base import Dataset
from benchmark.datasets.bundled import load_digits, load_faces
from benchmark.datasets.csv_file import load_csv
from benchmark.datasets.duplicates import check_duplicates
from benchmark.datasets.folder import load_folder
from benchmark.errors import UserError
from benchmark.utils.notes import Note


@pytest.fixture(scope="module")
def faces():
    """60 faces and 60 other images, all different."""
    whole = load_faces("faces", Path(), None)
    rows = np.r_[:60, 100:160]
    return replace(whole, images=whole.images[rows], targets=whole.targets[rows])


def with_copies(dataset, copies, labels=None, **fields):
    """Append copies of images, with the labels of the originals unless others are given."""
    images = np.concatenate([dataset.images, dataset.images[copies]])
    targets = np.concatenate(
        [dataset.targets, dataset.targets[copies] if labels is None else labels]
    )
    return replace(dataset, images=images, targets=targets, **fields)


def subsets(*counts):
    return np.repeat(["train", "val", "test"], counts)


def leaks(dataset, **options):
    return [
        note.removeprefix("leak: ")
        for note in check_duplicates(dataset, **options).notes
        if Note.from_text(note).is_leak
    ]


def test_dropping_copies_keeps_what_belongs_to_the_other_images(faces):
    ids = np.array([f"{i}.png" for i in range(122)])
    numbered = {"ids": ids, "attributes": {"age": np.arange(122.0)}}
    dataset = check_duplicates(with_copies(faces, [3, 7], **numbered), drop=True)
    assert dataset.ids.tolist() == ids[:120].tolist()
    assert dataset.attributes["age"].tolist() == list(range(120))


@pytest.mark.parametrize("load", [load_digits, load_faces])
def test_the_bundled_data_sets_have_no_duplicates(load):
    assert check_duplicates(load("bundled", Path(), None)).notes == ()


def test_copies_in_training_and_test_set_are_counted_and_named(faces):
    ids = np.array([f"{i}.png" for i in range(122)])
    (note,) = leaks(with_copies(faces, [3, 7], subset=subsets(100, 10, 12), ids=ids))
    assert note.startswith(
        "2 of 12 test images are also in the training set (equal pixel for pixel: 120.png = 3.png, "
        "121.png = 7.png); 2 of all 122"
    )
    assert note.endswith("drop_duplicates=True keeps one of each")


def test_copies_with_another_label_are_counted(faces):
    (note,) = leaks(with_copies(faces, [3, 7, 8], [0, 1, 0], subset=subsets(100, 10, 13)))
    assert "3 of 13 test images" in note
    assert ", 2 of them with a different label; " in note
    assert note.endswith("drop_duplicates=True keeps one of each, and none if their labels differ")


@pytest.mark.parametrize("subset", [None, subsets(100, 10, 11), subsets(121, 0, 0)])
def test_no_copy_with_a_different_label_is_kept(faces, subset):
    copy = with_copies(faces, [3], [0], subset=subset)
    (note,) = check_duplicates(copy).notes
    assert note.endswith("drop_duplicates=True keeps one of each, and none if their labels differ")
    assert len(check_duplicates(copy, drop=True).images) == 119


def test_copies_within_a_subset_are_not_a_leak_of_the_official_split(faces):
    dataset = check_duplicates(with_copies(faces, [115], subset=subsets(100, 10, 11)))
    assert dataset.notes == (
        "1 of all 121 images repeats another pixel for pixel (image 115 = image 120), none of them "
        "across training and test set; drop_duplicates=True keeps one of each",
    )


def test_copies_are_a_leak_of_folds_unless_a_group_holds_them_together(faces):
    twice = with_copies(faces, [3, 7])
    (note,) = leaks(twice)
    assert note.startswith(
        "2 of 122 images repeat another pixel for pixel (image 3 = image 120, image 7 = image "
        "121), so a fold may"
    )
    together = replace(twice, groups=np.r_[:120, 3, 7])
    assert leaks(together) == []
    assert "always one of the same group" in check_duplicates(together).notes[0]
    (note,) = leaks(replace(twice, groups=np.r_[:120, 3, 8]))
    assert "1 of them one of another group" in note


def test_notes_are_those_of_the_split_that_is_run(faces):
    """A copy across training and test set is a leak of the official split, others only of folds."""
    dataset = check_duplicates(
        with_copies(faces, [3, 7, 8], subset=np.r_[subsets(100, 10, 10), ["test", "train", "val"]])
    )
    (official,), (validation,), (other,) = (
        dataset.with_split_notes(split).notes
        for split in ("official", "validation", "stratified_kfold")
    )
    assert dataset.notes == (official,)
    assert official.startswith(
        "leak: 1 of 11 test images is also in the training set (equal pixel for pixel: image 120 = "
        "image 3)"
    )
    assert "image 122 = image 8)" in validation
    assert other.startswith("leak: 3 of 123 images repeat another pixel for pixel")
    assert dataset.with_split_notes("holdout").notes == (other,)


def test_groups_that_the_official_split_shares_are_no_leak_of_grouped_folds(faces):
    dataset = check_duplicates(
        replace(faces, subset=subsets(100, 10, 10), groups=np.arange(120) % 60)
    )
    assert (
        "groups are in more than one subset of the official split"
        in dataset.with_split_notes("official").notes[0]
    )
    assert dataset.with_split_notes("stratified_kfold").notes == ("groups: 60 in 120 images",)


@pytest.mark.parametrize(
    ("split", "of_official"), [("official", True), ("holdout", False), (None, True)]
)
def test_rows_have_the_notes_of_their_split(tmp_path, split, of_official):
    digits, lines = load_digits("digits", Path(), None), ["image,label,split"]
    for i, digit in enumerate(digits.targets[:60]):
        Image.fromarray(digits.images[3 if i == 53 else i, ..., 0]).save(tmp_path / f"{i}.png")
        lines.append(
            f"{i}.png,{'even' if digit % 2 == 0 else 'odd'},{'train' if i < 40 else 'test'}"
        )
    (tmp_path / "some.csv").write_text("\n".join(lines))
    study = load_study(
        "digits",
        datasets=[f"csv:{tmp_path / 'some.csv'}"],
        extractors=["pixels"],
        models=["majority"],
        split=split,
    )
    notes = run(study, out=tmp_path / "out")["notes"][0]
    assert (
        any(
            note.startswith("leak: 1 of 20 test images is also in the training set")
            for note in notes
        )
        == of_official
    )
    assert (
        any("so a fold may train on one and test on the other" in note for note in notes)
        != of_official
    )


def test_dropping_keeps_the_copy_in_the_test_set_and_is_recorded(faces):
    twice = with_copies(faces, [3, 3, 7, 105], subset=subsets(100, 12, 12))
    assert twice.subset[[3, 7, 105, 120, 122]].tolist() == ["train", "train", "val", "test", "test"]
    dataset = check_duplicates(twice, drop=True)
    assert len(dataset.images) == 120
    assert np.unique(dataset.subset, return_counts=True)[1].tolist() == [11, 98, 11]
    np.testing.assert_array_equal(dataset.images[-3:], faces.images[[3, 7, 105]])
    assert dataset.notes == (
        "drop_duplicates: 4 of 124 images left out, one of each set of exact copies kept",
    )
    assert dataset.fingerprint != twice.fingerprint


def test_dropping_leaves_none_where_the_labels_differ(faces):
    twice = with_copies(faces, [3, 7], [0, faces.targets[7]], groups=np.arange(122))
    dataset = check_duplicates(twice, drop=True)
    assert len(dataset.images) == len(dataset.groups) == 119
    assert 3 not in dataset.groups
    assert 120 not in dataset.groups
    assert "none if their labels differ (2 images)" in dataset.notes[0]


def test_dropping_in_a_multilabel_set_compares_all_labels(faces):
    labels = np.stack([faces.targets, 1 - faces.targets], axis=1)
    several = replace(faces, targets=labels, multilabel=True)
    twice = with_copies(several, [3, 7], np.array([[1, 1], labels[7]]))
    assert len(check_duplicates(twice, drop=True).images) == 119


def test_dropping_a_whole_class_or_subset_is_refused():
    images = np.zeros((4, 8, 8, 1), np.uint8)
    images[2:] = [[[[9]]], [[[8]]]]
    dataset = Dataset("d", images, np.array([0, 1, 2, 1]), ("a", "b", "c"))
    with pytest.raises(UserError, match="drop_duplicates leaves no image of a; remove"):
        check_duplicates(dataset, drop=True)
    dataset = Dataset(
        "d",
        images,
        np.array([0, 0, 0, 1]),
        ("a", "b"),
        subset=np.array(["train", "test", "test", "test"]),
    )
    with pytest.raises(UserError, match="no image of the subset train"):
        check_duplicates(dataset, drop=True)


def changed(image, how):
    """Change a photograph as editors and converters do."""
    photograph = Image.fromarray(image[..., 0])
    if how == "brightness":
        return np.asarray(ImageEnhance.Brightness(photograph).enhance(0.7))
    if how == "contrast":
        return np.asarray(ImageEnhance.Contrast(photograph).enhance(0.8))
    if how == "jpeg":
        return cv2.imdecode(
            cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_GRAYSCALE
        )
    return np.asarray(
        photograph.resize((60, 60), Image.Resampling.BICUBIC).resize(
            photograph.size, Image.Resampling.BICUBIC
        )
    )


@pytest.mark.parametrize("how", ["brightness", "contrast", "jpeg", "resize"])
def test_near_copies_are_found_and_their_originals_named(faces, how):
    images = np.concatenate([faces.images, changed(faces.images[5], how)[None, ..., None]])
    dataset = replace(faces, images=images, targets=np.r_[faces.targets, 1])
    assert (
        "2 images look almost like another, exact copies not counted (image 5 ~ image 120, image "
        "120 ~ image 5)" in leaks(dataset)[0]
    )
    (note,) = leaks(replace(dataset, subset=subsets(100, 10, 11)))
    assert (
        "1 of 11 test images looks almost like a training image, exact copies not counted (image "
        "120 ~ image 5)" in note
    )
    assert leaks(replace(dataset, groups=np.r_[:120, 5])) == []


@pytest.mark.parametrize(("n_frames", "large"), [(3, 500), (10, 500), (15, 500), (15, 12)])
def test_near_copies_of_another_group_are_found_behind_any_number_of_their_own(
    faces, monkeypatch, n_frames, large
):
    monkeypatch.setattr("benchmark.datasets.near_duplicates.LARGE_GROUP", large)
    frames = np.random.default_rng(0).integers(-1, 2, (2 * n_frames, 25, 25, 1)) + faces.images[5]
    # the second patient is lit from below
    frames[n_frames:] += np.linspace(0, 6, 25, dtype=int)[:, None, None]
    images = np.concatenate([faces.images, frames.clip(0, 255).astype(np.uint8)])
    targets = np.r_[faces.targets, np.arange(2 * n_frames) // n_frames]
    groups = np.r_[:120, np.repeat([120, 121], n_frames)]
    groups[5] = 120
    (note,) = leaks(replace(faces, images=images, targets=targets, groups=groups))
    assert note.startswith(
        f"{2 * n_frames + 1} images look almost like another of another group, exact copies not"
    )


def test_images_of_one_value_are_not_almost_alike():
    images = np.repeat(np.arange(40, dtype=np.uint8), 64).reshape(40, 8, 8, 1)
    assert leaks(Dataset("d", images, np.arange(40) % 2, ("a", "b"))) == []


def test_groups_that_the_official_split_shares_are_counted(faces):
    dataset = replace(faces, subset=subsets(100, 10, 10), groups=np.r_[:110, 0, 0, 1, 105, :6])
    assert leaks(dataset) == [
        "7 of 110 groups are in more than one subset of the official split: the groups of 9 of 10 "
        "test images are also in the training set; stratified_kfold keeps groups together"
    ]
    assert leaks(replace(dataset, groups=np.arange(120))) == []


def test_a_leak_is_reported_below_the_table(faces, tmp_path):
    from benchmark.reporting.row_problems import list_problems

    for i, image in enumerate([*faces.images[:6, ..., 0], *faces.images[60:66, ..., 0]]):
        folder = tmp_path / "set" / "ab"[i // 6]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    Image.fromarray(faces.images[0, ..., 0]).save(tmp_path / "set/a/copy.png")
    study = tmp_path / "s.yaml"
    study.write_text(
        f"datasets: ['folder:{tmp_path}/set']\nextractors: [pixels]\nmodels: [majority]\nsplit: "
        "{stratified_kfold: {folds: 2}}\n"
    )
    (line,) = [
        line
        for line in list_problems(run(load_study(study), out=tmp_path / "out"))
        if "leak: " in line
    ]
    assert "1 of 13 images repeats another pixel for pixel (a/0.png = a/copy.png)" in line


# --- real datasets


def table(data_folder, name):
    path = data_folder / name / "metadata.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return f"csv:{path}"


def test_copies_in_the_brain_tumour_data_set_are_noted(data_folder):
    notes = load_csv(table(data_folder, "brain_mri"), data_folder, None).notes
    assert notes[0].startswith("leak: 217 of 1,312 test images are also in the training set")
    assert notes[1].startswith(
        "leak: 260 of 1,312 test images look almost like a training image, exact copies not counted"
    )


def test_the_small_brain_tumour_set_loses_its_25_copies_by_option(data_folder):
    dataset = load_csv(
        table(data_folder, "brain_tumor_253"), data_folder, None, drop_duplicates=True
    )
    assert dataset.notes[:2] == (
        "drop_duplicates: 1 row that repeats another left out",
        "drop_duplicates: 25 of 252 images left out, one of each set of exact copies kept",
    )


def test_cells_of_malaria_are_not_taken_for_copies(data_folder):
    (note,) = load_csv(table(data_folder, "malaria"), data_folder, None).notes
    assert note == "groups: 307 in 6,000 images, made of the column 'group'"


def test_a_folder_of_the_same_images_has_the_same_notes(data_folder, tmp_path):
    source = data_folder / "brain_tumor_253"
    if not source.is_dir():
        pytest.skip(f"{source} is missing")
    with (source / "metadata.csv").open(newline="") as file:
        rows = {row["image"]: row["label"] for row in csv.DictReader(file)}
    for image, label in rows.items():
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / Path(image).name).symlink_to(source / image)
    dataset = load_folder(f"folder:{tmp_path}", tmp_path, None)
    assert dataset.notes[0].startswith("leak: 25 of 252 images repeat another pixel for pixel (no/")
