"""The classes with enough images for models that are trained in folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset

FEWEST = 10  # images, or groups, of a class


def count_units(dataset: Dataset) -> NDArray[np.int64]:
    """Number of images of each class, or of groups if there are groups."""
    units = np.arange(len(dataset.targets)) if dataset.groups is None else dataset.groups
    counts = (len(np.unique(units[dataset.targets == k])) for k in range(len(dataset.classes)))
    return np.fromiter(counts, np.int64)


def select_frequent_classes(
    dataset: Dataset,
) -> tuple[Dataset, NDArray[np.int64], NDArray[np.int64], str]:
    """Select the images of classes with at least ``FEWEST`` images, or groups.

    Returns
    -------
    dataset : Dataset
        The same one if all classes are frequent, if fewer than two are, or if images have several
        labels.
    images : (n,) int64
        Index of each image in the whole dataset.
    classes : (n_classes,) int64
        Index of each class in the whole dataset.
    not_examined : str
        Which classes are left out; empty if none is.
    """
    everything = np.arange(len(dataset.targets)), np.arange(len(dataset.classes))
    if dataset.multilabel:
        return dataset, *everything, ""
    kept = np.flatnonzero(count_units(dataset) >= FEWEST)
    if not 2 <= len(kept) < len(dataset.classes):
        return dataset, *everything, ""
    images = np.flatnonzero(np.isin(dataset.targets, kept))
    selected = replace(
        dataset.select(images),
        targets=np.searchsorted(kept, dataset.targets[images]),
        classes=tuple(dataset.classes[k] for k in kept),
        positive=None,
    )
    left_out = [name for k, name in enumerate(dataset.classes) if k not in kept]
    why = f"fewer than {FEWEST} images or groups"
    return selected, images, kept, f"labels and shortcuts of {', '.join(left_out)}: {why}"
