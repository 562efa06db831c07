"""The twelve 2D sets of MedMNIST v2 (Yang et al. 2023), through the medmnist package's table of files and md5s."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.base import Dataset
from benchmark.errors import UserError

SIZES = (28, 64, 128, 224)
_CITATION = "J. Yang et al., MedMNIST v2, Scientific Data 10:41, 2023"


def load(name: str, data: Path, size: int | None) -> Dataset:
    """One set with its official train/val/test split.

    The file is looked for in the data folder and in its sub-folder ``medmnist``, and downloaded when it is in neither.

    Parameters
    ----------
    name : str
        Such as 'breastmnist'.
    data : Path
    size : int or None
        28 (default), 64, 128 or 224: the sizes that MedMNIST is published in.

    Raises
    ------
    UserError
        Another size, a file whose md5 differs from the published one, or no file and no download.
    """
    from medmnist import INFO

    if size not in (None, *SIZES):
        raise UserError(f"dataset '{name}': MedMNIST comes in the sizes {', '.join(map(str, SIZES))}, not {size}")
    suffix = "" if size in (None, 28) else f"_{size}"
    file = _find(name, f"{name}{suffix}.npz", data) or _download(name, size or 28, data)
    _check_md5(file, INFO[name][f"MD5{suffix}"])
    return _read(name, file, INFO[name])


def _find(name: str, file: str, data: Path) -> Path | None:
    return next((folder / file for folder in (data, data / "medmnist") if (folder / file).is_file()), None)


def _download(name: str, size: int, data: Path) -> Path:
    import medmnist

    suffix = "" if size == 28 else f"_{size}"
    try:
        data.mkdir(parents=True, exist_ok=True)
        getattr(medmnist, medmnist.INFO[name]["python_class"])(split="test", root=str(data), size=size, download=True)
    except Exception as error:  # the package raises RuntimeError, HTTPError, URLError, ... according to what went wrong
        looked = f"{data}/{name}{suffix}.npz and {data}/medmnist/{name}{suffix}.npz"
        reason = str(error.__cause__ or error.__context__ or error).splitlines()[0]
        raise UserError(f"dataset '{name}': looked for {looked}, and the download failed ({reason})") from None
    return data / f"{name}{suffix}.npz"


def _check_md5(file: Path, published: str) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
    if found != published:
        raise UserError(f"{file} is damaged or truncated: md5 {found}, published {published}; delete it and run again")


def _read(name: str, file: Path, info: dict[str, Any]) -> Dataset:
    parts = ("train", "val", "test")
    try:
        with np.load(file, allow_pickle=False) as stored:
            images = np.concatenate([stored[f"{part}_images"] for part in parts])
            labels = np.concatenate([stored[f"{part}_labels"] for part in parts]).astype(np.int64)
            part = np.repeat(parts, [len(stored[f"{part}_images"]) for part in parts])
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{file} is not a MedMNIST file: {error}") from None
    multilabel = info["task"].startswith("multi-label")
    return Dataset(
        name,
        images[..., None] if images.ndim == 3 else images,
        labels if multilabel else labels[:, 0],
        tuple(info["label"][str(k)] for k in range(len(info["label"]))),
        multilabel=multilabel,
        ordinal=info["task"].startswith("ordinal"),
        part=part,
        licence=info["license"],
        citation=_CITATION,
    )
