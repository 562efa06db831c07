"""Processes: started where Ctrl-C does not reach them, measured, killed with all that they started, and how they ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnProcess

import psutil

BEAT = 0.5  # seconds that a process whose pipe is closed has to end


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Let processes that are started meanwhile never hear of Ctrl-C, which reaches all of a terminal's: their parent decides."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which, when it starts, lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def bury(process: SpawnProcess) -> str:
    """See a process off whose pipe is closed, and say how it ended: it is all but dead, or has closed its files and lives on."""
    deadline = time.monotonic() + BEAT
    while process.is_alive() and time.monotonic() < deadline:  # join(timeout) would wait for ever if the sentinel is closed
        time.sleep(0.01)
    lives = process.is_alive()
    kill(process)
    return "closed its connection to the runner, and was killed" if lives else _died(process.exitcode)


def resident_bytes(process: SpawnProcess) -> int:
    """Memory that a process holds, without what it has memory-mapped where the system tells."""
    try:
        held = psutil.Process(process.pid).memory_info()
    except psutil.NoSuchProcess:
        return 0
    return held.rss - getattr(held, "shared", 0)  # Linux tells what is a map of a file, such as a matrix that all workers share


def kill(process: SpawnProcess) -> None:
    """Kill a process and all that it started, also what it has left behind in its process group."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.join()
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(process.pid or 0, signal.SIGKILL)


def _died(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"left with exit code {exitcode}"
    name = signal.Signals(-exitcode).name if -exitcode in set(signal.Signals) else f"signal {-exitcode}"
    guess = " from outside, most likely by the system for want of memory" if name == "SIGKILL" else ""
    return f"was killed by {name}{guess}"
