"""Metrics that are the share of correct predictions among some of the images.

Each is the accuracy of other predictions, to which the intervals and tests of shares apply.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.predictions import Predictions

Members = Callable[[Predictions], NDArray[np.bool_]]

# the images that a metric is a share of: the same for all classifiers, or those it predicts
OF_TRUE_CLASS: MappingProxyType[str, Members] = MappingProxyType(
    {"sensitivity": lambda p: p.y_true == 1, "specificity": lambda p: p.y_true == 0}
)
OF_PREDICTED_CLASS: MappingProxyType[str, Members] = MappingProxyType(
    {"ppv": lambda p: p.labels == 1, "npv": lambda p: p.labels == 0}
)
MEMBERS = OF_TRUE_CLASS | OF_PREDICTED_CLASS


def take_members(
    p: Predictions, members: NDArray[np.bool_], right: NDArray[np.bool_]
) -> Predictions:
    """Predictions of some images as a task of two classes, of which the second is right.

    Parameters
    ----------
    p : Predictions
    members : (n,) bool array
        The images to keep.
    right : (n,) bool array
        Which images are predicted correctly.
    """
    return Predictions(
        np.ones(int(members.sum()), np.int64),
        np.eye(2)[right[members].astype(int)],
        ("wrong", "right"),
        p.test_index[members],
        groups=None if p.groups is None else p.groups[members],
    )


def take_share(metric: str, p: Predictions) -> Predictions:
    """Predictions whose accuracy is a metric of ``MEMBERS``."""
    return take_members(p, MEMBERS[metric](p), p.labels == p.y_true)
