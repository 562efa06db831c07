"""Datasets from folders with one sub-folder per class."""

import os
import re
import sys
import unicodedata

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmark.datasets.folder import _list, load_folder
from benchmark.errors import UserError

DIGITS = load_digits().images.astype(np.uint8) * 16


def fill(root, *files):
    """Write the n-th digit to the n-th image file, and text to files with other suffixes."""
    for i, name in enumerate(files):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".png", ".bmp", ".tif"):
            Image.fromarray(DIGITS[i]).save(path)
        else:
            path.write_text("text")
    return f"folder:{root}"


def load(root, *files, size=None, **options):
    return load_folder(fill(root, *files), root, size, **options)


def refusal(root, *files, **options):
    with pytest.raises(UserError) as error:
        load(root, *files, **options)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"dataset 'folder:{root}'")
    return text


def test_class_folders_become_classes_and_their_images_come_in_sorted_order(tmp_path):
    dataset = load(tmp_path, "dog/2.png", "cat/b.png", "cat/a.bmp", "dog/deep/er/1.tif")
    assert dataset.name == f"folder:{tmp_path}"
    assert dataset.classes == ("cat", "dog")
    assert dataset.targets.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(dataset.images[..., 0], DIGITS[[2, 1, 0, 3]])
    assert dataset.subset is None
    assert dataset.groups is None
    assert dataset.notes == ()


def test_classes_that_are_numbers_are_in_the_order_of_numbers(tmp_path):
    dataset = load(tmp_path, "10/a.png", "9/a.png", "1/a.png")
    assert dataset.classes == ("1", "9", "10")
    assert dataset.targets.tolist() == [0, 2, 1]  # files in the order of their names


def test_train_val_and_test_are_the_official_split(tmp_path):
    dataset = load(
        tmp_path,
        "test/a/1.png",
        "test/b/1.png",
        "train/a/1.png",
        "train/b/1.png",
        "val/a/1.png",
        "val/b/1.png",
    )
    assert dataset.subset.tolist() == ["train", "train", "val", "val", "test", "test"]
    assert dataset.classes == ("a", "b")
    np.testing.assert_array_equal(dataset.images[..., 0], DIGITS[[2, 3, 4, 5, 0, 1]])


def test_subset_folders_may_be_in_upper_case(tmp_path):
    assert load(tmp_path, "Train/a/1.png", "Train/b/1.png", "TEST/a/1.png").subset.tolist() == [
        "train",
        "train",
        "test",
    ]


def test_classes_are_collected_from_all_subsets(tmp_path):
    dataset = load(tmp_path, "train/a/1.png", "train/b/1.png", "test/b/1.png", "test/c/1.png")
    assert dataset.classes == ("a", "b", "c")
    assert dataset.targets.tolist() == [0, 1, 1, 2]


def test_a_class_may_be_called_train(tmp_path):
    dataset = load(tmp_path, "train/1.png", "car/1.png", "bus/1.png")
    assert dataset.classes == ("bus", "car", "train")
    assert dataset.subset is None


def test_a_class_may_be_empty_in_one_subset(tmp_path):
    (tmp_path / "test" / "a").mkdir(parents=True)
    assert load(tmp_path, "train/a/1.png", "train/b/1.png", "test/b/1.png").classes == ("a", "b")


def test_other_and_hidden_files_are_left_out_and_counted(tmp_path):
    dataset = load(
        tmp_path,
        "a/1.png",
        "b/1.png",
        "a/x.txt",
        "b/Thumbs.db",
        "b/.hidden.png",
        ".cache/1.png",
        "README",
    )
    assert len(dataset.images) == 2
    (note,) = dataset.notes
    assert note.startswith("5 other files ignored (")
    assert ".txt" in note


def test_images_outside_the_class_folders_are_left_out_and_counted(tmp_path):
    dataset = load(tmp_path, "a/1.png", "b/1.png", "astray.png")
    assert len(dataset.images) == 2
    assert dataset.notes == ("1 image file outside the class folders ignored",)


