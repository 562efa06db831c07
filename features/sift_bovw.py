"""Bag of visual words: frequencies of the words of a learned vocabulary of SIFT descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from features.base import Extractor, Features, Images
from features.dense_sift import (
    LENGTH,
    N_BINS,
    dense_sift,
    detected_sift,
    to_root_sift,
    window_centres,
)
from features.visual_words import ENCODINGS, Array
from models.constraints import ListOf, OneOf, RealNumber, WholeNumber

# descriptors (m, 128), index of the image of each (m,), its row and column (m, 2)
Described = tuple[Array, NDArray[np.intp], NDArray[np.float32]]
NEGLIGIBLE = 1e-5  # absolute value of a VLAD or Fisher feature


class SIFTBoVW(Extractor):
    """Bag of visual words (Csurka et al. 2004): SIFT descriptors, encoded by a learned vocabulary.

    Parameters
    ----------
    n_words : int, default=200
        Size of the vocabulary. If the training images have fewer distinct descriptors, each of them
        is a word, and the features of the missing words are zero.
    keypoints : {"dense", "detected"}, default="dense"
        Describe windows on a regular grid, or the keypoints that SIFT detects. Small and flat
        images often have no keypoints; their features are zero. ``step``, ``bin_sizes``, ``sigma``
        and ``contrast_threshold`` apply to the grid only.
    step : int, default=4
        Distance in pixels between neighbouring windows.
    bin_sizes : sequence of int, default=(4,)
        Side in pixels of one of the 4 x 4 bins of a window, one per scale. Images smaller than two
        windows of the smallest scale, or than one of the largest, are enlarged.
    sigma : float, default=1.6
        Standard deviation in pixels of the Gaussian blur before gradients are computed; 0.5 or less
        means no blur. Small images need less than Lowe's 1.6.
    contrast_threshold : float, default=0.0
        Windows with a mean gradient below this, in gray levels per pixel, are ignored.
    root : bool, default=False
        RootSIFT (Arandjelovic & Zisserman 2012): compare descriptors by their Hellinger distance.
    encoding : {"hard", "soft", "vlad", "fisher"}, default="hard"
        Count each descriptor for the nearest word; distribute it among the five nearest; sum its
        differences from the nearest word (128 features per word); or sum the gradients of a
        Gaussian mixture (256 features per word).
    levels : int, default=1
        Levels of the spatial pyramid (Lazebnik, Schmid & Ponce 2006): the whole image, then 2 x 2
        cells, then 4 x 4.
    n_sampled : int, default=20_000
        Largest number of descriptors that the vocabulary is learned from. They come from at most
        one training image per ten descriptors, drawn first, so that memory is bounded by this
        number and not by the training set.
    random_state : int, RandomState or None, default=None
        Draws the images, the descriptors and the initial words.

    Attributes
    ----------
    vocabulary_ : Hard, Soft, VLAD or Fisher
        Its ``words`` are (n, 128) float32 with n <= n_words.

    See Also
    --------
    features.visual_words : The encodings.
    features.kmeans_patches.KMeansPatches : A vocabulary of pixel patches.

    Notes
    -----
    Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004; Csurka et al.,
    "Visual categorization with bags of keypoints", 2004. The features of each cell of the pyramid
    are replaced by their signed square roots and scaled to unit length (Perronnin, Sanchez &
    Mensink 2010), so that the dot product of two histograms is their Hellinger affinity. Changed:
    k-means uses mini-batches and starts from descriptors drawn at random; the levels of the pyramid
    are not weighted.

    Examples
    --------
    >>> import numpy as np
    >>> from features import SIFTBoVW
    >>> images = np.random.default_rng(0).integers(256, size=(4, 32, 32, 1), dtype=np.uint8)
    >>> SIFTBoVW(n_words=10, random_state=0).fit_transform(images).shape
    (4, 10)
    """

    stateless = False
    learns_from_sample = True
    batch_size = 64

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_words": [WholeNumber(1)],
        "keypoints": [OneOf(("dense", "detected"))],
        "step": [WholeNumber(1)],
        "bin_sizes": [ListOf(WholeNumber(1))],
        "sigma": [RealNumber(0, closed="left")],
        "contrast_threshold": [RealNumber(0, closed="left")],
        "root": ["boolean"],
        "encoding": [OneOf(ENCODINGS)],
        "levels": [WholeNumber(1)],
        "n_sampled": [WholeNumber(1)],
        "random_state": ["random_state"],
    }
    search_space: ClassVar[dict[str, Any]] = {"root": [False, True], "sigma": [0.5, 1.6]}

    def __init__(
        self,
        n_words: int = 200,
        keypoints: str = "dense",
        step: int = 4,
        bin_sizes: Sequence[int] = (4,),
        sigma: float = 1.6,
        contrast_threshold: float = 0.0,
        root: bool = False,
        encoding: str = "hard",
        levels: int = 1,
        n_sampled: int = 20_000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_words = n_words
        self.keypoints = keypoints
        self.step = step
        self.bin_sizes = bin_sizes
        self.sigma = sigma
        self.contrast_threshold = contrast_threshold
        self.root = root
        self.encoding = encoding
        self.levels = levels
        self.n_sampled = n_sampled
        self.random_state = random_state

    @property
    def min_size(self) -> int:
        """Side in pixels of two windows of the smallest scale, or of one of the largest."""
        return N_BINS * max(2 * min(self.bin_sizes), max(self.bin_sizes))

    def learn(self, images: Images) -> None:
        """Learn the vocabulary from a sample of the descriptors of the images."""
        random = check_random_state(self.random_state)
        self.vocabulary_ = ENCODINGS[self.encoding](
            self._sample_descriptors(images, random), self.n_words, random
        )

    def extract(self, batch: Images) -> Features:
        """Encoded descriptors of each cell, level by level, (b, cells * n_words * per_word).

        The vector of a cell has unit length.
        """
        descriptors, image, position = self._compute_descriptors(batch)
        # cells along a side of the finest level; the cells of coarser levels are sums of these
        n = 2 ** (self.levels - 1)
        row, col = (
            np.minimum(position[:, axis] * n // batch.shape[1 + axis], n - 1).astype(np.intp)
            for axis in (0, 1)
        )
        level = self.vocabulary_.encode_cells(
            descriptors, (image * n + row) * n + col, len(batch) * n * n
        ).reshape(len(batch), n, n, -1)
        levels = [level]
        for _ in range(self.levels - 1):
            level = level[:, ::2] + level[:, 1::2]
            level = level[:, :, ::2] + level[:, :, 1::2]
            levels.insert(0, level)
        return np.concatenate(
            [_normalise_signed_roots(level).reshape(len(batch), -1) for level in levels], axis=1
        )

    def _compute_descriptors(self, batch: Images) -> Described:
        """Descriptors of all images, the index of the image of each, and its position in it."""
        gray = opencv_gray(batch)
        described = (
            [self._grid_descriptors(gray, size) for size in self.bin_sizes]
            if self.keypoints == "dense"
            else self._keypoint_descriptors(gray)
        )
        descriptors, image, position = map(np.concatenate, zip(*described, strict=True))
        return descriptors, image, position

    def _grid_descriptors(self, gray: Array, bin_size: int) -> Described:
        descriptors, contrast = dense_sift(gray, bin_size, self.step, self.sigma, self.root)
        kept = contrast >= self.contrast_threshold
        rows, cols = (window_centres(side, bin_size, self.step) for side in gray.shape[1:])
        centres = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
        image, window = np.nonzero(kept)
        descriptors = descriptors[kept] if not kept.all() else descriptors.reshape(-1, LENGTH)
        return descriptors, image, centres.astype(np.float32)[window]

    def _keypoint_descriptors(self, gray: Array) -> list[Described]:
        detected = [detected_sift(image) for image in gray.astype(np.uint8)]
        return [
            (to_root_sift(d) if self.root else d, np.full(len(d), i, np.intp), position)
            for i, (d, position) in enumerate(detected)
        ]

    def _sample_descriptors(self, images: Images, random: np.random.RandomState) -> Array:
        """At most ``n_sampled`` descriptors, about as many from each drawn image, (m, 128)."""
        drawn = np.sort(random.permutation(len(images))[: -(-self.n_sampled // 10)])
        per_image = -(-self.n_sampled // len(drawn))
        sample = [np.empty((0, LENGTH), np.float32)]
        for start in range(0, len(drawn), self.batch_size):
            descriptors, image, _ = self._compute_descriptors(
                images[drawn[start : start + self.batch_size]]
            )
            for i in np.unique(image):
                of_image = descriptors[image == i]
                sample.append(of_image[random.permutation(len(of_image))[:per_image]])
        candidates = np.concatenate(sample)
        return candidates[np.sort(random.permutation(len(candidates))[: self.n_sampled])]

    def _feature_names(self) -> list[str]:
        per_word = ENCODINGS[self.encoding].per_word
        cells = [
            f"level{level}_{row}_{col}"
            for level in range(self.levels)
            for row, col in np.ndindex(2**level, 2**level)
        ]
        words = (
            [f"word{k}_{j}" for k in range(self.n_words) for j in range(per_word)]
            if per_word > 1
            else self._word_names()
        )
        return [f"{cell}_{word}" for cell in cells for word in words] if self.levels > 1 else words

    def _word_names(self) -> list[str]:
        return [f"word{i}" for i in range(self.n_words)]


def opencv_gray(images: Images) -> Array:
    """Gray values as OpenCV computes them, whole numbers, (n, h, w) float32.

    All images are converted with one call, stacked to one tall image.
    """
    n, height, width, channels = images.shape
    if channels == 1:
        return images[..., 0].astype(np.float32)
    gray = cv2.cvtColor(images.reshape(n * height, width, 3), cv2.COLOR_RGB2GRAY)
    return gray.reshape(n, height, width).astype(np.float32)


def _normalise_signed_roots(sums: Features) -> Features:
    """Signed square roots, scaled to vectors of unit length; vectors of zeros are unchanged.

    Negligible values, which differences of nearly equal numbers leave, become 0: a model that
    standardises features would magnify them.
    """
    roots = np.sign(sums) * np.sqrt(np.abs(sums))
    lengths = np.sqrt(np.abs(sums).sum(axis=-1, keepdims=True))
    roots /= np.maximum(lengths, np.finfo(np.float32).tiny)
    roots[np.abs(roots) < NEGLIGIBLE] = 0
    return roots
