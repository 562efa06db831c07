"""Overview of an interrupted study with failures."""

import re
from pathlib import Path

import pytest

from benchmark import load_results, load_study, run
from benchmark.engine.task_types import CellTask
from benchmark.reporting.info import (
    describe_cache_savings,
    describe_results,
    make_completeness_table,
    make_cost_table,
)

FAULTS = str(Path(__file__).parents[1] / "faults.py")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("info")
    models = ["knn", f"{FAULTS}:Raises"]

    def interrupt(plan, schedule):
        def report(task, row):
            # plug-ins are run after the other models
            plug_in = isinstance(task, CellTask) and task.cell.identity["model"] != "knn"
            if plug_in and task.cell.identity["seed"] == 1:
                raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        run(
            load_study(
                "digits",
                extractors=["hog", "pixels"],
                models=models,
                seeds=[0, 1, 2],
                split="holdout",
            ),
            folder,
            progress=interrupt,
        )
    return load_results(folder)


def test_completeness_counts_by_axis_and_status(rows):
    table = make_completeness_table(rows).set_index(["axis", "value"])
    assert list(table.columns) == ["planned", "ok", "failed"]
    assert list(table.loc[("all", "")]) == [12, 6, 4]
    assert list(table.loc[("seed", "0")]) == [4, 2, 2]
    assert list(table.loc[("extractor", "pixels")]) == [6, 3, 2]
    assert "fold" not in table.index.get_level_values("axis"), "there is one fold"


def test_cost_counts_each_matrix_once(rows):
    done = rows[rows["status"] == "ok"]
    seconds = make_cost_table(rows).set_index("stage")["seconds"]
    assert seconds["fit"] == pytest.approx(done["fit_s"].sum())
    once = {key: matrix["seconds"] for used in done["matrices"] for key, matrix in used.items()}
    assert len(once) == 2
    assert seconds["extract"] == pytest.approx(sum(once.values()))
    assert make_cost_table(rows)["share"].sum() == pytest.approx(1)


def test_what_the_cache_saved_is_what_the_cells_would_have_computed_again(rows):
    assert describe_cache_savings(rows).startswith("2 feature matrices (")
    assert "used 6 times" in describe_cache_savings(rows)


def test_failures_are_counted_by_reason_and_the_machine_is_named(rows):
    lines = "\n".join(describe_results(rows))
    assert re.search(
        "4 failed: hog / none / .* and 1 other configuration: RuntimeError: the lens cap is on",
        lines,
    )
    assert "cores, 1 worker" in lines
