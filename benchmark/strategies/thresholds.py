"""Strategies that adjust probabilities after training, which moves decision thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Task
from benchmark.scoring.metrics import METRICS
from benchmark.strategies.base import HeldOut, Proba, Strategy
from benchmark.strategies.refusals import refuse_multilabel, require_two_classes
from models.constraints import OneOf, RealNumber

CANDIDATES = 50  # thresholds tried per class: quantiles of those that change a decision
SWEEPS = 3  # over all classes
METRICS_OF_LABELS = [
    name
    for name, metric in METRICS.items()
    if metric.needs == "labels" and metric.multilabel is not True
]
SMALLEST = np.finfo(np.float64).tiny


class PriorThreshold(Strategy):
    """Divide probabilities by the class shares of the training set.

    This is the thresholding of Buda, Maki & Mazurowski (2018) and the post-hoc logit adjustment of
    Menon et al. (2021). The shares are those before any resampling, also when the strategy is
    combined with a resampler, as in Buda et al.; it then corrects for the class frequencies a
    second time, and the row gets a note. The probabilities are scaled to a sum of one. With more
    than two classes this may change the ranking of images within a class, and hence the AUC.

    Parameters
    ----------
    tau : float, default=1.0
        Power of the shares: 1 corrects fully, 0 leaves the probabilities as they are.

    See Also
    --------
    TunedThreshold : Tunes the factors for a metric.

    Examples
    --------
    >>> strategy = PriorThreshold()
    >>> strategy.learn(np.array([0, 0, 0, 1]), held_out=None)
    >>> strategy.adjust(np.array([[0.75, 0.25]])).tolist()
    [[0.5, 0.5]]
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
        return refuse_multilabel("prior_threshold", task)

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Compute the class shares."""
        self.shares_ = np.bincount(y) / len(y)

    def adjust(self, proba: Proba) -> Proba:
        """Divide by the shares, scale to a sum of one; classes without training images get zero."""
        shares = np.zeros(proba.shape[1])
        shares[: len(self.shares_)] = self.shares_
        return scale_probabilities(
            proba, np.divide(1, shares**self.tau, out=np.zeros_like(shares), where=shares > 0)
        )


class TunedThreshold(Strategy):
    """Multiply the probability of each class by a factor that is tuned for one metric.

    The factors are tuned on the official validation set if the split has one. Otherwise they are
    tuned by an inner cross-validation of the training set (by group if there are groups), with
    resampling and training inside it; an extractor that learns has seen the images of the whole
    training set, without their labels. The factors are tuned class by class, in three sweeps: for
    each class, the best of at most 50 thresholds is taken while the factors of the others are
    fixed. With two classes this is a threshold other than one half.

    Parameters
    ----------
    metric : str, default='f1'
        A metric of labels, such as 'f1', 'balanced_accuracy', 'mcc', 'geometric_mean' or
        'minimum_recall'.

    See Also
    --------
    PriorThreshold : Divides by the class shares, without tuning.

    Examples
    --------
    >>> y, proba = np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]])
    >>> strategy = TunedThreshold("f1")
    >>> strategy.learn(y, lambda: HeldOut(y, proba))
    >>> strategy.adjust(proba).argmax(axis=1).tolist()
    [0, 0, 1]
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
        return refuse_multilabel("tuned_threshold", task)

    def learn(self, y: NDArray[np.int64], held_out: Callable[[], HeldOut]) -> None:
        """Tune the factors on held-out images.

        Raises
        ------
        Refused
            The held-out images are of fewer than two classes.
        """
        labels, proba = held_out()
        require_two_classes("tuned_threshold", labels)
        self.factors_ = tune_class_factors(proba, labels, self.metric)

    def adjust(self, proba: Proba) -> Proba:
        """Multiply by the factors and scale to a sum of one."""
        return scale_probabilities(proba, self.factors_)


def balances_classes(model: Any) -> bool:
    """Whether a model, or an estimator inside it, corrects for the class frequencies itself.

    It may do so by class weights, by its loss, or as an ensemble of imbalanced-learn.
    """
    params = model.get_params()
    weighted = any(
        name.split("__")[-1] == "class_weight" and value is not None
        for name, value in params.items()
    )
    return weighted or any(
        getattr(value, "balances", False) or type(value).__module__.startswith("imblearn.ensemble")
        for value in [model, *params.values()]
    )


def scale_probabilities(proba: Proba, factors: NDArray[np.float64]) -> Proba:
    """Multiply probabilities by a factor per class, and scale each row to a sum of one.

    Parameters
    ----------
    proba : (n, n_classes) float64
    factors : (n_classes,) float64

    Returns
    -------
    proba : (n, n_classes) float64
        A row whose products are all zero is returned as it was.
    """
    weighted = proba * factors
    total = weighted.sum(axis=1, keepdims=True)
    return np.where(total > 0, weighted / np.where(total > 0, total, 1), proba)


def tune_class_factors(proba: Proba, y: NDArray[np.int64], metric: str) -> NDArray[np.float64]:
    """Tune one factor per class for a metric of labels.

    Parameters
    ----------
    proba : (n, n_classes) float64
    y : (n,) int64
    metric : str

    Returns
    -------
    factors : (n_classes,) float64
        1 for a class whose factor cannot improve the metric.
    """
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
    """Return the best value of the metric, and the offset of class k that gives it.

    The offsets of the other classes are fixed.
    """
    moved = logits + offsets
    moved[:, k] = -np.inf
    runner_up = moved.argmax(axis=1)
    gap = moved.max(axis=1) - logits[:, k]  # an image is assigned to class k above this offset
    best_offset = offsets[k]
    for offset in _candidate_offsets(gap):
        value = _score_labels(metric, y, np.where(gap < offset, k, runner_up), len(offsets))
        if value > best:
            best, best_offset = value, offset
    return best, best_offset


def _candidate_offsets(gap: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the midpoints between offsets at which a decision changes, or quantiles of them."""
    distinct = np.unique(gap)
    middles = (distinct[1:] + distinct[:-1]) / 2
    if len(middles) <= CANDIDATES:
        return middles
    return middles[np.linspace(0, len(middles) - 1, CANDIDATES).round().astype(int)]


def _score_labels(
    metric: str, y: NDArray[np.int64], labels: NDArray[np.int64], n_classes: int
) -> float:
    """Compute a metric of labels, negated if lower is better."""
    definition = METRICS[metric]
    predictions: Any = _LabelPredictions(y, labels, tuple(map(str, range(n_classes))))
    return definition.function(predictions, labels) * (1 if definition.greater_is_better else -1)


@dataclass(frozen=True, eq=False)
class _LabelPredictions:
    """The attributes of ``Predictions`` that a metric of labels reads."""

    y_true: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    multilabel: bool = False
    ordinal: bool = False
