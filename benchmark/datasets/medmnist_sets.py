"""The twelve 2D datasets of MedMNIST v2 (Yang et al. 2023).

File names, md5 checksums and numbers of images are those of the ``medmnist`` package.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.archive import read_arrays
from benchmark.datasets.base import SUBSETS, Dataset, number_within_subsets
from benchmark.datasets.duplicates import check_duplicates
from benchmark.datasets.group_map import read_groups
from benchmark.datasets.image_array import allocate_images
from benchmark.datasets.listing import find_path
from benchmark.datasets.positive import with_positive_class
from benchmark.errors import UserError
from benchmark.utils.notes import leak_note

SIZES = (28, 64, 128, 224)
_CITATION = "J. Yang et al., MedMNIST v2, Scientific Data 10:41, 2023"
# leaks of the official splits as published; noted if no groups are given
KNOWN_LEAKS = MappingProxyType(
    {
        "dermamnist": "1,006 lesions are in more than one subset of the official split, and the "
        "lesions of 693 of the 2,005 test images are also in the training set (described by "
        "Abhishek et al., Scientific Data 12:196, 2025); groups=FILE, a CSV with the columns index "
        "and id, keeps lesions together",
        "breastmnist": "its official split is by image, with 780 images of 600 patients, so "
        "training and test set may share patients; which images are of the same patient is not "
        "published",
        "tissuemnist": "its official split is by cell, and all cells are from 3 specimens, so "
        "every subset has cells from each",
    }
)


# classes of the binary datasets that sensitivity and specificity are about
POSITIVE_CLASSES = MappingProxyType({"breastmnist": "malignant", "pneumoniamnist": "pneumonia"})


def load_medmnist(
    name: str,
    data: Path,
    size: int | None,
    *,
    groups: str | None = None,
    drop_duplicates: bool = False,
) -> Dataset:
    """Load a MedMNIST dataset with its official split.

    The file is read from the data folder or its sub-folder ``medmnist``, and downloaded if it is in
    neither.

    Parameters
    ----------
    name : str
        Name of the dataset, such as 'breastmnist'.
    data : Path
        The data folder.
    size : int or None
        28 (default), 64, 128 or 224 pixels, the sizes in which MedMNIST is published.
    groups : str or None
        A CSV file with the patient or lesion of every image, relative to the current folder, or to
        the data folder if it exists only there; see `benchmark.datasets.group_map.read_groups`.
    drop_duplicates : bool
        Whether to keep one of each set of exact copies; see
        `benchmark.datasets.duplicates.drop_copies`.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        The size is not one of these, the md5 of the file differs from the published one, the file
        is missing and the download failed, or the table of groups is wrong.
    """
    from medmnist import INFO

    if size not in (None, *SIZES):
        raise UserError(
            f"dataset '{name}': MedMNIST is available in sizes {', '.join(map(str, SIZES))}, not "
            f"{size}"
        )
    suffix = "" if size in (None, 28) else f"_{size}"
    file = _find_file(name, f"{name}{suffix}.npz", data) or _download_file(name, size or 28, data)
    _check_md5(file, INFO[name][f"MD5{suffix}"])
    dataset = _read_dataset(name, file, INFO[name], size or 28)
    if name in POSITIVE_CLASSES:
        dataset = with_positive_class(dataset, POSITIVE_CLASSES[name])
    subset = _build_official_split(INFO[name])
    if groups is not None:
        dataset = replace(
            dataset,
            groups=read_groups(f"dataset '{name}'", find_path(groups, data), subset),
            group_source=f"the ids in '{groups}'",
        )
    elif name in KNOWN_LEAKS:
        dataset = replace(dataset, notes=(leak_note(KNOWN_LEAKS[name]),))
    return check_duplicates(dataset, drop_duplicates)


def _find_file(name: str, file: str, data: Path) -> Path | None:
    return next(
        (folder / file for folder in (data, data / "medmnist") if (folder / file).is_file()), None
    )


def _download_file(name: str, size: int, data: Path) -> Path:
    import medmnist

    suffix = "" if size == 28 else f"_{size}"
    try:
        data.mkdir(parents=True, exist_ok=True)
        getattr(medmnist, medmnist.INFO[name]["python_class"])(
            split="test", root=str(data), size=size, download=True
        )
    except Exception as error:  # RuntimeError, HTTPError or URLError, for example
        files = f"{data}/{name}{suffix}.npz and {data}/medmnist/{name}{suffix}.npz"
        reason = str(error.__cause__ or error.__context__ or error).splitlines()[0]
        raise UserError(
            f"dataset '{name}': {files} are missing, and the download failed ({reason})"
        ) from None
    return data / f"{name}{suffix}.npz"


def _check_md5(file: Path, published: str) -> None:
    with file.open("rb") as stream:
        md5 = hashlib.file_digest(stream, "md5").hexdigest()
    if md5 != published:
        raise UserError(
            f"{file} is corrupted or truncated: its md5 is {md5}, not {published} as published; "
            "delete it and run the same command again"
        )


def _read_dataset(name: str, file: Path, info: dict[str, Any], size: int) -> Dataset:
    channels = (3,) if info["n_channels"] == 3 else ()
    n_columns = len(info["label"]) if info["task"].startswith("multi-label") else 1
    shapes: dict[str, tuple[int, ...]] = {}
    for subset in SUBSETS:
        shapes[f"{subset}_images"] = (info["n_samples"][subset], size, size, *channels)
        shapes[f"{subset}_labels"] = (info["n_samples"][subset], n_columns)
    borders = np.cumsum([0, *(info["n_samples"][subset] for subset in SUBSETS)]).tolist()
    images = allocate_images((borders[-1], size, size, *(channels or (1,))))
    targets = {
        f"{subset}_images": images[start:stop].reshape(shapes[f"{subset}_images"])
        for subset, (start, stop) in zip(SUBSETS, pairwise(borders), strict=True)
    }
    try:
        arrays = read_arrays(file, shapes, targets)
    except ValueError as error:
        raise UserError(
            f"{file} is not the MedMNIST file of '{name}' in size {size}: {error}"
        ) from None
    labels = np.concatenate([arrays[f"{subset}_labels"] for subset in SUBSETS]).astype(np.int64)
    multilabel = info["task"].startswith("multi-label")
    return Dataset(
        name,
        images,
        labels if multilabel else labels[:, 0],
        tuple(info["label"][str(k)] for k in range(len(info["label"]))),
        multilabel=multilabel,
        ordinal=info["task"].startswith("ordinal"),
        subset=_build_official_split(info),
        ids=number_within_subsets(_build_official_split(info)),
        licence=info["license"],
        citation=_CITATION,
    )


def _build_official_split(info: dict[str, Any]) -> NDArray[np.str_]:
    return np.repeat(SUBSETS, [info["n_samples"][subset] for subset in SUBSETS])
