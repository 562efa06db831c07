"""One cell, one thread: figures do not depend on the number of cores, times compare, and neighbours are not disturbed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

THREADS = 1


@contextmanager
def limited_threads() -> Iterator[None]:
    """Hold BLAS, OpenMP, OpenCV and torch to ``THREADS``; BLAS and OpenMP are as before afterwards.

    A sum over two threads rounds otherwise than over one: without this a network trained on two cores differs from one
    trained on four. What is imported meanwhile, as torch is by the first network, reads the environment variable.
    """
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(THREADS)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(THREADS)
    try:
        with threadpool_limits(THREADS):
            yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
