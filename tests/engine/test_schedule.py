"""The order in which tasks are handed out."""

from itertools import groupby
from pathlib import Path

import pytest

from benchmark import Study
from benchmark.engine.schedule import Schedule
from benchmark.engine.task_types import CellTask, MatrixTask, plugins_of_cell
from benchmark.evaluation.plan import make_plan
from benchmark.results.folder import ResultsFolder
from benchmark.results.locks import Claims

FAULTS = str(Path(__file__).parents[1] / "faults.py")


def make_schedule(folder, settled=(), **axes):
    """Schedule of a study on the digits; no cell has been evaluated by another runner."""
    axes = {
        "extractors": ["pixels", "pca", "hog"],
        "models": ["nearest_centroid", "simple_cnn"],
    } | axes
    plan = make_plan(Study(name="order", **{"datasets": "digits"} | axes))
    return plan, Schedule(
        plan, set(settled), ResultsFolder(folder), Claims(folder), lambda key: False
    )


def run_schedule(schedule, n_workers=2):
    """Hand out all tasks to workers that take turns, and return the tasks in their order."""
    tasks, running = [], []
    while True:
        while len(running) < n_workers and (task := schedule.claim_next_task()):
            running.append(task)
            tasks.append(task)
        if not running:
            return tasks
        schedule.finish_task(running.pop(0), {"status": "ok"})


@pytest.mark.parametrize("n_workers", [1, 2, 5])
def test_the_first_round_of_every_configuration_and_condition_comes_first(tmp_path, n_workers):
    plan, schedule = make_schedule(
        tmp_path,
        seeds=[3, 4],
        train_sizes=[0.5, 1],
        strategies=["none", "smote"],
        datasets=["digits", "faces"],
    )
    n_first = sum(map(plan.is_in_first_round, plan.cells()))
    assert n_first == 2 * 2 * 2 * (3 + 1), "datasets, sizes, strategies, extractors and network"
    cells = [task.cell for task in run_schedule(schedule, n_workers) if isinstance(task, CellTask)]
    assert len(cells) == plan.n_cells == 2 * 3 * n_first
    assert all(map(plan.is_in_first_round, cells[:n_first]))
    assert {(cell.seed, cell.fold) for cell in cells[:n_first]} == {(3, 0)}


def test_networks_start_first_and_then_the_matrices_of_the_first_round(tmp_path):
    _, schedule = make_schedule(tmp_path)
    first, *following = run_schedule(schedule)[:4]
    assert isinstance(first, CellTask)
    assert first.cell.model.label == "simple_cnn"
    assert [isinstance(task, MatrixTask) for task in following] == [True] * 3
    assert [task.cell.extractor[0].label for task in following] == ["pixels", "pca", "hog"]


def test_every_missing_matrix_is_computed_once_before_the_first_cell_that_needs_it(tmp_path):
    _, schedule = make_schedule(tmp_path, extractors=["hog", "pca + hog", "pca"], seeds=[0, 1])
    n_matrices = schedule.n_matrices
    tasks = run_schedule(schedule)
    matrices = [task for task in tasks if isinstance(task, MatrixTask)]
    assert len({task.key for task in matrices}) == len(matrices) == n_matrices == 1 + 6
    for task in tasks:
        if isinstance(task, CellTask) and "pca" in task.cell.identity["extractor"]:
            learned = next(
                k
                for k, matrix in enumerate(tasks)
                if isinstance(matrix, MatrixTask)
                and matrix.need.matrix.spec.label == "pca"
                and (matrix.cell.seed, matrix.cell.fold) == (task.cell.seed, task.cell.fold)
            )
            assert learned < tasks.index(task)


def test_a_matrix_that_one_fold_needs_is_not_computed_before_the_cells_of_earlier_folds(tmp_path):
    _, schedule = make_schedule(tmp_path, extractors=["pca"], models=["nearest_centroid", "knn"])
    order = [(type(task).__name__, task.cell.fold) for task in run_schedule(schedule, n_workers=1)]
    assert [fold for _, fold in order] == sorted(fold for _, fold in order)


def test_cells_do_not_wait_for_matrices_that_they_do_not_need(tmp_path):
    _, schedule = make_schedule(tmp_path, models=["nearest_centroid", "knn"])
    tasks = [*iter(schedule.claim_next_task, None)]
    assert all(isinstance(task, MatrixTask) for task in tasks)
    names = [task.cell.identity["extractor"] for task in tasks]
    assert names == ["pixels", "pca", "hog", "pca", "pca"], "those of the later folds come last"
    schedule.finish_task(tasks[0], {"status": "ok"})
    ready = [*iter(schedule.claim_next_task, None)]
    assert [task.cell.identity["extractor"] for task in ready] == ["pixels"] * 6
    assert all(isinstance(task, CellTask) for task in ready)


def test_workers_change_plug_ins_twice_at_most(tmp_path):
    _, schedule = make_schedule(
        tmp_path,
        extractors=["pca", f"{FAULTS}:Constant"],
        models=["nearest_centroid", f"{FAULTS}:Honest"],
    )
    tasks = run_schedule(schedule, n_workers=1)
    runs = [(plugins, len([*group])) for plugins, group in groupby(tasks, lambda t: t.plugins)]
    first, again = runs[: len(runs) // 2], runs[len(runs) // 2 :]
    assert [plugins for plugins, _ in first] == [plugins for plugins, _ in again]
    assert first[0][0] == ()
    assert len({plugins for plugins, _ in first}) == len(first) == 4


def test_settled_cells_and_their_matrices_are_not_handed_out(tmp_path):
    plan, _ = make_schedule(tmp_path)
    settled = {cell.key for cell in plan.cells() if "hog" not in cell.identity["extractor"]}
    _, schedule = make_schedule(tmp_path, settled)
    assert (schedule.n_cells, schedule.n_matrices) == (3, 1)
    tasks = run_schedule(schedule)
    assert {task.cell.identity["extractor"] for task in tasks} == {"hog"}


def test_cells_are_drawn_when_they_are_needed_also_for_a_gpu(tmp_path, monkeypatch):
    plan, schedule = make_schedule(tmp_path, seeds=[*range(50)])
    schedule.has_gpu = True
    drawn = []
    queue_cell = schedule._queue_or_block_cell
    monkeypatch.setattr(
        schedule, "_queue_or_block_cell", lambda cell: (drawn.append(cell), queue_cell(cell))
    )
    on_gpu = []
    while task := schedule.claim_next_task(on_gpu=True):
        on_gpu.append(task)
    assert len(on_gpu) == len(drawn) == 150, "the cells for the workers are not drawn"
    assert schedule.claim_next_task() is not None
    assert len(drawn) == 150
    assert len(run_schedule(schedule)) < plan.n_cells + schedule.n_matrices
    assert {plugins_of_cell(cell) for cell in drawn} == {()}
