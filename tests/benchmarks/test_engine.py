"""The engine's cost, small enough for every run of the tests; ``engine.py`` measures it at full size."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

spec = spec_from_file_location("engine", Path(__file__).with_name("engine.py"))
engine = module_from_spec(spec)
spec.loader.exec_module(engine)


@pytest.mark.benchmark(group="engine")
def test_a_trivial_cell_costs_at_most_ten_milliseconds(benchmark):
    seconds, _ = benchmark.pedantic(lambda: engine.measure(engine.trivial(2_000), jobs=1), rounds=1)
    assert seconds / 2_000 <= 0.010


def test_the_runners_memory_does_not_grow_with_the_cells():
    _, few = engine.measure(engine.trivial(500), jobs=1)
    _, many = engine.measure(engine.trivial(3_000), jobs=1)
    assert many < few + 8


def test_two_workers_halve_the_time():
    one, _ = engine.measure(engine.busy(16), jobs=1)
    two, _ = engine.measure(engine.busy(16), jobs=2)
    assert two <= 0.7 * one, "16 cells; engine.py asks for 0.6 of 60, where starting the workers weighs less"


def test_the_metrics_of_a_cell_take_a_tenth_of_what_scikit_learns_functions_take():
    theirs, ours = engine.metrics_seconds(rounds=10)
    assert ours <= theirs / 10