def test_the_path_is_relative_to_the_current_folder_and_home_is_known(tmp_path, monkeypatch):
    fill(tmp_path / "set", "a/1.png", "b/1.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("folder:set", "folder:~/set"):
        assert load_folder(name, tmp_path / "elsewhere", None).name == name


def test_the_size_and_the_percentiles_reach_the_images(tmp_path):
    fill(tmp_path, "a/1.png", "b/1.png")
    deep = DIGITS[0].astype(np.uint16) * 100
    Image.fromarray(deep).save(tmp_path / "a/1.png")
    dataset = load_folder(f"folder:{tmp_path}", tmp_path, 16, percentiles=(0, 50))
    assert dataset.images.shape == (2, 16, 16, 1)
    assert "percentiles 0 to 50" in dataset.notes[0]


def test_a_missing_folder_a_file_and_no_path_are_refused(tmp_path):
    assert f"no folder '{tmp_path}/none'" in refusal(tmp_path / "none")
    (tmp_path / "set.csv").write_text("image,label")
    assert f"is a file, not a folder; write csv:{tmp_path}/set.csv to load a table" in refusal(
        tmp_path / "set.csv"
    )
    with pytest.raises(UserError, match="'folder:' names no path; write folder:PATH"):
        load_folder("folder:", tmp_path, None)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ((), "no image in any class folder; put"),
        (
            ("a/x.txt", "b/y.gif", "b/z.gif"),
            r"no image in any class folder \(but 2 files .gif, 1 file .txt; ",
        ),
        (
            ("a/1.IMA", "b/2.ima"),
            r"\(but 2 files .ima; DICOM is read from files named .dcm or .dicom\); put .bmp, ",
        ),
        (
            ("a/IM001", "b/IM002"),
            r"\(but 2 files without a suffix; DICOM is read from files named .dcm or .dicom\)",
        ),
        (("1.png", "2.png"), r"no image in any class folder \(but 2 image files outside them\)"),
        (
            ("a/1.png", "b/1.png", "c/x.ima"),
            r"class folder without an image \(.*\): c \(but 1 file .ima; DICOM is read",
        ),
        (("a/1.png", "a/2.png"), r"one class \(a\); classification needs two"),
        (
            ("a/1.png", "b/1.png", "c/x.txt"),
            r"class folder without an image \(.*\): c \(but 1 file .txt.*; fill or remove it",
        ),
        (("train/a/1.png", "train/b/1.png"), "has train but no test; a split needs train and test"),
        (("val/a/1.png", "train/b/1.png"), "has train, val but no test"),
        (("train/a/1.png", "test/b/1.png", "more/b/1.png"), "beside train and test there is more"),
        (("train/a/1.png", "train/b/1.png", "test/b/x.txt"), "its split has no test images"),
    ],
)
def test_a_folder_that_is_not_a_data_set_is_refused_with_the_reason(tmp_path, files, reason):
    assert re.search(reason, refusal(tmp_path, *files))


def test_unreadable_images_stop_the_load_or_are_dropped(tmp_path):
    fill(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    (tmp_path / "a/2.png").write_bytes(b"corrupted")
    assert f"1 of 4 image files cannot be read: {tmp_path}/a/2.png: not a PNG" in refusal(tmp_path)
    dataset = load(tmp_path, on_error="skip")
    assert dataset.targets.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(dataset.images[..., 0], DIGITS[[0, 2, 3]])
    assert dataset.notes[0].startswith("1 of 4 image files cannot be read and were left out")


def test_a_split_stays_beside_its_images_when_one_is_dropped(tmp_path):
    fill(tmp_path, "train/a/1.png", "train/a/2.png", "train/b/1.png", "test/a/1.png")
    (tmp_path / "train/a/1.png").write_bytes(b"corrupted")
    assert load(tmp_path, on_error="skip").subset.tolist() == ["train", "train", "test"]


def test_a_class_that_loses_all_its_images_is_an_error(tmp_path):
    fill(tmp_path, "a/1.png", "b/1.png", "c/1.png")
    (tmp_path / "c/1.png").write_bytes(b"corrupted")
    assert "no readable image of c" in refusal(tmp_path, on_error="skip")


def test_removing_one_of_two_classes_is_not_suggested(tmp_path):
    fill(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b/1.png").write_bytes(b"corrupted")
    assert refusal(tmp_path, on_error="skip").endswith("no readable image of b; fix the files")
    (tmp_path / "b/1.png").unlink()
    assert refusal(tmp_path).endswith("b; fill it")


def test_bad_options_are_refused_before_anything_is_read(tmp_path):
    for options in ({"on_error": "ignore"}, {"percentiles": (99, 1)}):
        with pytest.raises(UserError, match=r"on_error|percentiles"):
            load_folder("folder:/nowhere", tmp_path, None, **options)


# --- subsets under other names


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("TRAIN", "Test"),
        ("train_set", "test set"),
        ("training-images", "testing_images"),
        ("trainset", "testdata"),
    ],
)
def test_usual_names_of_training_and_test_set_are_the_official_split(tmp_path, train, test):
    dataset = load(
        tmp_path, f"{train}/a/1.png", f"{train}/b/1.png", f"{test}/a/1.png", f"{test}/b/1.png"
    )
    assert dataset.classes == ("a", "b")
    assert dataset.subset.tolist() == ["train", "train", "test", "test"]


