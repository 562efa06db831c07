"""Executors: tasks run in this process, in worker processes, or on a Dask cluster."""

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
from benchmark.engine.worker_pool import WorkerPool
from benchmark.errors import UserError, unknown_name_error
from benchmark.utils.text import short_repr
from benchmark.utils.threads import limited_threads

MAX_JOBS = 1024
SCHEDULERS = ("inline", "local", "local-cluster")


class InlineExecutor(Executor):
    """Run tasks in this process, one after the other; meant for debugging.

    Limits are not supported, since there is no process to kill.

    Tasks that run the code of a plug-in are nevertheless given to a worker process, so that nothing
    that a plug-in changes at run time remains in this process. What a plug-in file does when it is
    imported does happen in this process, too.
    """

    def __init__(self) -> None:
        self._pool = WorkerPool()
        self._resources = ExitStack()
        self._resources.enter_context(limited_threads())

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_gpu: bool = False,
        plugins: tuple[Hashable, ...] = (),
    ) -> Future[Any]:
        """Run the task, and return a future that is done."""
        future: Future[Any] = Future()
        try:
            in_worker = partial(self._pool.run_task, "", Limits(), plugins, function)
            future.set_result(in_worker(*args) if plugins else function(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        """Lift the limit on threads, and kill the workers of plug-ins."""
        self._resources.close()
        self._pool.kill_workers("")


class LocalExecutor(Executor):
    """Run tasks in worker processes of this machine.

    Parameters
    ----------
    jobs : int
        Number of workers.
    limits : Limits
    with_gpus : bool
        Whether to look for CUDA devices.
    """

    def __init__(self, jobs: int, limits: Limits, with_gpus: bool = False) -> None:
        self._pool, self._limits = WorkerPool(), limits
        self._jobs = jobs
        self._gpus: tuple[int, ...] = ()
        if with_gpus and _may_have_gpus():
            self._gpus = tuple(range(self._pool.run_task("", limits, (), count_gpus)))
        self._threads = ThreadPoolExecutor(jobs + len(self._gpus))

    @property
    def n_workers(self) -> int:
        """Number of workers, as requested."""
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
        """Give the task to a worker; it waits while all workers are busy."""
        return self._threads.submit(self._pool.run_task, "", self._limits, plugins, function, *args)

    def shutdown(self) -> None:
        """Kill the workers."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.kill_workers("")


def executor_for(scheduler: str, jobs: int | None, limits: Limits) -> Callable[[bool], Executor]:
    """Check how a study is to be run, and return a function that starts the executor.

    Parameters
    ----------
    scheduler : 'inline', 'local', 'local-cluster' or the address of a Dask scheduler
    jobs : int or None
        Number of workers; None is one per physical core.
    limits : Limits

    Returns
    -------
    callable (wants_gpu) -> Executor
        Its argument is whether some tasks can use a GPU. It raises a UserError when there is no
        Dask cluster at the address.

    Raises
    ------
    UserError
        The scheduler is unknown, or cannot be combined with the number of jobs or the limits.
    """
    if scheduler not in SCHEDULERS and ":" not in scheduler:
        raise unknown_name_error("scheduler", scheduler, [*SCHEDULERS, "tcp://HOST:PORT"])
    n_workers = check_jobs(jobs)
    if scheduler == "inline" and limits != Limits():
        raise UserError(
            "the scheduler 'inline' has no worker to kill at a limit; use 'local', or remove the "
            "limits"
        )
    if scheduler == "inline":
        return lambda gpu: InlineExecutor()
    return lambda gpu: (
        LocalExecutor(n_workers, limits, gpu)
        if scheduler == "local"
        else DaskExecutor(scheduler, n_workers, limits)
    )


def check_jobs(jobs: int | None) -> int:
    """Number of workers: the requested one, or one per physical core when it is None.

    Raises
    ------
    UserError
        The number is below 1 or above ``MAX_JOBS``.
    """
    if jobs is not None and not 1 <= jobs <= MAX_JOBS:
        raise UserError(f"jobs must be a number from 1 to {MAX_JOBS}, not {short_repr(jobs)}")
    return jobs or default_jobs()


def default_jobs() -> int:
    """Number of physical cores that this process may use."""
    return cpu_count(only_physical_cores=True)


def _may_have_gpus() -> bool:
    """Whether there may be a GPU, so that importing torch, which takes seconds, is worthwhile."""
    devices = ("nvidia0", "kfd", "dxg")  # CUDA, ROCm, the Windows Subsystem for Linux
    return platform != "linux" or any(Path("/dev", name).exists() for name in devices)
