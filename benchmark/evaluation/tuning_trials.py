"""Trials of tuning: candidates that are trained and evaluated in inner folds as cells are."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.base import Dataset
from benchmark.errors import StorageError
from benchmark.evaluation.components import Components, seed_global_generators
from benchmark.evaluation.extraction import extract_features
from benchmark.evaluation.image_changes import change_all_as_training
from benchmark.evaluation.sample import stratified_order
from benchmark.evaluation.training import train_and_predict
from benchmark.evaluation.tuning_journal import Trial, TuningJournal
from benchmark.plugins.spec import ResolvedSpec
from benchmark.results.columns import Matrix
from benchmark.sampling.splits import Fold, Indices
from benchmark.scoring.metrics import METRICS
from benchmark.strategies.base import Refused
from benchmark.study.cell import Cell
from benchmark.tuning.base import Best, Search
from benchmark.tuning.search_space import Candidate
from benchmark.utils.messages import exception_text
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.text import format_count, one_line

MAX_REASON = 300  # characters


class TrialRunner:
    """Evaluates candidates in inner folds, each once, and records what they cost.

    Parameters
    ----------
    components : Components
        Of the cell that is tuned.
    folds : list of (train, held)
        Indices of the images to train on and of those held out; none of them is a test image.
    search : Search
    cache : Path
        Folder of the stored feature matrices.
    journal : TuningJournal

    Attributes
    ----------
    matrices : key to dict
        Feature matrices that were used; see ``Features``.
    """

    def __init__(
        self,
        components: Components,
        folds: Sequence[Fold],
        search: Search,
        cache: Path,
        journal: TuningJournal,
    ) -> None:
        for train, held in folds:
            check_apart(components.dataset, train, held, components.test)
        self._components, self._folds, self._search = components, folds, search
        self._cache, self._journal = cache, journal
        self._n_images = len(np.unique(np.concatenate([np.concatenate(fold) for fold in folds])))
        self._inner_cell = change_all_as_training(components.cell)
        self._metric = METRICS[search.metric]
        # by candidate as JSON, by share of the training images, by fold
        self._trials = defaultdict[str, dict[float, dict[int, Trial]]](lambda: defaultdict(dict))
        self.matrices: dict[str, dict[str, Any]] = {}

    def score(self, candidate: Candidate, fold: int, share: float = 1.0) -> float:
        """Return the score of a candidate in one inner fold, the higher the better.

        Parameters
        ----------
        candidate : mapping
        fold : int
            Index of the inner fold.
        share : float
            Share of its training images that the candidate is trained on, a stratified sample.

        Returns
        -------
        float
            NaN if the candidate cannot be evaluated, or if the time is up.

        Raises
        ------
        Exception
            The configuration as it is listed cannot be evaluated, for any reason but `Refused`.
        """
        text = json.dumps(candidate, sort_keys=True)
        trials = self._trials[text][share]
        if fold not in trials:
            if candidate and self._is_time_up():
                return math.nan
            train, held = self._folds[fold]
            train = self._sample(train, share)
            trial = self._journal.find(text, train, held)
            if trial is None:
                trial = self._run_trial(candidate, train, held)
                self._journal.add(trial, text, train, held)
            trials[fold] = trial
            self.matrices |= trial.model_dump()["matrices"]
        value = trials[fold].value
        value = math.nan if value is None else value
        return value if self._metric.greater_is_better else -value

    def _sample(self, train: Indices, share: float) -> Indices:
        """Return a share of training images, in their order."""
        if share == 1:
            return train
        n = max(2, round(share * len(train)))
        shuffled = np.random.default_rng(0).permutation(train)
        if not self._components.dataset.multilabel:
            shuffled = shuffled[stratified_order(self._components.dataset.targets[shuffled])]
        return np.sort(shuffled[:n])

    def _is_time_up(self) -> bool:
        limit = self._search.seconds
        return limit is not None and self.fit_seconds + self._extract_seconds >= limit

    def _list_trials(self) -> list[Trial]:
        by_share = (shares.values() for shares in self._trials.values())
        return [trial for shares in by_share for trials in shares for trial in trials.values()]

    @property
    def fit_seconds(self) -> float:
        """Seconds that resampling, fitting and predicting took."""
        return sum(trial.seconds for trial in self._list_trials())

    @property
    def _extract_seconds(self) -> float:
        """Seconds that the features of the images that are tuned on take, also from the cache."""
        return sum(
            matrix["seconds"] * min(1.0, self._n_images / max(1, matrix["n_images"]))
            for matrix in self.matrices.values()
        )

    def _run_trial(self, candidate: Candidate, train: Indices, held: Indices) -> Trial:
        """Evaluate a candidate as a cell is, with the held-out images as the test set."""
        components = replace(
            self._components,
            cell=apply_candidate(self._inner_cell, candidate),
            fold=(train, held),
            external_indices=np.empty(0, np.int64),
            validation_is_free=False,
        )
        seed_global_generators(components.cell)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of the chosen candidate are noted in the end
            try:
                return self._evaluate(components, len(train))
            except (StorageError, MemoryError):
                raise
            except Exception as error:
                is_refused = isinstance(error, Refused)
                if not candidate and not is_refused:
                    raise
                reason = exception_text(error)
                reason = reason if is_refused else f"{type(error).__name__}: {reason}"
        seconds = time.perf_counter() - start
        return Trial(
            value=None, seconds=seconds, n_train=len(train), reason=one_line(reason, MAX_REASON)
        )

    def _evaluate(self, components: Components, n_train: int) -> Trial:
        reason = components.refusal_reason()
        if reason:
            raise Refused(reason)
        features = extract_features(components, self._cache)
        trained = train_and_predict(components, features)
        value = self._metric(trained.predictions)
        undefined = math.isnan(value)
        return Trial(
            value=None if undefined else value,
            seconds=sum(trained.outcome[name] for name in ("resample_s", "fit_s", "predict_s")),
            matrices={
                key: Matrix.model_validate(matrix) for key, matrix in features.matrices.items()
            },
            n_train=n_train,
            reason=f"{self._metric.name} is undefined on the held-out images" if undefined else "",
        )

    @property
    def reason(self) -> str:
        """Why the first candidate that has no value has none."""
        return next((trial.reason for trial in self._list_trials() if trial.reason), "")

    def summarize(self, best: Best) -> dict[str, Any]:
        """Return the columns of the row that describe the search."""
        candidates = self._describe_candidates()
        return {
            "tune_s": self.fit_seconds,
            "n_candidates": sum(candidate["score"] is not None for candidate in candidates),
            "chosen": {name: dict(values) for name, values in best.candidate.items()},
            "inner_score": best.score if self._metric.greater_is_better else -best.score,
            "candidates": candidates,
            "tuned_by": self._metric.name,
        }

    def _describe_candidates(self) -> list[dict[str, Any]]:
        """Describe the candidates that have a trial, in the order in which they were tried."""
        described = (self._describe_candidate(*item) for item in self._trials.items())
        return [candidate for candidate in described if candidate]

    def _describe_candidate(
        self, text: str, by_share: dict[float, dict[int, Trial]]
    ) -> dict[str, Any]:
        """Describe a candidate by its trials on the largest share; empty if it has no trial."""
        tried = {share: trials for share, trials in by_share.items() if trials}
        if not tried:
            return {}
        last = list(tried[max(tried)].values())
        values = [trial.value for trial in last if trial.value is not None]
        reason = next((trial.reason for trial in last if trial.reason), "")
        description = {
            "parameters": json.loads(text),
            "score": float(np.mean(values)) if len(values) == len(self._folds) else None,
            "seconds": sum(t.seconds for trials in tried.values() for t in trials.values()),
            "n_train": max(trial.n_train for trial in last),
        }
        return {**description, "reason": reason} if reason else description

    def notes(self) -> tuple[Note, ...]:
        """Note candidates that could not be evaluated."""
        candidates = self._describe_candidates()
        reasons = [candidate["reason"] for candidate in candidates if candidate.get("reason")]
        if not reasons:
            return ()
        n = format_count(len(candidates), "candidate")
        text = f"{len(reasons)} of {n} could not be evaluated: {reasons[0]}"
        return (Note(text, NoteKind.DETAIL),)


def check_apart(dataset: Dataset, *subsets: Indices) -> None:
    """Check that no image, and no group (patient, lesion), is in two subsets.

    Raises
    ------
    RuntimeError
        One is, so that tuning would see what it is evaluated on.
    """
    units = np.arange(len(dataset.targets)) if dataset.groups is None else dataset.groups
    for first, second in combinations(subsets, 2):
        if len(np.intersect1d(units[first], units[second])):
            raise RuntimeError(
                f"dataset '{dataset.name}': an image or a group is in two of these: the training "
                "set of an inner fold, the images held out of it, and the test set; this is an "
                "error of the benchmark, please report it"
            )


def apply_candidate(cell: Cell, candidate: Candidate) -> Cell:
    """Return a cell with the parameters of a candidate.

    Components inside others are changed as well, and all components of one name alike.
    """
    values = {
        name: _change_parameters(cell.values[name], candidate)
        for name in ("extractor", "strategy", "model")
    }
    return replace(cell, values={**cell.values, **values})


def _change_parameters(value: Any, candidate: Candidate) -> Any:
    if isinstance(value, ResolvedSpec):
        inner = {name: _change_parameters(item, candidate) for name, item in value.params}
        params = {**inner, **candidate.get(value.name, {})}
        return replace(value, params=tuple(sorted(params.items())))
    if isinstance(value, tuple):
        return tuple(_change_parameters(item, candidate) for item in value)
    return value
