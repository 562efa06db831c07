"""CIFAR-10, CIFAR-100, MNIST and Fashion-MNIST.

They are read from the data folder, and downloaded by torchvision if they are not there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from benchmark.datasets.base import Dataset, number_within_subsets, resize_images
from benchmark.datasets.duplicates import check_duplicates
from benchmark.datasets.image_array import select_images
from benchmark.errors import UserError
from benchmark.utils.notes import leak_note

_KRIZHEVSKY = (
    "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, University of Toronto, "
    "2009"
)
_SOURCES = {  # name: torchvision's class, location of its files, licence, citation
    "cifar10": (
        "CIFAR10",
        "cifar-10-batches-py/ or cifar-10-batches-bin/",
        "not stated by its authors",
        _KRIZHEVSKY,
    ),
    "cifar100": ("CIFAR100", "cifar-100-python/", "not stated by its authors", _KRIZHEVSKY),
    "mnist": (
        "MNIST",
        "MNIST/raw/*-ubyte",
        "CC BY-SA 3.0",
        "Y. LeCun et al., Gradient-based learning, Proc. IEEE 86(11), 1998",
    ),
    "fashion_mnist": (
        "FashionMNIST",
        "FashionMNIST/raw/*-ubyte",
        "MIT",
        "H. Xiao et al., Fashion-MNIST, arXiv:1708.07747, 2017",
    ),
}
_BARZ = (
    "of its published test images have near-duplicates in the training set (Barz & Denzler, "
    "Journal of Imaging 6(6):41, 2020)"
)
KNOWN_LEAKS = {"cifar10": f"3.3 % {_BARZ}", "cifar100": f"10 % {_BARZ}"}
_BINARY_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")


def load_torchvision(
    name: str,
    data: Path,
    size: int | None,
    n_train: int | None = None,
    drop_duplicates: bool = False,
) -> Dataset:
    """Load CIFAR-10, CIFAR-100, MNIST or Fashion-MNIST with its official split.

    torchvision checks the md5 of every CIFAR file before unpickling it.

    Parameters
    ----------
    name : 'cifar10', 'cifar100', 'mnist' or 'fashion_mnist'
    data : Path
        The data folder.
    size : int or None
        Side of the images in pixels; None keeps their original size.
    n_train : int or None
        Number of training images to draw, always the same ones and with equal shares of the
        classes; None keeps all.
    drop_duplicates : bool
        Whether to keep one of each set of exact copies; see
        `benchmark.datasets.duplicates.drop_copies`.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        The files are missing and the download failed, a file is truncated, or `n_train` is out of
        range.
    """
    if name == "cifar10" and (data / "cifar-10-batches-bin").is_dir():
        sets, classes = _read_cifar_binary(data / "cifar-10-batches-bin")
    else:
        sets, classes = _read_torchvision(name, data)
    images = np.concatenate([images for images, _ in sets])
    images, notes = resize_images(images[..., None] if images.ndim == 3 else images, size)
    targets = np.concatenate([targets for _, targets in sets]).astype(np.int64)
    subset = np.repeat(["train", "test"], [len(targets) for _, targets in sets])
    ids = number_within_subsets(subset)
    if n_train is not None:
        kept = _draw_training_images(name, targets, subset, n_train, len(classes))
        notes = (
            *notes,
            f"{n_train} of {(subset == 'train').sum()} training images, drawn at random with equal "
            "shares of the classes",
        )
        images, ids = select_images(images, kept), ids[kept]
        targets, subset = targets[kept], subset[kept]
    if name in KNOWN_LEAKS:
        notes = (*notes, leak_note(KNOWN_LEAKS[name]))
    licence, citation = _SOURCES[name][2:]
    dataset = Dataset(
        name,
        images,
        targets,
        classes,
        subset=subset,
        ids=ids,
        notes=notes,
        licence=licence,
        citation=citation,
    )
    return check_duplicates(dataset, drop_duplicates)


def _draw_training_images(
    name: str, targets: Any, subset: Any, n_train: int, n_classes: int
) -> Any:
    train = np.flatnonzero(subset == "train")
    if not n_classes <= n_train < len(train):
        raise UserError(
            f"dataset '{name}': n_train={n_train}: must be from {n_classes} to {len(train) - 1}; "
            "leave it out to keep all training images"
        )
    kept, _ = train_test_split(train, train_size=n_train, random_state=0, stratify=targets[train])
    return np.sort(np.concatenate([kept, np.flatnonzero(subset == "test")]))


def _read_torchvision(name: str, data: Path) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
    from torchvision import datasets as torchvision_datasets

    source = getattr(torchvision_datasets, _SOURCES[name][0])
    try:
        sets = [source(root=data, train=True), source(root=data, train=False)]
    except RuntimeError:  # the files are missing, or not those that were published
        sets = _download_sets(source, name, data)
    arrays = [(np.asarray(subset.data), np.asarray(subset.targets)) for subset in sets]
    return arrays, tuple(sets[0].classes)


def _download_sets(source: Any, name: str, data: Path) -> list[Any]:
    try:
        return [source(root=data, train=train, download=True) for train in (True, False)]
    # URLError is an OSError; torchvision raises RuntimeError after every mirror failed
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        where = _SOURCES[name][1]
        raise UserError(
            f"dataset '{name}': {where} in {data} is missing or corrupted, and the download failed "
            f"({reason}); put the files there"
        ) from None


def _read_cifar_binary(folder: Path) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
    batches = [_read_batch(folder / file) for file in _BINARY_FILES]
    train = tuple(np.concatenate(arrays) for arrays in zip(*batches[:5], strict=True))
    names = folder / "batches.meta.txt"
    if not names.is_file():
        raise UserError(f"dataset 'cifar10': {names} is missing")
    return [(train[0], train[1]), batches[5]], tuple(names.read_text().split())


def _read_batch(file: Path) -> tuple[Any, Any]:
    expected = 10_000 * 3_073  # a label byte and three 32x32 planes per image
    size = file.stat().st_size if file.is_file() else 0
    if size != expected:
        raise UserError(
            f"dataset 'cifar10': {file} has {size:,} bytes, not {expected:,}; download it again"
        )
    records = np.fromfile(file, np.uint8).reshape(10_000, 3_073)
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]
