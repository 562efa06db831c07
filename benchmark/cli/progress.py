"""Progress of a study: a bar on a terminal, lines of text elsewhere."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.progress import Task as BarTask
from rich.text import Text

from benchmark.cli.epochs import report_epochs
from benchmark.cli.rich_output import print_preliminary_leaderboards
from benchmark.engine.matrix_job import Outcome
from benchmark.engine.runner import load_plan_rows
from benchmark.engine.schedule import Schedule
from benchmark.engine.task_loop import Report
from benchmark.engine.task_types import CellTask, Task
from benchmark.evaluation.plan import Plan
from benchmark.reporting.leaderboard import COLUMNS
from benchmark.utils.status import BAD
from benchmark.utils.text import escape_controls, format_count, format_duration

MAX_LINE_INTERVAL = 60  # seconds between two lines, unless a tenth of the cells is done before
MIN_LINE_INTERVAL = 1  # seconds between two lines in any case
WORTHWHILE = 10  # seconds left from which on a preliminary leaderboard is printed


@contextmanager
def show_progress(
    console: Console, folder: Path, metric: str = "f1"
) -> Iterator[Callable[[Plan, Schedule], Report]]:
    """Show the progress of a study; yields the ``progress`` of ``evaluate_study``.

    A preliminary leaderboard is printed once every configuration has its first result, if the rest
    takes long enough.

    Parameters
    ----------
    console : Console
    folder : Path
        Results folder.
    metric : str
        Metric that the preliminary leaderboard is ranked by.
    """
    with ExitStack() as stack:

        def start(plan: Plan, schedule: Schedule) -> Report:
            console.print(
                f"study {plan.study.name}: {format_count(plan.n_cells, 'cell')}, "
                f"{plan.n_cells - schedule.n_cells} stored",
                highlight=False,
            )
            if not schedule.n_cells:
                return lambda task, outcome: None
            animated = console.file.isatty() and not console.is_dumb_terminal
            display = (ProgressBar if animated else ProgressLines)(console, schedule)
            stack.enter_context(display)  # not earlier, so that an error is printed without a bar
            awaits_first_round = schedule.n_first_round > 0

            def report(task: Task, outcome: Outcome) -> None:
                nonlocal awaits_first_round
                display.count_outcome(task, outcome)
                if awaits_first_round and not schedule.n_first_round:
                    awaits_first_round = False
                    left = schedule.time_left()
                    if left and left.seconds >= WORTHWHILE:
                        rows = load_plan_rows(plan, folder, COLUMNS, first_round=True)
                        print_preliminary_leaderboards(console, rows, plan, str(left), metric)

            return report

        yield start


class ProgressDisplay(ABC):
    """What is shown of a schedule while it is worked on; a context manager.

    Parameters
    ----------
    console : Console
    schedule : Schedule
    """

    def __init__(self, console: Console, schedule: Schedule) -> None:
        self._console, self._schedule = console, schedule
        self._ended: Counter[str] = Counter()
        self._start = time.monotonic()

    def count_outcome(self, task: Task, outcome: Outcome) -> None:
        """Show that a task has ended."""
        if isinstance(task, CellTask):
            self._ended[outcome["status"]] += 1
        self._update()

    @abstractmethod
    def _update(self) -> None: ...

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    def _describe_failures(self) -> str:
        return ", ".join(f"{self._ended[status]} {status}" for status in BAD if self._ended[status])

    def _describe_times(self) -> str:
        """Elapsed time, and the time left if there is any."""
        elapsed = f"{format_duration(time.monotonic() - self._start)} elapsed"
        is_done = self._schedule.n_cells_done == self._schedule.n_cells
        left = None if is_done else self._schedule.time_left()
        return f"{elapsed}, {left}" if left else elapsed


class ProgressLines(ProgressDisplay):
    """A line of text every minute, or whenever another tenth of the cells is done."""

    def __init__(self, console: Console, schedule: Schedule) -> None:
        super().__init__(console, schedule)
        self._n_tenths, self._last_line = 0, self._start
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._timer = threading.Thread(target=self._print_every_minute, daemon=True)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._timer.join()
        self._print_line()

    def _update(self) -> None:
        n_tenths = 10 * self._schedule.n_cells_done // self._schedule.n_cells
        if self._n_tenths < n_tenths < 10 and self._silence() >= MIN_LINE_INTERVAL:
            self._print_line()

    def _print_every_minute(self) -> None:
        while not self._stop.wait(max(0, MAX_LINE_INTERVAL - self._silence())):
            if self._silence() >= MAX_LINE_INTERVAL:
                self._print_line()

    def _silence(self) -> float:
        return time.monotonic() - self._last_line

    def _print_line(self) -> None:
        with self._lock:
            schedule = self._schedule
            self._last_line = time.monotonic()
            self._n_tenths = 10 * schedule.n_cells_done // schedule.n_cells
            parts = [f"{schedule.n_cells_done} of {format_count(schedule.n_cells, 'cell')}"]
            if schedule.n_matrices:
                matrices = format_count(schedule.n_matrices, "matrix", "matrices")
                parts.append(f"{schedule.n_matrices_done} of {matrices}")
            parts += filter(None, [self._describe_failures(), self._describe_times()])
            self._console.print(", ".join(parts), highlight=False)


class ProgressBar(ProgressDisplay):
    """A bar that is drawn again and again, with the epochs of networks."""

    def __init__(self, console: Console, schedule: Schedule) -> None:
        super().__init__(console, schedule)
        self._bar = Progress(
            TextColumn("cells"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[ended]}"),
            TextColumn("{task.fields[matrices]}"),
            _ElapsedColumn(self._describe_times),
            TextColumn("{task.fields[epochs]}", style="dim", markup=False),
            console=console,
        )
        self._task = self._bar.add_task(
            "", total=schedule.n_cells, ended="", matrices="", epochs=""
        )
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        self._resources.enter_context(report_epochs(self._show_epoch))
        self._resources.enter_context(self._bar)
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def _update(self) -> None:
        schedule = self._schedule
        self._bar.update(
            self._task,
            completed=schedule.n_cells_done,
            ended=self._describe_failures(),
            matrices=f"matrices {schedule.n_matrices_done}/{schedule.n_matrices}"
            if schedule.n_matrices
            else "",
        )

    def _show_epoch(self, text: str) -> None:
        self._bar.update(self._task, epochs=escape_controls(text)[:200])


class _ElapsedColumn(ProgressColumn):
    """A text that is computed once a second.

    Parameters
    ----------
    describe : callable () -> str
    """

    def __init__(self, describe: Callable[[], str]) -> None:
        super().__init__()
        self._describe, self._text, self._end = describe, Text(), 0.0

    def render(self, task: BarTask) -> Text:
        """Return the text."""
        if time.monotonic() >= self._end or task.finished:
            self._text, self._end = Text(self._describe()), time.monotonic() + 1
        return self._text
