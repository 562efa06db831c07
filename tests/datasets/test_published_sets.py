"""Datasets bundled with libraries, and those of torchvision and MedMNIST."""

import shutil
import struct
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits as sklearn_digits

from benchmark.datasets import MEDMNIST_2D, REGISTRY, medmnist_sets, torchvision_sets
from benchmark.datasets.base import data_folder
from benchmark.datasets.bundled import load_digits, load_faces
from benchmark.errors import UserError
from benchmark.sampling.splits import official_split, stratified_kfold


@pytest.fixture
def offline(monkeypatch):
    """Simulate a machine without network."""

    def refuse(*arguments, **keywords):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_digits_are_scikit_learns_seventeen_gray_levels_spread_over_a_byte():
    dataset = load_digits("digits", Path(), None)
    assert dataset.images.shape == (1797, 8, 8, 1)
    assert np.array_equal(np.rint(dataset.images[..., 0] / 255 * 16), sklearn_digits().images)
    assert len(np.unique(dataset.images)) == 17


def test_faces_are_a_hundred_of_each_and_the_second_class_is_the_face():
    dataset = load_faces("faces", Path(), 32)
    assert dataset.images.shape == (200, 32, 32, 1)
    assert dataset.task == "binary"
    assert dataset.classes[1] == "face"
    assert list(np.bincount(dataset.targets)) == [100, 100]
    assert "resized to 32x32 from 25x25" in dataset.notes[0]


def test_the_list_of_2d_sets_is_the_packages_own():
    from medmnist import INFO

    assert set(MEDMNIST_2D) == {name for name in INFO if not name.endswith("3d")}


@pytest.mark.parametrize("name", ["breastmnist", "retinamnist"])
def test_medmnist_has_its_official_split_classes_and_licence(data_folder, name):
    from medmnist import INFO

    dataset = medmnist_sets.load_medmnist(name, data_folder, None)
    counts = {key: int((dataset.subset == key).sum()) for key in ("train", "val", "test")}
    assert counts == INFO[name]["n_samples"]
    stored = np.load(next(data_folder.rglob(f"{name}.npz")))
    published = np.concatenate([stored[f"{key}_labels"][:, 0] for key in ("train", "val", "test")])
    assert [dataset.classes[k] for k in dataset.targets] == [
        INFO[name]["label"][str(k)] for k in published
    ]
    assert dataset.ids[[0, -1]].tolist() == ["train/0", f"test/{counts['test'] - 1}"]
    assert dataset.ordinal == (name == "retinamnist")
    assert dataset.licence
    assert dataset.images.shape[1:] == (28, 28, INFO[name]["n_channels"])


def test_the_positive_class_of_a_published_dataset_is_one_of_its_classes():
    from medmnist import INFO

    for name, positive in medmnist_sets.POSITIVE_CLASSES.items():
        assert positive in INFO[name]["label"].values()


def test_a_truncated_medmnist_file_is_refused_by_its_md5_and_left_alone(data_folder, tmp_path):
    whole = next(data_folder.rglob("breastmnist.npz")).read_bytes()
    file = tmp_path / "breastmnist.npz"
    file.write_bytes(whole[:-1000])
    with pytest.raises(UserError, match="corrupted or truncated"):
        medmnist_sets.load_medmnist("breastmnist", tmp_path, None)
    assert file.stat().st_size == len(whole) - 1000


def test_a_medmnist_file_is_found_in_the_folder_and_in_its_medmnist_folder(data_folder, tmp_path):
    source = next(data_folder.rglob("breastmnist.npz"))
    for place in (tmp_path / "a", tmp_path / "b" / "medmnist"):
        place.mkdir(parents=True)
        shutil.copy(source, place)
    first, second = (
        medmnist_sets.load_medmnist("breastmnist", tmp_path / name, None) for name in ("a", "b")
    )
    assert first.fingerprint == second.fingerprint


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["pathmnist", "chestmnist", "organsmnist"])
def test_offline_and_absent_medmnist_names_the_places_looked_in(tmp_path, name):
    with pytest.raises(UserError, match=rf"{name}_64.npz and .*medmnist/{name}_64.npz"):
        medmnist_sets.load_medmnist(name, tmp_path, 64)


def test_medmnist_comes_in_four_sizes_only(tmp_path):
    with pytest.raises(UserError, match="sizes 28, 64, 128, 224, not 32"):
        medmnist_sets.load_medmnist("breastmnist", tmp_path, 32)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion_mnist"])
def test_offline_and_absent_torchvision_sets_name_the_folder_and_files(tmp_path, name):
    with pytest.raises(UserError) as caught:
        torchvision_sets.load_torchvision(name, tmp_path, None)
    assert str(tmp_path) in str(caught.value)
    assert torchvision_sets._SOURCES[name][1] in str(caught.value)
    assert "\n" not in str(caught.value)


