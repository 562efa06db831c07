"""Checks of extractors."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier

from benchmark.checks.networks import require_evaluation_mode
from benchmark.checks.subject import (
    ON_A_COPY,
    ON_BLANK,
    SIDES,
    Failure,
    Subject,
    catch_error,
    colour_images,
    describe_type,
    is_broken_contract,
    require_equal,
    require_true,
    some_digits,
)
from benchmark.utils.messages import exception_text
from features.base import Extractor
from features.image_rows import ImageRows


def _build_and_fit(
    subject: Subject, images: NDArray[np.uint8], y: NDArray[np.int64] | None = None
) -> Any:
    extractor = subject.build()
    labels = subject.labels_for_fit(np.arange(len(images)) % 2) if y is None else (y,)
    return extractor.fit(images.copy(), *labels)


def learning_is_declared(subject: Subject) -> None:
    """``learn`` is called if ``stateless = False``, and with labels if ``uses_labels = True``."""
    extractor = subject.build()
    cls = type(extractor)
    missing = [method for method in ("fit", "transform") if not hasattr(extractor, method)]
    require_true(
        not missing,
        f"{cls.__name__} has no {' and no '.join(missing)}: write class {cls.__name__}(Extractor), "
        "from features.base",
    )
    learn = getattr(cls, "learn", None)
    if learn in (None, Extractor.learn):
        return
    if isinstance(extractor, Extractor) and cls.fit is Extractor.fit:
        is_constant = isinstance(vars(cls).get("stateless", True), bool)
        require_true(
            not extractor.stateless or not is_constant,
            f"{cls.__name__} has learn(), and stateless is True, so learn() is never called: set "
            "stateless = False in the class",
        )
    arguments = [None] * (2 if extractor.uses_labels else 1)
    try:
        inspect.signature(extractor.learn).bind(*arguments)
    except TypeError:
        raise Failure(
            "learn() cannot be called with images and labels; uses_labels is True: write "
            "learn(self, images, y)"
            if extractor.uses_labels
            else "learn() cannot be called with images alone; if it needs labels, set uses_labels "
            "= True"
        ) from None


def gives_features(subject: Subject) -> None:
    """``fit`` returns the extractor; ``transform`` returns finite float32 features (n, d)."""
    extractor, gray = subject.build(), some_digits(24, _find_probe_side(subject)).images
    returned = extractor.fit(gray.copy(), *subject.labels_for_fit(np.arange(24) % 2))
    require_true(
        returned is extractor,
        f"fit returns {describe_type(returned)}, not the extractor: end it with `return self`",
    )
    with require_evaluation_mode("extract"):
        features = extractor.transform(gray.copy())
    _check_features(features, gray)
    if isinstance(extractor, Extractor):
        require_true(
            extractor._extract_checked(gray).dtype != np.float16,
            "extract returns float16, which ends at 65,504 and keeps 3 digits of a sum: compute in "
            "float32, batch.astype(np.float32)",
        )
    colour = colour_images(12, subject.side)
    error = catch_error(lambda: _build_and_fit(subject, colour).transform(colour.copy()))
    if error:
        raise Failure(
            f"raises {subject.describe_error(error)} on colour images (n, h, w, 3), and works on "
            "gray images (n, h, w, 1): start from to_gray(batch), of features.base"
        )
    _check_features(_build_and_fit(subject, colour).transform(colour.copy()), colour)


def _find_probe_side(subject: Subject) -> int:
    """Side of the images to try; fails if ``fit`` does not call that of the base class."""
    images = some_digits(24).images
    error = catch_error(lambda: subject.fit_and_apply(images, np.arange(24) % 2))
    extractor = subject.build()
    if (
        isinstance(error, NotFittedError)
        and isinstance(extractor, Extractor)
        and type(extractor).fit is not Extractor.fit
    ):
        raise Failure(
            "fit does not call that of the base class: rename it to learn(self, images) and set "
            "stateless = False, or end it with `return super().fit(X)`"
        )
    return subject.side


def _check_features(features: Any, images: NDArray[np.uint8]) -> None:
    shape: tuple[int, ...] = getattr(features, "shape", ())
    require_true(
        isinstance(features, np.ndarray)
        and len(shape) == 2
        and shape[0] == len(images)
        and 0 not in shape,
        f"transform returns {describe_type(features)} of shape {shape} for {len(images)} images: "
        f"return an array ({len(images)}, d)",
    )
    require_true(
        features.dtype == np.float32,
        f"features are {features.dtype}, not float32: write only extract(batch) and inherit "
        "transform, or return .astype(np.float32)",
    )
    require_true(
        np.isfinite(features).all(),
        "features contain NaN or infinity: look for a division by zero or the logarithm of zero",
    )


def small_images_are_enlarged(subject: Subject) -> None:
    """``min_size`` is the smallest side that ``extract`` works on."""
    side, error = subject.smallest_side
    smaller = SIDES[SIDES.index(side) - 1] if side > SIDES[0] else 0
    require_true(
        not smaller,
        f"raises {error} on images of {smaller} x {smaller} pixels, and works on {side} x {side}: "
        f"set min_size = {side} in the class, and smaller images are enlarged",
    )


def blank_images_give_features(subject: Subject) -> None:
    """Images that are all black, all white or not square have finite features as well."""
    side = subject.side
    for name, images in (
        ("all-black", np.zeros((3, 2 * side, 2 * side, 1), np.uint8)),
        ("all-white", np.full((3, 2 * side, 2 * side, 3), 255, np.uint8)),
        (f"{side + 1} x {side + 5} pixel", colour_images(3, 2 * side)[:, : side + 1, : side + 5]),
    ):
        try:
            _check_features(_build_and_fit(subject, images).transform(images), images)
        except Failure as failure:
            raise Failure(f"on {name} images: {failure}") from None
        except Exception as error:
            problem = f"raises {subject.describe_error(error)}: {ON_BLANK}"
            if is_broken_contract(error):
                problem = exception_text(error)
            raise Failure(f"on {name} images: {problem}") from error


def input_unchanged(subject: Subject) -> None:
    """``fit`` and ``transform`` do not change the images."""
    images = colour_images(12, subject.side)
    passed = images.copy()
    subject.build().fit(passed, *subject.labels_for_fit(np.arange(12) % 2)).transform(passed)
    require_equal(passed, images, f"fit or transform changes the images: {ON_A_COPY}")


def images_are_independent(subject: Subject) -> None:
    """The features of an image do not depend on the other images of the batch."""
    # more images than a batch has, unless they are large
    images = some_digits(1200 if subject.side <= 16 else 64, subject.side).images
    extractor = _build_and_fit(subject, images[:60])
    together = extractor.transform(images)
    alone = np.vstack([extractor.transform(image[None]) for image in images[:5]])
    remedy = (
        "compute no statistic over the batch in extract; learn it from the training images in "
        "learn(images), with stateless = False"
    )
    require_true(
        np.allclose(together[:5], alone, atol=1e-4),
        f"an image has other features alone than in a batch: {remedy}",
    )
    require_true(
        np.allclose(together[::-1], extractor.transform(images[::-1]), atol=1e-4),
        f"images in another order have other features: {remedy}",
    )


def labels_are_ignored(subject: Subject) -> None:
    """``fit`` uses labels only if the class has ``uses_labels = True``."""
    if getattr(subject.build(), "uses_labels", False):
        return
    digits = some_digits(120, subject.side)
    first = _build_and_fit(subject, digits.images, digits.targets).transform(digits.images)
    second = _build_and_fit(subject, digits.images, digits.targets[::-1].copy()).transform(
        digits.images
    )
    require_equal(
        first,
        second,
        "the features depend on the labels passed to fit: set uses_labels = True in the class, or "
        "do not use y",
    )


def stateless_is_true(subject: Subject) -> None:
    """A ``stateless`` extractor learns nothing in ``fit``."""
    if not getattr(subject.build(), "stateless", False):
        return
    images = some_digits(120, subject.side).images
    first = _build_and_fit(subject, images[:60]).transform(images[-20:])
    second = _build_and_fit(subject, images[60:]).transform(images[-20:])
    require_equal(
        first,
        second,
        "the features depend on the images passed to fit, and stateless is True: set stateless = "
        "False in the class",
    )


def nothing_is_looked_up(subject: Subject) -> None:
    """Features are computed from the pixels, and one gray level of noise hardly changes them.

    An extractor that looks up known images exactly fails; one that looks up the nearest neighbour
    passes.
    """
    digits = some_digits(400 if subject.side <= 16 else 200, subject.side)
    n = len(digits.images)
    noise = np.random.default_rng(0).integers(0, 2, digits.images.shape, dtype=np.uint8)
    extractor = _build_and_fit(subject, digits.images)
    features = {
        name: extractor.transform(images)
        for name, images in (
            ("exact", digits.images),
            ("noisy", digits.images - (digits.images > 0) * noise),
        )
    }
    train, test, y = slice(0, 3 * n // 4), slice(3 * n // 4, n), digits.targets
    scores = {
        name: KNeighborsClassifier(1)
        .fit(features["exact"][train], y[train])
        .score(values[test], y[test])
        for name, values in features.items()
    }
    require_true(
        scores["exact"] - scores["noisy"] < 0.3,
        f"accuracy falls from {scores['exact']:.2f} to {scores['noisy']:.2f} with one gray level "
        "of noise: compute features from the pixels, not from a table of known images",
    )


def feature_names_match(subject: Subject) -> None:
    """``get_feature_names_out`` names each feature once."""
    images = colour_images(12, subject.side)
    extractor = _build_and_fit(subject, images)
    names, d = list(extractor.get_feature_names_out()), extractor.transform(images).shape[1]
    require_true(
        len(names) == d,
        f"get_feature_names_out returns {len(names)} names for {d} features: return one name per "
        "feature",
    )
    require_true(len(set(names)) == d, "two features have the same name: make the names unique")


class _ImagesOnDisk(ImageRows):
    """Images that cannot be read all at once."""

    def __getitem__(self, which: Any) -> NDArray[np.uint8]:
        if isinstance(which, slice) and which == slice(None):
            raise Failure(
                "learns_from_sample is True, and learn reads all images, which would hold them in "
                "memory: draw indices and read images[drawn]"
            )
        return super().__getitem__(which)


def sample_is_learned_from(subject: Subject) -> None:
    """An extractor with ``learns_from_sample`` indexes its images, and learns as from an array."""
    if not getattr(subject.build(), "learns_from_sample", False):
        return
    digits = some_digits(120, subject.side)
    labels = subject.labels_for_fit(digits.targets)
    rows = _ImagesOnDisk(digits.images, np.arange(len(digits.images)))
    require_equal(
        subject.build().fit(rows, *labels).transform(digits.images),
        subject.build().fit(digits.images.copy(), *labels).transform(digits.images),
        "learns_from_sample is True, and other features are learned from rows on disk than from an "
        "array",
    )
