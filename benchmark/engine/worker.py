"""A worker: a process that runs one task after the other, and is killed when it exceeds a limit.

This module is the parent's side of it; ``worker_process`` is the child's. Why the engine has
workers of its own is explained in ``worker_pool``.
"""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from benchmark.engine.processes import (
    POLL_SECONDS,
    Watchdog,
    block_interrupts,
    kill_and_describe_exit,
    kill_process_tree,
    resident_bytes,
)
from benchmark.engine.worker_process import EPOCH_LOGGER, serve_tasks
from benchmark.errors import UserError
from benchmark.utils.status import Status

MEMORY_POLL_SECONDS = 0.05  # between two checks of a worker's memory
MAX_STARTS = 3  # attempts to start a process before the task fails
START_LIMIT = 300  # seconds that the imports of a process may take, for example from a slow disk
MESSAGE_LIMIT = 60  # seconds that one message may take once it has begun
MESSAGE_BYTES = 2**28
_WATCHDOG = Watchdog(MESSAGE_LIMIT)


@dataclass(frozen=True)
class Limits:
    """Limits of one task; None is no limit.

    Parameters
    ----------
    time : float or None
        Seconds.
    memory : int or None
        Bytes of resident memory of the worker; on Linux without memory-mapped files.
    """

    time: float | None = None
    memory: int | None = None


class EndedError(Exception):
    """A task was not completed, because its process was killed or died.

    Parameters
    ----------
    status : 'timeout', 'memory' or 'crashed'
    reason : str
    peak_mb : float or None
        Memory in MB that the process held, if that was the reason.
    """

    def __init__(self, status: str, reason: str, peak_mb: float | None = None) -> None:
        super().__init__(status, reason, peak_mb)
        self.status, self.reason, self.peak_mb = status, reason, peak_mb


class Worker:
    """A process that runs tasks; not to be used by two threads at once.

    The process is started with the first task, and again whenever it has died.

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
            It must be importable in the process.
        *args
            Its arguments.
        plugins : tuple
            Plug-ins whose code the task runs; a process that has run other plug-ins is replaced
            first.

        Raises
        ------
        EndedError
            A limit was exceeded, the process died, or none could be started.
        UserError
            The user's script starts workers outside ``if __name__ == "__main__":``.
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
            # retry in a new process: earlier tasks may have left objects in memory
            return self._run_once(limits, function, *args)

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
        """Wait for the answer to the current task.

        Answers to earlier tasks, and those of copies that the process has forked, are ignored.
        """
        start = time.monotonic()
        while True:
            self._wait_for_message(process, limits, start)
            pid, task, content = self._read_message(process)
            if (pid, task) != (process.pid, self._task):
                continue
            if not isinstance(content, str):
                return content
            EPOCH_LOGGER.info(content)

    def _read_message(self, process: SpawnProcess) -> tuple[int, int, Any]:
        """Read one message; kill a process that sends an invalid or incomplete one."""
        try:
            with _WATCHDOG.kill_if_overdue(process):
                message = self._connection.recv_bytes(MESSAGE_BYTES)
            pid, task, content = pickle.loads(message)  # noqa: S301  # of our own process
        except (EOFError, ConnectionError):
            raise
        except Exception:
            kill_process_tree(process)
            raise EndedError(
                Status.CRASHED, "the worker sent an invalid message, and was killed"
            ) from None
        return pid, task, content

    def kill_process(self) -> None:
        """Kill the process and its descendants, and start none again.

        A running task ends with the status 'crashed'.
        """
        self._stopped = True
        if self._process is not None:
            kill_process_tree(self._process)

    def _ensure_process(self) -> SpawnProcess:
        """Return a process that is ready for a task: the current one, or a new one."""
        if self._process is not None and self._process.is_alive():
            return self._process
        for _ in range(MAX_STARTS):
            if self._stopped:
                raise EndedError(Status.CRASHED, "the run was stopped before the task began")
            process, problem = self._start_process()
            if not problem:
                Worker._any_started = True
                return process
            if process.exitcode is not None and process.exitcode >= 0 and not Worker._any_started:
                raise UserError(
                    f"a worker process cannot start: it {problem}. A script that calls run() with "
                    "workers must do so under if __name__ == '__main__':, since every worker "
                    "imports the script"
                )
        raise EndedError(
            Status.CRASHED,
            f"no worker process could be started in {MAX_STARTS} attempts: the last one {problem}",
        )

    def _start_process(self) -> tuple[SpawnProcess, str]:
        """Start a process and wait until its imports are done.

        Returns
        -------
        process : SpawnProcess
        problem : str
            Why the process did not get ready; empty if it did.
        """
        connection, child_connection = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=serve_tasks, args=(child_connection,), daemon=True
        )
        try:
            with block_interrupts():
                process.start()
        except OSError as error:  # no memory, or too many processes
            return process, f"could not be created ({error})"
        finally:
            child_connection.close()
        self._process, self._connection = process, connection
        try:
            if not connection.poll(START_LIMIT):
                kill_process_tree(process)
                return process, f"was not ready after {START_LIMIT} s, and was killed"
            connection.recv()
        except (EOFError, OSError):
            return process, kill_and_describe_exit(process)
        return process, ""

    def _wait_for_message(self, process: SpawnProcess, limits: Limits, start: float) -> None:
        """Wait until a message can be received.

        Raises
        ------
        EndedError
            The task has exceeded a limit, and its process was killed.
        EOFError
            The process is dead.
        """
        pause = MEMORY_POLL_SECONDS if limits.memory else POLL_SECONDS
        while not wait([self._connection, process.sentinel], pause):
            elapsed = time.monotonic() - start
            if limits.time:
                pause = min(pause, max(0.0, limits.time - elapsed))
            if limits.time and elapsed >= limits.time:
                kill_process_tree(process)
                raise EndedError(
                    Status.TIMEOUT,
                    f"took longer than the time_limit of {limits.time:g} s; its worker was killed",
                )
            used = resident_bytes(process) if limits.memory else 0
            if limits.memory and used > limits.memory:
                kill_process_tree(process)
                raise EndedError(
                    Status.MEMORY,
                    f"held more than the memory_limit of {limits.memory / 1e9:.2f} GB; its worker "
                    "was killed",
                    used / 1e6,
                )
            if not process.is_alive() and not self._connection.poll():
                raise EOFError
