"""Where tasks run: in this process, in worker processes of this machine, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from sys import platform
from typing import Any

from joblib import cpu_count

from benchmark.engine.dask_executor import DaskExecutor
from benchmark.engine.executor import Executor
from benchmark.engine.tasks import count_gpus
from benchmark.engine.worker import Limits
from benchmark.engine.worker_pool import Crew
from benchmark.errors import UserError, unknown_name_error
from benchmark.utils.text import short_repr
from benchmark.utils.threads import limited_threads

MOST_JOBS = 1024
SCHEDULERS = ("inline", "local", "local-cluster")


class InlineExecutor(Executor):
    """In this process, one task after the other; for debugging: there is nothing to be killed at a limit.

    Tasks that run the code of a plug-in are given to a worker process all the same, so that nothing
    a plug-in changes while it works stays here. What a plug-in file does while it is imported, it
    does here, too.
    """

    def __init__(self) -> None:
        self._crew = Crew()
        self._held = ExitStack()
        self._held.enter_context(limited_threads())

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_gpu: bool = False,
        plugins: tuple[Hashable, ...] = (),
    ) -> Future[Any]:
        """Run the task; its future is done."""
        future: Future[Any] = Future()
        try:
            in_worker = partial(self._crew.run_task, "", Limits(), plugins, function)
            future.set_result(in_worker(*args) if plugins else function(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        """Give the threads free again."""
        self._held.close()
        self._crew.kill_workers("")


class LocalExecutor(Executor):
    """In worker processes of this machine.

    Parameters
    ----------
    jobs : int
    limits : Limits
    with_gpus : bool
        Look for CUDA devices.
    """

    def __init__(self, jobs: int, limits: Limits, with_gpus: bool = False) -> None:
        self._crew, self._limits = Crew(), limits
        self._jobs = jobs
        self._gpus: tuple[int, ...] = ()
        if with_gpus and _may_have_gpus():
            self._gpus = tuple(range(self._crew.run_task("", limits, (), count_gpus)))
        self._threads = ThreadPoolExecutor(jobs + len(self._gpus))

    @property
    def n_workers(self) -> int:
        """As many as were asked for."""
        return self._jobs

    @property
    def gpus(self) -> tuple[int | None, ...]:
        """All CUDA devices of this machine."""
        return self._gpus

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_gpu: bool = False,
        plugins: tuple[Hashable, ...] = (),
    ) -> Future[Any]:
        """Give the task to a worker; it waits when all are busy."""
        return self._threads.submit(self._crew.run_task, "", self._limits, plugins, function, *args)

    def shutdown(self) -> None:
        """Kill the workers."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._crew.kill_workers("")


def executor_for(scheduler: str, jobs: int | None, limits: Limits) -> Callable[[bool], Executor]:
    """What makes the executor that a command asks for, given whether some tasks want a GPU.

    Parameters
    ----------
    scheduler : 'inline', 'local', 'local-cluster' or the address of a Dask scheduler
    jobs : int or None
        Workers; None is one for each physical core.
    limits : Limits

    Raises
    ------
    UserError
        These do not go together. When the executor is made: there is no such scheduler.
    """
    if scheduler not in SCHEDULERS and ":" not in scheduler:
        raise unknown_name_error("scheduler", scheduler, [*SCHEDULERS, "tcp://HOST:PORT"])
    n = check_jobs(jobs)
    if scheduler == "inline" and limits != Limits():
        raise UserError(
            "the scheduler 'inline' has no worker to kill at a limit; use 'local', or leave the "
            "limits out"
        )
    if scheduler == "inline":
        return lambda gpu: InlineExecutor()
    return lambda gpu: (
        LocalExecutor(n, limits, gpu)
        if scheduler == "local"
        else DaskExecutor(scheduler, n, limits)
    )


def check_jobs(jobs: int | None) -> int:
    """Number of workers: the one asked for, or one for each physical core.

    Raises
    ------
    UserError
        It is below 1 or above ``MOST_JOBS``.
    """
    if jobs is not None and not 1 <= jobs <= MOST_JOBS:
        raise UserError(f"jobs must be a number from 1 to {MOST_JOBS}, not {short_repr(jobs)}")
    return jobs or default_jobs()


def default_jobs() -> int:
    """One worker for each physical core that this process may use."""
    return cpu_count(only_physical_cores=True)


def _may_have_gpus() -> bool:
    """Whether it is worth asking torch, which takes seconds."""
    devices = ("nvidia0", "kfd", "dxg")  # CUDA, ROCm, Windows' Linux
    return platform != "linux" or any(Path("/dev", name).exists() for name in devices)
