"""The worker processes of one machine, and the choice of the worker that runs a task.

This pool is written on top of multiprocessing instead of using an existing one, because those lose
tasks: ``concurrent.futures`` breaks as a whole when one of its workers dies, joblib's pool (loky)
does so as well, and Pebble's waits forever for a task that has called ``os._exit(0)``. Here a dead
worker ends its own task only, and is replaced. Second, a task can have a time limit and a memory
limit, at which its process and everything that it started are killed; none of these pools watches
memory. Third, each worker has a pipe of its own, with no queue or lock shared between workers, so
that one killed at any moment leaves nothing locked and disturbs no other. Fourth, plug-ins may
change NumPy, scikit-learn or this package in their process. A worker that has run a plug-in
therefore runs only tasks of the same set of plug-ins, which requires a say in which worker a task
is given to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from benchmark.engine.worker import Limits, Worker


class WorkerPool:
    """Worker processes, as many as there are threads that run tasks at once.

    Each worker belongs to the run that used it last.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._last_run: dict[Worker, str] = {}

    def run_task(
        self,
        run: str,
        limits: Limits,
        plugins: tuple[Hashable, ...],
        function: Callable[..., Any],
        *args: Any,
    ) -> Any:
        """Run a task in a worker and return its result; see ``Worker.run_task``.

        Parameters
        ----------
        run : str
            Identifier of the run that the task belongs to.
        limits : Limits
        plugins : tuple
            Plug-ins whose code the task runs.
        function : callable
        *args
            Its arguments.
        """
        worker = self._take_worker(plugins, run)
        try:
            return worker.run_task(limits, function, *args, plugins=plugins)
        finally:
            with self._lock:
                if worker in self._last_run:  # otherwise it was killed with its run
                    self._idle.append(worker)

    def _take_worker(self, plugins: tuple[Hashable, ...], run: str) -> Worker:
        """Take an idle worker, or a new one when none is idle.

        Preferred is one that has run the same plug-ins, then one that has run none; any other
        starts a new process.
        """
        with self._lock:
            worker = min(
                self._idle,
                key=lambda idle: (idle.plugins != plugins, idle.plugins != ()),
                default=None,
            )
            if worker is None:
                worker = Worker()
            else:
                self._idle.remove(worker)
            self._last_run[worker] = run
            return worker

    def kill_workers(self, run: str) -> None:
        """Kill the workers that belong to a run."""
        with self._lock:
            killed = [worker for worker, last_run in self._last_run.items() if last_run == run]
            for worker in killed:
                del self._last_run[worker]
            self._idle = [worker for worker in self._idle if worker in self._last_run]
        for worker in killed:
            worker.kill_process()
