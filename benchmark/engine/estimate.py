"""Time and disk space that a plan will take, estimated from stored rows and from small cells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.datasets.base import Dataset, format_image_shape
from benchmark.engine.extrapolation import NO_SECONDS, Seconds
from benchmark.engine.memory_needs import describe_training_memory
from benchmark.engine.pace import Kind
from benchmark.engine.small_cells import SmallCells
from benchmark.engine.stored_costs import StoredCosts, load_sibling_results
from benchmark.engine.task_types import CellTask, MatrixTask
from benchmark.evaluation.components import build_components, train_test_indices
from benchmark.evaluation.feature_cache import read_covering_matrix
from benchmark.evaluation.matrix_keys import MatrixNeeds
from benchmark.evaluation.plan import Plan
from benchmark.plugins.registry import build_component
from benchmark.results.folder import ResultsFolder
from benchmark.sampling.splits import select_official_validation
from benchmark.study.axes import NONE
from benchmark.study.cell import Cell
from benchmark.tuning.base import Search
from benchmark.utils.status import BAD, Status
from benchmark.utils.text import format_count, format_duration, format_megabytes

MEASURING_SECONDS = 10  # that measuring small cells takes at most


@dataclass
class Tasks:
    """Cells or feature matrices that take about the same time.

    Parameters
    ----------
    example : CellTask or MatrixTask
    n : int
        Number of them.
    """

    example: CellTask | MatrixTask
    n: int = 0


@dataclass
class Estimate:
    """Cost of the cells of a plan that can be run and are not yet stored.

    Parameters
    ----------
    n_cells : int
        Number of these cells.
    n_workers : int
        Number of workers that share the work.
    work : Seconds
        Time of one worker for the cells and matrices that could be estimated.
    start_seconds : float
        Time until the workers are ready and have imported what they need, if it was measured.
    mb : float
        Disk space in MB, for the predictions and these matrices.
    n_rows : int
        Number of stored rows that the estimate is based on.
    sources : list of Path
        Results folders that hold these rows.
    n_unknown : int
        Number of configurations without comparable rows.
    n_measured : int
        Number of these configurations of which small cells were measured.
    is_minimum : bool
        Whether it may be much more, since no small cell of some model could be measured.
    unknown : list of Tasks
        Cells and matrices that could not be estimated.
    widths : dict of (str, str) to float
        Bytes of the features of an image, by the labels of dataset and extractor.
    memory : str or None
        Description of the memory that training sets take, if that is much.
    ended : dict of str to int
        Numbers of cells of the plan by the status with which they ended, if it is one of ``BAD``.
    """

    n_cells: int
    n_workers: int
    work: Seconds = NO_SECONDS
    start_seconds: float = 0.0
    mb: float = 0.0
    n_rows: int = 0
    sources: list[Path] = field(default_factory=list)
    n_unknown: int = 0
    n_measured: int = 0
    is_minimum: bool = False
    unknown: list[Tasks] = field(default_factory=list)
    widths: dict[tuple[str, str], float] = field(default_factory=dict)
    memory: str | None = None
    ended: dict[str, int] = field(default_factory=dict)

    @property
    def duration(self) -> Seconds:
        """Time of the run."""
        return Seconds.exactly(self.start_seconds) + 1 / self.n_workers * self.work

    def describe_duration(self) -> str:
        """Describe the time of the run, and its range if it was extrapolated."""
        low, middle, high = map(format_duration, self.duration)
        workers = format_count(self.n_workers, "worker")
        text = f"about {middle} with {workers}"
        if self.is_minimum or self.unknown:
            return f"{text}, at least {low}"
        return text if low == high else f"{text}, between {low} and {high}"

    def summary_lines(self) -> Iterator[str]:
        """Yield lines of text that state the cost and what it is based on."""
        if self.ended:
            statuses = ", ".join(f"{n} {status}" for status, n in self.ended.items())
            yield f"stored, and not run again without --retry: {statuses}"
        if not self.n_cells:
            yield "nothing is left to run"
            return
        is_known = self.n_rows or self.n_measured
        duration = self.describe_duration() if is_known else "the time is unknown"
        cells, disk = format_count(self.n_cells, "cell"), format_megabytes(self.mb)
        yield f"{cells} to run: {duration}; {disk} of disk"
        sources = []
        if self.n_rows:
            folders = (
                ", ".join(map(str, self.sources))
                if len(self.sources) < 3
                else f"{len(self.sources)} results folders"
            )
            sources.append(f"{format_count(self.n_rows, 'stored row')} in {folders}")
        if self.n_measured:
            measured = f"{self.n_measured} of {format_count(self.n_unknown, 'configuration')}"
            sources.append(f"small cells of {measured}, measured now")
        if sources:
            yield f"  estimated from {', and from '.join(sources)}"
        if self.memory:
            yield f"  {self.memory}"
        if self.unknown:
            yield f"  not counted: {_describe_tasks(self.unknown)}"


def _describe_tasks(tasks: Sequence[Tasks]) -> str:
    """Describe the numbers of cells and matrices, and one of them as an example."""
    counts = Counter[type]()
    for each in tasks:
        counts[type(each.example)] += each.n
    nouns = {CellTask: ("cell", "cells"), MatrixTask: ("matrix", "matrices")}
    numbers = (format_count(n, *nouns[kind]) for kind, n in counts.items())
    return f"{' and '.join(numbers)}, such as {tasks[0].example.label}"


def estimate_remaining_work(
    plan: Plan, folder: Path, n_workers: int, seconds: float = MEASURING_SECONDS
) -> Estimate:
    """Estimate the cost of a plan from its results folder and the results folders beside it.

    Cells and feature matrices without a comparable stored row (see ``StoredCosts``) are estimated
    from small cells, which are measured now (see ``SmallCells``).

    Parameters
    ----------
    plan : Plan
    folder : Path
        Results folder of the study; it need not exist.
    n_workers : int
    seconds : float
        Time that measuring may take; 0 to measure nothing.

    Returns
    -------
    Estimate

    Raises
    ------
    UserError
        The results folder exists and cannot be read.
    """
    stored = dict(load_sibling_results(folder))
    done = (
        set(stored[folder].loc[stored[folder]["status"] != Status.PLANNED, "key"])
        if folder in stored
        else set()
    )
    completed = {path: rows[rows["status"] == Status.OK] for path, rows in stored.items()}
    costs = StoredCosts(row for rows in completed.values() for row in rows.to_dict("records"))
    cache = ResultsFolder(folder).features
    remaining, widths = _list_remaining_tasks(plan, done, cache)
    n_cells = sum(tasks.n for tasks in remaining if isinstance(tasks.example, CellTask))
    estimate = Estimate(n_cells, n_workers, widths=widths)
    if folder in stored:
        statuses = stored[folder].set_index("key")["status"]
        ended = statuses[statuses.isin(BAD)].reindex({cell.key for cell in plan.cells()}).dropna()
        estimate.ended = {str(status): int(n) for status, n in ended.value_counts().items()}
    for tasks in remaining:
        _add_tasks(estimate, tasks, plan, costs)
    folders = [path for path, rows in completed.items() for _ in range(len(rows))]
    estimate.n_rows = len(costs.used)
    estimate.sources = list(dict.fromkeys(folders[k] for k in sorted(costs.used)))
    if estimate.unknown and seconds:
        _measure_unknown_tasks(estimate, plan, seconds)
    cells = (tasks.example.cell for tasks in remaining if isinstance(tasks.example, CellTask))
    estimate.memory = describe_training_memory(plan, cells, estimate.widths)
    return estimate


def _list_remaining_tasks(
    plan: Plan, done: set[str], cache: Path
) -> tuple[list[Tasks], dict[tuple[str, str], float]]:
    """List the cells that can be run and are not done, and the matrices that they lack, by kind.

    Returns
    -------
    remaining : list of Tasks
    widths : dict of (str, str) to float
        See ``Estimate``; those of the stored matrices.
    """
    remaining: dict[Kind, Tasks] = {}
    widths: dict[tuple[str, str], float] = {}
    needs = MatrixNeeds(plan.datasets)
    seen = done | {cell.key for cell, _ in plan.refused_cells}
    for cell in plan.cells():
        if cell.key in seen:
            continue
        seen.add(cell.key)
        _count_task(remaining, CellTask(cell))
        needs.add_cell(cell)
    for need in needs:
        task = MatrixTask(need)
        stored = read_covering_matrix(need.key, need.rows, cache)
        if stored:
            width = stored.values.shape[1] * stored.values.itemsize
            widths[need.cell.dataset.label, task.label] = width
        else:
            _count_task(remaining, task)
    return list(remaining.values()), widths


def _count_task(remaining: dict[Kind, Tasks], task: CellTask | MatrixTask) -> None:
    remaining.setdefault(task.kind, Tasks(task)).n += 1


def _add_tasks(estimate: Estimate, tasks: Tasks, plan: Plan, costs: StoredCosts) -> None:
    """Add the cost of tasks in stored rows to an estimate, or the tasks to those unknown to it."""
    cell = tasks.example.cell
    dataset, labels = plan.datasets[cell.dataset.label], cell.identity
    shape = format_image_shape(dataset)
    if isinstance(tasks.example, CellTask):
        train, test = train_test_indices(cell, dataset)
        # 8 bytes each for the probabilities, the target and the index; before compression
        n_predicted = len(test) + len(dataset.targets) - len(dataset.own.targets)
        mb: float = n_predicted * 8 * (len(dataset.classes) + 2) / 1e6
        estimate.mb += tasks.n * mb
        names = labels["extractor"], labels["strategy"], labels["model"]
        seconds = costs.median_cell_seconds(*names, labels["tuning"], shape, len(train))
        if seconds is None and cell.is_tuned:
            fit_seconds = costs.median_cell_seconds(*names, NONE, shape, len(train))
            seconds = fit_seconds and _tuned_seconds(cell, dataset, fit_seconds)
        cost = None if seconds is None else (seconds, 0.0)
    else:
        n_images = int(tasks.example.need.rows.sum())
        cost = costs.median_matrix_cost(tasks.example.label, shape, n_images)
    if cost is None:
        estimate.unknown.append(tasks)
    else:
        _add_cost(estimate, tasks, Seconds.exactly(cost[0]), cost[1])


def _add_cost(estimate: Estimate, tasks: Tasks, seconds: Seconds, mb: float) -> None:
    """Add the cost of tasks, of which each takes these seconds and MB of disk."""
    estimate.work += tasks.n * seconds
    estimate.mb += tasks.n * mb
    if isinstance(tasks.example, MatrixTask):
        where = tasks.example.cell.dataset.label, tasks.example.label
        estimate.widths[where] = 1e6 * mb / int(tasks.example.need.rows.sum())


def _tuned_seconds(cell: Cell, dataset: Dataset, fit_seconds: float) -> float:
    """Estimate the time of a cell, given that of the same cell without tuning."""
    if not cell.is_tuned:
        return fit_seconds
    search: Search = build_component(cell.tuning)
    tuning_seconds = (_count_fits(cell, dataset) - 1) * fit_seconds
    limit = math.inf if search.seconds is None else search.seconds
    return min(tuning_seconds, limit) + fit_seconds


def _count_fits(cell: Cell, dataset: Dataset) -> float:
    """Estimate how many fits to the whole training set take as long as a cell."""
    if not cell.is_tuned:
        return 1.0
    search: Search = build_component(cell.tuning)
    components = build_components(cell, dataset)
    has_validation = components.is_official and len(select_official_validation(dataset)[0]) > 0
    # number of training images of all inner folds, per image of the training set
    per_image = 1 if has_validation else search.folds - 1
    n_train = len(components.train) * (1 if has_validation else per_image / search.folds)
    return 1 + per_image * search.relative_cost(cell.search_space, round(n_train))


def _measure_unknown_tasks(estimate: Estimate, plan: Plan, seconds: float) -> None:
    """Measure small cells, and add what they tell to an estimate."""
    cells: dict[Kind, tuple[Cell, int]] = {}
    for tasks in estimate.unknown:
        cell = tasks.example.cell
        untuned = cell.without_tuning() if cell.is_tuned else cell
        kind = CellTask(untuned).kind
        _, n = cells.get(kind, (untuned, 0))
        if isinstance(tasks.example, CellTask):
            n += tasks.n * round(_count_fits(cell, plan.datasets[cell.dataset.label]))
        cells[kind] = untuned, n
    small = SmallCells(plan, cells.values())
    small.measure(estimate.n_workers, seconds)
    estimate.start_seconds, estimate.is_minimum = small.start_seconds, small.is_minimum
    estimate.n_unknown, estimate.n_measured = len(cells), small.n_measured
    unknown, estimate.unknown = estimate.unknown, []
    for tasks in unknown:
        cell = tasks.example.cell
        if isinstance(tasks.example, CellTask):
            work = small.estimate_cell(cell.without_tuning() if cell.is_tuned else cell)
            dataset = plan.datasets[cell.dataset.label]
            cost = work and (Seconds(*(_tuned_seconds(cell, dataset, each) for each in work)), 0.0)
        else:
            n_images = int(tasks.example.need.rows.sum())
            cost = small.estimate_matrix(cell.dataset.label, tasks.example.label, n_images)
        if cost is None:
            estimate.unknown.append(tasks)
        else:
            _add_cost(estimate, tasks, *cost)
