"""Checks of extractors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from benchmark.checks.subject import Subject, colour_images, same, some_digits


def _fitted(subject: Subject, images: NDArray[np.uint8], y: Any = None) -> Any:
    extractor = subject.build()
    y = np.arange(len(images)) % 2 if y is None and getattr(extractor, "uses_labels", False) else y
    return extractor.fit(images.copy(), y)


def input_unchanged(subject: Subject) -> None:
    """``fit`` and ``transform`` leave the images as they are: work on a copy, write ``batch = batch.astype(float)``."""
    images = colour_images()
    given = images.copy()
    try:
        labels = (np.arange(len(given)) % 2,) if getattr(subject.build(), "uses_labels", False) else ()
        subject.build().fit(given, *labels).transform(given)
    except ValueError as error:
        if "read-only" in str(error):
            raise AssertionError("extract tried to change the images it was given") from error
        raise
    same(given, images, "the images are different after transform")


def one_vector_an_image(subject: Subject) -> None:
    """``extract`` returns one row an image, each of the same length, as (n, d) finite numbers."""
    for images in (some_digits().images, colour_images(), np.zeros((3, 16, 16, 1), np.uint8), np.full((3, 9, 13, 3), 255, np.uint8)):
        features = _fitted(subject, images).transform(images)
        assert features.ndim == 2, f"features of {images.shape} images have shape {features.shape}"
        assert len(features) == len(images), f"{len(images)} images gave {len(features)} vectors"
        assert features.dtype == np.float32, f"features are {features.dtype}, not float32"
        assert np.isfinite(features).all(), f"features of {images.shape} images hold NaN or infinity"


def images_are_independent(subject: Subject) -> None:
    """The features of an image do not depend on the other images of the batch: no statistics over the batch in ``extract``."""
    images = some_digits(1200).images  # more than a batch
    extractor = _fitted(subject, images[:60])
    together = extractor.transform(images)
    alone = np.vstack([extractor.transform(image[None]) for image in images[:5]])
    assert np.allclose(together[:5], alone, atol=1e-4), "an image alone has other features than among others"
    assert np.allclose(together[::-1], extractor.transform(images[::-1]), atol=1e-4), "images in another order have other features"


def labels_are_ignored(subject: Subject) -> None:
    """``fit`` does not use labels, unless the extractor says ``uses_labels = True``; then the harness hands it those of training."""
    if getattr(subject.build(), "uses_labels", False):
        return
    digits = some_digits()
    first = _fitted(subject, digits.images, digits.targets).transform(digits.images)
    second = _fitted(subject, digits.images, digits.targets[::-1].copy()).transform(digits.images)
    same(first, second, "other labels in fit give other features")


def stateless_is_true(subject: Subject) -> None:
    """A ``stateless`` extractor learns nothing in ``fit``: if it does, set ``stateless = False``, or test images leak into it."""
    if not subject.build().stateless:
        return
    images = some_digits().images
    first, second = _fitted(subject, images[:60]).transform(images[-20:]), _fitted(subject, images[60:]).transform(images[-20:])
    same(first, second, "fitted on other images it gives other features, and it says stateless = True")


def nothing_is_looked_up(subject: Subject) -> None:
    """Features come from the pixels: an image with one gray level of noise is still the same image, not an unknown key.

    This finds an exact look-up; one by nearest neighbour is a classifier in disguise, and only a reader finds it.
    """
    digits = some_digits(400)
    noise = np.random.default_rng(0).integers(0, 2, digits.images.shape, dtype=np.uint8)
    extractor = _fitted(subject, digits.images)
    features = {
        name: extractor.transform(images)
        for name, images in (("exact", digits.images), ("noisy", digits.images - (digits.images > 0) * noise))
    }
    train, test, y = slice(0, 300), slice(300, 400), digits.targets
    scores = {
        name: KNeighborsClassifier(1).fit(features["exact"][train], y[train]).score(values[test], y[test])
        for name, values in features.items()
    }
    assert scores["exact"] - scores["noisy"] < 0.3, (
        f"accuracy falls from {scores['exact']:.2f} to {scores['noisy']:.2f} with one gray level of noise"
    )


def names_fit(subject: Subject) -> None:
    """``get_feature_names_out`` names each feature once."""
    images = colour_images()
    extractor = _fitted(subject, images)
    names, d = list(extractor.get_feature_names_out()), extractor.transform(images).shape[1]
    assert len(names) == d, f"{len(names)} names for {d} features"
    assert len(set(names)) == d, "two features have one name"
