"""Checks of the images and targets that networks are trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BATCH = 256  # images that are reduced at once


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


def reduce_images(
    images: NDArray[np.uint8], max_side: int | None, least: int = 1
) -> NDArray[np.uint8]:
    """Reduce images with a longer side to ``max_side`` pixels, averaging over areas.

    Parameters
    ----------
    images : (n, h, w, c) uint8
    max_side : int or None
        None returns the images themselves.
    least : int
        Pixels that the shorter side keeps.

    Returns
    -------
    (n, height, width, c) uint8
        In the proportions of the given images, as far as whole pixels allow.

    Examples
    --------
    >>> reduce_images(np.full((2, 64, 32, 3), 7, np.uint8), 16).shape
    (2, 16, 8, 3)
    """
    shape = reduced_shape(images.shape[1], images.shape[2], max_side, least)
    if shape == images.shape[1:3]:
        return images
    import torch
    from torch.nn.functional import interpolate

    reduced = np.empty((len(images), *shape, images.shape[3]), np.uint8)
    for start in range(0, len(images), BATCH):
        batch = torch.tensor(images[start : start + BATCH]).permute(0, 3, 1, 2).float()
        means = interpolate(batch, shape, mode="area").round().to(torch.uint8)
        reduced[start : start + BATCH] = means.permute(0, 2, 3, 1).numpy()
    return reduced


def reduced_shape(height: int, width: int, max_side: int | None, least: int = 1) -> tuple[int, int]:
    """Height and width in pixels after ``reduce_images``."""
    if max_side is None or max(height, width) <= max_side:
        return height, width
    scale = max_side / max(height, width)
    return max(least, round(height * scale)), max(least, round(width * scale))


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
