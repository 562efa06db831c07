"""A folder of class folders becomes a data set, or says in one line why not."""

import re

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmark.datasets.folder import load_folder
from benchmark.errors import UserError

DIGITS = load_digits().images.astype(np.uint8) * 16


def fill(root, *files):
    """Write the n-th digit to the n-th name; other suffixes than an image's get text."""
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
    assert dataset.part is None
    assert dataset.groups is None
    assert dataset.notes == ()


def test_classes_that_are_numbers_are_in_the_order_of_numbers(tmp_path):
    dataset = load(tmp_path, "10/a.png", "9/a.png", "1/a.png")
    assert dataset.classes == ("1", "9", "10")
    assert dataset.targets.tolist() == [0, 2, 1]  # files in the order of their names


def test_train_val_and_test_are_the_official_split(tmp_path):
    dataset = load(tmp_path, "test/a/1.png", "test/b/1.png", "train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png")
    assert dataset.part.tolist() == ["train", "train", "val", "val", "test", "test"]
    assert dataset.classes == ("a", "b")
    np.testing.assert_array_equal(dataset.images[..., 0], DIGITS[[2, 3, 4, 5, 0, 1]])


def test_the_names_of_the_parts_may_be_written_large(tmp_path):
    assert load(tmp_path, "Train/a/1.png", "Train/b/1.png", "TEST/a/1.png").part.tolist() == ["train", "train", "test"]


def test_parts_with_different_classes_have_all_of_them(tmp_path):
    dataset = load(tmp_path, "train/a/1.png", "train/b/1.png", "test/b/1.png", "test/c/1.png")
    assert dataset.classes == ("a", "b", "c")
    assert dataset.targets.tolist() == [0, 1, 1, 2]


def test_a_class_may_be_called_train(tmp_path):
    dataset = load(tmp_path, "train/1.png", "car/1.png", "bus/1.png")
    assert dataset.classes == ("bus", "car", "train")
    assert dataset.part is None


def test_a_class_that_is_empty_in_one_part_only_is_no_error(tmp_path):
    (tmp_path / "test" / "a").mkdir(parents=True)
    assert load(tmp_path, "train/a/1.png", "train/b/1.png", "test/b/1.png").classes == ("a", "b")


def test_other_and_hidden_files_are_left_out_and_counted(tmp_path):
    dataset = load(tmp_path, "a/1.png", "b/1.png", "a/x.txt", "b/Thumbs.db", "b/.hidden.png", ".cache/1.png", "README")
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
    assert f"is a file, not a folder; a table is named csv:{tmp_path}/set.csv" in refusal(tmp_path / "set.csv")
    with pytest.raises(UserError, match="'folder:' names no path; write folder:PATH"):
        load_folder("folder:", tmp_path, None)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ((), "no image in any class folder"),
        (("a/x.txt", "b/y.gif"), "no image in any class folder"),
        (("1.png", "2.png"), "no image in any class folder"),
        (("a/1.png", "a/2.png"), r"one class \(a\); classification needs two"),
        (("a/1.png", "b/1.png", "c/x.txt"), r"class folder without an image \(.*\): c; fill or remove it"),
        (("train/a/1.png", "train/b/1.png"), "has train but no test; a split needs train and test"),
        (("val/a/1.png", "train/b/1.png"), "has train, val but no test"),
        (("train/a/1.png", "test/b/1.png", "more/b/1.png"), "beside train and test there is more"),
        (("train/a/1.png", "train/b/1.png", "test/b/x.txt"), "its split has no test images"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused_with_the_reason(tmp_path, files, reason):
    assert re.search(reason, refusal(tmp_path, *files))


def test_unreadable_images_stop_the_load_or_are_dropped(tmp_path):
    fill(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    (tmp_path / "a/2.png").write_bytes(b"torn")
    assert f"1 of 4 image files cannot be read: {tmp_path}/a/2.png: not a PNG" in refusal(tmp_path)
    dataset = load(tmp_path, on_error="skip")
    assert dataset.targets.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(dataset.images[..., 0], DIGITS[[0, 2, 3]])
    assert dataset.notes[0].startswith("1 of 4 image files cannot be read and were left out")


def test_a_split_stays_beside_its_images_when_one_is_dropped(tmp_path):
    fill(tmp_path, "train/a/1.png", "train/a/2.png", "train/b/1.png", "test/a/1.png")
    (tmp_path / "train/a/1.png").write_bytes(b"torn")
    assert load(tmp_path, on_error="skip").part.tolist() == ["train", "train", "test"]


def test_a_class_that_loses_all_its_images_is_an_error(tmp_path):
    fill(tmp_path, "a/1.png", "b/1.png", "c/1.png")
    (tmp_path / "c/1.png").write_bytes(b"torn")
    assert "no readable image is left of c" in refusal(tmp_path, on_error="skip")


def test_bad_options_are_refused_before_anything_is_read(tmp_path):
    for options in ({"on_error": "ignore"}, {"percentiles": (99, 1)}):
        with pytest.raises(UserError, match=r"on_error|percentiles"):
            load_folder("folder:/nowhere", tmp_path, None, **options)