@pytest.mark.parametrize("validation", ["val", "valid", "Validation", "dev", "valid_set"])
def test_usual_names_of_the_validation_set_are_understood(tmp_path, validation):
    dataset = load(
        tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", f"{validation}/b/1.png"
    )
    assert dataset.subset.tolist() == ["train", "train", "val", "test"]


@pytest.mark.parametrize(
    ("tops", "files"),
    [
        (("Training", "Holdout"), ("a/1.png", "b/1.png")),
        (("fold1", "fold2", "fold3"), ("a/1.png", "b/1.png", "c/1.png")),
        (("site_north", "site_south"), ("Benign/1.png", "malignant/1.png")),
        (("seg_train", "seg_test"), ("inner/a/1.png", "inner/b/1.png")),
        (("covid", "normal"), ("images/1.png", "masks/1.png")),
    ],
)
def test_top_folders_that_all_hold_the_same_sub_folders_are_not_taken_for_classes(
    tmp_path, tops, files
):
    text = refusal(tmp_path, *(f"{top}/{file}" for top in tops for file in files))
    assert "all hold the sub-folders" in text
    assert all(top in text for top in tops)


def test_folders_with_different_classes_are_not_taken_for_classes_either(tmp_path):
    files = ("learn/a/1.png", "learn/b/1.png", "learn/c/1.png", "exam/a/1.png", "exam/b/1.png")
    assert "exam, learn all hold the sub-folders a, b" in refusal(tmp_path, *files)


def test_subsets_below_the_classes_are_refused_with_the_right_order(tmp_path):
    text = refusal(tmp_path, "a/train/1.png", "a/test/1.png", "b/train/1.png", "b/test/1.png")
    assert "put the subsets above the classes, as in PATH/train/CLASS/" in text


