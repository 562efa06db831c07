"""Damaged tables and archives give a dataset, or a UserError of one line."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmark.datasets.base import Dataset
from benchmark.datasets.csv_file import load_csv
from benchmark.datasets.group_map import read_groups
from benchmark.datasets.medmnist_sets import _read_dataset
from benchmark.datasets.stored import open_dataset, store_dataset
from benchmark.errors import UserError

N_INPUTS = 400
MAX_MEMORY = 60_000_000  # bytes, several times what an undamaged input takes
TABLES = (
    "image,label\n0.png,a\n1.png,b\n2.png,a\n",
    "image,label,group,split\n0.png,b,P1,Training\n1.png,a,P2,TEST\n2.png,a,P3,valid\n"
    "3.png,b,P4,train\n4.png,b,P5,test\n",
    '\ufeffsep=,\r\nimage,label,note\r\n0.png,a|b,"x, y"\r\n1.png,,"two\nlines"\r\n2.png,b,\r\n',
    "image;label\n0.png;a\n1.png;b\n",
    "image,label\n0.png,0.5\n1.png,1.5\n2.png,1e3\n",
    "image,label\n\u00e9.png,e\u0301\n1.png,\u00e9\n2.png,x\n",
)
PIECES = (
    *(b",", b'"', b"\n", b"\r", b"\0", b"\xff", b";", b"\t", b"|", b"..", b"/", b"sep=;\n"),
    *(b"\xff\xfe", b"PK\x03\x04", b"1e999", b"nan", b"{", b"\xcc\x81"),
)


def mutated(data, rng):
    """Flip, cut off, insert, repeat or remove bytes of a file."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        i, j = sorted(rng.integers(0, len(data) + 1, 2))
        match rng.integers(6):
            case 0:
                for k in rng.integers(0, max(1, len(data)), 3):
                    if k < len(data):
                        data[k] ^= 1 << rng.integers(8)
            case 1:
                del data[i : i + rng.integers(1, 20)]
            case 2:
                data[i:i] = PIECES[rng.integers(len(PIECES))]
            case 3:
                data[i:i] = data[i:j]
            case 4:
                del data[j:]
            case _:
                data[i:i] = rng.integers(0, 256, rng.integers(1, 30), np.uint8).tobytes()
    return bytes(data)


def outcome(call):
    """Return the value of a call, or the message of the UserError that it raises."""
    tracemalloc.start()
    try:
        value = call()
    except UserError as error:
        value = str(error)
        assert value
        assert "\n" not in value, value
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MAX_MEMORY
    return value


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    for i, image in enumerate(load_digits().images[:5].astype(np.uint8)):
        Image.fromarray(image * 16).save(folder / f"{i}.png")
    Image.fromarray(load_digits().images[5].astype(np.uint8) * 16).save(folder / "e\u0301.png")
    return folder


@pytest.mark.slow
def test_any_bytes_are_a_table_or_a_users_mistake(home):
    rng = np.random.default_rng(0)
    kinds = set()
    for n in range(N_INPUTS):
        data = TABLES[n % len(TABLES)].encode()
        (home / "set.csv").write_bytes(data if n < len(TABLES) else mutated(data, rng))
        options = {
            "on_error": ("raise", "skip")[n % 2],
            "drop_duplicates": bool(n % 3 == 0),
            "numeric_classes": bool(n % 5 == 0),
        }
        kinds.add(
            type(
                outcome(
                    lambda options=options: load_csv(f"csv:{home}/set.csv", home, None, **options)
                )
            )
        )
    assert kinds == {Dataset, str}


@pytest.mark.slow
def test_any_bytes_are_groups_or_a_users_mistake(tmp_path):
    rng = np.random.default_rng(1)
    part = np.repeat(["train", "test"], [6, 4])
    whole = (
        "index,id\n" + "".join(f"{i},P{i // 2}\n" for i in range(10)),
        "split,index,id\n"
        + "".join(f"{p},{i},P{i}\n" for p, k in (("train", 6), ("Test", 4)) for i in range(k)),
    )
    kinds = set()
    for n in range(N_INPUTS // 4):
        data = whole[n % 2].encode()
        (tmp_path / "groups.csv").write_bytes(data if n < 2 else mutated(data, rng))
        kinds.add(type(outcome(lambda: read_groups("dataset 'd'", tmp_path / "groups.csv", part))))
    assert kinds == {np.ndarray, str}


INFO = {
    "n_channels": 3,
    "label": {"0": "a", "1": "b"},
    "task": "multi-class",
    "n_samples": {"train": 20, "val": 4, "test": 6},
    "license": "CC0",
}


def archive(path, rng, save, **changes):
    arrays = {}
    for part, n in INFO["n_samples"].items():
        arrays[f"{part}_images"] = rng.integers(0, 256, (n, 28, 28, 3), np.uint8)
        arrays[f"{part}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    save(path, **arrays | changes)
    return path.read_bytes()


@pytest.mark.slow
def test_any_bytes_are_a_medmnist_file_or_a_users_mistake(tmp_path):
    rng = np.random.default_rng(2)
    file = tmp_path / "x.npz"
    bomb = {"train_images": np.zeros((40_000, 28, 28, 3), np.uint8)}  # 94 MB in 92 KB
    pickled = {"val_labels": np.array([[{}], [1], [0], [1]], dtype=object)}
    fixed = [
        archive(file, rng, np.savez_compressed, **changes)
        for changes in (bomb, {"test_labels": np.ones((6, 1))}, pickled)
    ]
    wholes = [archive(file, rng, save) for save in (np.savez, np.savez_compressed)]
    kinds = set()
    for n in range(N_INPUTS):
        whole = wholes[n % 2]
        file.write_bytes(fixed[n] if n < len(fixed) else whole if n < 5 else _tampered(whole, rng))
        value = outcome(lambda: _read_dataset("x", file, INFO, 28))
        assert isinstance(value, str) or n >= len(fixed)
        kinds.add(type(value))
    assert kinds == {Dataset, str}


@pytest.mark.slow
def test_any_bytes_are_a_stored_data_set_or_a_storage_error(tmp_path):
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (12, 8, 8, 1), np.uint8)
    dataset = Dataset(
        "d",
        images,
        np.arange(12) % 2,
        ("a", "b"),
        groups=np.arange(12) // 2,
        subset=np.repeat(["train", "test"], 6),
    )
    path = store_dataset(dataset, tmp_path)
    files = (path, path.with_suffix(".npy"))
    wholes = [file.read_bytes() for file in files]
    kinds = set()
    for n in range(N_INPUTS // 4):
        for k, (file, whole) in enumerate(zip(files, wholes, strict=True)):
            file.unlink()  # the images of the last round are still mapped
            file.write_bytes(_tampered(whole, rng) if n and n % 2 == k else whole)
        open_dataset.cache_clear()
        kinds.add(type(outcome(lambda: open_dataset(path))))
    assert kinds == {Dataset, str}


def _tampered(whole, rng):
    """Damage an archive anywhere, or, half of the time, in a header or the directory at its end."""
    if rng.integers(2):
        return mutated(whole, rng)
    data = bytearray(whole)
    places = [whole.find(b"NUMPY", k) for k in rng.integers(0, len(whole), 4)] + [
        len(whole) - int(k) for k in rng.integers(1, 600, 2)
    ]
    for place in places:
        if place >= 0:
            for k in place + rng.integers(0, 120, 2):
                data[min(k, len(data) - 1)] = rng.integers(256)
    return bytes(data)
