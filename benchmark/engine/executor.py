"""The interface of everything that runs tasks.

It is that of ``concurrent.futures``: ``submit`` returns a future, whose exception is an
``EndedError`` when a limit was exceeded or a process died. The rest of the engine does not know
that there are processes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Self


class Executor(ABC):
    """Base class of executors; a context manager that shuts the executor down."""

    @property
    def n_workers(self) -> int:
        """Number of tasks that run at once, not counting those on GPUs."""
        return 1

    @property
    def gpus(self) -> tuple[int | None, ...]:
        """CUDA devices, each of which runs one task at a time in addition to the workers.

        None stands for a device that the worker chooses.
        """
        return ()

    @abstractmethod
    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_gpu: bool = False,
        plugins: tuple[Hashable, ...] = (),
    ) -> Future[Any]:
        """Run ``function(*args)``; no more tasks run at once than there are workers and GPUs.

        Parameters
        ----------
        function : callable
        *args
            Its arguments.
        on_gpu : bool
            Whether the task uses a GPU.
        plugins : tuple
            Plug-ins whose code the task runs. It runs in a process that from then on is used for
            tasks of the same plug-ins only.

        Returns
        -------
        Future
        """

    @abstractmethod
    def shutdown(self) -> None:
        """Kill the tasks that still run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
