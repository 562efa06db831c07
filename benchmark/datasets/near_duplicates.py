"""Images that are almost equal: brightened, sharpened, stored anew, or the next of a series.

A hash of few bits, as pHash's, takes all chest X-rays for copies of one another. Compared are
therefore gray thumbnails by their correlation, as they are and less the average thumbnail of the
data set. The pairs come from a search tree over their lowest frequencies, which drops none of them,
as an orthonormal transform never lengthens a distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 16
CORRELATION = 0.995  # chosen on eight medical sets: every pair seen above it was of one picture; 0.985 took 41 lesions for others
N_FREQUENCIES = 16
N_NEIGHBOURS = 6
CRITERION = f"correlation of {SIDE}x{SIDE} thumbnails, less their average, of at least {CORRELATION}"


def near_pairs(
    images: NDArray[np.uint8], these: NDArray[np.int64], among: NDArray[np.int64], groups: NDArray | None
) -> list[tuple[int, int]]:
    """Find images that look almost like one among others.

    Parameters
    ----------
    images : (n, h, w, c) uint8
    these, among : (m,) int64
        Indices of the images to look for, and of those to compare them with.
    groups : (n,) array or None
        Pairs of one group do not count.

    Returns
    -------
    list of (int, int)
        Each of ``these`` that has such an image, with the most similar of the nearest few.
    """
    from scipy.spatial import cKDTree

    if not len(these) or not len(among):
        return []
    thumbnails = _thumbnails(images)
    without_average = _unit(thumbnails - thumbnails.mean(axis=0))
    low = _low_frequencies(without_average)
    radius = np.sqrt(2 * (1 - CORRELATION))
    _, found = cKDTree(low[among]).query(low[these], k=min(N_NEIGHBOURS, len(among)), distance_upper_bound=radius)
    rows, columns = np.nonzero(found.reshape(len(these), -1) < len(among))
    first, second = these[rows], among[found.reshape(len(these), -1)[rows, columns]]
    similar = np.minimum(*(_correlation(kind[first], kind[second]) for kind in (thumbnails, without_average)))
    good = (first != second) & (similar >= CORRELATION)
    if groups is not None:
        good &= groups[first] != groups[second]
    best: dict[int, tuple[float, int]] = {}
    for i, j, value in zip(first[good].tolist(), second[good].tolist(), similar[good].tolist(), strict=True):
        best[i] = max(best.get(i, (value, j)), (value, j))
    return [(i, j) for i, (_, j) in best.items()]


def _thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reduce images to gray vectors of mean 0 and length 1, (n, SIDE * SIDE)."""
    import cv2

    gray = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2] == 3 else image[..., 0] for image in images)
    small = [cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in gray]
    return _unit(np.stack(small).reshape(len(images), -1).astype(np.float32))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = vectors - vectors.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.einsum("nd,nd->n", a, b)


def _low_frequencies(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.fft import dctn

    spectrum = dctn(thumbnails.reshape(-1, SIDE, SIDE), axes=(1, 2), norm="ortho").reshape(len(thumbnails), -1)
    frequency = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
    return np.ascontiguousarray(spectrum[:, np.argsort(frequency, kind="stable")[1 : N_FREQUENCIES + 1]])
