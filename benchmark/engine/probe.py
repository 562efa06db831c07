"""A configuration of a plan, and the times that its cells take on few images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from benchmark.engine.extrapolation import Seconds, extrapolate
from benchmark.engine.pace import Kind
from benchmark.engine.task_types import CellTask
from benchmark.evaluation.matrix_keys import learns_in_fit
from benchmark.plugins.registry import reads_chunks
from benchmark.sampling.splits import Fold
from benchmark.study.cell import Cell

N_EPOCHS = 2  # of a network that is trained for more epochs
GROWTH = 4  # factor from one small cell to the next
MAX_FAILURES = 2  # small cells that fail before a configuration is given up


@dataclass(eq=False)
class Probe:
    """A configuration under a condition, with the times of its small cells.

    Parameters
    ----------
    cell : Cell
        One of its cells.
    n_cells : int
        Number of its cells.
    fold : (train, test)
        Indices of the images of the cell, in the order in which small cells use them.
    epochs : int
        Epochs of its model; 1 if it is no network.
    n_first : int
        Number of training images of the first small cell.
    times : list of (size, seconds)
        Size (number of training images times epochs) and seconds of each small cell.
    n_failed : int
        Number of small cells that failed.
    """

    cell: Cell
    n_cells: int
    fold: Fold
    epochs: int
    n_first: int
    times: list[tuple[float, float]] = field(default_factory=list)
    n_failed: int = 0

    def __post_init__(self) -> None:
        self.n_next = self.n_first  # number of training images of the next small cell

    @property
    def kind(self) -> Kind:
        """What the duration of its cells depends on."""
        return CellTask(self.cell).kind

    @property
    def next_size(self) -> int:
        """Size of the next small cell."""
        return self.n_next * min(N_EPOCHS, self.epochs)

    def estimate(self, size: float) -> Seconds:
        """Estimate the seconds of a cell of this size; one must have been measured."""
        is_linear = self.epochs > 1 or reads_chunks(self.cell.model)
        return extrapolate(self.times, size, linear=is_linear)

    def estimate_cell(self) -> Seconds:
        """Estimate the seconds of a cell on all of its images."""
        return self.estimate(len(self.fold[0]) * self.epochs)

    def next_sizes(self) -> list[int]:
        """Numbers of training images of the next small cells; the first one is not measured."""
        larger = min(GROWTH * self.n_next, len(self.fold[0]))
        sizes = [self.n_next] if self.times or larger == self.n_next else [self.n_next, larger]
        return [self._n_unmeasured(), *sizes]

    def _n_unmeasured(self) -> int:
        """Number of training images of a first small cell, whose time is not used.

        Imports would count. An extractor that learns takes long on the smallest set as well, so
        that the first small cell is evaluated twice, with the same features.
        """
        learns = any(learns_in_fit(spec) for spec in self.cell.extractor)
        return self.n_first if learns else max(2, self.n_first // GROWTH)

    def make_small_cell(self) -> Cell:
        """Return its cell with fewer epochs."""
        model = self.cell.model
        if self.epochs > N_EPOCHS:
            params = dict(model.params) | {"epochs": N_EPOCHS}
            model = replace(model, params=tuple(sorted(params.items())))
        return replace(self.cell, values={**self.cell.values, "model": model})

    def grow(self) -> None:
        """Enlarge the next small cell, up to all training images."""
        n_all = len(self.fold[0])
        self.n_next = n_all + 1 if self.n_next >= n_all else min(GROWTH * self.n_next, n_all)

    def shrink_to(self, seconds: float) -> bool:
        """Halve the next small cell until it takes no longer than this; return whether it can."""
        last = self.times[-1][0]
        while self.next_size > 1.5 * last and self.estimate(self.next_size).high > seconds:
            self.n_next //= 2
        return self.next_size > 1.5 * last

    def can_grow(self) -> bool:
        """Whether a larger small cell can be measured."""
        return self.n_failed < MAX_FAILURES and self.n_next <= len(self.fold[0])
