"""Refusal of models that split the training set inside ``fit`` in a way that would leak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator

from benchmark.evaluation.inner_folds import takes_inner_folds
from benchmark.strategies.base import Strategy, may_resample

MAX_DEPTH = 20  # of estimators inside estimators
# number of images above which scikit-learn's early_stopping='auto' holds out images
EARLY_STOPPING = 10_000


def own_folds_refusal(model: Any, strategy: Strategy, grouped: bool, n_images: int) -> str | None:
    """Return why a model that splits the training set inside ``fit`` cannot be used.

    Such a split is sound as long as each training image occurs once and belongs to no group.
    Resampled images, bootstrap samples and images of one group would be on both sides of it.

    Parameters
    ----------
    model : scikit-learn classifier, not fitted
    strategy : Strategy
    grouped : bool
        Whether the dataset has groups.
    n_images : int
        Largest number of images that the model may be trained on.

    Returns
    -------
    str or None
        None if the model can be used.
    """
    for estimator, outer in _nested_estimators(model, ()):
        given = not outer or takes_inner_folds(model)
        if not _splits_in_fit(estimator, n_images) and (given or not takes_inner_folds(estimator)):
            continue
        leaks = {
            "resampled images": may_resample(strategy),
            "bootstrap samples": any(getattr(each, "bootstrap", False) is True for each in outer),
            "images of one group": grouped,
        }
        present = [leak for leak, is_present in leaks.items() if is_present]
        if present:
            return (
                f"{type(estimator).__name__} splits the training set inside fit, and would have "
                f"{present[0]} on both sides: turn that off, or write a model whose fit takes "
                "inner_folds, as models/calibration.py does"
            )
    return None


def _nested_estimators(value: Any, outer: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield a model and the estimators inside it, each with the estimators that contain it."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _nested_estimators(inner, outer)
    elif isinstance(value, BaseEstimator) and len(outer) < MAX_DEPTH:
        yield value, outer
        for inner in vars(value).values():
            yield from _nested_estimators(inner, (*outer, value))


def _splits_in_fit(estimator: Any, n_images: int) -> bool:
    """Whether an estimator splits its training set, judged by scikit-learn's parameter names."""
    values = vars(estimator)
    early = values.get(
        "early_stopping",
        values.get("n_iter_no_change") if "validation_fraction" in values else None,
    )
    return (
        ("cv" in values and values["cv"] != "prefit")
        or (n_images > EARLY_STOPPING if early == "auto" else bool(early))
        or values.get("probability") is True
    )