@pytest.mark.parametrize(
    ("folders", "named", "advice"),
    [
        (
            "seg_train/seg_train/a seg_train/seg_train/b seg_test/seg_test/a seg_test/seg_test/b "
            "seg_pred",
            "seg_test, seg_train",
            "move seg_pred",
        ),
        ("train/a train/b valid/a valid/b unlabelled", "train, valid", "move unlabelled away"),
        ("train/a train/b test1", "test1, train", "move test1 away"),
        ("train1 test1", "test1, train1", "call them train, val and test"),
        ("trainval test", "test, trainval", "call them train, val and test"),
        ("train cv", "cv, train", "call them train, val and test"),
        ("labeled unlabeled", "labeled, unlabeled", "call them train, val and test"),
        ("entrenamiento prueba", "entrenamiento, prueba", "call them train, val and test"),
        (
            "trainA trainB testA testB",
            "testA, testB, trainA, trainB",
            "call them train, val and test",
        ),
        ("train/a train/b eval/a", "eval, train", "train holds the sub-folders a, b"),
        ("train/a train/b external/a", "external, train", "train holds the sub-folders a, b"),
        (
            "2019_train/a 2019_train/b other/c",
            "2019_train",
            "2019_train holds the sub-folders a, b",
        ),
        ("train validation car", "train, validation", "call them train, val and test"),
        (
            "siteA/pos siteA/neg siteB/pos siteB/neg siteC/pos",
            "siteA, siteB",
            "list the images in a CSV",
        ),
        (
            "fold_1/pos/p1 fold_1/neg/p2 fold_2/pos/p3 fold_2/neg/p4",
            "fold_1, fold_2 all hold the sub-folders neg, pos",
            "list the images",
        ),
        (
            "siteA/pos/p1/s1 siteA/neg/p2 siteB/pos/p3 siteB/neg/p4/s9 siteC/pos",
            "siteA, siteB",
            "list the images",
        ),
        (
            "yes no brain_tumor_dataset/yes brain_tumor_dataset/no",
            "'brain_tumor_dataset' holds no, yes, which are beside it",
            "move it",
        ),
        ("yes no all/Yes/p1 all/no/p2", "'all' holds no, yes", "move it away"),
        (
            "a/train a/val b/train b/test",
            "'a' holds the sub-folders train, val",
            "put the subsets above the classes",
        ),
        (
            "a/train/x a/train/y b/test/z",
            "'a' holds the sub-folders train",
            "put the subsets above the classes",
        ),
        ("a/train b/train", "'a' holds the sub-folders train", "put the subsets above the classes"),
        (
            "train/north/a train/north/b train/south/a train/south/b test/north/a test/south/b",
            "north, south",
            "list the images",
        ),
    ],
)
def test_subsets_folds_and_sites_are_not_taken_for_classes(tmp_path, folders, named, advice):
    text = refusal(tmp_path, *(f"{folder}/1.png" for folder in folders.split()))
    assert named in text
    assert advice in text


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        ("train car bus", ("bus", "car", "train")),
        ("transport/train transport/car animal/cat", ("animal", "transport")),
        ("stress_test/P1 stress_test/P2 rest/P3", ("rest", "stress_test")),
        ("test_positive/P1 test_positive/P2 test_negative/P3", ("test_negative", "test_positive")),
        ("benign/P1 benign/P2 malignant/P2 malignant/P3", ("benign", "malignant")),
        ("train/a/P1 train/a/P2 train/b/P3 test/a/P4 test/b/P5", ("a", "b")),
    ],
)
def test_classes_with_the_name_of_a_subset_in_theirs_stay_classes(tmp_path, folders, classes):
    assert load(tmp_path, *(f"{folder}/1.png" for folder in folders.split())).classes == classes


def test_a_single_folder_with_the_classes_inside_is_named(tmp_path):
    assert f"write folder:{tmp_path}/data" in refusal(
        tmp_path, "data/a/1.png", "data/b/1.png", "__MACOSX/data/a/1.png"
    )


def test_classes_may_share_one_sub_folder_or_none(tmp_path):
    assert load(tmp_path, "cat/images/1.png", "dog/images/1.png", "dog/P7/1.png").classes == (
        "cat",
        "dog",
    )


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (("train/1.png", "train/2.png", "test/1.png"), "train holds 2 images and no class folders"),
        (
            ("train/a/1.png", "Training/b/1.png", "test/a/1.png"),
            "Training and train are both read as train",
        ),
        (
            ("train/train/a/1.png", "train/train/b/1.png", "test/test/a/1.png"),
            "train has train and test has test, with no class in both",
        ),
        (
            ("train/a/1.png", "train/b/1.png", "valid/a/1.png"),
            r"has train, valid \(read as val\) but no test",
        ),
    ],
)
def test_a_split_that_cannot_be_meant_is_refused(tmp_path, files, reason):
    assert re.search(reason, refusal(tmp_path, *files))


# --- links, files of the storage system, spelling


def test_images_behind_links_are_found_once_each(tmp_path):
    fill(tmp_path / "store", "deep/1.png", "deep/2.png")
    name = fill(tmp_path / "set", "a/1.png", "b/1.png")
    (tmp_path / "set/a/first").symlink_to(tmp_path / "store/deep")
    (tmp_path / "set/a/second").symlink_to(tmp_path / "store")
    (tmp_path / "set/c").symlink_to(tmp_path / "store")
    dataset = load_folder(name, tmp_path, None)
    assert np.bincount(dataset.targets).tolist() == [3, 1, 2]


def test_circular_links_end_and_add_no_image_of_another_class(tmp_path):
    name = fill(tmp_path, "a/1.png", "b/1.png", "a/x/2.png")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/x/again").symlink_to(tmp_path / "a")
    (tmp_path / "a/itself").symlink_to("itself")
    dataset = load_folder(name, tmp_path, None)
    assert np.bincount(dataset.targets).tolist() == [2, 1]
    assert (
        dataset.notes[0]
        == "2 links to a missing target or a parent folder ignored (a/itself, a/up)"
    )


