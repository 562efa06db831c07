"""A pipeline from a file, tried out on two images in bounded memory and time before it is asked about anybody's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator

from benchmark.errors import UserError
from benchmark.pipelines.compiled import check_fitted_state
from benchmark.pipelines.pipeline import Pipeline
from benchmark.utils.threads import GIVEN_UP
from features.base import enlarged_shape

SECONDS = 40
EXTRA = 2**30  # bytes beyond what the process holds already
EXTRA_OF_NETWORKS = 3 * 2**29  # torch takes some for its threads
MOST_PIXELS = 2**24  # of an image after an extractor has enlarged it
LARGEST_NUMBER = 2**20  # of an extractor's parameters
LONGEST_LIST = 64
Result = TypeVar("Result")


def run_with_timeout(work: Callable[[], Result], seconds: float = SECONDS) -> Result:
    """Do work in a thread, and give up waiting for it after a time.

    Raises
    ------
    UserError
        It takes longer.
    Exception
        Whatever the work raises.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def store_result() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again where it is waited for
            errors.append(error)

    thread = threading.Thread(target=store_result, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        thread.name = GIVEN_UP
        raise UserError(f"it takes more than {seconds:.0f} s to load and to predict two images")
    return results[0]


@contextmanager
def limited_memory(extra: int) -> Iterator[None]:
    """Have allocations fail that bring the process above what it holds now by more than ``extra`` bytes; on Linux only.

    Raises
    ------
    MemoryError
    """
    try:
        import resource

        held = next(
            line
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("VmData")
        )
        before = resource.getrlimit(resource.RLIMIT_DATA)
    except (ImportError, OSError, StopIteration):
        yield
        return
    limit = int(held.split()[1]) * 1024 + extra
    if before[0] != resource.RLIM_INFINITY:
        limit = min(limit, before[0])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    except RuntimeError as error:
        if "allocate memory" in str(error):  # torch has no error of its own for it
            raise MemoryError from error
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def check_pipeline(pipeline: Pipeline, has_networks: bool) -> None:
    """Refuse what does not fit together, asks for too much, or gives no probabilities for a black image and a noisy one.

    Raises
    ------
    UserError
    """
    for extractor in pipeline.extractors:
        _check_extractor_sizes(extractor, pipeline.card.image_shape)
    for part in (*pipeline.extractors, pipeline.model):
        if hasattr(part, "check_parameters"):
            part.check_parameters()
    for part in (*pipeline.extractors, pipeline.strategy):
        check_fitted_state(part, 0)
    images = np.random.default_rng(0).integers(
        0, 256, (2, *pipeline.card.image_shape), dtype=np.uint8
    )
    images[0] = 0
    with limited_memory(EXTRA_OF_NETWORKS if has_networks else EXTRA):
        n_features = pipeline.compute_model_input(images).shape[1] if pipeline.extractors else 0
        check_fitted_state(pipeline.model, n_features)
        proba = pipeline.predict_proba(images)
        alone = pipeline.predict_proba(images[1:])
        three = pipeline.predict_proba(
            images[[1, 0, 1]]
        )  # an array may have a row for each of two images, and for no other number
    _check_probabilities(pipeline, proba)
    if not np.allclose(proba[[1, 1, 0, 1]], np.concatenate([alone, three]), atol=1e-3):
        raise UserError("what it gives for an image depends on the images beside it, or on chance")


def _check_probabilities(pipeline: Pipeline, proba: Any) -> None:
    sums = np.ones(2) if pipeline.card.multilabel else proba.sum(axis=1)
    shaped = proba.shape == (2, len(pipeline.card.classes))
    good = shaped and np.isfinite(proba).all() and proba.min() >= 0 and proba.max() <= 1 + 1e-6
    if not good or not np.allclose(sums, 1, atol=1e-4):
        raise UserError("what it gives for an image are not probabilities of its classes")


def _check_extractor_sizes(extractor: Any, image_shape: tuple[int, int, int]) -> None:
    """Refuse an extractor whose parameters ask for more than any image could need."""
    params = extractor.get_params() if isinstance(extractor, BaseEstimator) else {}
    for name, value in params.items():
        if name.split("__")[-1] == "random_state":
            continue
        values = value if isinstance(value, list | tuple) else [value]
        too_large = any(
            isinstance(one, int | float) and abs(one) > LARGEST_NUMBER for one in values
        )
        if too_large or len(values) > LONGEST_LIST:
            raise UserError(f"{name} of its {type(extractor).__name__} is out of bounds")
    height, width = enlarged_shape(*image_shape[:2], int(getattr(extractor, "min_size", 1)))
    if height * width > MOST_PIXELS:
        raise UserError(f"its {type(extractor).__name__} enlarges images to {height}x{width}")
