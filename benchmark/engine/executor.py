"""What runs tasks, wherever it is.

One small interface, that of ``concurrent.futures``: ``submit`` gives a future, whose exception is
an ``EndedError`` when a limit was passed or a process died. Nobody else knows that there are
processes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Self


class Executor(ABC):
    """Runs tasks; a context manager."""

    @property
    def n_workers(self) -> int:
        """Tasks that run at once, those on GPUs not counted."""
        return 1

    @property
    def gpus(self) -> tuple[int | None, ...]:
        """CUDA devices that take one task each at a time, beside the workers; None is whichever the place offers."""
        return ()

    @abstractmethod
    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_gpu: bool = False,
        plugins: tuple[Hashable, ...] = (),
    ) -> Future[Any]:
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
