"""The computation of one feature matrix, whose parts are tasks."""

from __future__ import annotations

from typing import Any

from benchmark.engine.task_types import MatrixTask
from benchmark.evaluation.feature_cache import Draft, finish_matrix
from benchmark.evaluation.matrix_keys import MatrixNeed
from benchmark.evaluation.matrix_parts import Tally
from benchmark.utils.status import Status

Outcome = dict[str, Any]
RESULTS = ("draft", "tally")  # what an outcome of a matrix task holds beside columns of a row


class MatrixJob:
    """The tasks of one feature matrix, from the first part to the complete file.

    Parameters
    ----------
    need : MatrixNeed

    Attributes
    ----------
    first : MatrixTask
        The task that has to end before there are others.
    """

    def __init__(self, need: MatrixNeed) -> None:
        self.first = MatrixTask(need)
        self._draft: Draft | None = None
        self._tallies: list[Tally] = []
        self._failure: Outcome | None = None
        self._n_open = 1

    def record(self, task: MatrixTask, outcome: Outcome) -> list[MatrixTask]:
        """Record how a task ended, and return the tasks that can start now."""
        self._n_open -= 1
        if outcome["status"] != Status.OK:
            self._failure = self._failure or outcome
        elif task.part is not None:
            self._tallies.append(outcome["tally"])
        elif (draft := outcome.get("draft")) is not None:
            self._draft = draft
            self._n_open += len(draft.parts)
            return [MatrixTask(task.need, part) for part in draft.parts]
        return []

    @property
    def has_failed(self) -> bool:
        """Whether one of the tasks has failed."""
        return self._failure is not None

    def drop_tasks(self, n: int) -> None:
        """Do without tasks that have not started, since another one has failed."""
        self._n_open -= n

    @property
    def has_ended(self) -> bool:
        """Whether no task runs or can still start."""
        return self._n_open == 0

    def end(self) -> Outcome:
        """Put the file in its place, or remove it if a task has failed; return how it went.

        Raises
        ------
        StorageError
            The file cannot be written.
        """
        if self._failure is None:
            if self._draft is not None:
                finish_matrix(self._draft, self._tallies)
            return {"status": Status.OK, "reason": ""}
        if self._draft is not None:
            self._draft.file.unlink(missing_ok=True)
        label = self.first.need.matrix.spec.label
        return {**self._failure, "reason": f"extracting {label}: {self._failure['reason']}"}
