"""Features that k-means learns from small patches of the training images."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import numpy as np
from numba import types
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from features.base import Extractor, Features, Images
from features.compiled import compile_kernel, readonly_array_type, writable_array_type
from features.grid import cell_borders
from models.constraints import GRID, RealNumber, WholeNumber

Patches = NDArray[np.float32]  # (n, patch_size * patch_size * c)

# Added to the variance of a patch, in squared gray levels, so that noise in flat patches stays low.
CONTRAST = 10.0
AT_ONCE = 1024  # number of images that patches are drawn from at once
CHUNK = 2048  # number of patches that are compared with all centroids at once
# A squared distance below this share of the squared lengths is the rounding of zero.
ROUNDING = np.float32(1e-5)
START = 0.1  # standard deviation of the initial centroids
ITERATIONS = 20  # of k-means; 50 in the paper


class KMeansPatches(Extractor):
    """Similarity of patches to the centroids of k-means, pooled in a grid (Coates, Ng & Lee 2011).

    Parameters
    ----------
    n_centroids : int, default=400
        Number of clusters of patches. If the training images have fewer distinct patches, each of
        them is a centroid, and the remaining features are zero.
    patch_size : int, default=6
        Side of a patch in pixels.
    stride : int, default=1
        Distance between neighbouring patches in pixels.
    grid : (rows, columns), default=(2, 2)
        Number of cells over which the activations are averaged. The positions of the patches are
        cut as by ``np.array_split``.
    n_sampled : int, default=100_000
        Largest number of patches of the training images that the centroids are learned from.
    whitening : float, default=0.1
        Added to the variances that ZCA whitening divides by; larger values smooth more.
    root : bool, default=False
        Take the square roots of the features, which improves linear models.
    random_state : int, RandomState or None, default=None
        Draws the patches and the initial centroids.

    Attributes
    ----------
    mean_ : (d,) float32
        Mean of the contrast-normalised patches; d is ``patch_size * patch_size * c``.
    whitener_ : (d, d) float32
        Whitening matrix, applied after the mean is subtracted.
    centroids_ : (n, d) float32, n <= n_centroids
        Centroids in the whitened space.

    See Also
    --------
    features.sift_bovw.SIFTBoVW : A vocabulary of SIFT descriptors.

    Notes
    -----
    Coates, Ng & Lee, "An analysis of single-layer networks in unsupervised feature learning",
    AISTATS 2011: patches are normalised in contrast and whitened; the activation of a centroid is
    max(0, mean distance - its distance) ("triangle"). Changed: means over the cells instead of
    sums, and their square roots with ``root``; k-means takes 20 iterations.

    Examples
    --------
    >>> import numpy as np
    >>> from features import KMeansPatches
    >>> images = np.random.default_rng(0).integers(256, size=(4, 12, 12, 1), dtype=np.uint8)
    >>> KMeansPatches(n_centroids=5, random_state=0).fit_transform(images).shape
    (4, 20)
    """

    stateless = False
    learns_from_sample = True

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_centroids": [WholeNumber(1)],
        "patch_size": [WholeNumber(2)],
        "stride": [WholeNumber(1)],
        "grid": [GRID],
        "n_sampled": [WholeNumber(1)],
        "whitening": [RealNumber(0)],
        "root": ["boolean"],
        "random_state": ["random_state"],
    }
    search_space: ClassVar[dict[str, Any]] = {"root": [False, True], "whitening": [0.01, 0.1, 1.0]}

    def __init__(
        self,
        n_centroids: int = 400,
        patch_size: int = 6,
        stride: int = 1,
        grid: tuple[int, int] = (2, 2),
        n_sampled: int = 100_000,
        whitening: float = 0.1,
        root: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_centroids = n_centroids
        self.patch_size = patch_size
        self.stride = stride
        self.grid = grid
        self.n_sampled = n_sampled
        self.whitening = whitening
        self.root = root
        self.random_state = random_state

    @property
    def min_size(self) -> int:
        """Side in pixels at which each cell of the grid holds a patch."""
        return self.patch_size + (max(self.grid) - 1) * self.stride

    def learn(self, images: Images) -> None:
        """Learn the whitening and the centroids from a sample of patches."""
        random = check_random_state(self.random_state)
        patches = _normalise_contrast(
            _sample_patches(images, self.patch_size, self.n_sampled, random)
        )
        self.mean_ = patches.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.whitener_ = _zca_matrix(patches - self.mean_, self.whitening)
        whitened = (patches - self.mean_) @ self.whitener_
        distinct = np.unique(whitened, axis=0)
        self.centroids_ = distinct
        if len(distinct) > self.n_centroids:
            self.centroids_ = _k_means(whitened, self.n_centroids, random)

    def extract(self, batch: Images) -> Features:
        """Mean activation of each centroid, cell by cell, (b, rows * columns * n_centroids)."""
        windows = sliding_window_view(batch, (self.patch_size, self.patch_size), axis=(1, 2))
        windows = windows[:, :: self.stride, :: self.stride]
        n_cells, cell, share = self._assign_cells(*windows.shape[1:3])
        squares = np.square(self.centroids_).sum(axis=1)
        out = np.zeros((len(batch) * n_cells, self.n_centroids), np.float32)
        n_positions = math.prod(windows.shape[:3])
        for start in range(0, n_positions, CHUNK):
            positions = np.arange(start, min(start + CHUNK, n_positions))
            image, row, col = np.unravel_index(positions, windows.shape[:3])
            pixels = windows[image, row, col].transpose(0, 2, 3, 1).reshape(len(image), -1)
            patches = _normalise_contrast(pixels.astype(np.float32))
            whitened = (patches - self.mean_) @ self.whitener_
            affinity, lengths = whitened @ self.centroids_.T, np.square(whitened).sum(axis=1)
            _pool_triangles(
                affinity, lengths, squares, image * n_cells + cell[row, col], share[row, col], out
            )
        return np.sqrt(out).reshape(len(batch), -1) if self.root else out.reshape(len(batch), -1)

    def _assign_cells(
        self, rows: int, cols: int
    ) -> tuple[int, NDArray[np.intp], NDArray[np.float32]]:
        """Number of cells, and the cell of each patch and the weight of the patch in it.

        Both arrays are (rows, cols), by the position of the patch.
        """
        row, col = (
            np.repeat(np.arange(n), np.diff(cell_borders(side, n)))
            for side, n in zip((rows, cols), self.grid, strict=True)
        )
        cell = row[:, None] * self.grid[1] + col
        return math.prod(self.grid), cell, (1 / np.bincount(cell.ravel())).astype(np.float32)[cell]

    def _feature_names(self) -> list[str]:
        return [f"cell_{r}_{c}_centroid{k}" for r, c, k in np.ndindex(*self.grid, self.n_centroids)]


def _sample_patches(images: Images, size: int, n: int, random: np.random.RandomState) -> Patches:
    """Patches at n random positions, or at all if there are fewer, (n, size * size * c)."""
    rows, cols = images.shape[1] - size + 1, images.shape[2] - size + 1
    n_positions = len(images) * rows * cols
    every_position = n_positions <= n
    positions = (
        np.arange(n_positions) if every_position else np.sort(random.randint(n_positions, size=n))
    )
    image, row, col = np.unravel_index(positions, (len(images), rows, cols))
    along = np.arange(size)
    patches = np.empty((len(positions), size * size * images.shape[3]), np.float32)
    drawn, first = np.unique(image, return_index=True)
    borders = np.append(first, len(positions))
    for start in range(0, len(drawn), AT_ONCE):  # the positions are sorted by image
        read = drawn[start : start + AT_ONCE]
        these = slice(borders[start], borders[start + len(read)])
        cut = images[read][
            np.searchsorted(read, image[these])[:, None, None],
            row[these, None, None] + along[:, None],
            col[these, None, None] + along,
        ]
        patches[these] = cut.reshape(len(cut), -1)
    return patches


def _normalise_contrast(patches: Patches) -> Patches:
    """Subtract the mean of each patch and divide by its standard deviation."""
    centred = patches - patches.mean(axis=1, keepdims=True)
    centred /= np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + np.float32(CONTRAST))
    return centred


def _zca_matrix(centred: Patches, whitening: float) -> NDArray[np.float32]:
    """Matrix that decorrelates the pixels of patches, changing them as little as possible.

    Bell & Sejnowski (1997).
    """
    covariance = (centred.T @ centred).astype(np.float64) / len(centred)
    variances, directions = np.linalg.eigh(covariance)
    scaled = directions / np.sqrt(np.maximum(variances, 0) + whitening)
    return (scaled @ directions.T).astype(np.float32)


def _k_means(patches: Patches, n: int, random: np.random.RandomState) -> Patches:
    """Cluster centres, (n, d).

    The initial centres are near the origin, as in Coates & Ng (2012), because centres that start
    from patches stay with a few unusual ones. One thread is used, because the rounding of sums
    depends on the number of threads.
    """
    first = (random.randn(n, patches.shape[1]) * START).astype(np.float32)
    clusters = KMeans(n, init=first, n_init=1, max_iter=ITERATIONS, tol=0)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal centroids are harmless
        return np.asarray(clusters.fit(patches).cluster_centers_, np.float32)


@compile_kernel(
    *(readonly_array_type(types.float32, ndim) for ndim in (2, 1, 1)),
    readonly_array_type(types.intp, 1),
    readonly_array_type(types.float32, 1),
    writable_array_type(types.float32, 2),
    fastmath={"reassoc", "contract", "nsz", "ninf", "nnan"},
)
def _pool_triangles(  # type: ignore[no-untyped-def]
    affinity, patch_squares, centroid_squares, cell, share, out
):
    """Add the activations of each patch, max(0, mean distance - distance), to those of its cell.

    They are multiplied by the weight of the patch in the cell, ``share``.
    """
    n = affinity.shape[1]
    distance = np.empty(n, np.float32)
    for i in range(len(affinity)):
        products, target = affinity[i], out[cell[i]]
        total = np.float32(0)
        for k in range(n):
            lengths = patch_squares[i] + centroid_squares[k]
            square = lengths - 2 * products[k]
            distance[k] = np.sqrt(square if square > ROUNDING * lengths else np.float32(0))
            total += distance[k]
        mean = total / n
        for k in range(n):
            target[k] += share[i] * max(mean - distance[k], np.float32(0))
