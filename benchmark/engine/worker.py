"""A worker: a process that runs one task after another, and is killed with whatever it does when it passes a limit.

It is our own, on multiprocessing, because the process pools there are lose a task:
concurrent.futures breaks as a whole when one worker dies, joblib's as well, and Pebble's waits for
ever for a task that called ``os._exit(0)``; none watches memory. One pipe per worker means that a
worker killed at any moment leaves nothing locked and disturbs no other.

A process that has run the code of a plug-in is used for cells of the same plug-ins only: what they
have changed in NumPy, scikit-learn or this package changes no other cell.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from benchmark.engine.processes import (
    BEAT,
    Watch,
    block_interrupts,
    kill_and_describe_exit,
    kill_process_tree,
    resident_bytes,
)
from benchmark.errors import UserError
from benchmark.utils.files import forbid_writing
from benchmark.utils.status import Status

POLL = 0.05  # seconds between two looks at a worker's memory
EPOCHS = logging.getLogger(
    "models.training"
)  # what networks say in a worker is said again in its parent
STARTS = 3  # attempts to start a process before a task is given up
START_LIMIT = 300  # seconds that its imports may take, as from a slow disk
MESSAGE_LIMIT = 60  # seconds that one message may take once it has begun
MESSAGE_BYTES = 2**28
_MESSAGES = Watch(MESSAGE_LIMIT)


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
    """A process for tasks, started at the first one and again after every death; not for use by two threads at once.

    Attributes
    ----------
    plugins : tuple
        Plug-ins whose code the process has run.
    """

    _any_started = False

    def __init__(self) -> None:
        self.plugins: tuple[Hashable, ...] = ()
        self._process: SpawnProcess | None = None
        self._stopped = False
        self._task = 0
        self._connection: Connection

    def run_task(
        self,
        limits: Limits,
        function: Callable[..., Any],
        *args: Any,
        plugins: tuple[Hashable, ...] = (),
    ) -> Any:
        """Run ``function(*args)`` in the process and return its result, or raise its exception.

        Parameters
        ----------
        limits : Limits
        function : callable
        *args
        plugins : tuple
            Whose code that runs; a process that has run other plug-ins is replaced first.

        Raises
        ------
        EndedError
            A limit was passed, the process died, or none could be started.
        UserError
            The script that is run does not let workers start.
        """
        if self.plugins not in ((), plugins) and self._process is not None:
            kill_process_tree(self._process)
        is_new = self._process is None or not self._process.is_alive()
        self.plugins = plugins
        try:
            return self._run_once(limits, function, *args)
        except EndedError as ended:
            if ended.status != "memory" or is_new:
                raise
            return self._run_once(
                limits, function, *args
            )  # in a new process: what earlier tasks left behind is not this one's fault

    def _run_once(self, limits: Limits, function: Callable[..., Any], *args: Any) -> Any:
        process = self._ensure_process()
        if self._stopped:
            kill_process_tree(process)
        self._task += 1
        try:
            self._connection.send((self._task, function, args))
            failed, result = self._receive_answer(process, limits)
        except (EOFError, OSError):
            raise EndedError(
                Status.CRASHED, f"the worker {kill_and_describe_exit(process)}"
            ) from None
        if failed:
            raise result
        return result

    def _receive_answer(self, process: SpawnProcess, limits: Limits) -> tuple[bool, Any]:
        """Wait for the answer to the present task, whatever else the process, or a copy that it made of itself, sends."""
        start = time.monotonic()
        while True:
            self._wait_for_message(process, limits, start)
            pid, task, content = self._read_message(process)
            if (pid, task) != (process.pid, self._task):
                continue
            if not isinstance(content, str):
                return content
            EPOCHS.info(content)  # it says how far it is

    def _read_message(self, process: SpawnProcess) -> tuple[int, int, Any]:
        """Read one message; a process that sends anything else, or half of one, is killed."""
        try:
            with _MESSAGES.kill_if_overdue(process):
                message = self._connection.recv_bytes(MESSAGE_BYTES)
            pid, task, content = pickle.loads(message)  # noqa: S301  # of our own process
        except (EOFError, ConnectionError):
            raise
        except Exception:
            kill_process_tree(process)
            raise EndedError(
                Status.CRASHED, "the worker sent something that is no answer, and was killed"
            ) from None
        return pid, task, content

    def kill_process(self) -> None:
        """Kill the process, and whatever it started, for good; a task in it ends as 'crashed'."""
        self._stopped = True
        if self._process is not None:
            kill_process_tree(self._process)

    def _ensure_process(self) -> SpawnProcess:
        """Process that is ready for a task: the present one, or a new one."""
        if self._process is not None and self._process.is_alive():
            return self._process
        for _ in range(STARTS):
            if self._stopped:
                raise EndedError(Status.CRASHED, "the run was stopped before it began")
            process, problem = self._start_process()
            if not problem:
                Worker._any_started = True
                return process
            if process.exitcode is not None and process.exitcode >= 0 and not Worker._any_started:
                raise UserError(
                    f"a worker process cannot start: it {problem}. A script that calls run() with "
                    "workers must do so under "
                    "if __name__ == '__main__':, since every worker imports the script"
                )
        raise EndedError(
            Status.CRASHED,
            f"no worker process could be started in {STARTS} attempts: the last one {problem}",
        )

    def _start_process(self) -> tuple[SpawnProcess, str]:
        """Start a process, and say what went wrong if it does not get ready."""
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_serve_tasks, args=(theirs,), daemon=True
        )
        try:
            with block_interrupts():
                process.start()
        except OSError as error:  # no memory, or too many processes
            return process, f"could not be made ({error})"
        finally:
            theirs.close()
        self._process, self._connection = process, ours
        try:
            if not ours.poll(
                START_LIMIT
            ):  # imports are done: they are not counted into a task's time
                kill_process_tree(process)
                return process, f"was not ready after {START_LIMIT} s, and was killed"
            ours.recv()
        except (EOFError, OSError):
            return process, kill_and_describe_exit(process)
        return process, ""

    def _wait_for_message(self, process: SpawnProcess, limits: Limits, start: float) -> None:
        """Return when there is something to receive; kill and raise at a limit, or when the process is dead."""
        pause = POLL if limits.memory else BEAT
        while not wait([self._connection, process.sentinel], pause):
            passed = time.monotonic() - start
            if limits.time:
                pause = min(pause, max(0.0, limits.time - passed))
            if limits.time and passed >= limits.time:
                kill_process_tree(process)
                raise EndedError(
                    Status.TIMEOUT,
                    f"took longer than the time_limit of {limits.time:g} s; its worker was killed",
                )
            held = resident_bytes(process) if limits.memory else 0
            if limits.memory and held > limits.memory:
                kill_process_tree(process)
                reason = f"held more than the memory_limit of {limits.memory / 1e9:.2f} GB; its worker was killed"
                raise EndedError(Status.MEMORY, reason, held / 1e6)
            if not process.is_alive() and not self._connection.poll():
                raise EOFError


def _serve_tasks(connection: Connection) -> None:
    """Main of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()  # a process group of its own, to be killed as one
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.dup2(2, 1)  # what plug-ins print does not get between the lines of the leaderboard
    from benchmark.utils.threads import limit_loaded_libraries, limit_process_threads

    limit_process_threads()
    import benchmark.engine.tasks  # noqa: F401  # what every task needs, imported before the clock runs

    pid, current = os.getpid(), [0]
    _disable_forked_copies(connection)
    EPOCHS.setLevel(logging.INFO)
    EPOCHS.addHandler(Telling(lambda text: connection.send((os.getpid(), current[0], text))))
    connection.send("ready")
    surroundings, home, depth = dict(os.environ), Path.cwd(), sys.getrecursionlimit()
    while True:
        try:
            current[0], function, args = connection.recv()
        except EOFError:
            return
        if os.environ != surroundings:  # whatever an earlier plug-in has changed
            os.environ.clear()
            os.environ.update(surroundings)
        os.chdir(home)
        limit_loaded_libraries()
        answer = _capture_result(function, args)
        if os.getpid() != pid:
            os._exit(1)  # a copy that a plug-in has made of this process
        sys.setrecursionlimit(depth)
        connection.send((pid, current[0], answer))


def _disable_forked_copies(connection: Connection) -> None:
    """Let no copy that a plug-in makes of this process answer in its place, or write its files."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forbid_writing)
        os.register_at_fork(after_in_child=connection.close)


class Telling(logging.Handler):
    """Hands the text of what is logged, at level INFO, to a function."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.INFO)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it."""
        self._tell(record.getMessage())


def _capture_result(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return False, function(*args)
    except BaseException as error:
        error.add_note(f"in a worker:\n{traceback.format_exc()[-10_000:]}")
        return True, error if isinstance(error, Exception) else RuntimeError(
            f"{type(error).__name__}: {error}"
        )


def _exit_with_parent() -> None:
    """End with the parent, however it ended: a killed runner leaves no process at work behind it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
