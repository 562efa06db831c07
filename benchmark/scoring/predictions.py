"""What a cell predicted for its test set: the file from which every metric is computed."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmark.utils.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 2**30  # of one array; 50,000 images of 1,000 classes take 0.4 of it
_ARRAYS = {  # kinds of dtype and numbers of dimensions
    "y_true": ("i", (1, 2)),
    "proba": ("f", (2,)),
    "test_index": ("i", (1,)),
    "classes": ("U", (1,)),
    "ordinal": ("b", (0,)),
    "groups": ("U", (1,)),
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities for every class of the data set.

    Parameters
    ----------
    y_true : (n,) int64 class indices, or (n, n_classes) 0/1 for multi-label
    proba : (n, n_classes) float64
        Columns in the order of ``classes``. Rows sum to one, unless multi-label.
    classes : tuple of str
    test_index : (n,) int64
        Which images of the data set these are.
    ordinal : bool
        The order of the classes means something.
    groups : (n,) str, optional
        Group (patient, lesion) of each image; images of one group are not independent.

    Raises
    ------
    ValueError
        ``proba`` is not a matrix of finite probabilities (hard labels are not accepted in its
        place), or the rest does not fit it.
    """

    y_true: NDArray[np.int64]
    proba: NDArray[np.float64]
    classes: tuple[str, ...]
    test_index: NDArray[np.int64]
    ordinal: bool = False
    groups: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.y_true), len(self.classes))
        if self.proba.shape != shape:
            raise ValueError(
                f"probabilities must be (n, n_classes) = {shape}, not {self.proba.shape}"
            )
        most = 1 if self.multilabel else len(self.classes) - 1
        if (
            self.y_true.min(initial=0) < 0
            or self.y_true.max(initial=0) > most
            or len(self.test_index) != len(self.y_true)
        ):
            raise ValueError(
                f"true classes or test images do not fit {len(self.classes)} classes and "
                f"{len(self.y_true)} images"
            )
        if not np.isfinite(self.proba).all():
            raise ValueError(
                f"{int((~np.isfinite(self.proba)).sum())} of the predicted probabilities are NaN "
                "or infinite"
            )
        if self.proba.min(initial=0) < -1e-9 or self.proba.max(initial=0) > 1 + 1e-9:
            raise ValueError("predicted probabilities leave [0, 1]")
        if not self.multilabel and not np.allclose(self.proba.sum(axis=1), 1, atol=1e-4):
            raise ValueError("the predicted probabilities of an image do not sum to one")

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several classes."""
        return self.y_true.ndim == 2

    @property
    def labels(self) -> NDArray[np.int64]:
        """Most probable class, (n,); for multi-label, (n, n_classes) 0/1 where the probability is above one half."""
        return (self.proba > 0.5).astype(np.int64) if self.multilabel else self.proba.argmax(axis=1)

    @property
    def absent_classes(self) -> list[str]:
        """Classes with no image in the test set."""
        counts = (
            self.y_true.sum(axis=0)
            if self.multilabel
            else np.bincount(self.y_true, minlength=len(self.classes))
        )
        return [name for name, count in zip(self.classes, counts, strict=True) if count == 0]

    def take_images(self, images: NDArray[np.int64]) -> Self:
        """Predictions of some of the images, by position, repeats included; without their groups."""
        return replace(
            self,
            y_true=self.y_true[images],
            proba=self.proba[images],
            test_index=self.test_index[images],
            groups=None,
        )

    def save(self, path: Path) -> None:
        """Write to an ``.npz`` file, atomically."""
        arrays: dict[str, Any] = {
            "y_true": self.y_true,
            "proba": self.proba,
            "test_index": self.test_index,
        }
        arrays |= {"classes": np.array(self.classes), "ordinal": np.array(self.ordinal)}
        arrays |= {} if self.groups is None else {"groups": self.groups.astype(str)}
        write_atomic(path, lambda file: np.savez_compressed(file, **arrays))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote; never unpickles, and takes no more memory than the arrays that the file holds.

        Raises
        ------
        ValueError
            It is another file, or one that is corrupted or truncated.
        """
        try:
            with zipfile.ZipFile(path) as file:
                stored = {
                    info.filename.removesuffix(".npy"): _read_array(file, info)
                    for info in file.infolist()
                }
            classes = tuple(str(name) for name in stored["classes"])
            arrays = stored["y_true"], stored["proba"], classes, stored["test_index"]
            return cls(*arrays, bool(stored["ordinal"]), stored.get("groups"))
        except OSError:
            raise
        except (
            Exception
        ) as error:  # a damaged file fails anywhere in zipfile, zlib and NumPy's reader
            raise ValueError(f"{type(error).__name__}: {error}") from error


def _read_array(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray:
    """Array of an ``.npz`` file, whose header is held against its size before memory is taken."""
    kinds, ndims = _ARRAYS[info.filename.removesuffix(".npy")]
    with file.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise ValueError(f"{info.filename} is of version {version}")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(member)
        n_bytes = math.prod(shape) * dtype.itemsize
        if dtype.kind not in kinds or len(shape) not in ndims:
            raise ValueError(f"{info.filename} holds {dtype} of shape {shape}")
        if n_bytes != info.file_size - member.tell() or n_bytes > MOST_BYTES:
            raise ValueError(
                f"{info.filename} is said to hold {n_bytes} bytes and has "
                f"{info.file_size - member.tell()}"
            )
        content = bytearray()
        while part := member.read(2**20):  # at once would take the memory twice
            content += part
        return np.ndarray(shape, dtype, content, order="F" if by_column else "C")


PredictionReader = Callable[[str, str | None], Predictions]


def read_cell_predictions(
    read_predictions: PredictionReader, cells: pd.DataFrame, suffix: str = ""
) -> list[Predictions]:
    """Predictions of stored cells, by the columns ``key`` and ``predictions`` of their rows.

    Parameters
    ----------
    read_predictions : callable (key, digest) -> Predictions
        ``ResultsFolder.read_predictions``, or the same with a memory.
    cells : DataFrame
    suffix : str
        Of the two columns, where rows of two configurations stand side by side.
    """
    column = f"predictions{suffix}"  # rows of earlier versions have none
    digests = cells[column] if column in cells else [None] * len(cells)
    pairs = zip(cells[f"key{suffix}"], digests, strict=True)
    return [
        read_predictions(key, digest if isinstance(digest, str) else None) for key, digest in pairs
    ]
