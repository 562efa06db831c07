"""Support vector machines and random forests of scikit-learn-intelex in place of scikit-learn's, on request."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

from benchmark.errors import UserError
from benchmark.utils.threads import THREADS

# where it is faster and as accurate; for others, such as nearest neighbours, it is not
REPLACED = (("svm", "SVC"), ("ensemble", "RandomForestClassifier"))


def check_installed() -> None:
    """Raise a UserError when the extra is absent."""
    if find_spec("sklearnex") is None:
        raise UserError(
            "--accelerate needs scikit-learn-intelex: python -m pip install "
            "'classical-vs-deep[fast]' (x86 processors only)"
        )


@contextmanager
def accelerated(wanted: bool) -> Iterator[None]:
    """Have ``sklearn.svm.SVC`` and ``sklearn.ensemble.RandomForestClassifier`` name the faster classes meanwhile.

    Models that look them up there when they are made get the faster ones. scikit-learn-intelex' own
    patching replaces far more, under names that change from version to version.
    """
    if not wanted:
        yield
        return
    import daal4py
    import imblearn.ensemble  # noqa: F401  # its forests are to inherit from scikit-learn's, whoever imports them first

    daal4py.daalinit(nthreads=THREADS)
    with ExitStack() as stack:
        for module, name in REPLACED:
            ours, theirs = (
                importlib.import_module(f"sklearn.{module}"),
                importlib.import_module(f"sklearnex.{module}"),
            )
            stack.callback(setattr, ours, name, getattr(ours, name))
            setattr(ours, name, getattr(theirs, name))
        yield
