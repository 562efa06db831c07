"""Datasets that come with scikit-learn and scikit-image: real images, no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.datasets.base import Dataset, resize_images


def load_digits(name: str, data: Path, size: int | None) -> Dataset:
    """Load 1,797 handwritten digits, 8x8 pixels, gray (Alpaydin & Kaynak 1998).

    scikit-learn's 17 gray levels are mapped to 0..255. `data` is not used.

    See Also
    --------
    load_faces : The other bundled dataset.

    Examples
    --------
    >>> dataset = load_digits("digits", Path(), None)
    >>> dataset.images.shape, len(dataset.classes)
    ((1797, 8, 8, 1), 10)
    """
    from sklearn.datasets import load_digits as load

    bunch = load()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    images, notes = resize_images(images, size)
    return Dataset(
        name,
        images,
        bunch.target.astype(np.int64),
        tuple(str(digit) for digit in range(10)),
        notes=notes,
        licence="CC BY 4.0",
        citation="E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine "
        "Learning Repository, 1998",
    )


def load_faces(name: str, data: Path, size: int | None) -> Dataset:
    """Load 100 faces and 100 images of something else, 25x25 pixels, gray.

    They are scikit-image's selection from Labeled Faces in the Wild (Huang et al. 2007). `data` is
    not used.

    See Also
    --------
    load_digits : The other bundled dataset.

    Examples
    --------
    >>> load_faces("faces", Path(), None).classes
    ('other', 'face')
    """
    from skimage.data import lfw_subset

    images, notes = resize_images(np.rint(lfw_subset() * 255).astype(np.uint8)[..., None], size)
    return Dataset(
        name,
        images,
        np.repeat([1, 0], 100).astype(np.int64),
        ("other", "face"),
        notes=notes,
        licence="public domain (scikit-image's data)",
        citation="G. B. Huang et al., Labeled Faces in the Wild, University of Massachusetts, "
        "Amherst, TR 07-49, 2007",
    )
