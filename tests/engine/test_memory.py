"""Memory of the runner."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

spec = spec_from_file_location(
    "engine_benchmark", Path(__file__).parents[1] / "benchmarks" / "engine.py"
)
engine = module_from_spec(spec)
spec.loader.exec_module(engine)


@pytest.mark.slow
def test_the_memory_of_the_runner_does_not_grow_with_the_number_of_cells():
    _, few_cells_mb = engine.measure(engine.trivial(500), jobs=1)
    _, many_cells_mb = engine.measure(engine.trivial(3_000), jobs=1)
    # 4 KB per cell for keys and table rows; the predictions of a cell take 29 KB
    assert many_cells_mb < few_cells_mb + 20
