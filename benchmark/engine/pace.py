"""How long the tasks that are left will take, learned from those that have ended."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from benchmark.utils.text import format_duration


class Kind(NamedTuple):
    """What the duration of a task depends on, from the narrowest description to the widest.

    Parameters
    ----------
    exact : int
        Equal for tasks that take about the same time: the cells of one configuration under one
        condition, or the matrices of one extractor on one dataset.
    family : int
        Equal for similar tasks: the cells of one model, or the matrices of one extractor.
    sort : 'cell' or 'matrix'
    """

    exact: int
    family: int
    sort: str


@dataclass(frozen=True)
class TimeLeft:
    """Estimate of the time that is left.

    Parameters
    ----------
    seconds : float
    is_uncertain : bool
        Whether it can be much more or less, because tasks of some kind have not ended yet.
    """

    seconds: float
    is_uncertain: bool

    def __str__(self) -> str:
        doubt = ", still uncertain" if self.is_uncertain else ""
        return f"about {format_duration(self.seconds)} left{doubt}"


class Pace:
    """Durations of tasks, and the number of those that are left, by kind.

    Tasks of a kind that has ended before take as long as those did on average. Others take as long
    as those of their family, or else as all cells or all matrices did, and at least as long as one
    of their kind has been running.

    Parameters
    ----------
    clock : callable () -> float
        Time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: Counter[Kind] = Counter()
        self._n_ended: Counter[Hashable] = Counter()
        self._seconds = defaultdict[Hashable, float](float)  # of all tasks that have ended
        self._running: dict[int, tuple[str, Kind, float]] = {}  # by the part that is running
        self._seconds_of_parts = defaultdict[str, float](float)  # that have ended, by task

    def add_task(self, kind: Kind) -> None:
        """Count a task that is to be done."""
        self._left[kind] += 1

    def start_part(self, part: int, key: str, kind: Kind) -> None:
        """Record that a part of a task, or the whole task, has started.

        Parameters
        ----------
        part : int
            Identifies the part.
        key : str
            Key of the task.
        kind : Kind
        """
        self._running[part] = key, kind, self._clock()

    def end_part(self, part: int) -> None:
        """Record that a part of a task, or the whole task, has ended, if it was started here."""
        if part in self._running:
            key, _, start = self._running.pop(part)
            self._seconds_of_parts[key] += self._clock() - start

    def end_task(self, key: str, kind: Kind) -> None:
        """Record that a task is done, and learn its duration if it was started here."""
        self._left[kind] -= 1
        if key in self._seconds_of_parts:
            seconds = self._seconds_of_parts.pop(key)
            for level in kind:
                self._n_ended[level] += 1
                self._seconds[level] += seconds

    def time_left(self, n_workers: int) -> TimeLeft | None:
        """Estimate the time until all tasks are done.

        Parameters
        ----------
        n_workers : int
            Number of tasks that run at once.

        Returns
        -------
        TimeLeft or None
            None as long as nothing is known.
        """
        now = self._clock()
        running = [(key, kind, now - start) for key, kind, start in list(self._running.values())]
        spent = defaultdict[str, float](float, self._seconds_of_parts)
        longest = dict[Kind, float]()
        for key, kind, seconds in running:
            spent[key] += seconds
            longest[kind] = max(spent[key], longest.get(kind, 0.0))
        work, is_uncertain, durations = 0.0, False, dict[Kind, float]()
        for kind, n in self._left.items():
            if n > 0:
                mean = self._mean_duration(kind)
                if mean is None and kind not in longest:
                    return None
                durations[kind] = max(mean or 0.0, longest.get(kind, 0.0))
                work += n * durations[kind]
                is_uncertain = is_uncertain or not self._n_ended[kind.exact]
        work -= sum(spent.values())
        # cells, unlike matrices, have one part only, which cannot be divided among workers
        rest = [
            durations.get(kind, spent[key]) - spent[key]
            for key, kind, _ in running
            if kind.sort == "cell"
        ]
        return TimeLeft(max([0.0, work / n_workers, *rest]), is_uncertain)

    def _mean_duration(self, kind: Kind) -> float | None:
        for level in kind:
            if self._n_ended[level]:
                return self._seconds[level] / self._n_ended[level]
        return None
