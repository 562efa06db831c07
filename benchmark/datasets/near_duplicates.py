"""Find images that are almost equal: brightened, sharpened, re-encoded, or from the same series.

Perceptual hashes of few bits, such as pHash, take all chest X-rays for copies of each other.
Instead, gray thumbnails are compared by their correlation, both as they are and after subtracting
the average thumbnail of the dataset. Candidate pairs come from a search tree over the lowest
frequencies of the thumbnails. It misses no pair: an orthonormal transform preserves distances, and
leaving out frequencies only shortens them.

Images that were cropped, shifted, mirrored or rotated are not found. Neither are those of a series
that makes up most of a dataset: the average thumbnail is then theirs, and subtracting it leaves
only noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.image_array import iterate_chunks

SIDE = 16
# chosen on eight medical datasets: every inspected pair above it showed the same photograph, while
# 0.985 mistook 41 lesions for others
CORRELATION = 0.995
N_FREQUENCIES = 16
N_NEIGHBOURS = 6  # at first; more if all of them are near and none of them is a near-duplicate
LARGE_GROUP = 500
MAX_PAIRS = 100_000  # compared at once
CRITERION = f"correlation of {SIDE}x{SIDE} thumbnails minus their average of at least {CORRELATION}"


def find_near_duplicates(
    images: NDArray[np.uint8],
    these: NDArray[np.int64],
    among: NDArray[np.int64],
    groups: NDArray | None,
) -> list[tuple[int, int]]:
    """Find the images in `these` that look almost like an image in `among`.

    The number of neighbours compared grows until one of them is a near-duplicate or the farthest is
    too far to be one, so that no image is missed.

    Parameters
    ----------
    images : (n, h, w, c) uint8 array
    these, among : int64 arrays
        Indices of the images to search for, and of those to compare them with.
    groups : (n,) array or None
        Pairs within a group do not count.

    Returns
    -------
    list of (int, int)
        Each image in `these` that has a near-duplicate, with the most similar of the neighbours
        that were compared.
    """
    if not len(these) or not len(among):
        return []
    thumbnails = _Thumbnails(images)
    low = thumbnails.low_frequencies()
    best: dict[int, tuple[float, int]] = {}
    for queries, candidates in _plan_comparisons(these, among, groups):
        best |= _search_neighbours(thumbnails, low, queries, candidates, groups)
    return [(i, best[i][1]) for i in these.tolist() if i in best]


def _plan_comparisons(
    these: NDArray[np.int64], among: NDArray[np.int64], groups: NDArray | None
) -> Iterator[tuple[NDArray, NDArray]]:
    """Yield pairs of index arrays to compare.

    The images of a large group are compared with the other groups only: otherwise all of their
    nearest neighbours would be in the same group.
    """
    if groups is not None:
        names, counts = np.unique(groups[among], return_counts=True)
        for name in names[counts > LARGE_GROUP]:
            yield these[groups[these] == name], among[groups[among] != name]
        these = these[~np.isin(groups[these], names[counts > LARGE_GROUP])]
    yield these, among


def _search_neighbours(
    thumbnails: _Thumbnails,
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
        for batch in np.array_split(waiting, -(-len(waiting) * n_neighbours // MAX_PAIRS)):
            _, neighbours = tree.query(low[batch], k=n_neighbours, distance_upper_bound=radius)
            neighbours = neighbours.reshape(len(batch), -1)
            best |= _find_most_similar(thumbnails, batch, among, neighbours, groups)
            crowded.append(batch[neighbours[:, -1] < len(among)])
        if n_neighbours == len(among):
            break
        waiting = np.array([i for i in np.concatenate(crowded).tolist() if i not in best], np.int64)
        n_neighbours = min(4 * n_neighbours, len(among))
    return best


def _find_most_similar(
    thumbnails: _Thumbnails,
    batch: NDArray[np.int64],
    among: NDArray[np.int64],
    neighbours: NDArray[np.int64],
    groups: NDArray | None,
) -> dict[int, tuple[float, int]]:
    """Return the most similar neighbour of each image with a near-duplicate.

    Returns
    -------
    dict of int to (float, int)
        Image to the correlation with its most similar neighbour, and that neighbour.
    """
    rows, columns = np.nonzero(neighbours < len(among))
    first, second = batch[rows], among[neighbours[rows, columns]]
    counts = first != second if groups is None else groups[first] != groups[second]
    first, second = first[counts], second[counts]
    similarity = thumbnails.compare_pairs(first, second)
    similar = similarity >= CORRELATION
    best: dict[int, tuple[float, int]] = {}
    for i, j, value in zip(
        first[similar].tolist(),
        second[similar].tolist(),
        similarity[similar].tolist(),
        strict=True,
    ):
        best[i] = max(best.get(i, (value, j)), (value, j))
    return best


class _Thumbnails:
    """Gray thumbnails of images, 256 bytes each."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._pixels = np.empty((len(images), SIDE, SIDE), np.uint8)
        total = np.zeros(SIDE * SIDE)
        for chunk in iterate_chunks(images):
            for i in range(chunk.start, chunk.stop):
                self._pixels[i] = _make_thumbnail(images[i])
            total += self._vectors(chunk).sum(axis=0, dtype=np.float64)
        self._mean = (total / len(images)).astype(np.float32)

    def _vectors(self, which: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Thumbnails as vectors, (n, SIDE * SIDE), of mean 0 and norm 1."""
        pixels = self._pixels[which]
        return _normalize_vectors(pixels.reshape(-1, SIDE * SIDE).astype(np.float32))

    def low_frequencies(self) -> NDArray[np.float32]:
        """Lowest frequencies of the thumbnails minus their average, (n, N_FREQUENCIES)."""
        low = np.empty((len(self._pixels), N_FREQUENCIES), np.float32)
        for chunk in iterate_chunks(self._pixels):
            low[chunk] = _low_frequencies(_normalize_vectors(self._vectors(chunk) - self._mean))
        return low

    def compare_pairs(
        self, first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Smaller of two correlations of each pair, (n,).

        They are those of the thumbnails as they are, and minus their average.
        """
        a, b = self._vectors(first), self._vectors(second)
        return np.minimum(
            _rowwise_correlation(a, b),
            _rowwise_correlation(
                _normalize_vectors(a - self._mean), _normalize_vectors(b - self._mean)
            ),
        )


def _make_thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2] == 3 else image[..., 0]
    return np.asarray(
        cv2.resize(np.ascontiguousarray(gray), (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8
    )


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
