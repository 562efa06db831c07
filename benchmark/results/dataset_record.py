"""What a results folder keeps of a dataset: the name, class and attributes of every image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.stored import stored_name
from benchmark.errors import UserError
from benchmark.utils.files import write_atomic

MULTILABEL_SEPARATOR = "|"
_IMAGE_COLUMNS = ("id", "class", "subset", "group", "external")


@dataclass(frozen=True, eq=False)
class DatasetRecord:
    """A dataset without its images.

    Parameters
    ----------
    name : str
    classes : tuple of str
    multilabel : bool
        Whether an image may have several classes.
    positive : str or None
        Class that sensitivity and specificity are about.
    group_source : str or None
        What the groups were made of.
    stored : str
        Name of the file in ``ResultsFolder.images`` that has the images, as long as it is kept.
    images : DataFrame
        One row per image of the dataset, by its index. The columns are id, class (several are
        separated by '|'), subset, group, and the external dataset it belongs to, empty for the
        dataset's own images (if there are any).
    attributes : DataFrame
        One row per image and one column per attribute: numbers, or text. Missing values are NaN.

    See Also
    --------
    benchmark.results.folder.ResultsFolder : Says where the files are.
    """

    name: str
    classes: tuple[str, ...]
    multilabel: bool
    positive: str | None
    group_source: str | None
    stored: str
    images: pd.DataFrame
    attributes: pd.DataFrame

    @property
    def is_binary(self) -> bool:
        """Whether every image is of one of two classes."""
        return len(self.classes) == 2 and not self.multilabel


def write_dataset_record(path: Path, dataset: Dataset, stored: str | None = None) -> None:
    """Write ``path`` with the suffixes .csv (images and attributes) and .json (everything else).

    Attributes and the positive class that are recorded already are kept, as a later study may not
    name them.

    Parameters
    ----------
    path : Path
        ``ResultsFolder.dataset_record(fingerprint)``.
    dataset : Dataset
    stored : str or None
        Name of the file with its images, where external images are behind them; None: its own.
    """
    images = _tabulate_images(dataset)
    known, positive = _read_known(path)
    attributes = known | {name: pd.Series(array) for name, array in dataset.attributes.items()}
    about = {
        "name": dataset.name,
        "n_images": len(dataset.images),
        "classes": list(dataset.classes),
        "multilabel": dataset.multilabel,
        "positive": dataset.positive or positive,
        "group_source": dataset.group_source,
        "stored": stored or stored_name(dataset),
        "attributes": {
            name: "number" if pd.api.types.is_numeric_dtype(values) else "text"
            for name, values in attributes.items()
        },
    }
    columns = {_attribute_column(name): values for name, values in attributes.items()}
    table = images.assign(**columns)
    write_atomic(path.with_suffix(".csv"), partial(_write_csv, table))
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    write_atomic(path.with_suffix(".json"), lambda file: _write_text(text, file))


def _read_known(path: Path) -> tuple[dict[str, pd.Series], str | None]:
    """Read the attributes and the positive class of a record, if there is one."""
    try:
        record = read_dataset_record(path)
    except UserError:  # none, or a corrupted one, which is replaced
        return {}, None
    return {str(name): record.attributes[name] for name in record.attributes}, record.positive


def _attribute_column(name: str) -> str:
    """Name of the column of an attribute; the names of the other columns are taken."""
    return f"{name} (attribute)" if name in _IMAGE_COLUMNS else name


def _tabulate_images(dataset: Dataset) -> pd.DataFrame:
    columns: dict[str, Any] = {"id": dataset.image_ids, "class": _name_classes(dataset)}
    columns |= {} if dataset.subset is None else {"subset": dataset.subset}
    columns |= {} if dataset.groups is None else {"group": dataset.groups.astype(str)}
    columns |= {} if dataset.external is None else {"external": dataset.external}
    return pd.DataFrame(columns)


def _name_classes(dataset: Dataset) -> NDArray[Any]:
    classes = np.array(dataset.classes, dtype=object)
    if not dataset.multilabel:
        return classes[dataset.targets]
    names = [MULTILABEL_SEPARATOR.join(classes[row.astype(bool)]) for row in dataset.targets]
    return np.array(names, dtype=object)


def _write_csv(table: pd.DataFrame, file: BinaryIO) -> None:
    table.to_csv(file, index=False, lineterminator="\n")


def _write_text(text: str, file: BinaryIO) -> None:
    file.write(text.encode())


def read_dataset_record(path: Path) -> DatasetRecord:
    """Read what ``write_dataset_record`` wrote.

    Raises
    ------
    UserError
        A file is missing, corrupted or truncated.
    """
    again = "run its study again: completed cells are kept"
    try:
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        kinds = {
            _attribute_column(name): _KINDS[kind] for name, kind in about["attributes"].items()
        }
        table = pd.read_csv(
            path.with_suffix(".csv"),
            dtype={**dict.fromkeys(_IMAGE_COLUMNS, str), **kinds},
            keep_default_na=False,
            na_values={name: [""] for name in kinds},
        )
        if len(table) != about["n_images"]:
            raise ValueError(f"{len(table)} rows for {about['n_images']} images")
        attributes = table[list(kinds)]
        return DatasetRecord(
            about["name"],
            tuple(about["classes"]),
            about["multilabel"],
            about["positive"],
            about["group_source"],
            about["stored"],
            table.drop(columns=attributes.columns),
            attributes.set_axis(list(about["attributes"]), axis="columns"),
        )
    except FileNotFoundError:
        raise UserError(f"{path}.csv or {path}.json is missing: {again}") from None
    except Exception as error:  # pandas raises errors of many types on a corrupted file
        reason = " ".join(str(error).split())
        raise UserError(f"{path}.csv or {path}.json is corrupted ({reason}): {again}") from None


_KINDS = {"number": float, "text": str}