@pytest.mark.parametrize("target", [".", "..", "b/..", "outside/back"])
def test_a_link_to_the_data_folder_or_a_parent_is_not_a_class(tmp_path, target):
    root = tmp_path / "sets" / "mine"
    name = fill(root, "a/1.png", "b/1.png", "a/2.png")
    fill(tmp_path / "sets" / "other", "3.png")
    (tmp_path / "sets/away").mkdir()
    (tmp_path / "sets/away/back").symlink_to(root)
    (root / "a/outside").symlink_to(tmp_path / "sets/away")
    (root / "c").symlink_to(root / "a" / target if target == "outside/back" else target)
    dataset = load_folder(name, tmp_path, None)
    assert np.bincount(dataset.targets).tolist() == [2, 1]
    assert (
        "2 links to a missing target or a parent folder ignored (c, a/outside/back)"
        in dataset.notes
    )


def test_a_link_from_a_subset_folder_to_the_data_folder_is_not_a_class(tmp_path):
    name = fill(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png")
    (tmp_path / "train/all").symlink_to("../..")
    (tmp_path / "test/all").symlink_to("..")
    dataset = load_folder(name, tmp_path, None)
    assert dataset.classes == ("a", "b")
    assert (
        "2 links to a missing target or a parent folder ignored (train/all, test/all)"
        in dataset.notes
    )


def test_a_link_to_an_image_that_is_missing_is_an_unreadable_image(tmp_path):
    fill(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a/2.png").symlink_to(tmp_path / "none.png")
    assert "a/2.png: no such file" in refusal(tmp_path)


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir",
        "__MACOSX",
        "lost+found",
        "#recycle",
        "@Recycle",
        "@sharesnap",
        "@synologydrive",
        "$RECYCLE.BIN",
        "System Volume Information",
    ],
)
def test_files_of_the_storage_system_are_ignored(tmp_path, folder):
    dataset = load(
        tmp_path,
        "a/1.png",
        "b/1.png",
        f"a/{folder}/1.png/thumb.png",
        f"{folder}/x/1.png",
        "a/._1.png",
        "b/.AppleDouble/1.png",
    )
    assert dataset.classes == ("a", "b")
    assert len(dataset.images) == 2
    assert f"2 system files ignored (in folders named {folder})" in dataset.notes


def test_a_pattern_finds_the_patients_in_the_names_of_files(tmp_path):
    name = fill(tmp_path, "a/p1_l.png", "a/p1_r.png", "b/x/p2_l.png", "b/p10_l.png")
    dataset = load_folder(name, tmp_path, None, group=r"(p\d+)_")
    assert dataset.groups.tolist() == ["p1", "p1", "p10", "p2"]
    assert dataset.image_ids.tolist() == ["a/p1_l.png", "a/p1_r.png", "b/p10_l.png", "b/x/p2_l.png"]
    assert dataset.notes == (r"groups: 3 in 4 images, made of the file names, by '(p\\d+)_'",)


def test_a_pattern_may_find_the_patient_in_a_folder_but_not_in_the_class(tmp_path):
    name = fill(tmp_path, "a/p1/0.png", "a/p1/1.png", "b/p2/0.png")
    dataset = load_folder(name, tmp_path, None, group=r"^([^/]+)/")
    assert dataset.groups.tolist() == ["p1", "p1", "p2"]


def test_the_patients_of_each_subset_are_counted(tmp_path):
    name = fill(tmp_path, "train/a/1_0.png", "train/b/1_1.png", "test/a/2_0.png", "test/b/3_0.png")
    dataset = load_folder(name, tmp_path, None, group=r"^(\d)_")
    assert dataset.notes[-1].startswith("groups: 3 (train 1, test 2), made of the file names")
    assert dataset.with_split_notes("holdout").notes[-1].startswith("groups: 3 in 4 images")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(p", "group: '(p' is not a regular expression: missing ), unterminated subpattern"),
        ("p", "group: 'p' has 0 pairs of parentheses; write one, around what names the patient"),
        ("(p)(q)", "has 2 pairs of parentheses"),
        (3, "group: 3 is not a regular expression"),
        ("(q)_", "finds no patient in 3 of 3 file names, such as 'p1_l.png'"),
        ("()p", "finds no patient in 3 of 3 file names"),
        ("(p)", "finds the same patient in all 3 file names, such as 'p' in 'p1_l.png'"),
        ("(.*)", "finds a patient of its own in all 3 file names"),
    ],
)
def test_a_pattern_that_finds_no_groups_is_refused(tmp_path, pattern, reason):
    name = fill(tmp_path, "a/p1_l.png", "a/p1_r.png", "b/p2_l.png")
    with pytest.raises(UserError, match=re.escape(reason)):
        load_folder(name, tmp_path, None, group=pattern)


