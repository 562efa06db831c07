"""Measure every extractor and its reference with pytest-benchmark.

``python -m pytest -n 0 tests/benchmarks/bench_extractors.py`` runs it; the tests do not include it.
``extractors.py`` declares the references, and the ratios that must be reached.
"""

import extractors
import pytest
from threadpoolctl import threadpool_limits

NAMES = [contest.name for contest in extractors.contests(extractors.photographs((32, 32, 3), 16))]


@pytest.fixture(scope="module", params=extractors.SHAPES)
def contest_of(request):
    """Label of one shape, its contests by name, and the images."""
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
    # as many images for both, so that the times compare; larger batches would favour ours
    images = images[:16]
    if who == "ours":
        benchmark.pedantic(contests[name].ours, (images,), rounds=3, warmup_rounds=1)
    elif contests[name].reference:
        benchmark.pedantic(
            lambda: [contests[name].reference(image) for image in images], rounds=2, warmup_rounds=0
        )
    else:
        pytest.skip("no library implements it")
