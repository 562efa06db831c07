"""Every extractor beside its reference under pytest-benchmark; ``extractors.py`` holds the bounds.

``python -m pytest -n 0 tests/benchmarks/bench_extractors.py`` runs it; it is no part of the tests.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

spec = spec_from_file_location("extractors_benchmark", Path(__file__).with_name("extractors.py"))
extractors = module_from_spec(spec)
import sys  # noqa: E402

sys.modules["extractors_benchmark"] = extractors
spec.loader.exec_module(extractors)

NAMES = [contest.name for contest in extractors.contests(extractors.photographs((32, 32, 3), 16))]


@pytest.fixture(scope="module", params=extractors.SHAPES)
def contest_of(request):
    """The contests on one shape, by name, and the images."""
    shape = extractors.SHAPES[request.param]
    images = extractors.photographs(shape, 16 if shape[0] > 32 else 128)
    with threadpool_limits(1):
        yield (
            request.param,
            {contest.name: contest for contest in extractors.contests(images)},
            images,
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("who", ["ours", "reference"])
def test_speed(benchmark, contest_of, name, who):
    label, contests, images = contest_of
    benchmark.group = f"{name} {label}"
    images = images[
        :16
    ]  # the same for both, so that the printed times compare; ours is at its best with larger batches
    if who == "ours":
        benchmark.pedantic(contests[name].ours, (images,), rounds=3, warmup_rounds=1)
    elif contests[name].reference:
        benchmark.pedantic(
            lambda: [contests[name].reference(image) for image in images], rounds=2, warmup_rounds=0
        )
    else:
        pytest.skip("no library has it")
