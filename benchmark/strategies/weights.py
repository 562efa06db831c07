"""Weights of classes in what a model minimises."""

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
    """Weight the rarer classes more in what the model minimises.

    Parameters
    ----------
    mode : 'balanced' or 'effective_number'
        Balanced: by the inverse of a class' share (King & Zeng 2001; as scikit-learn does it).
        Effective number: by the inverse of (1 - beta^n) / (1 - beta) for a class of n images,
        scaled to a mean of one (Cui et al. 2019).
    beta : float in (0, 1)
        For the effective number; 0.999 as in between of the paper's values, for sets of hundreds to
        thousands a class.
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
        """Refuse a model that has no ``class_weight``, and one that sees other classes than the data set's."""
        if not _find_weight_parameters(model):
            return "the model has no class_weight parameter"
        if self.mode != "balanced" and (
            task == "multilabel" or isinstance(model, OneVsRestClassifier)
        ):
            return "weights by effective number are of all classes at once; this model takes one class against the rest"
        try:
            getattr(self.weight(clone(model), y), "check_parameters", bool)()
        except ValueError:
            return (
                "the model does not take class weights beside what it does itself about imbalance"
            )
        return None

    def weight(self, model: Any, y: NDArray[np.int64]) -> Any:
        """Set ``class_weight`` wherever the model, or an estimator inside it, has it."""
        weights = "balanced" if self.mode == "balanced" else effective_weights(y, self.beta)
        return model.set_params(**dict.fromkeys(_find_weight_parameters(model), weights))


def effective_weights(y: NDArray[np.int64], beta: float) -> dict[int, float]:
    """Weight of each class that is there: the inverse of its effective number of images, scaled to a mean of one."""
    classes, counts = np.unique(y, return_counts=True)
    weights = (1 - beta) / (1 - beta**counts)
    return dict(zip(classes.tolist(), (weights / weights.mean()).tolist(), strict=True))


def _find_weight_parameters(model: Any) -> list[str]:
    """Parameters to set; none inside an estimator that has the parameter itself and passes it on."""
    found = [name for name in model.get_params() if name.split("__")[-1] == "class_weight"]
    outer = [name.removesuffix("class_weight") for name in found]
    return [
        name
        for name in found
        if not any(name.startswith(prefix) and name != f"{prefix}class_weight" for prefix in outer)
    ]
