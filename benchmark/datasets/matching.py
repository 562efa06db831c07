"""Bring a dataset to the classes and channels of a trained model, or say how they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.errors import UserError
from benchmark.utils.text import format_count, join_names


def match_targets(
    dataset: Dataset, classes: tuple[str, ...], multilabel: bool, trained: str
) -> NDArray[np.int64]:
    """Return the targets of a dataset by the classes that a model was trained on.

    Parameters
    ----------
    dataset : Dataset
        It may lack images of some of these classes.
    classes : tuple of str
        Classes of the model.
    multilabel : bool
        Whether the model was trained on images with several labels.
    trained : str
        Words for what the model was trained on, such as "'hospital_a'" or "the pipeline".

    Returns
    -------
    (n,) or (n, n_classes) int64

    Raises
    ------
    UserError
        The dataset has a class that the model does not know, or only one side is multi-label.
    """
    lacking = [name for name in classes if name not in dataset.classes]
    unknown = [name for name in dataset.classes if name not in classes]
    if unknown:
        parts = [f"'{name}' is unknown to {trained}" for name in unknown]
        parts += [f"'{name}' has no images" for name in lacking]
        raise UserError(
            f"dataset '{dataset.name}' and {trained} have different classes: {', '.join(parts)}; "
            "give the classes the same names"
        )
    if dataset.multilabel != multilabel:
        raise UserError(f"dataset '{dataset.name}': only one of it and {trained} is multi-label")
    order = np.array([classes.index(name) for name in dataset.classes])
    if not multilabel:
        return order[dataset.targets]
    targets = np.zeros((len(dataset.targets), len(classes)), np.int64)
    targets[:, order] = dataset.targets
    return targets


def match_images(
    dataset: Dataset, shape: tuple[int, ...], trained: str, remedy: str = ""
) -> NDArray[np.uint8]:
    """Return the images of a dataset with the channels that a model was trained on.

    Parameters
    ----------
    dataset : Dataset
    shape : (height, width, channels)
        Of the images that the model was trained on.
    trained : str
        As for ``match_classes``.
    remedy : str
        What to do about another size.

    Raises
    ------
    UserError
        The images have another size, or they are coloured and the model knows gray ones.
    """
    height, width, channels = shape
    given = dataset.images.shape[1:]
    if given[:2] != (height, width):
        raise UserError(
            f"dataset '{dataset.name}': its images are {given[0]}x{given[1]}, and those of "
            f"{trained} {height}x{width}{remedy}"
        )
    if given[2] == channels:
        return dataset.images
    if channels == 1:
        raise UserError(
            f"dataset '{dataset.name}': its images are coloured, and those of {trained} gray: "
            "convert those of one of them"
        )
    return np.broadcast_to(dataset.images, (*dataset.images.shape[:3], channels))


def refuse_shared_groups(dataset: Dataset, shared: Sequence[str], where: str) -> None:
    """Refuse groups that a model was, or could have been, trained on.

    Parameters
    ----------
    dataset : Dataset
    shared : sequence of str
        Names of these groups.
    where : str
        Where else they are, such as "in 'hospital_a'".

    Raises
    ------
    UserError
        There are such groups.
    """
    if not shared:
        return
    assert dataset.groups is not None
    n_groups = len({str(group) for group in dataset.groups})
    verb = "is" if len(shared) == 1 else "are"
    raise UserError(
        f"dataset '{dataset.name}': {len(shared)} of its {format_count(n_groups, 'group')} "
        f"{verb} also {where} ({join_names(shared)}); leave them out or, if they are other "
        f"patients with the same names, add group_prefix='B-' to the dataset"
    )
