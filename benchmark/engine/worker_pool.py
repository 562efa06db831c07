"""The worker processes of one machine, and which of them a task is given to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from benchmark.engine.worker import Limits, Worker


class Crew:
    """Worker processes, as many as threads run tasks at once; each belongs to the run that has last used it."""

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
        """Run a task in a worker; see ``Worker.run_task``."""
        worker = self._take_worker(plugins, run)
        try:
            return worker.run_task(limits, function, *args, plugins=plugins)
        finally:
            with self._lock:
                if worker in self._last_run:  # a dismissed one is not used again
                    self._idle.append(worker)

    def _take_worker(self, plugins: tuple[Hashable, ...], run: str) -> Worker:
        """Idle worker that has run the same plug-ins, else one that has run none, else any, which will start anew."""
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
        """Kill the workers that a run has last used."""
        with self._lock:
            dismissed = [worker for worker, last in self._last_run.items() if last == run]
            for worker in dismissed:
                del self._last_run[worker]
            self._idle = [worker for worker in self._idle if worker in self._last_run]
        for worker in dismissed:
            worker.kill_process()
