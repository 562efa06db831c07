"""Executor that runs tasks on a Dask cluster."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import time
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, suppress
from typing import Any
from uuid import uuid4

from benchmark.engine.executor import Executor
from benchmark.engine.processes import block_interrupts
from benchmark.engine.worker import EndedError, Limits
from benchmark.engine.worker_pool import WorkerPool
from benchmark.errors import UserError
from benchmark.utils.status import Status

# seconds without a heartbeat of any Dask worker after which the run warns; one is sent every 0.5 s
SILENCE = 15
ANSWER_LIMIT = 5  # seconds that the Dask scheduler may take to list its workers
WAIT_AT_START = 20  # seconds to wait for the first Dask worker
TLS_ADVICE = "give the certificates in Dask's configuration, distributed.comm.tls"
_log = logging.getLogger(__name__)


class DaskExecutor(Executor):
    """Run tasks on a Dask cluster.

    Each Dask worker runs its task in a process of its own, which can be killed at a limit without
    losing the Dask worker.

    Parameters
    ----------
    address : str
        Address of the scheduler; 'local-cluster' starts a cluster on this machine.
    jobs : int
        Number of workers of a local cluster.
    limits : Limits

    Raises
    ------
    UserError
        Dask is not installed, or there is no cluster with workers at this address.
    """

    def __init__(self, address: str, jobs: int, limits: Limits) -> None:
        try:
            from dask.distributed import Client, LocalCluster
        except ImportError:
            raise UserError(
                "a Dask scheduler needs the extra 'cluster': python -m pip install "
                "'classical-vs-deep[cluster]'"
            ) from None
        # the run reports itself that it has lost the scheduler
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        self._limits, self._resources, self._run = limits, ExitStack(), uuid4().hex
        # Collect a client that failed earlier: if that happened while another one starts, both
        # would wait for the same lock of Dask.
        gc.collect()
        try:
            if address == "local-cluster":
                with block_interrupts():
                    cluster = LocalCluster(
                        n_workers=jobs,
                        threads_per_worker=1,
                        memory_limit=None,
                        dashboard_address="127.0.0.1:0",
                    )
                address = self._resources.enter_context(cluster).scheduler_address
            self._client = self._resources.enter_context(Client(address, timeout=10))
            self._client.wait_for_workers(1, timeout=WAIT_AT_START)
        except Exception as error:  # any exception: Dask passes on what its protocols raise
            self._resources.close()
            why = str(error).partition("\n")[0]
            advice = (
                TLS_ADVICE
                if address.startswith("tls://")
                else "give the address that its scheduler printed"
            )
            raise UserError(
                f"no Dask cluster with workers at '{address}' ({why}); {advice}"
            ) from None
        self._last_request, self._workers = -1.0, list[dict[str, Any]]()
        self._silence = _SilenceMonitor()
        self._anywhere = self._client.get_executor(pure=False)
        self._on_gpu = self._client.get_executor(pure=False, resources={"GPU": 1})

    @property
    def n_workers(self) -> int:
        """Number of threads of all workers at the moment."""
        return max(1, sum(worker["nthreads"] for worker in self._list_workers()))

    @property
    def gpus(self) -> tuple[int | None, ...]:
        """One None per ``GPU=1`` among the workers' resources; each worker chooses its device."""
        return (None,) * int(
            sum(worker["resources"].get("GPU", 0) for worker in self._list_workers())
        )

    def _list_workers(self) -> list[dict[str, Any]]:
        """Return what the scheduler knows of its workers, requested at most once per second.

        A warning is logged when no worker has sent a heartbeat for a long time.
        """
        if time.monotonic() > self._last_request + 1:
            try:
                self._workers = self._client.sync(
                    self._request_workers, callback_timeout=ANSWER_LIMIT
                )
                self._silence.update_last_seen(
                    {worker["id"]: worker["last_seen"] for worker in self._workers}
                )
            except (TimeoutError, OSError):
                # the scheduler hangs, or its client is about to give up the connection
                self._silence.update_last_seen({})
            self._last_request = time.monotonic()
        return self._workers

    async def _request_workers(self) -> list[dict[str, Any]]:
        return list((await self._client.scheduler.identity(n_workers=-1))["workers"].values())

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_gpu: bool = False,
        plugins: tuple[Hashable, ...] = (),
    ) -> Future[Any]:
        """Give the task to the scheduler; a task whose worker is lost runs again on another one."""
        executor, future = self._on_gpu if on_gpu else self._anywhere, Future[Any]()
        dask_future = executor.submit(
            _run_on_dask_worker, self._run, self._limits, plugins, function, *args
        )
        dask_future.add_done_callback(lambda done: _transfer_result(done, future))
        return future

    def shutdown(self) -> None:
        """Kill the running tasks; a local cluster is closed, any other keeps running."""
        with suppress(OSError):  # the scheduler may have ended
            self._client.run(_kill_workers, self._run, on_error="ignore")
        self._resources.close()


class _SilenceMonitor:
    """Warn when no Dask worker has sent a heartbeat for some time, and when one does so again."""

    def __init__(self) -> None:
        self._last_seen: dict[str, float] = {}
        self._last_heartbeat, self._has_warned = time.monotonic(), False

    def update_last_seen(self, last_seen: dict[str, float]) -> None:
        """Record when the scheduler last heard of each worker, by the scheduler's own clock."""
        if any(self._last_seen.get(worker) != seen for worker, seen in last_seen.items()):
            if self._has_warned:
                _log.warning("Dask workers answer again: the run continues")
            self._last_heartbeat, self._has_warned = time.monotonic(), False
        elif not self._has_warned and time.monotonic() - self._last_heartbeat > SILENCE:
            self._has_warned = True
            _log.warning(
                "no Dask worker has answered for %d s: the run waits for one. Start workers again, "
                "or press Ctrl-C: completed cells are kept, and the same command continues "
                "from there",
                SILENCE,
            )
        self._last_seen |= last_seen


def _transfer_result(dask_future: Future[Any], future: Future[Any]) -> None:
    """Copy the result of a Dask future, with Dask's own exceptions replaced by the engine's."""
    from dask.distributed import KilledWorker

    try:
        future.set_result(dask_future.result())
    except KilledWorker:
        future.set_exception(
            EndedError(Status.CRASHED, "every Dask worker that was given this task died")
        )
    except CancelledError:
        future.set_exception(
            UserError(
                "the connection to the Dask scheduler is lost; start the scheduler again and run "
                "the same command: completed cells are kept"
            )
        )
    except Exception as error:
        future.set_exception(error)


_POOL = WorkerPool()  # used in the process of a Dask worker


def _run_on_dask_worker(
    run: str,
    limits: Limits,
    plugins: tuple[Hashable, ...],
    function: Callable[..., Any],
    *args: Any,
) -> Any:
    # Dask's worker processes are daemonic, so that they leave no children behind, and may therefore
    # start none. The children started here end by themselves when their parent does.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    return _POOL.run_task(run, limits, plugins, function, *args)


def _kill_workers(run: str) -> None:
    _POOL.kill_workers(run)
