"""The time that is left, learned from the tasks that have ended."""

import pytest

from benchmark.engine.pace import Kind, Pace, TimeLeft

KNN = Kind(1, 11, "cell")
KNN_ON_HOG = Kind(2, 11, "cell")
SVM = Kind(3, 12, "cell")
MATRIX = Kind(4, 14, "matrix")


class Clock:
    """A clock that is set by hand."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def make_pace(clock, **n_tasks):
    pace = Pace(clock)
    for name, n in n_tasks.items():
        for _ in range(n):
            pace.add_task(globals()[name])
    return pace


def run_task(pace, clock, kind, seconds):
    pace.start_part(0, "key", kind)
    clock.seconds += seconds
    pace.end_part(0)
    pace.end_task("key", kind)


def test_remaining_cells_take_as_long_as_those_of_their_configuration_did(clock):
    pace = make_pace(clock, KNN=4, SVM=3)
    run_task(pace, clock, KNN, 1)
    run_task(pace, clock, KNN, 3)
    run_task(pace, clock, SVM, 10)
    assert pace.time_left(1) == TimeLeft(2 * 2 + 2 * 10, is_uncertain=False)
    assert pace.time_left(2).seconds == 12


def test_matrices_count_and_are_not_mixed_with_cells(clock):
    pace = make_pace(clock, KNN=2, MATRIX=3)
    run_task(pace, clock, MATRIX, 20)
    assert pace.time_left(1) is None, "nothing is known about cells"
    run_task(pace, clock, KNN, 1)
    assert pace.time_left(1) == TimeLeft(2 * 20 + 1, is_uncertain=False)


def test_the_parts_of_a_matrix_count_as_one_task(clock):
    pace = make_pace(clock, KNN=1, MATRIX=2)
    run_task(pace, clock, KNN, 1)
    for part in range(2):
        pace.start_part(part, "matrix", MATRIX)
    clock.seconds += 10
    assert pace.time_left(2) == TimeLeft((2 * 20 - 20) / 2, is_uncertain=True)
    for part in range(2):
        pace.end_part(part)
    pace.end_task("matrix", MATRIX)
    assert pace.time_left(2) == TimeLeft(20 / 2, is_uncertain=False)


def test_a_configuration_without_results_takes_as_long_as_others_of_its_model_or_as_all(clock):
    pace = make_pace(clock, KNN=1, KNN_ON_HOG=1, SVM=2)
    assert pace.time_left(1) is None
    run_task(pace, clock, SVM, 9)
    assert pace.time_left(1) == TimeLeft(9 + 9 + 9, is_uncertain=True)
    run_task(pace, clock, KNN, 1)
    assert pace.time_left(1) == TimeLeft(1 + 9, is_uncertain=True)
    run_task(pace, clock, KNN_ON_HOG, 2)
    assert pace.time_left(1) == TimeLeft(9, is_uncertain=False)


def test_the_time_that_running_tasks_have_taken_is_subtracted(clock):
    pace = make_pace(clock, SVM=4)
    run_task(pace, clock, SVM, 10)
    for part in range(2):
        pace.start_part(part, f"key {part}", SVM)
    clock.seconds += 4
    assert pace.time_left(2).seconds == (3 * 10 - 2 * 4) / 2
    assert pace.time_left(100).seconds == 6, "no run ends before its last task"


def test_a_task_that_runs_for_longer_than_expected_raises_the_estimate_of_its_kind(clock):
    pace = make_pace(clock, KNN=1, SVM=5)
    run_task(pace, clock, KNN, 1)
    pace.start_part(0, "key", SVM)
    clock.seconds += 60
    assert pace.time_left(1) == TimeLeft(4 * 60, is_uncertain=True)
    assert str(pace.time_left(1)) == "about 4 min left, still uncertain"


def test_a_cell_that_another_runner_evaluated_is_not_left_and_teaches_nothing(clock):
    pace = make_pace(clock, KNN=3)
    run_task(pace, clock, KNN, 5)
    clock.seconds += 100
    pace.end_task("other", KNN)
    assert pace.time_left(1).seconds == 5
    assert str(pace.time_left(1)) == "about 5 s left"
