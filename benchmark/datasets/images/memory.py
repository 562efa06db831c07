"""Limit the memory of images that are decoded at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MemoryBudget:
    """Memory that threads share: a thread waits until the memory that it needs is free.

    Parameters
    ----------
    n_bytes : int
        The limit. A thread that needs more runs alone.
    """

    def __init__(self, n_bytes: int) -> None:
        self._limit = n_bytes
        self._reserved = 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve_memory(self, n_bytes: int) -> Iterator[None]:
        """Wait until the memory is free, and reserve it for the duration of the block."""
        needed = min(n_bytes, self._limit)
        with self._changed:
            self._changed.wait_for(lambda: self._reserved + needed <= self._limit)
            self._reserved += needed
        try:
            yield
        finally:
            with self._changed:
                self._reserved -= needed
                self._changed.notify_all()
