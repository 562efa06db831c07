"""The engine's cost, small enough for every run of the tests; ``engine.py`` measures it at full size."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

spec = spec_from_file_location("engine", Path(__file__).with_name("engine.py"))
engine = module_from_spec(spec)
spec.loader.exec_module(engine)


@pytest.mark.benchmark(group="engine")
def test_trivial_cells(benchmark):
    benchmark.pedantic(lambda: engine.measure(engine.trivial(1_000), jobs=1), rounds=1)


def test_the_runners_memory_does_not_grow_with_the_cells():
    _, few = engine.measure(engine.trivial(500), jobs=1)
    _, many = engine.measure(engine.trivial(3_000), jobs=1)
    assert many < few + 8


def test_a_second_worker_saves_time():
    one, _ = engine.measure(engine.busy(16), jobs=1)
    two, _ = engine.measure(engine.busy(16), jobs=2)
    assert two <= 0.85 * one, "16 cells on a machine that may be busy; engine.py has the share of 60 on a quiet one"


def test_the_metrics_of_a_cell_take_a_fraction_of_what_scikit_learns_functions_take():
    theirs, ours = engine.metrics_seconds(rounds=10)
    assert ours <= theirs / 4, "engine.md has the share on a quiet machine"
