"""The statuses of a cell."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The status of a cell in its row."""

    PLANNED = "planned"  # not run yet
    OK = "ok"
    SKIPPED = "skipped"  # cannot be run; the reason in the row says why
    FAILED = "failed"  # raised an exception
    TIMEOUT = "timeout"  # exceeded the time limit
    MEMORY = "memory"  # exceeded the memory limit, or the memory that is available
    CRASHED = "crashed"  # its process died


BAD = (Status.FAILED, Status.TIMEOUT, Status.MEMORY, Status.CRASHED)
