"""A strategy that chooses the decision threshold of a binary task on training images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Task
from benchmark.strategies.base import HeldOut, Proba, Strategy
from benchmark.strategies.refusals import require_two_classes
from benchmark.strategies.thresholds import scale_probabilities
from models.constraints import RealNumber

DEFAULT_SENSITIVITY = 0.95
BEYOND = 2.0  # a threshold that no image reaches


class OperatingPoint(Strategy):
    """Choose the threshold that has the given sensitivity, or specificity, on held-out images.

    The images are those of ``tuned_threshold``: the official validation set, or else inner folds of
    the training set. Among the thresholds that reach the given sensitivity, the one with the
    highest specificity is taken, and the reverse. Probabilities are multiplied by a factor per
    class, so that the threshold becomes one half; their order, and hence the AUC, stays, unless all
    images must be of the same class: where positive images score 0, only the threshold 0 reaches
    them. On the test set, the sensitivity may be lower or higher than on the held-out images.

    Parameters
    ----------
    sensitivity, specificity : float or None
        Between 0 and 1; one of them. If neither is given, the sensitivity is 0.95.

    See Also
    --------
    benchmark.strategies.thresholds.TunedThreshold : Tunes the threshold for a metric.

    Examples
    --------
    >>> y, score = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.4, 0.3, 0.45])
    >>> proba = np.column_stack([1 - score, score])
    >>> strategy = OperatingPoint(sensitivity=0.95)
    >>> strategy.learn(y, lambda: HeldOut(y, proba))
    >>> strategy.adjust(proba).argmax(axis=1).tolist()
    [0, 0, 1, 1, 1]
    """

    needs_positive = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "sensitivity": [RealNumber(0, 1, closed="neither"), None],
        "specificity": [RealNumber(0, 1, closed="neither"), None],
    }

    def __init__(self, sensitivity: float | None = None, specificity: float | None = None) -> None:
        self.sensitivity = sensitivity
        self.specificity = specificity

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Refuse tasks other than binary ones, and two requirements at once."""
        if task != "binary":
            return f"operating_point needs two classes; this dataset is {task}"
        if self.sensitivity is not None and self.specificity is not None:
            return "operating_point takes a sensitivity or a specificity, not both"
        return None

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Choose the threshold on held-out images.

        Raises
        ------
        Refused
            The held-out images are of a single class.
        """
        labels, proba = held_out()
        require_two_classes("operating_point", labels)
        self.threshold_ = self._choose_threshold(labels == 1, proba[:, 1])

    def _choose_threshold(self, truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
        """Return a threshold halfway between two distinct scores, or beyond all of them."""
        distinct = np.unique(score)
        candidates = np.concatenate(
            [[distinct[0] / 2], (distinct[1:] + distinct[:-1]) / 2, [BEYOND]]
        )
        if self.specificity is not None:
            below = np.searchsorted(np.sort(score[~truth]), candidates, side="left")
            reached = below >= self.specificity * (~truth).sum() - 1e-9
            return float(candidates[reached].min())
        required = DEFAULT_SENSITIVITY if self.sensitivity is None else self.sensitivity
        n = int(truth.sum())
        above = n - np.searchsorted(np.sort(score[truth]), candidates, side="left")
        return float(candidates[above >= required * n - 1e-9].max())

    def adjust(self, proba: Proba) -> Proba:
        """Scale the probabilities so that the threshold becomes one half."""
        if self.threshold_ in (0, BEYOND):  # no factor makes 0 or 1 cross one half
            positive = np.full(len(proba), float(self.threshold_ == 0))
            return np.column_stack([1 - positive, positive])
        factor = (1 - self.threshold_) / self.threshold_
        return scale_probabilities(proba, np.array([1.0, factor]))