def write_binary_cifar10(folder, images, labels):
    """Write the official binary files: per batch, 10,000 records of a label and three planes."""
    folder.mkdir(parents=True)
    records = np.concatenate(
        [labels[:, None], images.transpose(0, 3, 1, 2).reshape(10_000, -1)], axis=1
    ).astype(np.uint8)
    for name in torchvision_sets._BINARY_FILES:
        records.tofile(folder / name)
    (folder / "batches.meta.txt").write_text(
        "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"
    )


@pytest.fixture
def photographs():
    """10,000 crops, 32x32x3, of a real photograph."""
    from skimage.data import astronaut

    windows = np.lib.stride_tricks.sliding_window_view(astronaut(), (32, 32), axis=(0, 1))[
        :400:4, :400:4
    ]
    return windows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def test_binary_cifar10_reads_back_image_by_image_with_its_official_split(tmp_path, photographs):
    labels = np.arange(10_000) % 10
    write_binary_cifar10(tmp_path / "cifar-10-batches-bin", photographs, labels)
    dataset = torchvision_sets.load_torchvision("cifar10", tmp_path, None)
    assert np.array_equal(dataset.images[-10_000:], photographs)
    assert np.array_equal(dataset.targets[:10_000], labels)
    assert list(dataset.subset[[0, 49_999, 50_000]]) == ["train", "train", "test"]
    assert dataset.classes[:2] == ("airplane", "automobile")
    assert dataset.notes[0].startswith(
        "leak: 3.3 % of its published test images have near-duplicates in the training set"
    )
    assert dataset.notes[1].startswith(
        "leak: 10,000 of 10,000 test images are also in the training set"
    )


def test_n_train_keeps_equal_shares_of_the_classes_and_the_whole_test_set(tmp_path, photographs):
    write_binary_cifar10(tmp_path / "cifar-10-batches-bin", photographs, np.arange(10_000) % 10)
    dataset = torchvision_sets.load_torchvision("cifar10", tmp_path, None, n_train=500)
    assert np.bincount(dataset.targets[dataset.subset == "train"]).tolist() == [50] * 10
    assert (dataset.subset == "test").sum() == 10_000
    assert "500 of 50000 training images" in dataset.notes[0]
    assert (
        dataset.fingerprint
        == torchvision_sets.load_torchvision("cifar10", tmp_path, None, n_train=500).fingerprint
    )
    with pytest.raises(UserError, match=r"n_train=50000: must be from 10 to 49999"):
        torchvision_sets.load_torchvision("cifar10", tmp_path, None, n_train=50_000)


def test_a_truncated_cifar10_batch_is_named_with_its_size(tmp_path, photographs):
    write_binary_cifar10(tmp_path / "cifar-10-batches-bin", photographs, np.zeros(10_000, int))
    batch = tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin"
    batch.write_bytes(batch.read_bytes()[:12345])
    with pytest.raises(UserError, match=r"data_batch_3\.bin has 12,345 bytes, not 30,730,000"):
        torchvision_sets.load_torchvision("cifar10", tmp_path, None)


def write_idx(folder, prefix, images, labels):
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(
        struct.pack(">iiii", 2051, *images.shape) + images.tobytes()
    )
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(
        struct.pack(">ii", 2049, len(labels)) + labels.astype(np.uint8).tobytes()
    )


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_mnist_files_in_torchvisions_layout_are_used_as_they_are(tmp_path, name, folder):
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    digits = load_digits("digits", Path(), 28)
    write_idx(raw, "train", digits.images[:200, ..., 0], digits.targets[:200])
    write_idx(raw, "t10k", digits.images[200:260, ..., 0], digits.targets[200:260])
    dataset = torchvision_sets.load_torchvision(name, tmp_path, None)
    assert np.array_equal(dataset.images, digits.images[:260])
    assert list(np.unique(dataset.subset, return_counts=True)[1]) == [60, 200]
    assert len(dataset.classes) == 10


def test_the_data_folder_is_the_one_named_else_the_environments_else_the_caches(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path))
    (tmp_path / "named").mkdir()
    assert data_folder(tmp_path / "named") == tmp_path / "named"
    assert data_folder() == tmp_path
    monkeypatch.delenv("BENCHMARK_DATA")
    assert "classical-vs-deep" in str(data_folder())
    with pytest.raises(UserError, match="no data folder"):
        data_folder(tmp_path / "absent")


# --- groups and known leaks


def write_groups(path, text):
    path.write_text(text)
    return str(path)


