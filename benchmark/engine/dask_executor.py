"""Tasks on a Dask cluster."""

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
from benchmark.engine.worker_pool import Crew
from benchmark.errors import UserError
from benchmark.utils.status import Status

SILENCE = 15  # seconds without a sign of any Dask worker after which that is said; they give one every half second
ANSWER_LIMIT = 5  # seconds that the Dask scheduler may take to tell of its workers
WAIT_AT_START = 20  # seconds for the first Dask worker
TLS_ADVICE = "give the certificates in Dask's configuration, distributed.comm.tls"
_log = logging.getLogger(__name__)


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
            raise UserError(
                "a Dask scheduler needs the extra 'cluster': python -m pip install "
                "'classical-vs-deep[cluster]'"
            ) from None
        logging.getLogger("distributed.client").setLevel(
            logging.CRITICAL
        )  # the run says itself when it loses the scheduler
        self._limits, self._held, self._run = limits, ExitStack(), uuid4().hex
        gc.collect()  # a client that failed waits for it: while another starts, both would wait for one lock of Dask's
        try:
            if address == "local-cluster":
                with block_interrupts():
                    cluster = LocalCluster(
                        n_workers=jobs,
                        threads_per_worker=1,
                        memory_limit=None,
                        dashboard_address="127.0.0.1:0",
                    )
                address = self._held.enter_context(cluster).scheduler_address
            self._client = self._held.enter_context(Client(address, timeout=10))
            self._client.wait_for_workers(1, timeout=WAIT_AT_START)
        except Exception as error:  # of any kind: Dask passes on what its protocols raise
            self._held.close()
            why = str(error).partition("\n")[0]
            advice = (
                TLS_ADVICE
                if address.startswith("tls://")
                else "give the address that its scheduler printed"
            )
            raise UserError(
                f"no Dask cluster with workers at '{address}' ({why}); {advice}"
            ) from None
        self._asked, self._workers = -1.0, list[dict[str, Any]]()
        self._silence = _Silence()
        self._anywhere = self._client.get_executor(pure=False)
        self._on_gpu = self._client.get_executor(pure=False, resources={"GPU": 1})

    @property
    def n_workers(self) -> int:
        """Threads of all workers now."""
        return max(1, sum(worker["nthreads"] for worker in self._list_workers()))

    @property
    def gpus(self) -> tuple[int | None, ...]:
        """One for each ``GPU=1`` among the workers' resources; which device that is, is the worker's affair."""
        return (None,) * int(
            sum(worker["resources"].get("GPU", 0) for worker in self._list_workers())
        )

    def _list_workers(self) -> list[dict[str, Any]]:
        """What the scheduler knows of its workers; asked for once a second, and said when none has been heard of for long."""
        if time.monotonic() > self._asked + 1:
            try:
                self._workers = self._client.sync(
                    self._request_workers, callback_timeout=ANSWER_LIMIT
                )
                self._silence.update_last_seen(
                    {worker["id"]: worker["last_seen"] for worker in self._workers}
                )
            except (
                TimeoutError,
                OSError,
            ):  # it stands still, or is about to be given up by its client
                self._silence.update_last_seen({})
            self._asked = time.monotonic()
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
        """Give the task to the scheduler; a task whose worker is lost runs again on another."""
        executor, future = self._on_gpu if on_gpu else self._anywhere, Future[Any]()
        theirs = executor.submit(
            _run_on_dask_worker, self._run, self._limits, plugins, function, *args
        )
        theirs.add_done_callback(lambda done: _transfer_result(done, future))
        return future

    def shutdown(self) -> None:
        """Kill what runs; a local cluster ends, any other stays."""
        with suppress(OSError):  # the scheduler may be gone
            self._client.run(_kill_workers, self._run, on_error="ignore")
        self._held.close()


class _Silence:
    """Says when no Dask worker has given a sign of life for some time, and when one does again."""

    def __init__(self) -> None:
        self._last_seen: dict[str, float] = {}
        self._heard, self._is_told = time.monotonic(), False

    def update_last_seen(self, last_seen: dict[str, float]) -> None:
        """Take note of when the scheduler has last heard of each worker, by the scheduler's own clock."""
        if any(self._last_seen.get(worker) != seen for worker, seen in last_seen.items()):
            if self._is_told:
                _log.warning("Dask workers answer again: the run goes on")
            self._heard, self._is_told = time.monotonic(), False
        elif not self._is_told and time.monotonic() - self._heard > SILENCE:
            self._is_told = True
            _log.warning(
                "no Dask worker has answered for %d s: the run waits for one. Start workers again, "
                "or press Ctrl-C: "
                "completed cells are kept, and the same command goes on from there",
                SILENCE,
            )
        self._last_seen |= last_seen


def _transfer_result(theirs: Future[Any], future: Future[Any]) -> None:
    """Give what Dask says of a task to the runner, in the words of this module."""
    from dask.distributed import KilledWorker

    try:
        future.set_result(theirs.result())
    except KilledWorker:
        future.set_exception(
            EndedError(
                Status.CRASHED, "the Dask workers that it was given to died, one after the other"
            )
        )
    except CancelledError:
        future.set_exception(
            UserError(
                "the Dask scheduler is lost; start it again and run the same command: completed "
                "cells are kept"
            )
        )
    except Exception as error:
        future.set_exception(error)


_CREW = Crew()  # in the process of a Dask worker


def _run_on_dask_worker(
    run: str,
    limits: Limits,
    plugins: tuple[Hashable, ...],
    function: Callable[..., Any],
    *args: Any,
) -> Any:
    # Dask's own worker processes are daemonic, which is meant to keep them from leaving children
    # behind; ours leave by themselves
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    return _CREW.run_task(run, limits, plugins, function, *args)


def _kill_workers(run: str) -> None:
    _CREW.kill_workers(run)
