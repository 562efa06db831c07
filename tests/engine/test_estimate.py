"""Estimates of the time and disk space that a plan takes."""

from pathlib import Path

import pytest

from benchmark import load_study, run
from benchmark.engine.estimate import estimate_remaining_work
from benchmark.evaluation.plan import make_plan

FAULTS = str(Path(__file__).parents[1] / "faults.py")


def study(**axes):
    defaults = {
        "extractors": [f"{FAULTS}:Constant(seconds=0.2)"],
        "models": [f"{FAULTS}:Honest(seconds=0.3)"],
    }
    return load_study("digits", **{**defaults, **axes})


def test_the_estimate_is_the_median_of_comparable_rows(tmp_path):
    rows = run(study(seeds=[0]), tmp_path / "known")
    estimate = estimate_remaining_work(make_plan(study(seeds=[1, 2])), tmp_path / "new")
    assert (estimate.n_cells, estimate.n_known, estimate.n_rows) == (6, 6, 3)
    cell_s = rows[["resample_s", "fit_s", "predict_s"]].sum(axis=1).median()
    matrix_s = rows["extract_s"].median()
    assert cell_s >= 0.3
    assert matrix_s >= 4 * 0.2, "four batches of images"
    assert estimate.seconds == pytest.approx(6 * cell_s + matrix_s)
    assert 0.1 < estimate.mb < 1
    assert not estimate.unknown
    summary = "\n".join(estimate.summary_lines(workers=2))
    assert "6 cells estimated from the median" in summary
    assert str(tmp_path / "known") in summary


@pytest.mark.slow
def test_stored_cells_and_matrices_are_not_counted(tmp_path):
    rows = run(study(seeds=[0]), tmp_path / "here")
    assert list(
        estimate_remaining_work(make_plan(study(seeds=[0])), tmp_path / "here").summary_lines(1)
    ) == ["nothing is left to run"]
    more = estimate_remaining_work(make_plan(study(seeds=[0, 1])), tmp_path / "here")
    assert more.n_cells == 3
    assert more.seconds == pytest.approx(
        3 * (rows["fit_s"] + rows["predict_s"]).median(), abs=0.05
    ), "the matrix is stored already"


def test_cells_without_a_comparable_row_are_listed_and_not_guessed(tmp_path):
    run(study(seeds=[0]), tmp_path / "known")
    estimate = estimate_remaining_work(
        make_plan(
            study(models=["knn", f"{FAULTS}:Honest(seconds=0.3)"], datasets=["digits", "faces"])
        ),
        tmp_path / "new",
    )
    assert estimate.n_known == 3
    assert sum(estimate.unknown.values()) == 9 + 1
    assert "not counted" in "\n".join(estimate.summary_lines(1))


def test_without_stored_rows_no_time_is_given(tmp_path):
    lines = list(estimate_remaining_work(make_plan(study()), tmp_path / "new").summary_lines(1))
    assert lines[0].startswith("3 cells to run; ")
    assert lines[1:] == ["  the time is unknown, since no stored row is comparable"]


def test_cells_that_will_be_skipped_are_not_counted_among_those_to_run(tmp_path):
    plan = make_plan(study(seeds=[0], train_sizes=[5000]))
    assert len(plan.refused_cells) == plan.n_cells
    assert list(estimate_remaining_work(plan, tmp_path / "here").summary_lines(1)) == [
        "nothing is left to run"
    ]
