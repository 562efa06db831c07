"""Choice between estimators of scikit-learn and faster ones of scikit-learn-intelex.

scikit-learn-intelex can also patch scikit-learn as a whole. That would replace far more than the
estimators that were measured to be faster and as accurate, inside other libraries as well, under
names that change from version to version.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any

_library = "sklearn"


def estimator_class(name: str) -> Any:
    """Class of an estimator in the current library.

    Parameters
    ----------
    name : {"ensemble:RandomForestClassifier"}

    Examples
    --------
    >>> estimator_class("ensemble:RandomForestClassifier").__module__
    'sklearn.ensemble._forest'
    """
    return resolve_name(f"{_library}.{name}")


@contextmanager
def use_library(name: str) -> Iterator[None]:
    """Use a library, ``sklearn`` or ``sklearnex``, for ``estimator_class`` within the context."""
    global _library  # visible in joblib's threads, unlike a context variable
    before, _library = _library, name
    try:
        yield
    finally:
        _library = before
