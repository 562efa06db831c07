"""A worker: a process that runs one task after another, and is killed with whatever it does when it passes a limit.

It is our own, on multiprocessing, because the process pools there are lose a task: concurrent.futures breaks as a whole
when one worker dies, joblib's as well, and Pebble's waits for ever for a task that called ``os._exit(0)``; none watches
memory. One pipe a worker means that a worker killed at any moment leaves nothing locked and disturbs no other.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import psutil

from benchmark.errors import UserError

POLL = 0.05  # seconds between two looks at a worker's memory
EPOCHS = logging.getLogger("models.training")  # what networks say in a worker is said again in its parent
BEAT = 0.5  # seconds between two looks whether it lives: a child it left behind may hold its end of the pipe open


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
    peak_mb : float or None
        Memory that the process held, where that was the reason.
    """

    def __init__(self, status: str, reason: str, peak_mb: float | None = None) -> None:
        super().__init__(status, reason, peak_mb)
        self.status, self.reason, self.peak_mb = status, reason, peak_mb


class Worker:
    """A process for tasks, started at the first one and again after every death; not for use by two threads at once."""

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._stopped = False
        self._connection: Connection

    def run(self, limits: Limits, function: Callable[..., Any], *args: Any) -> Any:
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
            return self._run(limits, function, *args)
        except EndedError as ended:
            if ended.status != "memory" or is_new:
                raise
            return self._run(limits, function, *args)  # in a new process: what earlier tasks left behind is not this one's fault

    def _run(self, limits: Limits, function: Callable[..., Any], *args: Any) -> Any:
        process = self._started()
        if self._stopped:
            _kill(process)
        try:
            self._connection.send((function, args))
            start = time.monotonic()
            self._watch(process, limits, start)
            while isinstance(received := self._connection.recv(), str):  # it says how far it is
                EPOCHS.info(received)
                self._watch(process, limits, start)
            failed, result = received
        except (EOFError, OSError):
            raise EndedError("crashed", f"the worker {_bury(process)}") from None
        if failed:
            raise result
        return result

    def kill(self) -> None:
        """Kill the process, and whatever it started, for good; a task in it ends as 'crashed'."""
        self._stopped = True
        if self._process is not None:
            _kill(self._process)

    def _started(self) -> SpawnProcess:
        if self._process is not None and self._process.is_alive():
            return self._process
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
        with deaf_to_interrupts():
            process.start()
        theirs.close()
        self._process, self._connection = process, ours
        try:
            ours.recv()  # imports are done: they are not counted into a task's time
        except (EOFError, OSError):
            raise UserError(
                f"a worker process cannot start: it {_bury(process)}. A script that calls run() with workers must do so under "
                "if __name__ == '__main__':, since every worker imports the script"
            ) from None
        return process

    def _watch(self, process: SpawnProcess, limits: Limits, start: float) -> None:
        """Return when there is something to receive; kill and raise at a limit, or when the process is dead."""
        pause = POLL if limits.memory else BEAT
        while not wait([self._connection, process.sentinel], pause):
            passed = time.monotonic() - start
            if limits.time:
                pause = min(pause, max(0.0, limits.time - passed))
            if limits.time and passed >= limits.time:
                _kill(process)
                raise EndedError("timeout", f"took longer than the time_limit of {limits.time:g} s; its worker was killed")
            held = _resident(process) if limits.memory else 0
            if limits.memory and held > limits.memory:
                _kill(process)
                reason = f"held more than the memory_limit of {limits.memory / 1e9:.2f} GB; its worker was killed"
                raise EndedError("memory", reason, held / 1e6)
            if not process.is_alive() and not self._connection.poll():
                raise EOFError


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


def _bury(process: SpawnProcess) -> str:
    """See a process off whose pipe is closed, and say how it ended: it is all but dead, or has closed its files and lives on."""
    deadline = time.monotonic() + BEAT
    while process.is_alive() and time.monotonic() < deadline:  # join(timeout) would wait for ever if the sentinel is closed
        time.sleep(0.01)
    lives = process.is_alive()
    _kill(process)
    return "closed its connection to the runner, and was killed" if lives else _died(process.exitcode)


def _resident(process: SpawnProcess) -> int:
    try:
        held = psutil.Process(process.pid).memory_info()
    except psutil.NoSuchProcess:
        return 0
    return held.rss - getattr(held, "shared", 0)  # Linux tells what is a map of a file, such as a matrix that all workers share


def _kill(process: SpawnProcess) -> None:
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


def _serve(connection: Connection) -> None:
    """Main of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()  # a process group of its own, to be killed as one
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    os.dup2(2, 1)  # what plug-ins print does not get between the lines of the leaderboard
    from benchmark.threads import hold_threads, tell_loaded

    hold_threads()
    import benchmark.tasks  # noqa: F401  # what every task needs, imported before the clock runs

    EPOCHS.setLevel(logging.INFO)
    EPOCHS.addHandler(Telling(connection.send))
    connection.send("ready")
    surroundings, home = dict(os.environ), Path.cwd()
    while True:
        try:
            function, args = connection.recv()
        except EOFError:
            return
        if os.environ != surroundings:  # whatever an earlier plug-in has changed
            os.environ.clear()
            os.environ.update(surroundings)
        os.chdir(home)
        tell_loaded()
        connection.send(_ending(function, args))


class Telling(logging.Handler):
    """Hands the text of what is logged, at level INFO, to a function."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.INFO)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it."""
        self._tell(record.getMessage())


def _ending(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return False, function(*args)
    except Exception as error:
        error.add_note(f"in a worker:\n{traceback.format_exc()}")
        return True, error


def _leave_with_parent() -> None:
    """End with the parent, however it ended: a killed runner leaves no process at work behind it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
