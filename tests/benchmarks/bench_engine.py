"""Measure the overhead of the engine with pytest-benchmark.

``python -m pytest -n 0 tests/benchmarks/bench_engine.py`` runs it; the tests do not include it.
``engine.py`` measures the same at full size and writes ``results/engine.md``.
"""

import engine
import pytest


@pytest.mark.benchmark(group="engine")
@pytest.mark.parametrize("jobs", [1, 2])
def test_trivial_cells(benchmark, jobs):
    benchmark.pedantic(lambda: engine.measure(engine.trivial(1_000), jobs=jobs), rounds=1)


@pytest.mark.benchmark(group="busy cells")
@pytest.mark.parametrize("jobs", [1, 2])
def test_busy_cells(benchmark, jobs):
    benchmark.pedantic(lambda: engine.measure(engine.busy(16), jobs=jobs), rounds=1)
