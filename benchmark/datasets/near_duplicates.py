"""Images that are almost equal: brightened, sharpened, stored anew, or the next of a series.

A hash of few bits, as pHash's, takes all chest X-rays for copies of one another. Compared are
therefore gray thumbnails by their correlation, as they are and less the average thumbnail of the
data set. The pairs come from a search tree over their lowest frequencies, which drops none of them,
as an orthonormal transform never lengthens a distance.

Not found are images that were cropped, shifted, mirrored or turned, and those of one series that is
most of a data set: its average thumbnail is then theirs, and what is left of them is noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SIDE = 16
CORRELATION = 0.995  # chosen on eight medical sets: every pair seen above it was of one picture; 0.985 took 41 lesions for others
N_FREQUENCIES = 16
N_NEIGHBOURS = 6  # looked at first; more where these are all near, and none of them is a copy
LARGE_GROUP = 500
MOST_PAIRS = 100_000  # compared at once
CRITERION = (
    f"correlation of {SIDE}x{SIDE} thumbnails, less their average, of at least {CORRELATION}"
)


def find_near_duplicates(
    images: NDArray[np.uint8],
    these: NDArray[np.int64],
    among: NDArray[np.int64],
    groups: NDArray | None,
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
        Each of ``these`` that has such an image, with the most similar of the nearest few. None is
        missed: more neighbours are looked at until one is a copy, or the farthest is no longer
        near.
    """
    if not len(these) or not len(among):
        return []
    thumbnails = _make_thumbnails(images)
    kinds = thumbnails, _normalize_vectors(thumbnails - thumbnails.mean(axis=0))
    low = _low_frequencies(kinds[1])
    best: dict[int, tuple[float, int]] = {}
    for some, others in _plan_comparisons(these, among, groups):
        best |= _search_neighbours(kinds, low, some, others, groups)
    return [(i, best[i][1]) for i in these.tolist() if i in best]


def _plan_comparisons(
    these: NDArray[np.int64], among: NDArray[np.int64], groups: NDArray | None
) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield what to compare with what: a large group without itself, whose own images would all be in the way."""
    if groups is not None:
        names, counts = np.unique(groups[among], return_counts=True)
        for name in names[counts > LARGE_GROUP]:
            yield these[groups[these] == name], among[groups[among] != name]
        these = these[~np.isin(groups[these], names[counts > LARGE_GROUP])]
    yield these, among


def _search_neighbours(
    kinds: tuple[NDArray[np.float32], ...],
    low: NDArray[np.float32],
    these: NDArray[np.int64],
    among: NDArray[np.int64],
    groups: NDArray | None,
) -> dict[int, tuple[float, int]]:
    from scipy.spatial import cKDTree

    best: dict[int, tuple[float, int]] = {}
    if not len(these) or not len(among):
        return best
    tree, radius = cKDTree(low[among]), np.sqrt(2 * (1 - CORRELATION))
    n_neighbours, waiting = min(N_NEIGHBOURS, len(among)), these
    while len(waiting):
        crowded = []
        for batch in np.array_split(waiting, -(-len(waiting) * n_neighbours // MOST_PAIRS)):
            _, found = tree.query(low[batch], k=n_neighbours, distance_upper_bound=radius)
            found = found.reshape(len(batch), -1)
            best |= _most_similar(kinds, batch, among, found, groups)
            crowded.append(batch[found[:, -1] < len(among)])
        if n_neighbours == len(among):
            break
        waiting = np.array([i for i in np.concatenate(crowded).tolist() if i not in best], np.int64)
        n_neighbours = min(4 * n_neighbours, len(among))
    return best


def _most_similar(
    kinds: tuple[NDArray[np.float32], ...],
    batch: NDArray[np.int64],
    among: NDArray[np.int64],
    found: NDArray[np.int64],
    groups: NDArray | None,
) -> dict[int, tuple[float, int]]:
    """Return the most similar of the neighbours of each image that has a similar one, and how similar it is."""
    rows, columns = np.nonzero(found < len(among))
    first, second = batch[rows], among[found[rows, columns]]
    other = first != second if groups is None else groups[first] != groups[second]
    first, second = first[other], second[other]
    similar = np.minimum(*(_rowwise_correlation(kind[first], kind[second]) for kind in kinds))
    good = similar >= CORRELATION
    best: dict[int, tuple[float, int]] = {}
    for i, j, value in zip(
        first[good].tolist(), second[good].tolist(), similar[good].tolist(), strict=True
    ):
        best[i] = max(best.get(i, (value, j)), (value, j))
    return best


def _make_thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reduce images to gray vectors of mean 0 and length 1, (n, SIDE * SIDE)."""
    import cv2

    gray = (
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2] == 3 else image[..., 0]
        for image in images
    )
    small = [
        cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for image in gray
    ]
    return _normalize_vectors(np.stack(small).reshape(len(images), -1).astype(np.float32))


def _normalize_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = vectors - vectors.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def _rowwise_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.einsum("nd,nd->n", a, b)


def _low_frequencies(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.fft import dctn

    spectrum = dctn(thumbnails.reshape(-1, SIDE, SIDE), axes=(1, 2), norm="ortho").reshape(
        len(thumbnails), -1
    )
    frequency = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
    return np.ascontiguousarray(
        spectrum[:, np.argsort(frequency, kind="stable")[1 : N_FREQUENCIES + 1]]
    )
