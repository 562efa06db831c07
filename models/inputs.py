"""Checks of the images and targets that networks are trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_images(X: ArrayLike, least: int, name: str) -> NDArray[np.uint8]:
    """Return X as an array of images.

    Parameters
    ----------
    X : (n, h, w, 1 or 3) uint8
    least : int
        Smallest allowed side in pixels.
    name : str
        Name of the network in messages.

    Raises
    ------
    ValueError
        X is not an array of such images, or the images are too small.
    """
    images = np.asarray(X)
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[3] not in (1, 3)
        or not len(images)
    ):
        raise ValueError(
            f"{name} takes images (n, h, w, 1 or 3) uint8, not {images.shape} {images.dtype}"
        )
    if min(images.shape[1:3]) < least:
        raise ValueError(
            f"{name} needs images of at least {least} x {least} pixels, not {images.shape[1:3]}: "
            "enlarge them"
        )
    return images


def encode_targets(y: NDArray[Any], n_images: int, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Encode labels as numbers.

    Parameters
    ----------
    y : (n,) labels, or (n, n_labels) of 0 and 1
    n_images : int
    name : str
        Name of the network in messages.

    Returns
    -------
    classes : (n_classes,) array
        The labels in sorted order; for multi-label targets the numbers of the columns.
    targets : (n,) int64 or (n, n_labels) float32
        Indices into ``classes``, or the given matrix.

    Raises
    ------
    ValueError
        The number of labels differs from the number of images, there are fewer than two images or
        fewer than two classes, or multi-label targets are not 0 or 1.

    Examples
    --------
    >>> encode_targets(np.array(["b", "a", "b"]), 3, "network")
    (array(['a', 'b'], dtype='<U1'), array([1, 0, 1]))
    """
    if y.ndim not in (1, 2) or len(y) != n_images:
        raise ValueError(
            f"targets must be ({n_images},) labels or ({n_images}, n_labels) of 0 and 1, not "
            f"{y.shape}"
        )
    if n_images < 2:
        raise ValueError(
            f"{name} needs at least two training images: batch norm cannot normalise a single one"
        )
    if y.ndim == 2:
        if not np.isin(y, (0, 1)).all():
            raise ValueError("multi-label targets must be 0 or 1")
        return np.arange(y.shape[1]), y.astype(np.float32)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{name} needs at least two classes; the training labels contain only "
            f"{classes.tolist()}"
        )
    return classes, codes.astype(np.int64)
