"""What a network is trained on, checked: images, and labels as codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_images(X: ArrayLike, least: int, name: str) -> NDArray[np.uint8]:
    """Return X as an array if it is (n, h, w, 1 or 3) uint8 with sides of at least ``least`` pixels; else raise ValueError.

    ``name`` is how messages call the network.
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
    """(classes, targets): codes 0.. of the labels as int64, or the 0/1 matrix as float32.

    Raises
    ------
    ValueError
        There are not as many labels as images, fewer than two of these, or fewer than two classes.
    """
    if y.ndim not in (1, 2) or len(y) != n_images:
        raise ValueError(
            f"targets must be ({n_images},) labels or ({n_images}, n_labels) of 0 and 1, not "
            f"{y.shape}"
        )
    if n_images < 2:
        raise ValueError(
            f"{name} needs at least two training images: batch norm can't normalise one"
        )
    if y.ndim == 2:
        if not np.isin(y, (0, 1)).all():
            raise ValueError("multi-label targets must be 0 or 1")
        return np.arange(y.shape[1]), y.astype(np.float32)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"{name} needs at least two classes; the training labels hold only {classes.tolist()}"
        )
    return classes, codes.astype(np.int64)
