"""What the conditions of a cell do to its images before anything is computed from them.

An axis that changes images, such as occlusion, is listed in ``IMAGE_CHANGES``. The images that a
cell trains on and is tested on follow from the list, and so do the keys of its feature matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.plugins.registry import import_target
from benchmark.plugins.spec import ResolvedSpec
from benchmark.study.cell import Cell, default_values

Changes = tuple[tuple[str, Any], ...]  # names of axes, and the value that each has in a cell


class ImageChange(Protocol):
    """A change of images."""

    @property
    def in_train(self) -> bool:
        """Whether the training images are changed."""

    @property
    def in_test(self) -> bool:
        """Whether the test images are changed."""

    def apply(
        self, images: NDArray[np.uint8], indices: NDArray[np.int64], seed: int
    ) -> NDArray[np.uint8]:
        """Return changed copies of images, each a function of the seed and its index only."""


def _build_occlusion(value: ResolvedSpec) -> ImageChange | None:
    change: ImageChange | None = import_target(value.target)(**dict(value.params))
    return change


# name of an axis -> function that builds the change from a value of the axis; None is no change
IMAGE_CHANGES: dict[str, Callable[[Any], ImageChange | None]] = {"occlusion": _build_occlusion}


def find_changes(cell: Cell, subset: Literal["train", "test"]) -> Changes:
    """Find what changes the training images of a cell, or its test images."""
    return _find_changes(tuple((name, cell.values[name]) for name in IMAGE_CHANGES), subset)


def change_all_as_training(cell: Cell) -> Cell:
    """Return a cell whose test images are changed as its training images are.

    Images that are held out of the training set for choices must not reveal how the test images
    are changed.
    """
    values = dict(cell.values)
    for name, build in IMAGE_CHANGES.items():
        change = build(values[name])
        if change and not change.in_train:
            values[name] = default_values()[name]
        elif change and not change.in_test:
            params = dict(values[name].params) | {"subset": "both"}
            values[name] = replace(values[name], params=tuple(sorted(params.items())))
    return replace(cell, values=values)


@lru_cache(maxsize=1024)
def _find_changes(values: Changes, subset: str) -> Changes:
    built = [(name, value, IMAGE_CHANGES[name](value)) for name, value in values]
    return tuple(
        (name, value)
        for name, value, change in built
        if change and (change.in_train if subset == "train" else change.in_test)
    )


def change_images(
    images: NDArray[np.uint8], indices: NDArray[np.int64], changes: Changes, seed: int
) -> NDArray[np.uint8]:
    """Apply changes to images, in the order of ``IMAGE_CHANGES``.

    Parameters
    ----------
    images : (n, h, w, c) uint8
        Not modified.
    indices : (n,) int64
        Indices of the images in their dataset.
    changes : tuple of (str, value)
        See ``find_changes``.
    seed : int

    Returns
    -------
    (n, h, w, c) uint8
    """
    for name, value in changes:
        change = IMAGE_CHANGES[name](value)
        assert change is not None
        images = change.apply(images, indices, seed)
    return images
