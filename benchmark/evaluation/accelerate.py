"""Support vector machines and random forests of scikit-learn-intelex in place of scikit-learn's, on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from benchmark.errors import UserError
from benchmark.utils.threads import THREADS
from models.faster import use_library


def check_sklearnex_installed() -> None:
    """Raise a UserError when the extra is absent."""
    if find_spec("sklearnex") is None:
        raise UserError(
            "--accelerate needs scikit-learn-intelex: python -m pip install "
            "'classical-vs-deep[fast]' (x86 processors only)"
        )


@contextmanager
def accelerate_models(wanted: bool) -> Iterator[None]:
    """Have models made meanwhile use scikit-learn-intelex' support vector machines and random forests.

    They are used where they are faster and as accurate; nearest neighbours, for one, are not.
    """
    if not wanted:
        yield
        return
    import daal4py

    daal4py.daalinit(nthreads=THREADS)
    with use_library("sklearnex"):
        yield
