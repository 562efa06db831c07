"""Constraints on the parameters of models and extractors, declared as in scikit-learn.

An estimator lists the values that it allows in the class attribute ``_parameter_constraints``, and
scikit-learn's ``_validate_params`` checks them. This module adds the constraints that scikit-learn
lacks: lists, numbers that exclude True and False, and options that are named in the order of their
declaration.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions


class WholeNumber(Interval):
    """An integer from ``least`` to ``most``, but not True or False.

    Parameters
    ----------
    least : int
        Smallest allowed value.
    most : int or None
        Largest allowed value; None means no upper limit.

    Examples
    --------
    >>> print(WholeNumber(1, 256))
    an int in the range [1, 256]
    >>> WholeNumber(1).is_satisfied_by(True)
    False
    """

    def __init__(self, least: int = 1, most: int | None = None) -> None:
        super().__init__(Integral, least, most, closed="left" if most is None else "both")

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether ``val`` is an integer within the limits."""
        return not isinstance(val, bool) and bool(super().is_satisfied_by(val))


class RealNumber(Interval):
    """A finite number between two limits, but not True, False or NaN.

    Parameters
    ----------
    left, right : float or None
        Lower and upper limit; None means no limit.
    closed : {"left", "right", "both", "neither"}
        Limits that are allowed values themselves.

    Examples
    --------
    >>> RealNumber(0).is_satisfied_by(0.5), RealNumber(0).is_satisfied_by(0)
    (True, False)
    """

    def __init__(
        self, left: float | None, right: float | None = None, closed: str = "neither"
    ) -> None:
        super().__init__(Real, left, right, closed=closed)

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether ``val`` is a number within the limits."""
        return not isinstance(val, bool) and bool(super().is_satisfied_by(val))


class OneOf(StrOptions):
    """One of several strings.

    Examples
    --------
    >>> print(OneOf(("dense", "detected")))
    one of 'dense', 'detected'
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(set(self.names))

    def __str__(self) -> str:
        return f"one of {', '.join(map(repr, self.names))}"


class ListOf(Options):  # a subclass, because scikit-learn accepts only its own constraints
    """A list or tuple whose items all satisfy one constraint.

    Parameters
    ----------
    item : constraint
        Constraint on each item.
    least : int
        Smallest number of items.
    length : int or None
        Number of items if it is fixed.
    distinct : bool
        Require that all items differ.

    Examples
    --------
    >>> print(ListOf(WholeNumber(1), length=2))
    a list of 2 items, each an int in the range [1, inf)
    """

    def __init__(
        self,
        item: Interval | Options,
        least: int = 1,
        length: int | None = None,
        distinct: bool = False,
    ) -> None:
        super().__init__(list, set())
        self.item = item
        self.least = least
        self.length = length
        self.distinct = distinct

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether ``val`` is such a list."""
        if not isinstance(val, list | tuple) or not all(map(self.item.is_satisfied_by, val)):
            return False
        if self.distinct and len(set(val)) < len(val):
            return False
        return len(val) == self.length if self.length is not None else len(val) >= self.least

    def __str__(self) -> str:
        number = f"{self.length} " if self.length is not None else ""
        if self.length is None and self.least:
            number = f"at least {self.least} "
        different = "different " if self.distinct else ""
        items = "item" if number == "at least 1 " else "items"
        return f"a list of {number}{different}{items}, each {self.item}"


class ObjectWith(HasMethods):
    """An instance, not a class, that has a certain method.

    Parameters
    ----------
    method : str
        Name of the method.
    meaning : str
        Description of such an object for messages, with an example.
    """

    def __init__(self, method: str, meaning: str) -> None:
        super().__init__(method)
        self.meaning = meaning

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether ``val`` is an object that has the method."""
        return not isinstance(val, type) and bool(super().is_satisfied_by(val))

    def __str__(self) -> str:
        return self.meaning


GRID = ListOf(WholeNumber(1), length=2)  # rows and columns
