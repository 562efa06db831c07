"""Replace random forests by those of scikit-learn-intelex."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from benchmark.errors import UserError
from benchmark.utils.threads import THREADS
from models.faster import use_library


def check_sklearnex_installed() -> None:
    """Check that scikit-learn-intelex is installed.

    Raises
    ------
    UserError
        It is not; the message gives the command that installs it.
    """
    if find_spec("sklearnex") is None:
        raise UserError(
            "--accelerate needs scikit-learn-intelex: python -m pip install "
            "'classical-vs-deep[fast]' (x86 processors only)"
        )


@contextmanager
def accelerate_models(enabled: bool) -> Iterator[None]:
    """Let the models created in this block use scikit-learn-intelex.

    Only its random forests are used, which are faster than scikit-learn's and as accurate. Its
    nearest neighbours are not, and its support vector machines take twice as long as ours.

    Parameters
    ----------
    enabled : bool
        Whether to do so; otherwise nothing is changed.
    """
    if not enabled:
        yield
        return
    import daal4py

    daal4py.daalinit(nthreads=THREADS)
    with use_library("sklearnex"):
        yield