def test_the_work_grows_linearly_with_stray_files(tmp_path):
    for n in range(300):
        (tmp_path / f"{n}.jpg").touch()
        (tmp_path / f"{n}.xml").touch()
    fill(tmp_path, "a/1.png", "b/1.png")
    listing = _list("folder:x", tmp_path, None)
    assert listing.notes == (
        "300 image files outside the class folders ignored",
        "300 other files ignored (.xml)",
    )
    steps = 0

    def count(*_):
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        _list("folder:x", tmp_path, None)
    finally:
        sys.setprofile(None)
    assert steps < 300 * 2 * 200  # a few calls per file; it was quadratic once


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_one_label_in_two_spellings_is_one_class(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    spelled = {name: unicodedata.normalize(name, "Größe") for name in (form, other)}
    files = [f"train/{spelled[form]}/1.png", "train/b/1.png", f"test/{spelled[other]}/1.png"]
    assert load(tmp_path / spelled["NFD"], *files).classes == ("Größe", "b")
    assert load_folder(f"folder:{tmp_path}/{spelled['NFC']}", tmp_path, None).classes == (
        "Größe",
        "b",
    )


def test_classes_that_differ_in_case_only_get_a_note(tmp_path):
    dataset = load(
        tmp_path, "train/Glioma/1.png", "train/b/1.png", "test/glioma/1.png", "test/b/1.png"
    )
    assert (
        "classes that differ only in case, spaces or the format of a number: 'Glioma' and 'glioma'"
        in dataset.notes
    )


@pytest.mark.parametrize(
    "names",
    [
        ("0", "0.0", "00"),
        ("1", "1.", "1,0"),
        ("1e3", "1000"),
        ("a", " a"),
        ("a b", "A\u00a0B"),
        ("x", "\uff38"),
    ],
)
def test_a_class_in_several_spellings_is_noted(tmp_path, names):
    dataset = load(
        tmp_path, *(f"train/{name}/1.png" for name in (*names, "other")), "test/other/2.png"
    )
    (note,) = dataset.notes
    assert note.startswith("classes that differ only in case, spaces or the format of a number: ")
    assert all(f"'{name}'" in note for name in names)


def test_different_numbers_are_not_noted_as_one_class(tmp_path):
    assert (
        load(
            tmp_path,
            *(f"{name}/1.png" for name in ("0", "1", "-1", "0.1", "10", "nan", "1e400", "inf")),
        ).notes
        == ()
    )


def test_licence_and_citation_are_those_given_or_unknown(tmp_path):
    dataset = load(tmp_path, "a/1.png", "b/1.png", licence="CC BY 4.0", citation="Doe 2020")
    assert (dataset.licence, dataset.citation) == ("CC BY 4.0", "Doe 2020")
    dataset = load_folder(f"folder:{tmp_path}", tmp_path, None)
    assert (dataset.licence, dataset.citation) == (None, None)


def test_names_that_are_not_utf_8_are_escaped_or_refused(tmp_path):
    fill(tmp_path, "a/1.png", "b/1.png")
    other = os.fsdecode(b"caf\xe9")
    (tmp_path / "a/1.png").rename(tmp_path / f"a/{other}.png")
    (tmp_path / "a/2.png").write_bytes((tmp_path / f"a/{other}.png").read_bytes())
    dataset = load_folder(f"folder:{tmp_path}", tmp_path, None)
    assert "(a/2.png = a/caf\\udce9.png)" in dataset.notes[0]
    (tmp_path / "a").rename(tmp_path / other)
    assert "the name of class 'caf\\udce9' is not UTF-8; rename it" in refusal(tmp_path)


@pytest.mark.parametrize("path", ["a" * 5000, "~nobody-of-this-name/set"])
def test_text_that_cannot_be_a_path_is_a_user_error(tmp_path, path):
    with pytest.raises(UserError, match=r"cannot use the path|there is no user of this name"):
        load_folder(f"folder:{path}", tmp_path, None)
