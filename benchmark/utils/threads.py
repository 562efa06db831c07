"""Limits on threads: each cell is computed on one thread.

Results therefore do not depend on the number of cores, times can be compared, and cells that run at
the same time do not slow each other down.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = 1
GIVEN_UP = "given up"  # name of a thread that is no longer waited for
_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "LOKY_MAX_CPU_COUNT",  # the number of workers that joblib uses for n_jobs=-1
)


def limit_process_threads() -> None:
    """Limit BLAS, OpenMP, OpenCV, torch and joblib to ``THREADS`` for the rest of this process.

    A sum over two threads is rounded differently from a sum over one; without the limit, a network
    trained on two cores would differ from one trained on four. Libraries that are imported later
    read the environment variables; those already loaded are set directly.
    """
    from threadpoolctl import threadpool_limits

    os.environ |= dict.fromkeys(_VARIABLES, str(THREADS))
    threadpool_limits(THREADS)
    limit_loaded_libraries()


@contextmanager
def limited_threads() -> Iterator[None]:
    """Limit threads as ``limit_process_threads`` does, and restore BLAS and OpenMP afterwards."""
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
    """Limit the threads of OpenCV and torch, if they are loaded."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(THREADS)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(THREADS)
