"""Probabilities changed after training: where a class begins is moved, the model stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Task
from benchmark.scoring.metrics import METRICS
from benchmark.strategies.base import HeldOut, Proba, Refused, Strategy
from models.constraints import OneOf, RealNumber

CANDIDATES = 50  # thresholds tried for a class, at quantiles of where they would change a decision
SWEEPS = 3
METRICS_OF_LABELS = [
    name
    for name, metric in METRICS.items()
    if metric.needs == "labels" and metric.multilabel is not True
]
SMALLEST = np.finfo(np.float64).tiny


class PriorThreshold(Strategy):
    """Divide probabilities by the training set's class shares, as if all classes were equally likely.

    The thresholding of Buda, Maki & Mazurowski (2018) and the post-hoc logit adjustment of Menon et
    al. (2021). The shares are those before any resampling, also behind a ``+``: there it goes
    beyond what the resampling did, as Buda et al. have it, and the row gets a note, as it does with
    models and weights that already make all classes count alike. Scaled to a sum of one, images
    change places within a class when there are more than two, and so AUC may change.

    Parameters
    ----------
    tau : float
        Power of the shares: 1 undoes them, 0 leaves the probabilities as they are.
    """

    balances = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "tau": [RealNumber(0, closed="left")],
    }

    def __init__(self, tau: float = 1.0) -> None:
        self.tau = tau

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Refuse multi-label targets."""
        return _multilabel_refusal(task)

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Count the classes."""
        self.shares_ = np.bincount(y) / len(y)

    def adjust(self, proba: Proba) -> Proba:
        """Divide and scale to a sum of one; a class without training images stays at zero."""
        shares = np.zeros(proba.shape[1])
        shares[: len(self.shares_)] = self.shares_
        return _scale_probabilities(
            proba, np.divide(1, shares**self.tau, out=np.zeros_like(shares), where=shares > 0)
        )


class TunedThreshold(Strategy):
    """Multiply each class' probability by a factor chosen on held-out training images for one metric.

    The factors come from the official validation set where the split has one, otherwise from an
    inner cross-validation of the training set (grouped where there are groups), resampling and
    training inside it; an extractor that learns has learned from the whole of the training set,
    without its labels. They are found class by class: for each, the best of at most 50 thresholds
    while the others stay, three times around. With two classes this is a threshold other than one
    half.

    Parameters
    ----------
    metric : str
        A metric of labels, such as 'f1', 'balanced_accuracy', 'mcc', 'geometric_mean' or
        'minimum_recall'.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "metric": [OneOf(METRICS_OF_LABELS)],
    }

    def __init__(self, metric: str = "f1") -> None:
        self.metric = metric

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Refuse multi-label targets."""
        return _multilabel_refusal(task)

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Find the factors.

        Raises
        ------
        Refused
            Images of fewer than two classes are held out.
        """
        labels, proba = held_out()
        if len(np.unique(labels)) < 2:
            raise Refused(
                f"thresholds need held-out images of at least 2 classes; there are {len(labels)} "
                f"of {len(np.unique(labels))}"
            )
        self.factors_ = tune_class_factors(proba, labels, self.metric)

    def adjust(self, proba: Proba) -> Proba:
        """Multiply and scale to a sum of one."""
        return _scale_probabilities(proba, self.factors_)


def balances_classes(model: Any) -> bool:
    """Whether a model, or one inside it, corrects for the class frequencies itself: by weights, a loss, or parts that it balances."""
    params = model.get_params()
    weighted = any(
        name.split("__")[-1] == "class_weight" and value is not None
        for name, value in params.items()
    )
    parts = [model, *params.values()]
    return weighted or any(
        getattr(part, "balances", False) or type(part).__module__.startswith("imblearn.ensemble")
        for part in parts
    )


def _multilabel_refusal(task: Task) -> str | None:
    return (
        "thresholds are of classes that exclude each other; this data set has several labels an "
        "image"
        if task == "multilabel"
        else None
    )


def _scale_probabilities(proba: Proba, factors: NDArray[np.float64]) -> Proba:
    weighted = proba * factors
    total = weighted.sum(axis=1, keepdims=True)
    return np.where(total > 0, weighted / np.where(total > 0, total, 1), proba)


def tune_class_factors(proba: Proba, y: NDArray[np.int64], metric: str) -> NDArray[np.float64]:
    """Factors of the classes, (n_classes,), that serve a metric of labels best; 1 where nothing better was found."""
    logits, offsets = np.log(np.maximum(proba, SMALLEST)), np.zeros(proba.shape[1])
    best = _score_labels(metric, y, logits.argmax(axis=1), len(offsets))
    for _ in range(SWEEPS):
        before = offsets.copy()
        for k in np.unique(y):
            best, offsets[k] = _find_best_offset(logits, offsets, k, y, metric, best)
        if np.array_equal(before, offsets):
            break
    return np.exp(offsets)


def _find_best_offset(
    logits: Proba,
    offsets: NDArray[np.float64],
    k: int,
    y: NDArray[np.int64],
    metric: str,
    best: float,
) -> tuple[float, float]:
    """Value of the metric, and the offset of class k that gives it while the others stay."""
    moved = logits + offsets
    moved[:, k] = -np.inf
    other, gap = (
        moved.argmax(axis=1),
        moved.max(axis=1) - logits[:, k],
    )  # above this offset the image is of class k
    found = offsets[k]
    for offset in _candidate_offsets(gap):
        value = _score_labels(metric, y, np.where(gap < offset, k, other), len(offsets))
        if value > best:
            best, found = value, offset
    return best, found


def _candidate_offsets(gap: NDArray[np.float64]) -> NDArray[np.float64]:
    """Offsets in the middle between two neighbouring ones where a decision changes; of many, quantiles."""
    distinct = np.unique(gap)
    middles = (distinct[1:] + distinct[:-1]) / 2
    if len(middles) <= CANDIDATES:
        return middles
    return middles[np.linspace(0, len(middles) - 1, CANDIDATES).round().astype(int)]


def _score_labels(
    metric: str, y: NDArray[np.int64], labels: NDArray[np.int64], n_classes: int
) -> float:
    """Value of a metric of labels, turned so that greater is better."""
    found = METRICS[metric]
    decided: Any = _Decided(y, labels, tuple(map(str, range(n_classes))))
    return found.function(decided, labels) * (1 if found.greater_is_better else -1)


@dataclass(frozen=True, eq=False)
class _Decided:
    """What a metric of labels reads of predictions."""

    y_true: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    multilabel: bool = False
    ordinal: bool = False
