"""Tune the parameters of a cell on images that are held out of its training set.

Candidates are compared on the official validation set if the split has one, and the best is then
trained on the training and the validation images. Otherwise they are compared on inner folds of the
training set, which are stratified and grouped as the split is. Either way a candidate is evaluated
exactly as a cell is: extractors are fitted, images resampled, probabilities calibrated and
thresholds tuned on the images that it is trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from benchmark.evaluation.components import Components, seed_global_generators
from benchmark.evaluation.tuning_journal import TuningJournal
from benchmark.evaluation.tuning_trials import TrialRunner, apply_candidate
from benchmark.plugins.registry import build_component
from benchmark.results.folder import ResultsFolder
from benchmark.sampling.splits import Fold, Indices, inner_folds, select_official_validation
from benchmark.strategies.base import Refused
from benchmark.study.axes import find_axis
from benchmark.tuning.base import Search
from benchmark.utils.hashing import derive_seed
from benchmark.utils.notes import Note, NoteKind
from benchmark.utils.text import format_count


@dataclass(frozen=True, eq=False)
class Tuned:
    """The result of tuning a cell.

    Parameters
    ----------
    components : Components
        With the chosen parameters. The training set may include the official validation set.
    outcome : dict
        Columns of the row; empty if the cell is not tuned.
    matrices : key to dict
        Feature matrices that candidates used; see ``Features``.
    notes : tuple of Note
    """

    components: Components
    outcome: dict[str, Any] = field(default_factory=dict)
    matrices: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def describe(self, metrics: Mapping[str, float]) -> dict[str, Any]:
        """Return the columns of the row, given the metrics of the test set."""
        if not self.outcome:
            return {}
        outer = metrics[self.outcome["tuned_by"]]
        return {**self.outcome, "outer_minus_inner": outer - self.outcome["inner_score"]}


class HeldOutImages(NamedTuple):
    """What candidates are compared on.

    Parameters
    ----------
    folds : list of (train, held)
        Indices of the images to train on and of those held out, in each inner fold.
    final_train : (n,) int64
        Indices of the images that the chosen candidate is trained on.
    description : str
        Text of the column ``tuned_on``.
    """

    folds: list[Fold]
    final_train: Indices
    description: str


def tune_components(components: Components, folder: ResultsFolder) -> Tuned:
    """Choose the parameters of a cell, if it is tuned at all.

    What was computed before an interruption is read from the journal of the cell.

    Parameters
    ----------
    components : Components
    folder : ResultsFolder

    Returns
    -------
    Tuned

    Raises
    ------
    Refused
        No images can be held out, or no candidate could be evaluated.
    """
    cell = components.cell
    if not cell.is_tuned:
        return Tuned(components)
    search: Search = build_component(cell.tuning)
    held_out = hold_out_images(components, search.folds)
    journal = TuningJournal(folder.tuning_journal(cell.key))
    trials = TrialRunner(components, held_out.folds, search, folder.features, journal)
    # every fold of a seed compares the same candidates
    seed = derive_seed(f"{cell.seed}/tuning", 28)
    n_train = min(len(train) for train, _ in held_out.folds)
    best = search.find_best(trials.score, len(held_out.folds), n_train, cell.search_space, seed)
    if math.isnan(best.score):
        raise Refused(f"tuning found no candidate with a value of {search.metric}: {trials.reason}")
    seed_global_generators(cell)  # as they are if all trials are read from the journal
    chosen = replace(
        components,
        cell=apply_candidate(cell, best.candidate),
        fold=(held_out.final_train, components.test),
        validation_is_free=False,
    )
    outcome = {**trials.summarize(best), "tuned_on": held_out.description}
    few = search.describe_few_images(n_train)
    notes = (Note(few, NoteKind.TUNING),) if few else ()
    return Tuned(chosen, outcome, trials.matrices, (*trials.notes(), *notes))


def forget_trials(components: Components, folder: ResultsFolder) -> None:
    """Remove what was kept for the case of an interruption."""
    if components.cell.is_tuned:
        folder.tuning_journal(components.cell.key).unlink(missing_ok=True)


def hold_out_images(components: Components, n_folds: int) -> HeldOutImages:
    """Choose the images that candidates are compared on.

    The validation set of the split is also trained on in the end, unless the training set is
    reduced or made imbalanced, which the validation set is not.

    Raises
    ------
    Refused
        No images can be held out.
    """
    train, dataset = components.train, components.dataset
    if components.is_official:
        validation, n_left_out = select_official_validation(dataset)
        if len(validation):
            text = f"official validation set ({format_count(len(validation), 'image')}"
            text += f"; {n_left_out} more share a group with others)" if n_left_out else ")"
            if any(
                axis.label(components.cell.values[axis.name]) != axis.default_label
                for axis in map(find_axis, ("train_size", "imbalance"))
            ):
                return HeldOutImages([(train, validation)], train, text)
            both = np.concatenate([train, validation])
            text += ", which the chosen candidate was trained on as well"
            return HeldOutImages([(train, validation)], both, text)
    positions = inner_folds(dataset, train, n_folds)
    unit = "image" if dataset.groups is None else "group"
    if not positions:
        raise Refused(
            f"tuning needs images to hold out, and therefore a class with at least 2 {unit}s in "
            "the training set; no class has that many"
        )
    folds = [(train[inner], train[held]) for inner, held in positions]
    return HeldOutImages(folds, train, f"inner folds ({len(folds)}, by {unit})")
