"""Batches of images whose features do not depend on which other images are extracted with them.

The last bits of an image's features may depend on the number of images in its batch and on its
place in the batch, since matrix products over a batch are rounded differently at its end. Both are
therefore fixed for each image of a dataset: image i is always at place i % size, in a batch of
``size`` images, of which some may be there to fill the batch only. The features are then equal bit
for bit, whichever images are extracted, in whatever number of pieces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Batches = NDArray[np.int64]  # (n_batches, size); index of an image, or EMPTY
EMPTY = -1


def cut_into_batches(indices: NDArray[np.int64], n_images: int, most: int) -> Batches:
    """Cut images of a dataset into batches of one size.

    All images of a dataset together fill their batches, but for one place or none in each. Images
    drawn at random leave some places empty.

    Parameters
    ----------
    indices : (m,) int64
        Sorted, each occurring once.
    n_images : int
        Number of images of the dataset.
    most : int
        Largest size of a batch.

    Returns
    -------
    (n_batches, size) int64
        Images, or ``EMPTY`` at places to be filled with any image.

    Examples
    --------
    >>> cut_into_batches(np.arange(8), n_images=8, most=5)
    array([[0, 1, 2, 3],
           [4, 5, 6, 7]])
    >>> cut_into_batches(np.array([1, 5, 6]), n_images=8, most=5)
    array([[-1,  1,  6, -1],
           [-1,  5, -1, -1]])
    """
    size = -(-n_images // -(-n_images // most))
    place = indices % size
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], np.arange(size))  # first image of each place
    batch = np.empty(len(indices), np.int64)
    batch[order] = np.arange(len(indices)) - first[place[order]]
    batches = np.full((batch.max(initial=-1) + 1, size), EMPTY)
    batches[batch, place] = indices
    return batches


def fill_batch(batch: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a batch whose empty places hold its first image."""
    return np.where(batch == EMPTY, batch[batch != EMPTY][0], batch)
