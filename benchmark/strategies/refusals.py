"""Reasons why strategies that adjust probabilities cannot work, which several of them share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Task
from benchmark.strategies.base import Refused
from benchmark.utils.text import format_count


def refuse_multilabel(name: str, task: Task) -> str | None:
    """Return the reason why a strategy cannot work on multi-label targets; None on others."""
    if task != "multilabel":
        return None
    return f"{name} needs classes that exclude each other; this dataset has several per image"


def require_two_classes(name: str, labels: NDArray[np.int64]) -> None:
    """Require held-out images of two classes or more.

    Parameters
    ----------
    name : str
        Name of the strategy that learns from them.
    labels : (n,) int64
        Classes of the held-out images.

    Raises
    ------
    Refused
        They are of fewer classes.
    """
    if len(np.unique(labels)) >= 2:
        return
    there = "there are none"
    if len(labels):
        images = format_count(len(labels), "held-out image")
        there = f"the {images} are all of one class" if len(labels) > 1 else f"there is {images}"
    raise Refused(f"{name} needs held-out images of at least 2 classes; {there}")
