"""Fit a model; what a training set does not allow is a reason, not an error."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from benchmark.strategies.base import Refused

WORSE_THAN_CHANCE = (
    "worse than random"  # scikit-learn's words, of AdaBoost and all that is made of it
)


def fit_model(model: Any, X: NDArray, y: NDArray, rarest: str, **given: Any) -> Any:
    """Fit a model.

    Parameters
    ----------
    model : scikit-learn classifier
    X, y : features and targets
        After resampling.
    rarest : str
        Says what the training set was, for the reason.
    given : held-out images
        As `prepare_fit` gives them.

    Raises
    ------
    Refused
        The model needs more training images than there are, or is boosted and cannot begin with
        these.
    """
    reason = size_refusal(model, len(X))
    if reason:
        raise Refused(reason)
    try:
        return model.fit(X, y, **given)
    except ValueError as error:
        if WORSE_THAN_CHANCE not in str(error):
            raise
        why = "its first weak learner is worse than chance; more images of the rarest class, or a model that is not boosted, would work"
        raise Refused(
            f"{type(model).__name__} cannot learn from this training set: {why} ({rarest})"
        ) from error


def size_refusal(model: Any, n: int) -> str | None:
    """Why a model cannot be fitted to so many images; None where it can."""
    for name, value in model.get_params().items():
        if name.split("__")[-1] == "n_neighbors" and isinstance(value, int) and value > n:
            return f"n_neighbors={value} needs at least {value} training images; it is given {n}"
    return None
