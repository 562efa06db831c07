"""Check that the fitted objects of a pipeline fit each other and their input.

A file may hold any numbers. Every object of a pipeline is visited here, together with the number of
columns of its input. Objects that are read by native code are passed to their checks in
``native_objects``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import BaseDecisionTree

from benchmark.errors import UserError
from benchmark.pipelines.native_objects import CONSISTENCY_CHECKS, Context
from benchmark.pipelines.schema import MAX_DEPTH
from models.standardizer import Standardizer

# scikit-learn compares the width of their input with n_features_in_, unless that is missing
CHECK_INPUT_WIDTH = (BaseDecisionTree, HistGradientBoostingClassifier)
# transformers whose output has as many columns as their input
PRESERVE_WIDTH = (Standardizer, StandardScaler, MinMaxScaler)
SUPPORTED_FORMS = {
    KNeighborsClassifier: ", or is not the form that a file can hold: "
    "KNeighborsClassifier(algorithm='brute') with Euclidean distances",
}
SET_BY_INIT = ("nu", "epsilon")  # attributes that SVC has beside its parameters before it is fitted
# parameters that would start processes or write files, with the values that a file may hold
RESTRICTED_PARAMETERS = {"n_jobs": (None, 1), "verbose": (0, False, None), "memory": (None,)}


def check_fitted_state(component: Any, n_features: int) -> None:
    """Refuse a component whose objects do not fit each other or the input.

    Parameters
    ----------
    component : fitted classifier, extractor or strategy
    n_features : int
        Number of columns of its input; 0 if the input is images or probabilities.

    Raises
    ------
    UserError
        An object is inconsistent, or an attribute is missing or of the wrong type.
    """
    try:
        for inner, context in _walk_objects(component, Context(n_features)):
            _check_attributes(inner)
            if _is_unfitted(inner):
                continue
            checks = (
                CONSISTENCY_CHECKS[kind]
                for kind in type(inner).__mro__
                if kind in CONSISTENCY_CHECKS
            )
            if not all(check(inner, context) for check in checks):
                raise UserError(
                    f"its {type(inner).__name__} is inconsistent"
                    f"{SUPPORTED_FORMS.get(type(inner), '')}"
                )
    except (AttributeError, TypeError, ValueError, LookupError, OverflowError) as error:
        raise UserError(f"one of its objects is incomplete ({error})") from None


def _check_attributes(component: Any) -> None:
    """Refuse attributes that hide methods, and parameter values that are not allowed."""
    attributes = getattr(component, "__dict__", {})
    is_estimator = isinstance(component, BaseEstimator)
    params = component.get_params(deep=False) if is_estimator else {}
    hiding = [name for name in attributes if name not in params and hasattr(type(component), name)]
    if hiding:
        raise UserError(
            f"its {type(component).__name__} has an attribute '{hiding[0]}', which hides one of "
            "its class"
        )
    for name, allowed in RESTRICTED_PARAMETERS.items():
        if name in params and not any(params[name] is value for value in allowed):
            raise UserError(
                f"its {type(component).__name__} has {name}={params[name]!r:.60}; set "
                f"{name}={allowed[0]}"
            )
    if is_estimator and getattr(component, "_parameter_constraints", None):
        component._validate_params()


def _is_unfitted(component: Any) -> bool:
    """Whether an estimator holds nothing but its parameters, as one that is kept to be cloned."""
    return isinstance(component, BaseEstimator) and {
        name for name, value in vars(component).items() if value is not None
    } <= {*component.get_params(deep=False), *SET_BY_INIT}


def _walk_objects(component: Any, context: Context) -> Iterator[tuple[Any, Context]]:
    """Yield a component and all objects inside it, each with its context."""
    if context.depth > MAX_DEPTH:
        raise UserError("its objects are nested too deeply")
    yield component, context
    inner_context = replace(context, depth=context.depth + 1)
    members: Any = ()
    if isinstance(component, list | tuple | set):
        members = component
    elif isinstance(component, dict):
        members = component.values()
    elif isinstance(component, Pipeline):
        yield from _walk_steps(component.steps, inner_context)
        members = [value for name, value in vars(component).items() if name != "steps"]
    elif hasattr(component, "__dict__"):
        # torch checks the weights of a network itself
        members = [value for name, value in vars(component).items() if name != "network_"]
        inner_context = replace(inner_context, width=_inner_width(component, context.width))
    for inner in members:
        if not isinstance(inner, str | bytes | int | float | np.ndarray | np.generic | type(None)):
            yield from _walk_objects(inner, inner_context)


def _walk_steps(steps: Any, context: Context) -> Iterator[tuple[Any, Context]]:
    """Yield the steps of a pipeline and all objects inside them, each with its context.

    After a transformer that may change the number of columns, the width is 0: an object that needs
    to know it is refused.
    """
    for _, step in steps:
        yield from _walk_objects(step, context)
        if hasattr(type(step), "transform") and type(step) not in PRESERVE_WIDTH:
            context = replace(context, width=0 if context.width is not None else None)


def _inner_width(component: Any, width: int | None) -> int | None:
    """Largest number of columns that the objects inside a component can be given.

    It is at most the width of the component's own input, and that of the columns that an ensemble
    gives to each of its members. Inside a plug-in it is unknown, unless an estimator compares its
    input with its own ``n_features_in_``.
    """
    if type(component).__module__.startswith("plugin_"):
        return None
    attributes = vars(component)
    if width is None:
        own = attributes.get("n_features_in_")
        return own if isinstance(component, CHECK_INPUT_WIDTH) and type(own) is int else None
    chosen = [len(columns) for columns in attributes.get("estimators_features_", ())]
    return min([width, int(attributes.get("n_features_in_", width)), *chosen])
