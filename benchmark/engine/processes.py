"""Processes: start them out of reach of Ctrl-C, measure and kill them, describe how they ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnProcess

import psutil

POLL_SECONDS = 0.5  # between two checks of a process
EXIT_SECONDS = 0.5  # that a process has to end after its pipe was closed


@contextmanager
def block_interrupts() -> Iterator[None]:
    """Start the processes of this block with interrupts blocked.

    Ctrl-C reaches every process of a terminal; whether the workers end is up to their parent.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # first, since it unblocks interrupts when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Watchdog:
    """Kill processes that keep their parent waiting for too long.

    One thread watches all of them, since starting a thread per message would take longer than the
    message.

    Parameters
    ----------
    limit : float
        Seconds that the parent waits for a process.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._waiting: dict[SpawnProcess, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def kill_if_overdue(self, process: SpawnProcess) -> Iterator[None]:
        """Kill the process if this block takes longer than the limit."""
        with self._lock:
            self._waiting[process] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._kill_overdue_processes, daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._waiting[process]

    def _kill_overdue_processes(self) -> None:
        while True:
            time.sleep(POLL_SECONDS)
            with self._lock:
                for process, since in self._waiting.items():
                    if time.monotonic() - since > self._limit:
                        process.kill()


def kill_and_describe_exit(process: SpawnProcess) -> str:
    """Kill a process whose pipe is closed, and describe how it ended.

    Such a process is about to end, or has closed its files and keeps running.
    """
    deadline = time.monotonic() + EXIT_SECONDS
    # not join(timeout), which would wait forever if the process has closed its sentinel
    while process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    still_runs = process.is_alive()
    kill_process_tree(process)
    return (
        "closed its connection to the runner, and was killed"
        if still_runs
        else _describe_exit_code(process.exitcode)
    )


def resident_bytes(process: SpawnProcess) -> int:
    """Resident memory of a process in bytes, 0 if it has ended.

    On Linux, which reports it, memory-mapped files are not counted: all workers share the feature
    matrices that they map.
    """
    try:
        memory = psutil.Process(process.pid).memory_info()
    except psutil.NoSuchProcess:
        return 0
    return memory.rss - getattr(memory, "shared", 0)


def kill_process_tree(process: SpawnProcess) -> None:
    """Kill a process, its descendants, and whatever is left in its process group."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.join()
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(process.pid or 0, signal.SIGKILL)


def _describe_exit_code(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"exited with code {exitcode}"
    name = (
        signal.Signals(-exitcode).name
        if -exitcode in set(signal.Signals)
        else f"signal {-exitcode}"
    )
    guess = ", probably by the operating system because memory ran out" if name == "SIGKILL" else ""
    return f"was killed by {name}{guess}"
