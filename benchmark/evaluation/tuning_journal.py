"""Journal of the tuning of a cell: a file of what has been computed, read after an interruption."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from benchmark.results.columns import Amount, Index, Matrix
from benchmark.utils.files import translate_storage_errors

MAX_BYTES = 2**28  # of a file; 10,000 candidates on 20 folds take a third of it


class Trial(BaseModel):
    """The outcome of one candidate in one inner fold.

    Parameters
    ----------
    value : float or None
        Value of the metric on the held-out images; None if there is none.
    seconds : float
        Time of resampling, fitting and predicting.
    matrices : key to dict
        Feature matrices that were used; see ``Features``.
    n_train : int
        Number of images that the candidate was trained on.
    reason : str
        Why there is no value.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    value: Annotated[float, Field(allow_inf_nan=False)] | None
    seconds: Amount
    matrices: dict[str, Matrix] = {}
    n_train: Index = 0
    reason: str = ""


class TuningJournal:
    """Trials of one cell in a file of JSON lines, which a killed process leaves behind.

    Trials without a value are not written, so that they are done again.

    Parameters
    ----------
    path : Path
        It need not exist. Lines that are incomplete, or that are no trials, are ignored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._trials = dict(_read_trials(path))

    def find(self, candidate: str, *positions: Any) -> Trial | None:
        """Return the trial of a candidate in an inner fold, if there is one.

        Parameters
        ----------
        candidate : str
            As JSON.
        *positions : (n,) int64
            Indices of the images to train on, and of those that are held out.
        """
        return self._trials.get(_identify(candidate, positions))

    def add(self, trial: Trial, candidate: str, *positions: Any) -> None:
        """Add a trial; it is written at once."""
        key = _identify(candidate, positions)
        self._trials[key] = trial
        if trial.value is None:
            return
        with translate_storage_errors(self.path):
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                # a line that a killed process has left incomplete must not swallow this one
                file.write(f"\n{json.dumps({key: trial.model_dump()})}\n")


def _identify(candidate: str, positions: tuple[Any, ...]) -> str:
    digest = hashlib.sha256(candidate.encode())
    for each in positions:
        digest.update(each.astype("<i8").tobytes())
        digest.update(b"|")
    return digest.hexdigest()[:20]


def _read_trials(path: Path) -> Iterator[tuple[str, Trial]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            ((key, content),) = json.loads(line).items()
            yield key, Trial.model_validate(content)
        except (ValueError, AttributeError, OverflowError, RecursionError):
            continue
