"""Time per image of a plug-in, compared with the fastest built-in component of its kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmark.checks.models import make_training_set
from benchmark.checks.strategies import resample_with_plugin
from benchmark.checks.subject import Subject, imbalanced_digits, some_digits
from benchmark.plugins.registry import resolve_spec
from benchmark.plugins.spec import Spec

SIDE = 32  # pixels
_N_ROUNDS = 5
_BUDGET = 0.5  # seconds per measurement
_REFERENCES = {
    "extractor": (
        "color_histogram",
        "shape_histogram",
        "laplacian_pyramid",
        "hog",
        "lbp",
        "glcm",
        "gabor",
        "gist",
    ),
    "model": ("logistic_regression", "nearest_centroid", "gaussian_nb", "knn", "random_forest"),
    # one epoch, since the training does not change the time of a prediction
    "network": ("simple_cnn(epochs=1)", "fast_resnet(epochs=1)"),
    "strategy": ("random_over", "random_under", "smote"),
}
_VERBS = {"extractor": "extract", "model": "predict", "strategy": "resample"}


class Work(NamedTuple):
    """Work to be timed.

    Parameters
    ----------
    run : callable
        Function of the number of images.
    n_images : int or None
        The number of images, if it cannot be chosen.
    """

    run: Callable[[int], Any]
    n_images: int | None = None


def describe_time_per_image(subject: Subject) -> str:
    """Measure a plug-in and the fastest built-in component in turns, and describe the times.

    ``pixels`` and ``majority`` are not compared with, since they compute nothing.

    Parameters
    ----------
    subject : Subject
        A plug-in that has passed the first checks of its kind.

    Returns
    -------
    str
        One line of text.
    """
    kind, spec = subject.kind, subject.spec
    group = "network" if kind == "model" and subject.takes_images else kind
    subjects = [Subject(kind, resolve_spec(kind, Spec.parse(name))) for name in _REFERENCES[group]]
    work = _prepare_work(subject)
    references = {
        reference.spec.name: _prepare_work(reference, subject.side)
        for reference in subjects
        if reference.spec.name != spec.name
    }
    fastest = min(
        references,
        key=lambda name: min(_measure_time_per_image(references[name]) for _ in range(3)),
    )
    _measure_time_per_image(work)
    rounds = [
        (_measure_time_per_image(work), _measure_time_per_image(references[fastest]))
        for _ in range(_N_ROUNDS)
    ]
    own_time, reference_time = np.median(rounds, axis=0)
    ratio = own_time / reference_time
    return (
        f"{_VERBS[kind]}: {_format_duration(own_time)} per image on 1 thread, "
        f"{f'{ratio:,.0f}' if ratio >= 10 else f'{ratio:.2g}'} times as long as "
        f"{fastest} ({_format_duration(reference_time)}), the fastest built-in {group}"
    )


def _prepare_work(subject: Subject, min_side: int = 0) -> Work:
    """Make the work to be timed, on images with at least ``min_side`` pixels per side."""
    if subject.kind == "extractor":
        images = some_digits(64, max(SIDE, subject.side, min_side)).images
        extractor = subject.build().fit(images, *subject.labels_for_fit(np.arange(len(images)) % 2))
        return Work(lambda n: extractor.transform(images[:n]))
    if subject.kind == "model":
        if subject.takes_images:
            subject.smallest_side = (max(subject.side, min_side), "")
        X, y = make_training_set(subject)
        model = subject.build()
        model.fit(X, y)
        X_test = np.concatenate([X, X])[:64]
        return Work(lambda n: model.predict_proba(X_test[:n]))
    digits = imbalanced_digits()
    X, y = digits.images.reshape(len(digits.images), -1).astype(np.float32), digits.targets
    return Work(lambda n: resample_with_plugin(subject, X.copy(), y.copy()), len(y))


def _measure_time_per_image(work: Work) -> float:
    """Seconds per image in a batch of 64 images, or of fewer if those would take too long."""
    n = work.n_images
    if n is None:
        start = time.perf_counter()
        work.run(1)
        n = int(np.clip(_BUDGET / max(time.perf_counter() - start, 1e-9), 1, 64))
    start = time.perf_counter()
    work.run(n)
    return (time.perf_counter() - start) / n


def _format_duration(seconds: float) -> str:
    """Format a time in s, ms, µs or ns."""
    factor, unit = next(
        (pair for pair in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if seconds * pair[0] >= 1),
        (1e9, "ns"),
    )
    return f"{seconds * factor:.3g} {unit}"
