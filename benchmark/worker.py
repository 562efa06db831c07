"""A worker: a process that runs one task after another, and is killed with whatever it does when it passes a limit.

It is our own, on multiprocessing, because the process pools there are lose a task: concurrent.futures breaks as a whole
when one worker dies, joblib's as well, and Pebble's waits for ever for a task that called ``os._exit(0)``; none watches
memory. One pipe a worker means that a worker killed at any moment leaves nothing locked and disturbs no other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import psutil

from benchmark.errors import UserError

POLL = 0.05  # seconds between two looks at a worker's memory


@dataclass(frozen=True)
class Limits:
    """What one task may use; None is no limit.

    Parameters
    ----------
    time : float
        Seconds.
    memory : int
        Bytes of resident memory of the worker; on Linux without what it has memory-mapped.
    """

    time: float | None = None
    memory: int | None = None


class EndedError(Exception):
    """A task did not come to its end: the process under it was killed, or died.

    Parameters
    ----------
    status : 'timeout', 'memory' or 'crashed'
    reason : str
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason


class Worker:
    """A process for tasks, started at the first one and again after every death; not for use by two threads at once.

    Parameters
    ----------
    limits : Limits
        Of every task.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: SpawnProcess | None = None
        self._stopped = False
        self._connection: Connection

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run ``function(*args)`` in the process and return its result, or raise its exception.

        Raises
        ------
        EndedError
            A limit was passed, or the process died.
        UserError
            No process can be started.
        """
        is_new = self._process is None or not self._process.is_alive()
        try:
            return self._run(function, *args)
        except EndedError as ended:
            if ended.status != "memory" or is_new:
                raise
            return self._run(function, *args)  # in a new process: what earlier tasks left behind is not this one's fault

    def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        process = self._started()
        if self._stopped:
            _kill_tree(process)
        try:
            self._connection.send((function, args))
            self._watch(process)
            failed, result = self._connection.recv()
        except (EOFError, ConnectionError):
            process.join()
            raise EndedError("crashed", f"the worker {_died(process.exitcode)}") from None
        if failed:
            raise result
        return result

    def kill(self) -> None:
        """Kill the process, and whatever it started, for good; a task in it ends as 'crashed'."""
        self._stopped = True
        if self._process is not None and self._process.is_alive():
            _kill_tree(self._process)

    def _started(self) -> SpawnProcess:
        if self._process is not None and self._process.is_alive():
            return self._process
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        self._process, self._connection = process, ours
        try:
            ours.recv()  # imports are done: they are not counted into a task's time
        except (EOFError, ConnectionError):
            process.join()
            raise UserError(
                f"a worker process cannot start: it {_died(process.exitcode)}. A script that calls run() with workers must do so under "
                "if __name__ == '__main__':, since every worker imports the script"
            ) from None
        return process

    def _watch(self, process: SpawnProcess) -> None:
        """Return when there is something to receive; kill and raise at a limit."""
        limits, start = self._limits, time.monotonic()
        while not wait([self._connection, process.sentinel], self._pause(time.monotonic() - start)):
            if limits.time and time.monotonic() - start >= limits.time:
                _kill_tree(process)
                raise EndedError("timeout", f"took longer than the time_limit of {limits.time:g} s; its worker was killed")
            held = _resident(process) if limits.memory else 0
            if limits.memory and held > limits.memory:
                _kill_tree(process)
                raise EndedError("memory", f"held {_gb(held)}, over the memory_limit of {_gb(limits.memory)}; its worker was killed")

    def _pause(self, passed: float) -> float | None:
        left = None if self._limits.time is None else max(0.0, self._limits.time - passed)
        return left if self._limits.memory is None else min(POLL, POLL if left is None else left)


def _resident(process: SpawnProcess) -> int:
    try:
        held = psutil.Process(process.pid).memory_info()
    except psutil.NoSuchProcess:
        return 0
    return held.rss - getattr(held, "shared", 0)  # Linux tells what is a map of a file, such as a matrix that all workers share


def _kill_tree(process: SpawnProcess) -> None:
    try:
        begun = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        begun = []
    process.kill()
    process.join()
    for child in begun:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue


def _died(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"left with exit code {exitcode}"
    name = signal.Signals(-exitcode).name if -exitcode in set(signal.Signals) else f"signal {-exitcode}"
    guess = " from outside, most likely by the system for want of memory" if name == "SIGKILL" else ""
    return f"was killed by {name}{guess}"


def _gb(n: int) -> str:
    return f"{n / 1e9:.2f} GB"


def _serve(connection: Connection) -> None:
    """Main of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the runner decides what becomes of us
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    os.dup2(2, 1)  # what plug-ins print does not get between the lines of the leaderboard
    from benchmark.threads import hold_threads

    hold_threads()
    import benchmark.tasks  # noqa: F401  # what every task needs, imported before the clock runs

    connection.send("ready")
    while True:
        try:
            function, args = connection.recv()
        except EOFError:
            return
        connection.send(_ending(function, args))


def _ending(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return False, function(*args)
    except Exception as error:
        import traceback

        error.add_note(f"in a worker:\n{traceback.format_exc()}")
        return True, error


def _leave_with_parent() -> None:
    """End with the parent, however it ended: a killed runner leaves no process at work behind it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
