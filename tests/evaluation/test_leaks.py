"""The classical errors of studies on imbalanced data are planted, and each is caught."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler

from benchmark.checks import run_checks
from benchmark.datasets.bundled import load_digits
from benchmark.engine.runner import run
from benchmark.errors import UserError
from benchmark.evaluation.components import compute_folds
from benchmark.evaluation.evaluate import evaluate_on_dataset
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec
from benchmark.reporting.row_problems import list_problems
from benchmark.sampling.splits import official_split
from benchmark.utils.notes import SHARED, NoteKind

FAKES = str(Path(__file__).parents[1] / "fakes.py")


def broken(kind, cls):
    return {
        outcome.name
        for outcome in run_checks(kind, resolve_spec(kind, Spec(f"{FAKES}:{cls}")))
        if outcome.problem
    }


def oversampled(digits):
    uneven = np.digitize(digits.targets, [6, 9])
    flat, targets = RandomOverSampler(random_state=0).fit_resample(
        digits.images.reshape(len(digits.images), -1), uneven
    )
    return replace(
        digits,
        images=flat.reshape(-1, *digits.images.shape[1:]),
        targets=targets,
        classes=("0-5", "6-8", "9"),
    )


def test_resampling_before_the_split_is_named_in_the_row_and_under_the_table(
    digits, make_cell, tmp_path
):
    data = oversampled(digits)
    notes = evaluate_on_dataset(make_cell(data), data, tmp_path)["notes"]
    assert [note for note in notes if note.endswith(SHARED)]
    honest = evaluate_on_dataset(make_cell(digits, strategy="random_over"), digits, tmp_path)[
        "notes"
    ]
    assert not [note for note in honest if note.endswith(SHARED)]


def test_copies_across_the_split_are_noted_under_the_leaderboard(tmp_path, monkeypatch):
    whole = load_digits("digits", Path(), None)
    monkeypatch.setattr(
        "benchmark.datasets.bundled.load_digits", lambda name, data, size: oversampled(whole)
    )
    from benchmark.study.load import load_study

    rows = run(
        load_study("digits", extractors=["pixels"], models=["nearest_centroid"]), out=tmp_path
    )
    (line,) = (line for line in list_problems(rows) if SHARED in line)
    counts = sorted(
        note.n_images for notes in rows["notes"] for note in notes if note.kind == NoteKind.COPIES
    )
    assert line == f"3 cells: {counts[0]} to {counts[-1]} test images are {SHARED}"


def test_a_threshold_tuned_on_the_test_set_is_caught():
    assert "predictions_ignore_test_labels" in broken("strategy", "TunesOnTestSet")


def test_probabilities_adjusted_to_the_class_shares_of_the_test_set_are_caught():
    assert broken("strategy", "AdjustsToTestShares") == {"images_are_adjusted_alone"}


def test_smote_neighbours_from_the_test_fold_are_caught():
    assert "predictions_ignore_other_images" in broken("strategy", "NeighboursFromTestSet")


def test_one_lesion_on_both_sides_is_refused(digits):
    lesions = np.arange(300) // 2
    split = replace(
        digits, groups=lesions, subset=np.where(np.arange(300) % 4 == 0, "test", "train")
    )
    with pytest.raises(UserError, match="are in both train and test of its official split"):
        official_split(split)


def test_one_lesion_is_on_one_side_of_every_fold_outer_and_inner(digits, monkeypatch):
    from benchmark.sampling.splits import inner_folds

    lesions = np.random.default_rng(0).integers(0, 100, 300)
    data = replace(digits, groups=lesions)
    for train, test in compute_folds(data, resolve_spec("split", Spec("stratified_kfold"))):
        assert not set(lesions[train]) & set(lesions[test])
        for inner, held in inner_folds(data, train):
            assert not set(lesions[train[inner]]) & set(lesions[train[held]])


def test_probabilities_of_0_and_1_are_taken_as_the_model_gives_them(digits, make_cell, tmp_path):
    cell = make_cell(digits, model=f"{FAKES}:HardProbabilities")
    row = evaluate_on_dataset(cell, digits, tmp_path)
    assert row["status"] == "ok"
    assert 0.8 < row["accuracy"] < row["auc"] < 1
    assert not any("hard labels" in note for note in row["notes"])
