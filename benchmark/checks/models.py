"""Checks of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.checks.networks import require_evaluation_mode
from benchmark.checks.subject import (
    Failure,
    Subject,
    catch_error,
    colour_images,
    describe_type,
    require_equal,
    require_true,
    some_digits,
)
from benchmark.evaluation.feature_rows import FeatureRows


def make_training_set(subject: Subject) -> tuple[NDArray, NDArray[np.int64]]:
    """Input of four classes that the model takes (images or features), and labels."""
    digits = some_digits(120, subject.side)
    kept = digits.targets < 4
    images, y = digits.images[kept], digits.targets[kept]
    if subject.takes_images:
        return images, y
    return images.reshape(len(images), -1).astype(np.float32), y


def gives_probabilities(subject: Subject) -> None:
    """``fit`` returns the model and sets ``classes_``; ``predict_proba`` returns probabilities."""
    model = subject.build()
    name = type(model).__name__
    require_true(
        hasattr(model, "predict_proba"),
        f"{name} has no predict_proba, and AUC is never computed from hard labels: "
        "write predict_proba(X), or wrap the model in sklearn.calibration.CalibratedClassifierCV",
    )
    X, y = make_training_set(subject)
    returned = _call_method(subject, model.fit, X, y)
    require_true(
        returned is model,
        f"fit returns {describe_type(returned)}, not the model: end it with `return self`",
    )
    require_true(
        hasattr(model, "classes_"),
        f"{name} has no classes_ after fit: set self.classes_ = np.unique(y) in fit",
    )
    with require_evaluation_mode("predict_proba"):
        proba = _call_method(subject, model.predict_proba, X[:7])
    require_true(
        np.asarray(proba).dtype != np.float16,
        "predict_proba returns float16, which keeps 3 digits: compute in float32 or float64, with "
        "torch softmax(logits.double(), 1)",
    )
    _check_probabilities(np.asarray(proba), 7, len(model.classes_))
    if subject.takes_images:
        colour = colour_images(12, subject.side)
        error = catch_error(lambda: subject.fit_and_apply(colour, np.arange(12) % 2))
        if error:
            raise Failure(
                f"raises {subject.describe_error(error)} on colour images (n, h, w, 3), and works "
                "on gray images (n, h, w, 1): take the number of channels from the shape of the "
                "images"
            )


def _call_method(subject: Subject, method: Callable[..., Any], *arrays: NDArray) -> Any:
    """Call a method of a model, and fail if it works on images without declaring it."""
    try:
        return method(*(array.copy() for array in arrays))
    except Exception as error:
        if subject.takes_images or not subject.works_on_images():
            raise
        raise Failure(
            f"raises {subject.describe_error(error)} on features (n, d), and works on images (n, "
            'h, w, c): set takes = "images" in the class'
        ) from error


def _check_probabilities(proba: NDArray, n: int, n_classes: int) -> None:
    proba = proba.astype(np.float64)
    require_true(
        proba.shape == (n, n_classes),
        f"predict_proba returns shape {proba.shape} for {n} images: return ({n}, {n_classes}), one "
        "column per class of classes_",
    )
    require_true(
        np.isfinite(proba).all(),
        f"{int((~np.isfinite(proba)).sum())} of {proba.size} probabilities are NaN or infinite: "
        "look for a division by zero or an overflow",
    )
    require_true(
        proba.min() > -1e-9 and proba.max() < 1 + 1e-9,
        f"probabilities lie in [{proba.min():.3g}, {proba.max():.3g}], not in [0, 1]: apply "
        "scipy.special.softmax(scores, axis=1)",
    )
    sums = proba.sum(axis=1)
    require_true(
        np.allclose(sums, 1, atol=1e-4),
        f"rows of predict_proba sum to between {sums.min():.6g} and {sums.max():.6g}, not to 1: "
        "divide by proba.sum(axis=1, keepdims=True)",
    )


def images_are_independent(subject: Subject) -> None:
    """The probabilities of an image do not depend on the images that are predicted with it."""
    X, y = make_training_set(subject)
    model = subject.build().fit(X, y)
    alone = np.vstack([model.predict_proba(X[i : i + 1]) for i in range(5)])
    require_true(
        np.allclose(model.predict_proba(X)[:5], alone, atol=1e-4),
        "an image has other probabilities alone than with others: compute no statistic of X in "
        "predict_proba, only in fit",
    )


def input_unchanged(subject: Subject) -> None:
    """``fit`` and ``predict_proba`` do not change X and y."""
    X, y = make_training_set(subject)
    passed_X, passed_y = X.copy(), y.copy()
    subject.build().fit(passed_X, passed_y).predict_proba(passed_X)
    require_equal(passed_X, X, "fit or predict_proba changes X: work on a copy, X = X.copy()")
    require_equal(passed_y, y, "fit or predict_proba changes y: work on a copy, y = y.copy()")


def classes_may_be_missing(subject: Subject) -> None:
    """``classes_`` contains the labels seen in ``fit``, also if some in between are missing."""
    X, y = make_training_set(subject)
    kept = y != 1
    model = subject.build().fit(X[kept], y[kept])
    labels = np.unique(y[kept])
    require_equal(
        model.classes_,
        labels,
        f"classes_ is {model.classes_} after training on labels {labels}: set self.classes_ = "
        "np.unique(y) in fit",
    )
    _check_probabilities(np.asarray(model.predict_proba(X[:7])), 7, 3)


class _RowsOnDisk(FeatureRows):
    """Rows that cannot be read all at once."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise Failure(
            "reads_chunks is True, and fit or predict_proba converts X to an array, which would "
            "hold all of it in memory: read slices, X[start:stop], as models/chunks.py does"
        )


def chunks_are_read(subject: Subject) -> None:
    """A model with ``reads_chunks = True`` reads slices, and predicts as from an array."""
    model = subject.build()
    if not getattr(model, "reads_chunks", False):
        return
    X, y = make_training_set(subject)
    from_array = model.fit(X.copy(), y).predict_proba(X.copy())
    rows = _RowsOnDisk([X], np.arange(len(X)))
    require_equal(
        subject.build().fit(rows, y).predict_proba(rows),
        from_array,
        "reads_chunks is True, and other probabilities result from rows on disk than from an array",
    )
