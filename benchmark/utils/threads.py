"""One cell, one thread: figures do not depend on the number of cores, times compare, and neighbours are not disturbed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = 1
GIVEN_UP = "given up"  # name of a thread that nobody waits for any more
_VARIABLES = (
    *(
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    ),
    *(
        "OPENCV_FOR_THREADS_NUM",
        "LOKY_MAX_CPU_COUNT",
    ),  # the last is what joblib takes n_jobs=-1 to mean
)


def limit_process_threads() -> None:
    """Hold BLAS, OpenMP, OpenCV, torch and joblib to ``THREADS`` for the rest of this process.

    A sum over two threads rounds otherwise than over one: without this a network trained on two
    cores differs from one trained on four. Libraries imported later read the environment variables,
    those already here are told.
    """
    from threadpoolctl import threadpool_limits

    os.environ |= dict.fromkeys(_VARIABLES, str(THREADS))
    threadpool_limits(THREADS)
    limit_loaded_libraries()


@contextmanager
def limited_threads() -> Iterator[None]:
    """Hold threads as ``limit_process_threads`` does; BLAS, OpenMP and the environment are as before afterwards."""
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ |= dict.fromkeys(_VARIABLES, str(THREADS))
    limit_loaded_libraries()
    try:
        with threadpool_limits(THREADS):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def limit_loaded_libraries() -> None:
    """Hold OpenCV and torch, if they are loaded."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(THREADS)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(THREADS)
