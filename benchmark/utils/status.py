"""How a cell has ended."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How a cell has ended."""

    PLANNED = "planned"  # it has not been run yet
    OK = "ok"
    SKIPPED = "skipped"  # it cannot be run, for a reason that is known beforehand
    FAILED = "failed"  # an exception
    TIMEOUT = "timeout"  # it took longer than the time limit
    MEMORY = "memory"  # it took more than the memory limit, or than there is
    CRASHED = "crashed"  # its process died


BAD = (Status.FAILED, Status.TIMEOUT, Status.MEMORY, Status.CRASHED)
