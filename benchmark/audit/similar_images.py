"""Pairs of images that are almost equal, also mirrored or turned, for a person to judge.

Gray thumbnails are compared by their correlation after subtracting the average thumbnail, since
all chest X-rays are alike. Every image is compared with every other in the eight orientations: a
product of matrices, which takes less time than an index for the numbers of images of a study.

The hashes of the package imagehash, which cleanvision uses too, were measured and failed (see
``results/audit.md``): those that find re-compressed copies also take different images for copies,
and none finds mirrored ones.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """The most similar other image of each image.

    Parameters
    ----------
    index : (n,) int64
    distance : (n,) float32
        Distance of the normalized thumbnails: 0 for equal ones, 2 for opposite ones.
    orientation : (n,) int64
        In which of ``ORIENTATIONS`` the image is most similar to it.
    threshold : float
        Distance up to which a pair is shown. It follows from the distances of the dataset itself: 4
        robust standard deviations of their logarithms below the mean, between 0.05 and 0.15.
    """

    index: NDArray[np.int64]
    distance: Floats
    orientation: NDArray[np.int64]
    threshold: float

    def list_pairs(self) -> list[tuple[int, int]]:
        """Pairs within the threshold, the most similar first, each once."""
        close = np.flatnonzero(self.distance <= self.threshold)
        order = close[np.argsort(self.distance[close], kind="stable")]
        pairs = ((int(i), int(self.index[i])) for i in order)
        return list(dict.fromkeys((min(pair), max(pair)) for pair in pairs))


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
    >>> find_neighbours(images).list_pairs()
    [(0, 3)]
    """
    thumbnails = _make_thumbnails(images)
    flat = _normalize(thumbnails)
    mean = flat.mean(axis=0)
    known = _normalize(flat - mean)
    n = len(images)
    best, index, orientation = np.full(n, -2, np.float32), np.zeros(n, int), np.zeros(n, int)
    for k, (_, turn) in enumerate(ORIENTATIONS):
        turned = _normalize(_normalize(turn(thumbnails)) - mean)
        for start in range(0, n, ROWS_AT_ONCE):
            rows = np.arange(start, min(start + ROWS_AT_ONCE, n))
            similarity = turned[rows] @ known.T
            similarity[np.arange(len(rows)), rows] = -2
            nearest = similarity.argmax(axis=1)
            value = similarity[np.arange(len(rows)), nearest]
            better = value > best[rows]
            best[rows[better]] = value[better]
            index[rows[better]], orientation[rows[better]] = nearest[better], k
    distance = np.sqrt(np.maximum(2 * (1 - best), 0))
    return Neighbours(index, distance, orientation, _choose_threshold(distance))


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
