"""Processes: started where Ctrl-C does not reach them, measured, killed with all that they started, and how they ended."""

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

BEAT = 0.5  # seconds that a process whose pipe is closed has to end


@contextmanager
def block_interrupts() -> Iterator[None]:
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


class Watch:
    """Kills processes that have kept their parent waiting for too long.

    One thread looks after all of them: to start a thread for each message would take longer than
    the message.

    Parameters
    ----------
    limit : float
        Seconds that a process may take.
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
            time.sleep(BEAT)
            with self._lock:
                for process, since in self._waiting.items():
                    if time.monotonic() - since > self._limit:
                        process.kill()


def kill_and_describe_exit(process: SpawnProcess) -> str:
    """See a process off whose pipe is closed, and say how it ended: it is all but dead, or has closed its files and lives on."""
    deadline = time.monotonic() + BEAT
    while (
        process.is_alive() and time.monotonic() < deadline
    ):  # join(timeout) would wait for ever if the sentinel is closed
        time.sleep(0.01)
    lives = process.is_alive()
    kill_process_tree(process)
    return (
        "closed its connection to the runner, and was killed"
        if lives
        else _describe_exit_code(process.exitcode)
    )


def resident_bytes(process: SpawnProcess) -> int:
    """Memory that a process holds, without what it has memory-mapped where the system tells."""
    try:
        held = psutil.Process(process.pid).memory_info()
    except psutil.NoSuchProcess:
        return 0
    return held.rss - getattr(
        held, "shared", 0
    )  # Linux tells what is a map of a file, such as a matrix that all workers share


def kill_process_tree(process: SpawnProcess) -> None:
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


def _describe_exit_code(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"left with exit code {exitcode}"
    name = (
        signal.Signals(-exitcode).name
        if -exitcode in set(signal.Signals)
        else f"signal {-exitcode}"
    )
    guess = (
        " from outside, most likely by the system for want of memory" if name == "SIGKILL" else ""
    )
    return f"was killed by {name}{guess}"
