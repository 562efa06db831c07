"""Where tasks run: in this process, in worker processes of this machine, or on a Dask cluster.

One small interface, that of ``concurrent.futures``: ``submit`` gives a future, whose exception is an ``EndedError`` when a
limit was passed or a process died. Nobody else knows that there are processes.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from sys import platform
from typing import Any, Self
from uuid import uuid4

from joblib import cpu_count

from benchmark.crew import Crew
from benchmark.errors import UserError, unknown
from benchmark.processes import deaf_to_interrupts
from benchmark.tasks import count_gpus
from benchmark.text import brief
from benchmark.threads import limited_threads
from benchmark.worker import EndedError, Limits

SILENCE = 15  # seconds without a sign of any Dask worker after which that is said; they give one every half second
ANSWER_LIMIT = 5  # seconds that the Dask scheduler may take to tell of its workers
WAIT_AT_START = 20  # seconds for the first Dask worker
TLS_ADVICE = "give the certificates in Dask's configuration, distributed.comm.tls"
_log = logging.getLogger(__name__)

MOST_JOBS = 1024
SCHEDULERS = ("inline", "local", "local-cluster")


class Executor(ABC):
    """Runs tasks; a context manager.

    Attributes
    ----------
    workers : int
        Tasks that run at once, those on GPUs not counted.
    gpus : tuple of int or None
        CUDA devices that take one task each at a time, beside the workers; None is whichever the place offers.
    """

    workers: int = 1
    gpus: tuple[int | None, ...] = ()

    @abstractmethod
    def submit(self, function: Callable[..., Any], *args: Any, on_gpu: bool = False, plugins: tuple[Hashable, ...] = ()) -> Future[Any]:
        """Begin ``function(*args)``; never more at once than there are workers and GPUs.

        Parameters
        ----------
        function : callable
        *args
        on_gpu : bool
        plugins : tuple
            Plug-ins whose code it runs: in a process that then runs nothing but theirs.
        """

    @abstractmethod
    def shutdown(self) -> None:
        """Kill what still runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


