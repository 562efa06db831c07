"""The strategy that weights classes in the loss of a model."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.multiclass import OneVsRestClassifier

from benchmark.datasets.base import Task
from benchmark.strategies.base import Strategy
from models.constraints import OneOf, RealNumber

MODES = ("balanced", "effective_number")


class ClassWeight(Strategy):
    """Weight rare classes more in the loss that the model minimises.

    Parameters
    ----------
    mode : {'balanced', 'effective_number'}, default='balanced'
        'balanced': weights are inverse to the share of a class, as in scikit-learn (King & Zeng
        2001). 'effective_number': weights are inverse to (1 - beta^n) / (1 - beta) for a class of n
        images, scaled to a mean of one (Cui et al. 2019).
    beta : float in (0, 1), default=0.999
        Used by 'effective_number' only. The default lies between the values of the paper and suits
        hundreds to thousands of images per class.

    See Also
    --------
    benchmark.strategies.base.Strategy : The base class.
    benchmark.strategies.thresholds.PriorThreshold : Corrects the probabilities instead.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> ClassWeight().weight(SVC(), np.array([0, 0, 1])).class_weight
    'balanced'
    """

    balances = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "mode": [OneOf(MODES)],
        "beta": [RealNumber(0, 1)],
    }

    def __init__(self, mode: str = "balanced", beta: float = 0.999) -> None:
        self.mode = mode
        self.beta = beta

    def refusal(
        self, model: Any, y: NDArray[np.int64], classes: tuple[str, ...], task: Task
    ) -> str | None:
        """Refuse a model without ``class_weight``, and one that is fitted on other classes."""
        if not _find_weight_parameters(model):
            return "the model has no class_weight parameter"
        if self.mode != "balanced" and (
            task == "multilabel" or isinstance(model, OneVsRestClassifier)
        ):
            return (
                "weights by effective number need all classes at once; this model is fitted on one "
                "class against the rest"
            )
        try:
            getattr(self.weight(clone(model), y), "check_parameters", bool)()
        except ValueError:
            return "the model does not take class weights, because it corrects for imbalance itself"
        return None

    def weight(self, model: Any, y: NDArray[np.int64]) -> Any:
        """Set ``class_weight`` in the model, or in the estimators inside it that have it."""
        weights = "balanced" if self.mode == "balanced" else effective_weights(y, self.beta)
        return model.set_params(**dict.fromkeys(_find_weight_parameters(model), weights))


def effective_weights(y: NDArray[np.int64], beta: float) -> dict[int, float]:
    """Return weights inverse to the effective number of images of each class in y.

    They are scaled to a mean of one.

    Examples
    --------
    >>> weights = effective_weights(np.array([0, 0, 0, 1]), beta=0.9)
    >>> {label: round(weight, 3) for label, weight in weights.items()}
    {0: 0.539, 1: 1.461}
    """
    classes, counts = np.unique(y, return_counts=True)
    weights = (1 - beta) / (1 - beta**counts)
    return dict(zip(classes.tolist(), (weights / weights.mean()).tolist(), strict=True))


def _find_weight_parameters(model: Any) -> list[str]:
    """Find the outermost ``class_weight`` parameters of a model; inner estimators get theirs."""
    names = [name for name in model.get_params() if name.split("__")[-1] == "class_weight"]
    prefixes = [name.removesuffix("class_weight") for name in names]
    return [
        name
        for name in names
        if not any(
            name.startswith(prefix) and name != f"{prefix}class_weight" for prefix in prefixes
        )
    ]
