"""The twelve 2D sets of MedMNIST v2 (Yang et al. 2023), through the medmnist package's table of files and md5s."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.archive import read_arrays
from benchmark.datasets.base import PARTS, Dataset
from benchmark.datasets.duplicates import check_duplicates
from benchmark.datasets.group_map import read_groups
from benchmark.datasets.listing import find_path
from benchmark.errors import UserError
from benchmark.utils.notes import leak_note

SIZES = (28, 64, 128, 224)
_CITATION = "J. Yang et al., MedMNIST v2, Scientific Data 10:41, 2023"
KNOWN_LEAKS = MappingProxyType(  # what is published of their splits; said where no groups are given
    {
        "dermamnist": "its official split shares 1,006 lesions between the parts, and 693 of the "
        "2,005 test images have theirs in the "
        "training set (Abhishek et al., Scientific Data 12:196, 2025, describe it); groups=FILE, a "
        "CSV with the columns index and id, "
        "keeps lesions apart",
        "breastmnist": "its official split is by image, of 780 images of 600 patients, so that "
        "training and test set may "
        "share patients; which images are of one patient is not published",
        "tissuemnist": "its official split is by cell, and all cells are of 3 specimens, so that "
        "every part has cells of each",
    }
)


def load_medmnist(
    name: str,
    data: Path,
    size: int | None,
    *,
    groups: str | None = None,
    drop_duplicates: bool = False,
) -> Dataset:
    """One set with its official train/val/test split.

    The file is looked for in the data folder and in its sub-folder ``medmnist``, and downloaded
    when it is in neither.

    Parameters
    ----------
    name : str
        Such as 'breastmnist'.
    data : Path
    size : int or None
        28 (default), 64, 128 or 224: the sizes that MedMNIST is published in.
    groups : str or None
        A CSV file with the patient or lesion of every image, relative to the current folder, or to
        the data folder if it is only there; see `benchmark.datasets.group_map.read_groups`.
    drop_duplicates : bool
        Keep one of each set of exact copies; see `benchmark.datasets.duplicates.drop_copies`.

    Raises
    ------
    UserError
        Another size, a file whose md5 differs from the published one, no file and no download, or a
        wrong table of groups.
    """
    from medmnist import INFO

    if size not in (None, *SIZES):
        raise UserError(
            f"dataset '{name}': MedMNIST comes in the sizes {', '.join(map(str, SIZES))}, not "
            f"{size}"
        )
    suffix = "" if size in (None, 28) else f"_{size}"
    file = _find_file(name, f"{name}{suffix}.npz", data) or _download_file(name, size or 28, data)
    _check_md5(file, INFO[name][f"MD5{suffix}"])
    dataset = _read_dataset(name, file, INFO[name], size or 28)
    part = _build_official_split(INFO[name])
    names = [f"{part} {i}" for part in PARTS for i in range(INFO[name]["n_samples"][part])]
    if groups is not None:
        dataset = replace(
            dataset, groups=read_groups(f"dataset '{name}'", find_path(groups, data), part)
        )
    elif name in KNOWN_LEAKS:
        dataset = replace(dataset, notes=(leak_note(KNOWN_LEAKS[name]),))
    return check_duplicates(dataset, names, drop_duplicates)


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
    except Exception as error:  # the package raises RuntimeError, HTTPError, URLError, ... according to what went wrong
        looked = f"{data}/{name}{suffix}.npz and {data}/medmnist/{name}{suffix}.npz"
        reason = str(error.__cause__ or error.__context__ or error).splitlines()[0]
        raise UserError(
            f"dataset '{name}': looked for {looked}, and the download failed ({reason})"
        ) from None
    return data / f"{name}{suffix}.npz"


def _check_md5(file: Path, published: str) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
    if found != published:
        raise UserError(
            f"{file} is damaged or truncated: md5 {found}, published {published}; delete it and "
            "run again"
        )


def _read_dataset(name: str, file: Path, info: dict[str, Any], size: int) -> Dataset:
    channels = (3,) if info["n_channels"] == 3 else ()
    n_columns = len(info["label"]) if info["task"].startswith("multi-label") else 1
    shapes: dict[str, tuple[int, ...]] = {}
    for part in PARTS:
        shapes[f"{part}_images"] = (info["n_samples"][part], size, size, *channels)
        shapes[f"{part}_labels"] = (info["n_samples"][part], n_columns)
    try:
        arrays = read_arrays(file, shapes)
    except ValueError as error:
        raise UserError(
            f"{file} is not the MedMNIST file of '{name}' in size {size}: {error}"
        ) from None
    images = np.concatenate([arrays[f"{part}_images"] for part in PARTS])
    labels = np.concatenate([arrays[f"{part}_labels"] for part in PARTS]).astype(np.int64)
    multilabel = info["task"].startswith("multi-label")
    return Dataset(
        name,
        images[..., None] if images.ndim == 3 else images,
        labels if multilabel else labels[:, 0],
        tuple(info["label"][str(k)] for k in range(len(info["label"]))),
        multilabel=multilabel,
        ordinal=info["task"].startswith("ordinal"),
        subset=_build_official_split(info),
        licence=info["license"],
        citation=_CITATION,
    )


def _build_official_split(info: dict[str, Any]) -> NDArray[np.str_]:
    return np.repeat(PARTS, [info["n_samples"][part] for part in PARTS])
