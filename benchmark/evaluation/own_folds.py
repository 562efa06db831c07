"""Models that cut the training set themselves inside ``fit``, which the benchmark cannot do for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.validation import has_fit_parameter

from benchmark.evaluation.inner_folds import takes_inner_folds
from benchmark.strategies.base import Combined, Strategy

DEEPEST = 20  # estimators within estimators
EARLY_STOPPING = 10_000  # images from which on scikit-learn's early_stopping='auto' holds out some


def own_folds_refusal(model: Any, strategy: Strategy, grouped: bool, n: int) -> str | None:
    """Why a model that splits the training set inside ``fit`` cannot be used; None where it can.

    Its own folds are honest as long as every training image is there once and by itself. Among
    resampled rows, bootstrap samples and images of one group they are not.

    Parameters
    ----------
    model : scikit-learn classifier, not fitted
    strategy : Strategy
    grouped : bool
        Whether the data set has groups.
    n : int
        Number of images that it is trained on, at most.
    """
    for part, holders in _nested_estimators(model, ()):
        given = not holders or takes_inner_folds(model)
        if not _splits_in_fit(part, n) and (given or not has_fit_parameter(part, "inner_folds")):
            continue
        reasons = {
            "resampled images": may_resample(strategy),
            "bootstrap samples": any(
                getattr(holder, "bootstrap", False) is True for holder in holders
            ),
            "images of one group": grouped,
        }
        mixed = [reason for reason, holds in reasons.items() if holds]
        if mixed:
            return (
                f"{type(part).__name__} splits the training set inside fit, and would have "
                f"{mixed[0]} on both sides: "
                "turn that off, or write a model whose fit takes inner_folds, as "
                "models/calibration.py does"
            )
    return None


def may_resample(strategy: Strategy) -> bool:
    """Whether a strategy may change which images are trained on."""
    parts = strategy.parts if isinstance(strategy, Combined) else [strategy]
    return any(type(part).resample is not Strategy.resample for part in parts)


def _nested_estimators(
    part: Any, holders: tuple[Any, ...]
) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """A model and the estimators inside it, each with those that it is inside of."""
    if isinstance(part, list | tuple):
        for inner in part:
            yield from _nested_estimators(inner, holders)
    elif isinstance(part, BaseEstimator) and len(holders) < DEEPEST:
        yield part, holders
        for inner in vars(part).values():
            yield from _nested_estimators(inner, (*holders, part))


def _splits_in_fit(part: Any, n: int) -> bool:
    """Whether scikit-learn's names of parameters say that a part cuts what it is fitted on."""
    values = vars(part)
    early = values.get(
        "early_stopping",
        values.get("n_iter_no_change") if "validation_fraction" in values else None,
    )
    return (
        ("cv" in values and values["cv"] != "prefit")
        or (n > EARLY_STOPPING if early == "auto" else bool(early))
        or values.get("probability") is True
    )
