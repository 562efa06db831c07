"""Estimators of scikit-learn that scikit-learn-intelex has in a faster version, and which version is used.

scikit-learn-intelex can also patch scikit-learn as a whole. That replaces far more than what was
measured to be faster and as accurate, also inside other libraries, under names that change from
version to version.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any

_library = "sklearn"


def estimator_class(name: str) -> Any:
    """Class of an estimator in the library that is used now.

    Parameters
    ----------
    name : {"svm:SVC", "ensemble:RandomForestClassifier"}

    Examples
    --------
    >>> estimator_class("svm:SVC").__module__
    'sklearn.svm._classes'
    """
    return resolve_name(f"{_library}.{name}")


@contextmanager
def use_library(name: str) -> Iterator[None]:
    """Have ``estimator_class`` look in a library, ``sklearn`` or ``sklearnex``, meanwhile."""
    global _library  # threads of joblib see it, as they would not a context variable
    before, _library = _library, name
    try:
        yield
    finally:
        _library = before