def test_breastmnist_notes_its_published_leak_and_its_copies(data_folder):
    notes = medmnist_sets.load_medmnist("breastmnist", data_folder, None).notes
    assert "780 images of 600 patients" in notes[0]
    assert (
        "1 of 156 test images is also in the training set (equal pixel for pixel: test/76 = train/"
        "115), 1 of them with a different label" in notes[1]
    )
    assert all(note.is_leak for note in notes)
    distinct = medmnist_sets.load_medmnist("breastmnist", data_folder, None, drop_duplicates=True)
    assert len(distinct.images) == 778


def test_dermamnist_states_its_known_leak_unless_its_lesions_are_given(tmp_path, monkeypatch):
    """The file has the shapes of the real one, which is not available here, but other images."""
    from medmnist import INFO

    arrays, rng = {}, np.random.default_rng(0)
    for subset, n in INFO["dermamnist"]["n_samples"].items():
        arrays[f"{subset}_images"] = rng.integers(0, 256, (n, 28, 28, 3), np.uint8)
        arrays[f"{subset}_labels"] = (np.arange(n) % 7).astype(np.uint8)[:, None]
    np.savez(tmp_path / "dermamnist.npz", **arrays)
    monkeypatch.setattr(medmnist_sets, "_check_md5", lambda file, published: None)
    assert [
        note
        for note in medmnist_sets.load_medmnist("dermamnist", tmp_path, None).notes
        if "1,006 lesions" in note and "693 of the 2,005" in note
    ]

    lesions = np.r_[:7007, :1003, :693, 10_000 : 10_000 + 2005 - 693]
    text = "index,id\n" + "".join(f"{i},HAM_{lesion}\n" for i, lesion in enumerate(lesions))
    dataset = medmnist_sets.load_medmnist(
        "dermamnist", tmp_path, None, groups=write_groups(tmp_path / "lesions.csv", text)
    )
    assert dataset.groups[[0, 7007, 8010]].tolist() == ["HAM_0"] * 3
    assert dataset.notes[0].startswith(
        "leak: 1,003 of 8,319 groups are in more than one subset of the official split: the groups "
        "of 693 of 2,005 test images are also in the training set"
    )
    with pytest.raises(UserError, match="693 groups"):
        official_split(dataset)
    assert not any(
        set(dataset.groups[train]) & set(dataset.groups[test])
        for train, test in stratified_kfold(dataset)
    )


def test_groups_may_be_counted_within_each_subset(data_folder, tmp_path):
    counts = {"train": 546, "val": 78, "test": 156}
    rows = [(subset, i) for subset, n in counts.items() for i in range(n)]
    text = "id,split,index\n" + "".join(
        f"{subset}{i},{subset.title()},{i}\n" for subset, i in reversed(rows)
    )
    dataset = medmnist_sets.load_medmnist(
        "breastmnist", data_folder, None, groups=write_groups(tmp_path / "g.csv", text)
    )
    assert dataset.groups.tolist() == [f"{subset}{i}" for subset, i in rows]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("index,patient\n0,a\n", "groups: unknown column 'id'"),
        ("index,id\n0,a\n", "779 of 780 images have no id in .*, the first is image 1"),
        ("index,id\n0,a\n0,b\n", "line 3: this image already has an id in line 2"),
        (
            "index,id\n780,a\n",
            "line 2: there is no image with the index '780'; indices are 0 to 779",
        ),
        ("index,id\n-1,a\n", "line 2: there is no image with the index '-1'"),
        ("index,id\n1.0,a\n", "line 2: there is no image with the index '1.0'"),
        ("index,id\n²,a\n", "line 2: there is no image with the index '²'"),
        ("index,id\n0,\n", "line 2: the cell of column 'id' is empty"),
        (
            "index,id,split\n546,a,train\n",
            "line 2: there is no image of train with the index '546'; indices are 0 to 545",
        ),
        ("index,id,split\n5,a,hold\n", "line 2: split 'hold' is none of train, val, test"),
        ("index\tid\n0\ta\n", "is separated by tabs"),
    ],
)
def test_a_mistake_in_the_table_of_groups_is_reported(data_folder, tmp_path, text, reason):
    with pytest.raises(UserError, match=reason):
        medmnist_sets.load_medmnist(
            "breastmnist", data_folder, None, groups=write_groups(tmp_path / "g.csv", text)
        )


@pytest.mark.parametrize("name", [name for name in REGISTRY if not name.endswith(":")])
def test_every_published_set_has_its_licence_and_citation(name):
    if name in MEDMNIST_2D:
        from medmnist import INFO

        assert INFO[name]["license"]
        assert medmnist_sets._CITATION
    elif name in torchvision_sets._SOURCES:
        assert all(torchvision_sets._SOURCES[name][2:])
    else:
        dataset = {"digits": load_digits, "faces": load_faces}[name](name, Path(), None)
        assert dataset.licence
        assert dataset.citation
