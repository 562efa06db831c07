"""A bound on the memory of images that are decoded at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MemoryBudget:
    """Lets threads work at the same time as long as what they need together stays below a limit.

    Parameters
    ----------
    n_bytes : int
        The limit. Whoever needs more works alone.
    """

    def __init__(self, n_bytes: int) -> None:
        self._limit = n_bytes
        self._held = 0
        self._changed = threading.Condition()

    @contextmanager
    def reserve_memory(self, n_bytes: int) -> Iterator[None]:
        """Wait until the memory is free, and hold it within the block."""
        needed = min(n_bytes, self._limit)
        with self._changed:
            self._changed.wait_for(lambda: self._held + needed <= self._limit)
            self._held += needed
        try:
            yield
        finally:
            with self._changed:
                self._held -= needed
                self._changed.notify_all()
