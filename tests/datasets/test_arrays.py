"""Datasets from NumPy arrays, and arrays of images that are larger than memory."""

import numpy as np
import pytest
from PIL import Image

from benchmark import load_study, run
from benchmark.datasets import image_array
from benchmark.datasets.arrays import load_arrays
from benchmark.datasets.folder import load_folder
from benchmark.datasets.image_array import allocate_images, iterate_chunks
from benchmark.datasets.stored import open_dataset, store_dataset
from benchmark.errors import UserError
from benchmark.utils.memory import release_memory


@pytest.fixture
def folder(digits, tmp_path):
    """The first 300 digits as arrays, every third of them a test image."""
    np.save(tmp_path / "images.npy", digits.images)
    np.save(tmp_path / "labels.npy", digits.targets)
    np.save(tmp_path / "split.npy", np.where(np.arange(300) % 3, "Training", "test"))
    np.save(tmp_path / "groups.npy", np.arange(300))
    return tmp_path


@pytest.fixture
def small_chunks(monkeypatch):
    """Arrays are in files above 1 kB, and 1 kB is worked on at once."""
    monkeypatch.setattr(image_array, "IN_MEMORY", 1000)
    monkeypatch.setattr(image_array, "AT_ONCE", 1000)
    monkeypatch.setattr("benchmark.datasets.images.load.AT_ONCE", 1000)


def load(folder, size=None, **parameters):
    return load_arrays(f"arrays:{folder}", folder, size, **parameters)


def test_arrays_are_a_dataset_whose_images_stay_on_disk(folder, digits):
    dataset = load(folder)
    assert isinstance(dataset.images, np.memmap)
    assert np.array_equal(dataset.images, digits.images)
    assert np.array_equal(dataset.targets, digits.targets)
    assert dataset.classes == tuple("0123456789")
    assert dataset.subset.tolist() == ["test", "train", "train"] * 100
    assert dataset.groups.tolist() == [*range(300)]


def test_a_study_of_arrays_is_that_of_the_same_images_in_memory(folder, tmp_path):
    study = load_study("digits", datasets=[f"arrays:{folder}"], extractors=["hog"], models=["knn"])
    (row,) = run(study, tmp_path / "out").to_dict("records")
    assert row["status"] == "ok"
    assert row["accuracy"] > 0.8


def test_labels_may_be_text_or_be_named_by_a_file(folder, digits):
    (folder / "classes.txt").write_text("\n".join(f"digit {k}" for k in range(10)) + "\n")
    assert load(folder).classes[:2] == ("digit 0", "digit 1")
    np.save(folder / "labels.npy", np.array([f"{k}" for k in digits.targets]))
    with pytest.raises(UserError, match=r"labels must be whole numbers from 0 to 9"):
        load(folder)
    (folder / "classes.txt").unlink()
    assert np.array_equal(load(folder).targets, digits.targets)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("images.npy", None, r"images\.npy is missing; write it with np\.save"),
        ("labels.npy", None, r"labels\.npy is missing"),
        ("images.npy", np.zeros((300, 8, 8), float), r"must be \(n, h, w, 1 or 3\) uint8, not"),
        ("images.npy", np.zeros((300, 8, 8, 2), np.uint8), r"\(n, h, w, 1 or 3\) uint8"),
        ("images.npy", np.zeros((299, 8, 8, 1), np.uint8), "299 images and 300 targets"),
        ("labels.npy", np.zeros(300, float), "must be .n,. whole numbers or text"),
        ("labels.npy", np.zeros((300, 1), int), "must be .n,. whole numbers or text"),
        ("labels.npy", np.zeros(300, int), "one class"),
        ("split.npy", np.array(["train", "else"] * 150), "'else' is none of train, val, test"),
        ("groups.npy", np.arange(7), "300 images and 7 groups"),
        ("images.npy", b"", "not an array that np.save wrote"),
        ("images.npy", b"\x93NUMPY\x01\x00\xff", "not an array that np.save wrote"),
        ("labels.npy", np.array([None, 1] * 150), "holds Python objects, which are not read"),
    ],
)
def test_wrong_files_are_refused_with_one_line(folder, file, content, message):
    (folder / file).unlink()
    if isinstance(content, bytes):
        (folder / file).write_bytes(content)
    elif content is not None:
        np.save(folder / file, content, allow_pickle=True)
    with pytest.raises(UserError, match=message) as error:
        load(folder)
    assert "\n" not in str(error.value)


