"""Memory of a process: its peak, and the release of memory maps."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


def reset_peak_memory() -> None:
    """Reset the peak of this process, on Linux; elsewhere it counts from the process's start."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_mb() -> float | None:
    """Return the peak resident memory since ``reset_peak_memory`` in MB; None if unknown."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return _process_peak_mb()


def _process_peak_mb() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


def release_memory(array: NDArray) -> None:
    """Release the memory that a memory map takes in this process; its content stays in the file.

    Nothing happens to other arrays, or where the operating system cannot do so.
    """
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        if getattr(base, "mode", None) == "c":  # changes to it are only in memory
            return
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