class InlineExecutor(Executor):
    """In this process, one task after the other; for debugging: there is nothing to be killed at a limit.

    Tasks that run the code of a plug-in are given to a worker process all the same, so that nothing a plug-in changes
    while it works stays here. What a plug-in file does while it is imported, it does here, too.
    """

    def __init__(self) -> None:
        self._crew = Crew()
        self._held = ExitStack()
        self._held.enter_context(limited_threads())

    def submit(self, function: Callable[..., Any], *args: Any, on_gpu: bool = False, plugins: tuple[Hashable, ...] = ()) -> Future[Any]:
        """Run the task; its future is done."""
        future: Future[Any] = Future()
        try:
            in_worker = partial(self._crew.run, "", Limits(), plugins, function)
            future.set_result(in_worker(*args) if plugins else function(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        """Give the threads free again."""
        self._held.close()
        self._crew.dismiss("")


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
        self.workers = jobs
        if with_gpus and _may_have_gpus():
            self.gpus = tuple(range(self._crew.run("", limits, (), count_gpus)))
        self._threads = ThreadPoolExecutor(jobs + len(self.gpus))

    def submit(self, function: Callable[..., Any], *args: Any, on_gpu: bool = False, plugins: tuple[Hashable, ...] = ()) -> Future[Any]:
        """Give the task to a worker; it waits when all are busy."""
        return self._threads.submit(self._crew.run, "", self._limits, plugins, function, *args)

    def shutdown(self) -> None:
        """Kill the workers."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._crew.dismiss("")


class DaskExecutor(Executor):
    """On a Dask cluster, whose workers each run their task in a process that can be killed without losing the worker.

    Parameters
    ----------
    address : str
        Of the scheduler; 'local-cluster' starts one on this machine.
    jobs : int
        Workers of a local cluster.
    limits : Limits
    """

    def __init__(self, address: str, jobs: int, limits: Limits) -> None:
        try:
            from dask.distributed import Client, LocalCluster
        except ImportError:
            raise UserError("a Dask scheduler needs the extra 'cluster': python -m pip install 'classical-vs-deep[cluster]'") from None
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # the run says itself when it loses the scheduler
        self._limits, self._held, self._run = limits, ExitStack(), uuid4().hex
        try:
            if address == "local-cluster":
                with deaf_to_interrupts():
                    cluster = LocalCluster(n_workers=jobs, threads_per_worker=1, memory_limit=None, dashboard_address="127.0.0.1:0")
                address = self._held.enter_context(cluster).scheduler_address
            self._client = self._held.enter_context(Client(address, timeout=10))
            self._client.wait_for_workers(1, timeout=WAIT_AT_START)
        except Exception as error:  # of any kind: Dask passes on what its protocols raise
            self._held.close()
            why = str(error).partition("\n")[0]
            advice = TLS_ADVICE if address.startswith("tls://") else "give the address that its scheduler printed"
            raise UserError(f"no Dask cluster with workers at '{address}' ({why}); {advice}") from None
        self._asked, self._workers = -1.0, list[dict[str, Any]]()
        self._silence = _Silence()
        self._anywhere = self._client.get_executor(pure=False)
        self._on_gpu = self._client.get_executor(pure=False, resources={"GPU": 1})

    @property
    def workers(self) -> int:  # type: ignore[override]  # they come and go
        """Threads of all workers now."""
        return max(1, sum(worker["nthreads"] for worker in self._found()))

    @property
    def gpus(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """One for each ``GPU=1`` among the workers' resources; which device that is, is the worker's affair."""
        return (None,) * int(sum(worker["resources"].get("GPU", 0) for worker in self._found()))

    def _found(self) -> list[dict[str, Any]]:
        """What the scheduler knows of its workers; asked for once a second, and said when none has been heard of for long."""
        if time.monotonic() > self._asked + 1:
            try:
                self._workers = self._client.sync(self._identity, callback_timeout=ANSWER_LIMIT)
                self._silence.note({worker["id"]: worker["last_seen"] for worker in self._workers})
            except (TimeoutError, OSError):  # it stands still, or is about to be given up by its client
                self._silence.note({})
            self._asked = time.monotonic()
        return self._workers

    async def _identity(self) -> list[dict[str, Any]]:
        return list((await self._client.scheduler.identity(n_workers=-1))["workers"].values())

    def submit(self, function: Callable[..., Any], *args: Any, on_gpu: bool = False, plugins: tuple[Hashable, ...] = ()) -> Future[Any]:
        """Give the task to the scheduler; a task whose worker is lost runs again on another."""
        executor, future = self._on_gpu if on_gpu else self._anywhere, Future[Any]()
        theirs = executor.submit(_on_dask_worker, self._run, self._limits, plugins, function, *args)
        theirs.add_done_callback(lambda done: _pass_on(done, future))
        return future

    def shutdown(self) -> None:
        """Kill what runs; a local cluster ends, any other stays."""
        with suppress(OSError):  # the scheduler may be gone
            self._client.run(_dismiss_crew, self._run, on_error="ignore")
        self._held.close()


class _Silence:
    """Says when no Dask worker has given a sign of life for some time, and when one does again."""

    def __init__(self) -> None:
        self._last_seen: dict[str, float] = {}
        self._heard, self._is_told = time.monotonic(), False

    def note(self, last_seen: dict[str, float]) -> None:
        """Take note of when the scheduler has last heard of each worker, by the scheduler's own clock."""
        if any(self._last_seen.get(worker) != seen for worker, seen in last_seen.items()):
            if self._is_told:
                _log.warning("Dask workers answer again: the run goes on")
            self._heard, self._is_told = time.monotonic(), False
        elif not self._is_told and time.monotonic() - self._heard > SILENCE:
            self._is_told = True
            _log.warning(
                "no Dask worker has answered for %d s: the run waits for one. Start workers again, or press Ctrl-C: "
                "completed cells are kept, and the same command goes on from there",
                SILENCE,
            )
        self._last_seen |= last_seen


def _pass_on(theirs: Future[Any], future: Future[Any]) -> None:
    """Give what Dask says of a task to the runner, in the words of this module."""
    from dask.distributed import KilledWorker

    try:
        future.set_result(theirs.result())
    except KilledWorker:
        future.set_exception(EndedError("crashed", "the Dask workers that it was given to died, one after the other"))
    except CancelledError:
        future.set_exception(UserError("the Dask scheduler is lost; start it again and run the same command: completed cells are kept"))
    except Exception as error:
        future.set_exception(error)


_CREW = Crew()  # in the process of a Dask worker


def _on_dask_worker(run: str, limits: Limits, plugins: tuple[Hashable, ...], function: Callable[..., Any], *args: Any) -> Any:
    # Dask's own worker processes are daemonic, which is meant to keep them from leaving children behind; ours leave by themselves
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    return _CREW.run(run, limits, plugins, function, *args)


def _dismiss_crew(run: str) -> None:
    _CREW.dismiss(run)


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
        raise unknown("scheduler", scheduler, [*SCHEDULERS, "tcp://HOST:PORT"])
    n = check_jobs(jobs)
    if scheduler == "inline" and limits != Limits():
        raise UserError("the scheduler 'inline' has no worker to kill at a limit; use 'local', or leave the limits out")
    if scheduler == "inline":
        return lambda gpu: InlineExecutor()
    return lambda gpu: LocalExecutor(n, limits, gpu) if scheduler == "local" else DaskExecutor(scheduler, n, limits)


def check_jobs(jobs: int | None) -> int:
    """Number of workers: the one asked for, or one for each physical core.

    Raises
    ------
    UserError
        It is below 1 or above ``MOST_JOBS``.
    """
    if jobs is not None and not 1 <= jobs <= MOST_JOBS:
        raise UserError(f"jobs must be a number from 1 to {MOST_JOBS}, not {brief(jobs)}")
    return jobs or default_jobs()


def default_jobs() -> int:
    """One worker for each physical core that this process may use."""
    return cpu_count(only_physical_cores=True)


def _may_have_gpus() -> bool:
    """Whether it is worth asking torch, which takes seconds."""
    devices = ("nvidia0", "kfd", "dxg")  # CUDA, ROCm, Windows' Linux
    return platform != "linux" or any(Path("/dev", name).exists() for name in devices)
