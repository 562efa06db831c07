"""One prediction per group (patient, lesion), aggregated from those of its images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.scoring.predictions import Predictions
from benchmark.utils.text import format_count

Floats = NDArray[np.float64]
GROUPS = "test groups"  # unit of aggregated predictions


def aggregate_groups(p: Predictions, how: str = "mean") -> Predictions:
    """Aggregate the predictions of the images of each group.

    A group whose images are all of one class is of that class. In a binary task, a group with
    images of both classes is positive, as a patient is with one malignant lesion.

    Parameters
    ----------
    p : Predictions
        With groups.
    how : {'mean', 'max', 'vote'}
        'mean' averages the probabilities; 'max' takes those of the image that is most probably
        positive, in a binary task; 'vote' takes the share of the images that are predicted as each
        class.

    Returns
    -------
    Predictions
        One per group, in the order of the names of the groups. ``test_index`` is the index of the
        first image of each.

    Raises
    ------
    UserError
        There are no groups, images have several labels, a group of a task with more than two
        classes has images of several, or 'max' is asked for in such a task.

    Examples
    --------
    >>> proba = np.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]])
    >>> groups = np.array(["p1", "p1", "p2"])
    >>> p = Predictions(np.array([0, 1, 0]), proba, ("a", "b"), np.arange(3), groups=groups)
    >>> aggregate_groups(p, "max").proba.tolist(), aggregate_groups(p, "max").y_true.tolist()
    ([[0.25, 0.75], [0.5, 0.5]], [1, 0])
    """
    if p.groups is None:
        raise UserError(
            "the images have no groups (patients, lesions), so that each is a unit of its own: use "
            "--unit image, or name the groups of the dataset in the study"
        )
    if p.multilabel:
        raise UserError("images have several labels, which are not aggregated to groups")
    names, first, code = np.unique(p.groups, return_index=True, return_inverse=True)
    return replace(
        p,
        y_true=_class_of_groups(p, names, code),
        proba=METHODS[how][0](p, code, len(names)),
        test_index=p.test_index[first],
        groups=None,
        unit=GROUPS,
    )


def _class_of_groups(
    p: Predictions, names: NDArray[np.str_], code: NDArray[np.int64]
) -> NDArray[np.int64]:
    least = np.full(len(names), len(p.classes))
    most = np.zeros(len(names), np.int64)
    np.minimum.at(least, code, p.y_true)
    np.maximum.at(most, code, p.y_true)
    mixed = np.flatnonzero(least < most)
    if len(mixed) and len(p.classes) > 2:
        raise UserError(
            f"{format_count(len(mixed), 'group')}, such as '{names[mixed[0]]}', have images of "
            "several classes, so that they have no class of their own; keep --unit image"
        )
    return most


def _average(p: Predictions, code: NDArray[np.int64], n_groups: int) -> Floats:
    return _mean_of_groups(p.proba, code, n_groups)


def _most_probably_positive(p: Predictions, code: NDArray[np.int64], n_groups: int) -> Floats:
    if len(p.classes) != 2:
        raise UserError(
            f"--aggregate max takes the image that is most probably positive, and there are "
            f"{len(p.classes)} classes; use mean or vote"
        )
    positive = np.zeros(n_groups)
    np.maximum.at(positive, code, p.proba[:, 1])
    return np.column_stack([1 - positive, positive])


def _share_of_votes(p: Predictions, code: NDArray[np.int64], n_groups: int) -> Floats:
    return _mean_of_groups(np.eye(len(p.classes))[p.labels], code, n_groups)


def _mean_of_groups(values: Floats, code: NDArray[np.int64], n_groups: int) -> Floats:
    """Mean of each group.

    Equal values have exactly their value as mean, whatever their number: otherwise rounding would
    rank groups by their size where a model predicts the same for all images.
    """
    first = values[np.unique(code, return_index=True)[1]]
    sums = np.zeros((n_groups, values.shape[1]))
    np.add.at(sums, code, values - first[code])
    means: Floats = first + sums / np.bincount(code, minlength=n_groups)[:, None]
    return means.clip(0, 1)


Method = Callable[[Predictions, NDArray[np.int64], int], Floats]
# by name: the function, and what it computes
METHODS: MappingProxyType[str, tuple[Method, str]] = MappingProxyType(
    {
        "mean": (_average, "the mean of the probabilities"),
        "max": (_most_probably_positive, "the highest probability of the positive class"),
        "vote": (_share_of_votes, "the shares of the predicted classes"),
    }
)
