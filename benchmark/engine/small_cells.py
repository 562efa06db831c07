"""Times of small cells: configurations of a plan on a few images, from which its time is estimated.

The number of images grows where that narrows the estimate most, until the time is up.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from statistics import mean
from typing import Any

import psutil

from benchmark.engine.executors import LocalExecutor, default_jobs
from benchmark.engine.extrapolation import Seconds, extrapolate
from benchmark.engine.probe import MAX_FAILURES, Probe
from benchmark.engine.task_types import CellTask
from benchmark.engine.tasks import time_small_cells
from benchmark.engine.worker import Limits
from benchmark.evaluation.components import train_test_indices
from benchmark.evaluation.evaluate import failure_outcome
from benchmark.evaluation.plan import Plan
from benchmark.evaluation.sample import Sample, shuffle_fold, store_sample
from benchmark.plugins.registry import build_component, reads_chunks, takes_images
from benchmark.results.folder import ResultsFolder
from benchmark.sampling.splits import Fold
from benchmark.study.cell import Cell
from benchmark.utils.status import Status

N_FIRST = 60  # training images of the first small cell of a configuration
N_FIRST_IN_CHUNKS = 2_000  # the same of a model for many images; with fewer its trees are small
N_PER_CLASS = 4  # the same per class, at least
MAX_PROBES = 500  # configurations that are measured; if there are more, every k-th of them
PATIENCE = 3  # factor by which measuring may exceed its CPU time
RECHECK = 0.2  # seconds between two checks of the time
NARROW = 0.02  # share of all seconds below which the uncertainty of a configuration does not matter


class SmallCells:
    """Measure small cells, and estimate the times of cells and feature matrices from them.

    Parameters
    ----------
    plan : Plan
    cells : iterable of (Cell, int)
        A cell of each configuration, and the number of its cells.

    Attributes
    ----------
    is_minimum : bool
        Whether the first small cell of a model had not ended when the time was up.
    """

    def __init__(self, plan: Plan, cells: Iterable[tuple[Cell, int]]) -> None:
        self._plan = plan
        self._folds: dict[Any, Fold] = {}
        self._samples: dict[tuple[str, int, int], Sample] = {}
        # by dataset, extractor and number of images: seconds and MB
        self._matrices = defaultdict[str, dict[str, dict[int, tuple[float, float]]]](dict)
        self._estimates: dict[Hashable, Seconds] = {}
        listed = [*cells]
        step = max(1, -(-len(listed) // MAX_PROBES))
        probes = [self._make_probe(cell, n) for cell, n in listed[::step]]
        n_with: Counter[Any] = Counter()
        ranks = {}
        for probe in probes:
            parts = probe.kind.family, probe.cell.extractor
            ranks[probe] = sum(n_with[part] for part in parts), not takes_images(probe.cell.model)
            n_with.update(parts)
        # one configuration of each model and extractor first, networks before the others
        self._probes = sorted(probes, key=ranks.__getitem__)
        self._ready_seconds = self._import_seconds = 0.0
        self.is_minimum = False

    @property
    def start_seconds(self) -> float:
        """Time until the workers are ready and have imported what they need."""
        return self._ready_seconds + self._import_seconds

    @property
    def n_measured(self) -> int:
        """Number of configurations with a small cell."""
        return sum(bool(probe.times) for probe in self._probes)

    def measure(self, n_workers: int, seconds: float) -> None:
        """Measure small cells.

        Parameters
        ----------
        n_workers : int
            Number of workers of the run; no more than there are cores are used.
        seconds : float
            CPU time of a worker after which measuring ends. On a machine that other programs use,
            it takes up to ``PATIENCE`` times as long.
        """
        start = time.monotonic()
        n_workers = min(n_workers, default_jobs())
        with tempfile.TemporaryDirectory() as path, LocalExecutor(n_workers, Limits()) as executor:
            folder = ResultsFolder(path)
            for subfolder in (folder.predictions_folder, folder.features):
                subfolder.mkdir()
            wait([executor.submit(os.getpid) for _ in range(n_workers)])
            self._ready_seconds = time.monotonic() - start
            clock = _WorkerClock(seconds)
            running: dict[Future[list[dict[str, Any]]], Probe] = {}
            while True:
                for probe in self._choose_probes(n_workers, running.values(), clock.left()):
                    samples = [self._take_sample(probe, n, folder) for n in probe.next_sizes()]
                    work = time_small_cells, probe.make_small_cell(), samples, folder.path
                    plugins = CellTask(probe.cell).plugins
                    future = executor.submit(*work, self._plan.study.accelerate, plugins=plugins)
                    running[future] = probe
                if not running or not clock.left():
                    break
                for future in wait(running, RECHECK, FIRST_COMPLETED).done:
                    self._record(running.pop(future), future)
        self._index_estimates()
        self.is_minimum = any(probe.kind.family not in self._estimates for probe in self._probes)

    def estimate_cell(self, cell: Cell) -> Seconds | None:
        """Estimate the seconds of a cell; None if nothing similar was measured."""
        levels = CellTask(cell).kind
        return next((self._estimates[level] for level in levels if level in self._estimates), None)

    def estimate_matrix(
        self, dataset: str, extractor: str, n_images: int
    ) -> tuple[Seconds, float] | None:
        """Estimate the seconds and the size in MB of a matrix; None if none was measured."""
        all_costs = self._matrices[dataset]
        known = [all_costs[extractor]] if extractor in all_costs else [*all_costs.values()]
        if not known:
            return None
        seconds, mb = [], []
        for costs in known:
            times = [(float(n), costs[n][0]) for n in sorted(costs)]
            seconds.append(extrapolate(times, n_images, linear=True))
            mb.append(costs[max(costs)][1] * n_images / max(costs))
        return _combine(seconds), mean(mb)

    def _index_estimates(self) -> None:
        """Combine the estimates by configuration, by model, and of all cells."""
        known: defaultdict[Hashable, list[Seconds]] = defaultdict(list)
        for probe in self._probes:
            for level in probe.kind if probe.times else ():
                known[level].append(probe.estimate_cell())
        self._estimates = {level: _combine(estimates) for level, estimates in known.items()}

    def _make_probe(self, cell: Cell, n_cells: int) -> Probe:
        dataset = self._plan.datasets[cell.dataset.label]
        condition = cell.dataset, cell.imbalance, cell.train_size, cell.seed, cell.fold
        if condition not in self._folds:
            self._folds[condition] = shuffle_fold(dataset, train_test_indices(cell, dataset))
        fold = self._folds[condition]
        network = takes_images(cell.model)
        epochs = getattr(build_component(cell.model), "epochs", 1) if network else 1
        n_first = N_FIRST_IN_CHUNKS if reads_chunks(cell.model) else N_FIRST
        n_first = min(len(fold[0]), max(n_first, N_PER_CLASS * len(dataset.classes)))
        return Probe(cell, n_cells, fold, epochs, n_first)

    def _choose_probes(
        self, n_workers: int, running: Collection[Probe], seconds_left: float
    ) -> list[Probe]:
        """Choose what idle workers measure next.

        A configuration without a time comes first, then the one whose estimate is least certain.
        """
        free = [probe for probe in self._probes if probe not in running and probe.can_grow()]
        new = [probe for probe in free if not probe.times]
        uncertain = []
        if len(new) < n_workers:
            totals = {
                probe: probe.n_cells * probe.estimate_cell()
                for probe in self._probes
                if probe.times
            }
            narrow = NARROW * sum(total.middle for total in totals.values())
            uncertain = [
                probe
                for probe in free
                if probe.times
                and totals[probe].high - totals[probe].low > narrow
                and probe.shrink_to(seconds_left)
            ]
            uncertain.sort(key=lambda probe: totals[probe].low - totals[probe].high)
        return [*new, *uncertain][: n_workers - len(running)]

    def _take_sample(self, probe: Probe, n_train: int, folder: ResultsFolder) -> Sample:
        dataset = self._plan.datasets[probe.cell.dataset.label]
        identity = probe.cell.dataset.label, id(probe.fold), n_train
        if identity not in self._samples:
            self._samples[identity] = store_sample(dataset, probe.fold, n_train, folder.images)
        return self._samples[identity]

    def _record(self, probe: Probe, future: Future[list[dict[str, Any]]]) -> None:
        """Record the outcomes of small cells, except for the first one, in which imports count."""
        try:
            first, *outcomes = future.result()
            self._import_seconds = max(self._import_seconds, first.get("seconds", 0.0))
        except Exception as error:  # its worker was killed, or could not be started
            outcomes = [failure_outcome(error)] * MAX_FAILURES
        for outcome in outcomes:
            if outcome["status"] == Status.OK:
                probe.times.append((probe.next_size, outcome["seconds"]))
            else:
                probe.n_failed += 1
            probe.grow()
            for matrix in outcome.get("matrices", {}).values():
                cost = matrix["seconds"], matrix["mb"]
                costs = self._matrices[probe.cell.dataset.label]
                costs.setdefault(matrix["extractor"], {})[matrix["n_images"]] = cost


class _WorkerClock:
    """Time that is left for measuring.

    Parameters
    ----------
    seconds : float
        CPU time that one worker may use from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._start = seconds, time.monotonic()
        self._cpu_at_start = self._cpu_seconds()

    def left(self) -> float:
        """CPU time that the busiest worker may still use; 0 if the time is up."""
        cpu, before = self._cpu_seconds(), self._cpu_at_start
        used = max((seconds - before.get(pid, 0.0) for pid, seconds in cpu.items()), default=0.0)
        is_late = time.monotonic() - self._start > PATIENCE * self._seconds
        return 0.0 if is_late else max(0.0, self._seconds - used)

    @staticmethod
    def _cpu_seconds() -> dict[int, float]:
        seconds = {}
        for worker in psutil.Process().children():
            with suppress(psutil.Error):  # it has ended
                times = worker.cpu_times()
                seconds[worker.pid] = times.user + times.system
        return seconds


def _combine(estimates: list[Seconds]) -> Seconds:
    """Return the mean of several estimates, with the range that covers all of theirs."""
    lows, middles, highs = zip(*estimates, strict=True)
    return Seconds(min(lows), mean(middles), max(highs))
