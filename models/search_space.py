"""Declaration of the values that tuning may try for the parameters of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def with_search_space(**space: str | list[Any]) -> Callable[[Function], Function]:
    """Give a function that makes a model the attribute ``search_space``; a class declares its own.

    Parameters
    ----------
    **space : list or str
        For each parameter a list of values, or a distribution: 'uniform(low, high)',
        'loguniform(low, high)' or, for integers below ``high``, 'randint(low, high)'.

    Examples
    --------
    >>> @with_search_space(C="loguniform(0.1, 1000)")
    ... def machine(C=1.0): ...
    >>> machine.search_space
    {'C': 'loguniform(0.1, 1000)'}
    """

    def declare(function: Function) -> Function:
        function.search_space = space  # type: ignore[attr-defined]
        return function

    return declare
