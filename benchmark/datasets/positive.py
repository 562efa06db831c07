"""The positive class of a binary dataset, such as 'malignant'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmark.datasets.base import Dataset
from benchmark.errors import UserError, unknown_name_error
from benchmark.utils.text import normalize_unicode, short_repr


def suggest_positive(classes: Sequence[str]) -> str:
    """Say how a study names the positive class of a dataset.

    Examples
    --------
    >>> suggest_positive(("benign", "malignant"))
    "add positive='malignant' or positive='benign' to the dataset in the study"
    """
    first, second = classes
    return f"add positive={second!r} or positive={first!r} to the dataset in the study"


def with_positive_class(dataset: Dataset, positive: str) -> Dataset:
    """Name the class that sensitivity and specificity are about, and make it the second class.

    The second of two classes is also that of scikit-learn's binary metrics, of
    ``average_precision`` and of the ROC curve.

    Parameters
    ----------
    dataset : Dataset
        With two classes.
    positive : str
        Name of a class.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        The dataset has no such class, or more than two classes.

    Examples
    --------
    >>> import numpy as np
    >>> images, targets = np.zeros((3, 8, 8, 1), np.uint8), np.array([0, 1, 1])
    >>> dataset = Dataset("demo", images, targets, ("malignant", "benign"))
    >>> dataset = with_positive_class(dataset, "malignant")
    >>> dataset.classes, dataset.targets.tolist()
    (('benign', 'malignant'), [1, 0, 0])
    """
    where = f"dataset '{dataset.name}': positive"
    if not isinstance(positive, str):
        raise UserError(f"{where}: {short_repr(positive)} is not the name of a class")
    positive = normalize_unicode(positive)
    if positive not in dataset.classes:
        raise UserError(f"{where}: {unknown_name_error('class', positive, dataset.classes)}")
    if dataset.task != "binary":
        raise UserError(
            f"{where}: it is {dataset.task}, with {len(dataset.classes)} classes, and only one of "
            "two classes can be positive; `table --by class` shows each class against the rest"
        )
    if dataset.classes[1] == positive:
        return replace(dataset, positive=positive)
    return replace(
        dataset,
        targets=1 - dataset.targets,
        classes=dataset.classes[::-1],
        positive=positive,
    )
