"""Estimates of the time and disk space that a plan takes."""

from pathlib import Path

import pytest

from benchmark import load_study, run
from benchmark.engine.estimate import Estimate, estimate_remaining_work
from benchmark.engine.extrapolation import Seconds
from benchmark.evaluation.plan import make_plan

FAULTS = str(Path(__file__).parents[1] / "faults.py")


def study(**axes):
    defaults = {
        "extractors": [f"{FAULTS}:Constant(seconds=0.2)"],
        "models": [f"{FAULTS}:Honest(seconds=0.3)"],
    }
    return load_study("digits", **{**defaults, **axes})


def estimate(of, folder, n_workers=1, seconds=0):
    return estimate_remaining_work(make_plan(of), folder, n_workers, seconds)


def test_the_estimate_is_the_median_of_comparable_rows(tmp_path):
    rows = run(study(seeds=[0]), tmp_path / "known")
    result = estimate(study(seeds=[1, 2]), tmp_path / "new", n_workers=2)
    assert (result.n_cells, result.n_rows, result.unknown) == (6, 3, [])
    cell_s = rows[["resample_s", "fit_s", "predict_s"]].sum(axis=1).median()
    matrix_s = rows["extract_s"].median()
    assert cell_s >= 0.3
    assert matrix_s >= 4 * 0.2, "four batches of images"
    assert result.work.middle == pytest.approx(6 * cell_s + matrix_s)
    assert result.work.low == result.work.high
    assert result.duration.middle == result.work.middle / 2
    assert 0.1 < result.mb < 1
    first, second = result.summary_lines()
    assert first.startswith("6 cells to run: about ")
    assert "with 2 workers; 0." in first
    assert second == f"  estimated from 3 stored rows in {tmp_path / 'known'}"


@pytest.mark.slow
def test_stored_cells_and_matrices_are_not_counted(tmp_path):
    rows = run(study(seeds=[0]), tmp_path / "here")
    assert [*estimate(study(seeds=[0]), tmp_path / "here").summary_lines()] == [
        "nothing is left to run"
    ]
    more = estimate(study(seeds=[0, 1]), tmp_path / "here")
    assert more.n_cells == 3
    assert more.work.middle == pytest.approx(
        3 * (rows["fit_s"] + rows["predict_s"]).median(), abs=0.05
    ), "the matrix is stored already"


def test_cells_without_a_comparable_row_are_counted_in_one_short_line(tmp_path):
    run(study(seeds=[0]), tmp_path / "known")
    models = ["knn", "gaussian_nb", f"{FAULTS}:Honest(seconds=0.3)"]
    result = estimate(study(models=models, datasets=["digits", "faces"]), tmp_path / "new")
    assert result.n_cells == 3 * 6
    lines = [*result.summary_lines()]
    assert lines[0].startswith("18 cells to run: about ")
    assert len(lines) == 3
    assert lines[2].startswith("  not counted: 15 cells and 1 matrix, such as ")
    assert len(lines[2]) < 250


def test_without_stored_rows_and_without_measuring_no_time_is_given(tmp_path):
    first, second = estimate(study(), tmp_path / "new").summary_lines()
    assert first.startswith("3 cells to run: the time is unknown; ")
    assert second.startswith("  not counted: 3 cells and 1 matrix, such as ")


def test_cells_that_will_be_skipped_are_not_counted_among_those_to_run(tmp_path):
    plan = make_plan(study(seeds=[0], train_sizes=[5000]))
    assert len(plan.refused_cells) == plan.n_cells
    result = estimate_remaining_work(plan, tmp_path / "here", n_workers=1, seconds=0)
    assert [*result.summary_lines()] == ["nothing is left to run"]


def test_what_stored_rows_do_not_tell_is_measured_and_the_uncertainty_is_stated(tmp_path):
    run(study(models=["knn"], seeds=[0]), tmp_path / "known")
    seeds = [*range(1, 21)]
    known = estimate(study(models=["knn"], seeds=seeds), tmp_path / "new")
    models = ["knn", f"{FAULTS}:Honest(seconds=0.3)"]
    result = estimate(study(models=models, seeds=seeds), tmp_path / "new", 2, 60)
    assert result.unknown == []
    assert (result.n_rows, result.n_measured) == (3, 1)
    added = result.work.middle - known.work.middle
    assert 60 * 0.3 < added < 60 * 0.3 * 20, "60 cells of at least 0.3 s of CPU time"
    assert result.work.low < result.work.middle < result.work.high
    first, second = result.summary_lines()
    assert ", between " in first
    assert second.endswith(
        f"3 stored rows in {tmp_path / 'known'}, and from small cells of 1 of 1 "
        "configuration, measured now"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["known"], "nothing is written"


def test_the_text_states_the_range_or_a_minimum():
    result = Estimate(3, n_workers=2, work=Seconds(20, 40, 80), n_measured=1)
    assert result.describe_duration() == "about 20 s with 2 workers, between 10 s and 40 s"
    result.is_minimum = True
    assert result.describe_duration() == "about 20 s with 2 workers, at least 10 s"
    result.start_seconds = 5
    assert result.duration == Seconds(15, 25, 45)


def test_nothing_is_measured_where_stored_rows_tell_everything(tmp_path, monkeypatch):
    run(study(seeds=[0]), tmp_path / "known")
    monkeypatch.setattr("benchmark.engine.estimate.SmallCells", None)  # using it would fail
    assert estimate(study(seeds=[1]), tmp_path / "new", seconds=10).n_measured == 0
