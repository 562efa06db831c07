"""Pairs of images that are almost equal, also mirrored or turned, for a person to judge.

Gray thumbnails are compared by their correlation after subtracting the average thumbnail, since
all chest X-rays are alike. Every image is compared with every other in the eight orientations: a
product of matrices, which takes less time than an index for the numbers of images of a study.

The hashes of the package imagehash, which cleanvision uses too, were measured and failed (see
``results/audit.md``): those that find re-compressed copies also take different images for copies,
and none finds mirrored ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmark.datasets.image_array import iterate_chunks

SIDE = 8
# distances between normalized thumbnails; the upper one is a correlation of 0.989
LEAST, MOST = 0.05, 0.15
DEVIATIONS = 4  # below the mean distance to the nearest neighbour
UPPER = np.array([0.8, 0.95])  # quantiles
ROWS_AT_ONCE = 2000
BLANK = 1.0  # standard deviation of a thumbnail, in gray levels
Floats = NDArray[np.float32]
# name of an orientation, and how a thumbnail (n, side, side) is brought to it
ORIENTATIONS: tuple[tuple[str, Callable[[Floats], Floats]], ...] = (
    ("", lambda t: t),
    ("mirrored", lambda t: t[:, :, ::-1]),
    ("upside down", lambda t: t[:, ::-1]),
    ("turned by 180 degrees", lambda t: t[:, ::-1, ::-1]),
    ("mirrored and turned", lambda t: t.transpose(0, 2, 1)),
    ("turned by 90 degrees", lambda t: t.transpose(0, 2, 1)[:, ::-1]),
    ("turned by 270 degrees", lambda t: t.transpose(0, 2, 1)[:, :, ::-1]),
    ("mirrored and turned", lambda t: t.transpose(0, 2, 1)[:, ::-1, ::-1]),
)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The most similar other image of each image, and all pairs of images that are almost equal.

    Parameters
    ----------
    index : (n,) int64
    distance : (n,) float32
        Distance of the normalized thumbnails: 0 for equal ones, 2 for opposite ones.
    threshold : float
        Distance up to which a pair is listed. It follows from the distances of the dataset itself:
        4 robust standard deviations of their logarithms below the mean, between 0.05 and 0.15.
    pairs : dict of (int, int) to int
        Pairs within the threshold, the most similar first, and in which of ``ORIENTATIONS`` they
        are most similar. Blank images are in none.
    """

    index: NDArray[np.int64]
    distance: Floats
    threshold: float
    pairs: dict[tuple[int, int], int]


def find_neighbours(images: NDArray[np.uint8]) -> Neighbours:
    """Find the most similar other image of each image.

    Parameters
    ----------
    images : (n, h, w, c) uint8 array
        At least 2.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> images = random.integers(0, 256, (5, 32, 32, 1), dtype=np.uint8)
    >>> images[3] = images[0][:, ::-1]
    >>> find_neighbours(images).pairs
    {(0, 3): 1}
    """
    thumbnails = _make_thumbnails(images)
    blank = thumbnails.std(axis=(1, 2)) < BLANK
    flat = _normalize(thumbnails)
    mean = flat.mean(axis=0)
    known = _normalize(flat - mean)
    turned = [_normalize(_normalize(turn(thumbnails)) - mean) for _, turn in ORIENTATIONS]
    n = len(images)
    best, index = np.full(n, -2, np.float32), np.zeros(n, int)
    for rows, similarity, _ in _compare(turned, known, blank):
        nearest = similarity.argmax(axis=1)
        value = similarity[np.arange(len(rows)), nearest]
        better = value > best[rows]
        best[rows[better]], index[rows[better]] = value[better], nearest[better]
    distance = np.sqrt(np.maximum(2 * (1 - best), 0))
    threshold = _choose_threshold(distance[~blank]) if (~blank).sum() > 1 else LEAST
    return Neighbours(index, distance, threshold, _list_pairs(turned, known, blank, threshold))


def _compare(
    turned: Sequence[Floats], known: Floats, blank: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], Floats, int]]:
    """Yield some images, their similarity to all images, and the orientation they are in."""
    for k, vectors in enumerate(turned):
        for start in range(0, len(known), ROWS_AT_ONCE):
            rows = np.arange(start, min(start + ROWS_AT_ONCE, len(known)))
            similarity = vectors[rows] @ known.T
            similarity[np.arange(len(rows)), rows] = -2
            similarity[:, blank] = -2
            similarity[blank[rows]] = -2
            yield rows, similarity, k


def _list_pairs(
    turned: Sequence[Floats], known: Floats, blank: NDArray[np.bool_], threshold: float
) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], tuple[float, int]] = {}
    least = 1 - threshold**2 / 2
    for rows, similarity, orientation in _compare(turned, known, blank):
        for place, j in np.argwhere(similarity >= least):
            i = int(rows[place])
            pair = min(i, int(j)), max(i, int(j))
            value = float(similarity[place, j]), -orientation
            found[pair] = max(found.get(pair, value), value)
    order = sorted(found, key=lambda pair: -found[pair][0])
    return {pair: -found[pair][1] for pair in order}


def _choose_threshold(distance: Floats) -> float:
    """Distance that is far below those of different images.

    The mean and the deviation of the logarithms are those of a normal distribution with the same
    upper quantiles, which copies do not change even if most images have one.
    """
    logarithms = np.log(np.maximum(distance, 1e-6))
    low, high = np.quantile(logarithms, UPPER)
    z_low, z_high = ndtri(UPPER)
    deviation = (high - low) / (z_high - z_low)
    mean = low - z_low * deviation
    return float(np.clip(np.exp(mean - DEVIATIONS * deviation), LEAST, MOST))


def _make_thumbnails(images: NDArray[np.uint8]) -> Floats:
    import cv2

    thumbnails = np.empty((len(images), SIDE, SIDE), np.float32)
    for chunk in iterate_chunks(images):
        for i in range(chunk.start, chunk.stop):
            image = images[i]
            gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2] == 3 else image[..., 0]
            # of floats, since rounding would hide a difference of one gray level
            exact = np.ascontiguousarray(gray).astype(np.float32)
            thumbnails[i] = cv2.resize(exact, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return thumbnails


def _normalize(values: Floats) -> Floats:
    """Flatten to vectors of mean 0 and length 1; those of blank images are 0."""
    flat = values.reshape(len(values), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    normalized: Floats = centred / np.maximum(
        np.linalg.norm(centred, axis=1, keepdims=True), np.float32(1e-6)
    )
    return normalized
