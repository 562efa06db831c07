"""Trial of a pipeline from a file: it predicts two images in limited memory and time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator

from benchmark.errors import UserError
from benchmark.pipelines.fitted_state import check_fitted_state
from benchmark.pipelines.pipeline import Pipeline
from benchmark.utils.threads import GIVEN_UP
from features.base import enlarged_shape

TIMEOUT_S = 40
EXTRA_MEMORY = 2**30  # bytes that the process may allocate in addition
EXTRA_MEMORY_OF_NETWORKS = 3 * 2**29  # more, since torch needs some for its threads
MAX_PIXELS = 2**24  # of an image after an extractor has enlarged it
MAX_PARAMETER = 2**20  # absolute value of an extractor's parameter
MAX_LIST_LENGTH = 64  # of an extractor's parameter
Result = TypeVar("Result")


def run_with_timeout(work: Callable[[], Result], seconds: float = TIMEOUT_S) -> Result:
    """Call a function in a thread, and stop waiting for it after a timeout.

    Raises
    ------
    UserError
        The function did not return within ``seconds``.
    Exception
        Any exception that the function raises.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def store_result() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again in the calling thread
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
    """Limit the memory that the process allocates within a context; only on Linux.

    Parameters
    ----------
    extra : int
        Bytes that may be allocated in addition to those of now.

    Raises
    ------
    MemoryError
        More memory was requested.
    """
    try:
        import resource

        current = next(
            line
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("VmData")
        )
        before = resource.getrlimit(resource.RLIMIT_DATA)
    except (ImportError, OSError, StopIteration):
        yield
        return
    limit = int(current.split()[1]) * 1024 + extra
    if before[0] != resource.RLIM_INFINITY:
        limit = min(limit, before[0])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    except RuntimeError as error:
        if "allocate memory" in str(error):  # torch has no exception of its own for it
            raise MemoryError from error
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def check_pipeline(pipeline: Pipeline, has_networks: bool) -> None:
    """Refuse a pipeline that is inconsistent, needs too much memory, or gives no probabilities.

    It predicts a black image and one of noise.

    Raises
    ------
    UserError
        A check fails.
    MemoryError
        The prediction needs more memory than two images could need.
    """
    for extractor in pipeline.extractors:
        _check_extractor_sizes(extractor, pipeline.card.image_shape)
    for component in (*pipeline.extractors, pipeline.model):
        if hasattr(component, "check_parameters"):
            component.check_parameters()
    for component in (*pipeline.extractors, pipeline.strategy):
        check_fitted_state(component, 0)
    images = np.random.default_rng(0).integers(
        0, 256, (2, *pipeline.card.image_shape), dtype=np.uint8
    )
    images[0] = 0
    with limited_memory(EXTRA_MEMORY_OF_NETWORKS if has_networks else EXTRA_MEMORY):
        n_features = pipeline.compute_model_input(images).shape[1] if pipeline.extractors else 0
        check_fitted_state(pipeline.model, n_features)
        proba = pipeline.predict_proba(images)
        alone = pipeline.predict_proba(images[1:])
        # three images, since an array inside may have one row for each of exactly two images
        three = pipeline.predict_proba(images[[1, 0, 1]])
    _check_probabilities(pipeline, proba)
    if not np.allclose(proba[[1, 1, 0, 1]], np.concatenate([alone, three]), atol=1e-3):
        raise UserError("its prediction for an image depends on the other images, or on chance")


def _check_probabilities(pipeline: Pipeline, proba: Any) -> None:
    sums = np.ones(2) if pipeline.card.multilabel else proba.sum(axis=1)
    valid = (
        proba.shape == (2, len(pipeline.card.classes))
        and np.isfinite(proba).all()
        and proba.min() >= 0
        and proba.max() <= 1 + 1e-6
    )
    if not valid or not np.allclose(sums, 1, atol=1e-4):
        raise UserError("its predictions are not probabilities of its classes")


def _check_extractor_sizes(extractor: Any, image_shape: tuple[int, int, int]) -> None:
    """Refuse an extractor whose parameters are too large for any image."""
    params = extractor.get_params() if isinstance(extractor, BaseEstimator) else {}
    for name, value in params.items():
        if name.split("__")[-1] == "random_state":
            continue
        values = value if isinstance(value, list | tuple) else [value]
        too_large = any(
            isinstance(item, int | float) and abs(item) > MAX_PARAMETER for item in values
        )
        if too_large or len(values) > MAX_LIST_LENGTH:
            raise UserError(f"{name} of its {type(extractor).__name__} is too large")
    height, width = enlarged_shape(*image_shape[:2], int(getattr(extractor, "min_size", 1)))
    if height * width > MAX_PIXELS:
        raise UserError(f"its {type(extractor).__name__} enlarges images to {height}x{width}")
