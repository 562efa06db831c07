"""Stored predictions of a cell for its test set, from which every metric is computed."""

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

MAX_BYTES = 2**30  # of one array; 50,000 images of 1,000 classes take 0.4 of it
EXTERNAL = "external_"  # begins the names of the arrays of external images
_ARRAYS = {  # kind of the dtype, and allowed numbers of dimensions
    "y_true": ("i", (1, 2)),
    "proba": ("f", (2,)),
    "test_index": ("i", (1,)),
    "classes": ("U", (1,)),
    "ordinal": ("b", (0,)),
    "groups": ("U", (1,)),
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted probabilities of n test images for every class of the dataset.

    Parameters
    ----------
    y_true : array of shape (n,) or (n, n_classes), int64
        Indices of the true classes; for multi-label tasks, 0 or 1 for each label.
    proba : array of shape (n, n_classes), float64
        Columns in the order of ``classes``. Rows sum to one, unless the task is multi-label.
    classes : tuple of str
    test_index : array of shape (n,), int64
        Indices of the images in the dataset.
    ordinal : bool
        Whether the classes are ordered.
    groups : array of shape (n,), str, optional
        Group (patient, lesion) of each image; images of one group are not independent.
    unit : str
        What the predictions are about.

    Raises
    ------
    ValueError
        ``proba`` is not a matrix of finite probabilities (hard labels are not accepted instead), or
        the shapes or values of the other arrays do not match it.

    See Also
    --------
    benchmark.scoring.metrics.compute_metrics : Every metric of some predictions.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> Predictions(np.array([0, 0]), proba, ("benign", "malignant"), np.arange(2)).labels
    array([0, 1])
    """

    y_true: NDArray[np.int64]
    proba: NDArray[np.float64]
    classes: tuple[str, ...]
    test_index: NDArray[np.int64]
    ordinal: bool = False
    groups: NDArray[np.str_] | None = None
    unit: str = "test images"

    def __post_init__(self) -> None:
        shape = (len(self.y_true), len(self.classes))
        if self.proba.shape != shape:
            raise ValueError(
                f"probabilities must have the shape (n, n_classes) = {shape}, not "
                f"{self.proba.shape}"
            )
        most = 1 if self.multilabel else len(self.classes) - 1
        if (
            self.y_true.min(initial=0) < 0
            or self.y_true.max(initial=0) > most
            or len(self.test_index) != len(self.y_true)
        ):
            raise ValueError(
                f"true classes or test indices do not match {len(self.classes)} classes and "
                f"{len(self.y_true)} images"
            )
        if not np.isfinite(self.proba).all():
            raise ValueError(
                f"{int((~np.isfinite(self.proba)).sum())} of the predicted probabilities are NaN "
                "or infinite"
            )
        if self.proba.min(initial=0) < -1e-9 or self.proba.max(initial=0) > 1 + 1e-9:
            raise ValueError("predicted probabilities are not all between 0 and 1")
        if not self.multilabel and not np.allclose(self.proba.sum(axis=1), 1, atol=1e-4):
            raise ValueError("the predicted probabilities of an image do not sum to one")

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several classes."""
        return self.y_true.ndim == 2

    @property
    def labels(self) -> NDArray[np.int64]:
        """Predicted labels.

        Index of the most probable class, shape (n,). For multi-label tasks, 1 where the probability
        is above one half and 0 elsewhere, shape (n, n_classes).
        """
        return (self.proba > 0.5).astype(np.int64) if self.multilabel else self.proba.argmax(axis=1)

    @property
    def absent_classes(self) -> list[str]:
        """Names of the classes without test images."""
        counts = (
            self.y_true.sum(axis=0)
            if self.multilabel
            else np.bincount(self.y_true, minlength=len(self.classes))
        )
        return [name for name, count in zip(self.classes, counts, strict=True) if count == 0]

    def take_images(self, images: NDArray[np.int64]) -> Self:
        """Select images by position, with repeats; the groups are dropped."""
        return replace(
            self,
            y_true=self.y_true[images],
            proba=self.proba[images],
            test_index=self.test_index[images],
            groups=None,
        )

    def with_probabilities(self, proba: NDArray[np.float64]) -> Self:
        """Return the same images with other probabilities."""
        return replace(self, proba=proba)

    def take_members(self, members: NDArray[np.bool_]) -> Self:
        """Select images by a mask, with their groups."""
        return replace(
            self,
            y_true=self.y_true[members],
            proba=self.proba[members],
            test_index=self.test_index[members],
            groups=None if self.groups is None else self.groups[members],
        )

    def save(self, path: Path, external: Predictions | None = None) -> None:
        """Write to an ``.npz`` file, atomically.

        Parameters
        ----------
        path : Path
        external : Predictions or None
            Predictions of external images by the same model, to be written into the same file.
        """
        arrays = self._list_arrays()
        if external is not None:
            arrays |= {EXTERNAL + name: array for name, array in external._list_arrays().items()}
        write_atomic(path, lambda file: np.savez_compressed(file, **arrays))

    def _list_arrays(self) -> dict[str, Any]:
        arrays: dict[str, Any] = {
            "y_true": self.y_true,
            "proba": self.proba,
            "test_index": self.test_index,
        }
        arrays |= {"classes": np.array(self.classes), "ordinal": np.array(self.ordinal)}
        return arrays | ({} if self.groups is None else {"groups": self.groups.astype(str)})

    @classmethod
    def load(cls, path: Path, external: bool = False) -> Self:
        """Read a file that ``save`` wrote.

        Parameters
        ----------
        path : Path
        external : bool
            Whether to read the predictions of the external images, and not those of the test set.

        Nothing is unpickled, and no more memory is taken than the arrays in the file need.

        Raises
        ------
        ValueError
            The file is of another kind, or it is corrupted or truncated.
        """
        try:
            with zipfile.ZipFile(path) as file:
                stored = {
                    _array_name(info): _read_array(file, info)
                    for info in file.infolist()
                    if info.filename.startswith(EXTERNAL) == external
                }
            classes = tuple(str(name) for name in stored["classes"])
            arrays = stored["y_true"], stored["proba"], classes, stored["test_index"]
            return cls(*arrays, bool(stored["ordinal"]), stored.get("groups"))
        except OSError:
            raise
        # reading a corrupted file may fail anywhere in zipfile, zlib and NumPy
        except Exception as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def _array_name(info: zipfile.ZipInfo) -> str:
    return info.filename.removeprefix(EXTERNAL).removesuffix(".npy")


def _read_array(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray:
    """Read an array of an ``.npz`` file; its header is validated before memory is allocated."""
    kinds, ndims = _ARRAYS[_array_name(info)]
    with file.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise ValueError(f"{info.filename} has the format version {version}, expected (1, 0)")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(member)
        n_bytes = math.prod(shape) * dtype.itemsize
        if dtype.kind not in kinds or len(shape) not in ndims:
            raise ValueError(f"{info.filename} holds {dtype} of shape {shape}")
        if n_bytes != info.file_size - member.tell() or n_bytes > MAX_BYTES:
            raise ValueError(
                f"{info.filename} declares {n_bytes} bytes and holds "
                f"{info.file_size - member.tell()}"
            )
        content = bytearray()
        while chunk := member.read(2**20):  # reading all at once would take the memory twice
            content += chunk
        return np.ndarray(shape, dtype, content, order="F" if by_column else "C")


PredictionReader = Callable[[str, str | None], Predictions]


def read_cell_predictions(
    read_predictions: PredictionReader, cells: pd.DataFrame, suffix: str = ""
) -> list[Predictions]:
    """Read the predictions of stored cells.

    Parameters
    ----------
    read_predictions : callable (key, digest) -> Predictions
        ``ResultsFolder.read_predictions``, or a cached version of it.
    cells : DataFrame
        Rows with the columns ``key`` and ``predictions`` (the digest of the file; rows of earlier
        versions lack it).
    suffix : str
        Suffix of these columns, where each row holds the cells of two configurations.
    """
    column = f"predictions{suffix}"
    digests = cells[column] if column in cells else [None] * len(cells)
    pairs = zip(cells[f"key{suffix}"], digests, strict=True)
    return [
        read_predictions(key, digest if isinstance(digest, str) else None) for key, digest in pairs
    ]
