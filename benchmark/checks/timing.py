"""Time per image of a plug-in beside the fastest of the registry, measured in the same run."""

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

SIDE = 32
_ROUNDS = 5
_BUDGET = 0.5  # seconds for one measurement of the plug-in
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
    "network": (
        "simple_cnn(epochs=1)",
        "fast_resnet(epochs=1)",
    ),  # trained or not, they predict equally fast
    "strategy": ("random_over", "random_under", "smote"),
}
_WORK = {"extractor": "extract", "model": "predict", "strategy": "resample"}


class Work(NamedTuple):
    """What is timed: a function of the number of images, and that number where it cannot be chosen."""

    run: Callable[[int], Any]
    n_images: int | None = None


def describe_time_per_image(subject: Subject) -> str:
    """Measure a plug-in and the fastest of the registry's in turns, and say what an image takes.

    ``pixels`` and ``majority`` are no references: they compute nothing.

    Parameters
    ----------
    subject : Subject
        Its features, probabilities or samples were found right.
    """
    kind, spec = subject.kind, subject.spec
    group = "network" if kind == "model" and subject.takes_images else kind
    others = [Subject(kind, resolve_spec(kind, Spec.parse(name))) for name in _REFERENCES[group]]
    others = [other for other in others if other.spec.name != spec.name]
    work = _prepare_work(subject)
    prepared = {other.spec.name: _prepare_work(other, subject.side) for other in others}
    fastest = min(
        prepared, key=lambda name: min(_measure_time_per_image(prepared[name]) for _ in range(3))
    )
    _measure_time_per_image(work)
    rounds = [
        (_measure_time_per_image(work), _measure_time_per_image(prepared[fastest]))
        for _ in range(_ROUNDS)
    ]
    own, reference = np.median(rounds, axis=0)
    ratio = own / reference
    return (
        f"{_WORK[kind]}: {_format_duration(own)} per image on 1 thread, "
        f"{f'{ratio:,.0f}' if ratio >= 10 else f'{ratio:.2g}'} times as long as "
        f"{fastest} ({_format_duration(reference)}), the fastest built-in {group}"
    )


def _prepare_work(subject: Subject, least: int = 0) -> Work:
    """Make the work to be timed."""
    if subject.kind == "extractor":
        images = some_digits(64, max(SIDE, subject.side, least)).images
        extractor = subject.build().fit(images, *subject.labels_for_fit(np.arange(len(images)) % 2))
        return Work(lambda n: extractor.transform(images[:n]))
    if subject.kind == "model":
        if subject.takes_images:
            subject.smallest_side = (max(subject.side, least), "")
        X, y = make_training_set(subject)
        model = subject.build()
        model.fit(X, y)
        many = np.concatenate([X, X])[:64]
        return Work(lambda n: model.predict_proba(many[:n]))
    digits = imbalanced_digits()
    X, y = digits.images.reshape(len(digits.images), -1).astype(np.float32), digits.targets
    return Work(lambda n: resample_with_plugin(subject, X.copy(), y.copy()), len(y))


def _measure_time_per_image(work: Work) -> float:
    """Seconds per image of a batch of 64, or of fewer if those would take too long."""
    n = work.n_images
    if n is None:
        start = time.perf_counter()
        work.run(1)
        n = int(np.clip(_BUDGET / max(time.perf_counter() - start, 1e-9), 1, 64))
    start = time.perf_counter()
    work.run(n)
    return (time.perf_counter() - start) / n


def _format_duration(seconds: float) -> str:
    """A time with a unit that suits it."""
    factor, unit = next(
        (pair for pair in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if seconds * pair[0] >= 1),
        (1e9, "ns"),
    )
    return f"{seconds * factor:.3g} {unit}"