def test_a_truncated_array_is_refused(folder):
    whole = (folder / "images.npy").read_bytes()
    (folder / "images.npy").write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"images\.npy is not an array that np\.save wrote"):
        load(folder)


def test_a_large_array_is_a_file_that_leaves_nothing(small_chunks, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    array = allocate_images((50, 8, 8, 1))
    assert isinstance(array, np.memmap)
    chunks = [*iterate_chunks(array)]
    assert [chunk.start for chunk in chunks[1:]] == [chunk.stop for chunk in chunks[:-1]]
    array[:] = np.arange(50)[:, None, None, None]
    release_memory(array)
    assert np.array_equal(array[:, 0, 0, 0], np.arange(50)), "the content is in the file"
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_an_array_for_which_the_disk_has_no_space_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"the images take 1,?000000\.0 GB, which .* cannot hold .*free some"
    ):
        allocate_images((10**9, 1000, 1000, 1))


@pytest.mark.parametrize("colour", ["none", "first", "last"])
def test_files_are_decoded_into_the_same_array_with_any_memory(tmp_path, digits, request, colour):
    """A colour image may come first or last; gray ones get three equal channels."""
    for i, image in enumerate(digits.images[:60]):
        path = tmp_path / "data" / "ab"[i % 2] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        rgb = np.repeat(image, 3, axis=2)
        if i == {"none": -1, "first": 0, "last": 59}[colour]:
            rgb[..., 0] //= 2
        Image.fromarray(rgb).save(path)
    in_memory = load_folder(f"folder:{tmp_path / 'data'}", tmp_path, 12)
    assert not isinstance(in_memory.images, np.memmap)
    request.getfixturevalue("small_chunks")
    in_file = load_folder(f"folder:{tmp_path / 'data'}", tmp_path, 12)
    assert isinstance(in_file.images, np.memmap)
    assert in_memory.images.shape[3] == (1 if colour == "none" else 3)
    assert np.array_equal(in_file.images, in_memory.images)
    assert in_file.fingerprint == in_memory.fingerprint
    assert in_file.notes == in_memory.notes


@pytest.mark.parametrize("parameters", [{}, {"drop_duplicates": True}, {"size": 12}])
def test_datasets_are_equal_with_any_memory(folder, tmp_path, request, digits, parameters):
    images = np.array(digits.images)
    images[7], images[11] = images[4], images[5] // 2 * 2
    np.save(folder / "images.npy", images)
    in_memory = load(folder, **parameters)
    request.getfixturevalue("small_chunks")
    in_chunks = load(folder, **parameters)
    assert in_chunks.fingerprint == in_memory.fingerprint
    assert in_chunks.notes == in_memory.notes
    stored = open_dataset(store_dataset(in_chunks, tmp_path / "stored"))
    assert stored.fingerprint == in_memory.fingerprint


@pytest.mark.parametrize(
    ("save", "says"),
    [
        (lambda path: np.save(path, np.array(["a", None])), r"holds Python objects.*astype\(str\)"),
        (
            lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '" + b"(" * 100),
            "np.save",
        ),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x06\x00{'a' \n"), "np.save"),
    ],
)
def test_labels_that_cannot_be_read_are_refused_with_what_to_save(folder, save, says):
    save(folder / "labels.npy")
    with pytest.raises(UserError, match=says):
        load(folder)


def test_images_in_fortran_order_are_refused_since_they_would_be_read_into_memory(folder, digits):
    np.save(folder / "images.npy", np.asfortranarray(digits.images))
    with pytest.raises(UserError, match=r"Fortran order.*ascontiguousarray"):
        load(folder)


def test_changes_to_a_private_map_of_a_file_are_not_released(folder):
    images = np.load(folder / "images.npy", mmap_mode="c")
    images[:] = 7
    release_memory(images)
    assert (images == 7).all()
