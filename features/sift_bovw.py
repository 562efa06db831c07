"""A bag of visual words: how often each word of a learned vocabulary of SIFT descriptors occurs in an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from features.base import Extractor, Features, Images, to_gray
from features.dense_sift import LENGTH, dense_sift, detected_sift

Descriptors = NDArray[np.float32]


class SIFTBoVW(Extractor):
    """Histogram of visual words: SIFT descriptors, each counted for the nearest word of a k-means vocabulary.

    Parameters
    ----------
    n_words : int, default=200
        Size of the vocabulary and length of the histogram. With fewer distinct descriptors than words in the training
        images, each is a word and the rest of the histogram stays zero.
    keypoints : {"dense", "detected"}, default="dense"
        Describe windows on a regular grid, or where SIFT finds keypoints. Small and flat images often have no keypoints;
        their histogram is zero.
    step : int, default=4
        Distance between the windows of the grid, pixels.
    size : int, default=16
        Side of a window of the grid, pixels; images smaller than two windows are enlarged.
    n_sampled : int, default=20_000
        How many descriptors of the training images the vocabulary is learned from. They come from at most one image for
        every ten of them, drawn first, so that memory is bounded by this number and not by the training set.
    random_state : int, RandomState or None, default=None
        Draws the images, the descriptors and the first words.

    Attributes
    ----------
    words_ : (n, 128) float32, n <= n_words
        The vocabulary, in whole numbers.

    Notes
    -----
    Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004; Csurka et al., "Visual categorization
    with bags of keypoints", 2004. Changed: k-means is in mini-batches and starts from descriptors drawn at random
    (k-means++ takes several times as long as the clustering and gains next to nothing); the histogram is divided by its
    sum and its square root is taken, so that the dot product of two is their Hellinger affinity.

    Descriptors and words are whole numbers, so that every sum in a distance is exact in float32: the nearest word of a
    descriptor depends neither on its batch nor on the linear algebra library.
    """

    stateless = False
    batch_size = 32

    def __init__(
        self,
        n_words: int = 200,
        keypoints: str = "dense",
        step: int = 4,
        size: int = 16,
        n_sampled: int = 20_000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_words = n_words
        self.keypoints = keypoints
        self.step = step
        self.size = size
        self.n_sampled = n_sampled
        self.random_state = random_state

    @property
    def min_size(self) -> int:  # type: ignore[override]
        """Two windows of the grid side by side, pixels."""
        return 2 * self.size

    def learn(self, images: Images) -> None:
        """Cluster a sample of the descriptors of the images."""
        random = check_random_state(self.random_state)
        sample = self._sample(images, random)
        distinct = np.unique(sample, axis=0)
        self.words_ = distinct
        if len(distinct) > self.n_words:
            first = distinct[random.choice(len(distinct), self.n_words, replace=False)]
            self.words_ = np.rint(_k_means(sample, first, random))

    def extract(self, batch: Images) -> Features:
        """Square roots of the shares of the words, (b, n_words)."""
        if not len(self.words_):
            return np.zeros((len(batch), self.n_words), np.float32)
        descriptors = self._describe(batch)
        image = np.repeat(np.arange(len(batch)), [len(d) for d in descriptors])
        word = _nearest(np.concatenate(descriptors), self.words_)
        counts = np.bincount(image * self.n_words + word, minlength=len(batch) * self.n_words).reshape(len(batch), -1)
        return np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)

    def _describe(self, batch: Images) -> list[Descriptors]:
        """Descriptors of each image, (k, 128); with detected keypoints k differs between images and may be 0."""
        gray = np.rint(to_gray(batch))
        descriptors = dense_sift(gray, self.size, self.step) if self.keypoints == "dense" else detected_sift(gray)
        return [d.astype(np.float32) for d in descriptors]

    def _sample(self, images: Images, random: np.random.RandomState) -> Descriptors:
        """At most ``n_sampled`` descriptors, about as many of each image that is drawn, (m, 128)."""
        drawn = random.permutation(len(images))[: -(-self.n_sampled // 10)]
        per_image = -(-self.n_sampled // len(drawn))
        sample = [np.empty((0, LENGTH), np.float32)]
        for start in range(0, len(drawn), self.batch_size):
            for descriptors in self._describe(images[drawn[start : start + self.batch_size]]):
                sample.append(descriptors[random.permutation(len(descriptors))[:per_image]])
        return np.concatenate(sample)[: self.n_sampled]

    def check_parameters(self) -> None:
        """Refuse values that are not allowed."""
        for name, least in (("n_words", 1), ("step", 1), ("size", 4), ("n_sampled", 1)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name}={value!r}: must be an integer of at least {least}")
        if self.keypoints not in ("dense", "detected"):
            raise ValueError(f"keypoints={self.keypoints!r}: must be 'dense' or 'detected'")

    def _feature_names(self) -> list[str]:
        return [f"word{i}" for i in range(self.n_words)]


def _k_means(sample: Descriptors, first: Descriptors, random: np.random.RandomState) -> Descriptors:
    """Centres of the clusters; on one thread, because the sum that k-means stops by depends on the number of threads."""
    clusters = MiniBatchKMeans(len(first), init=first, n_init=1, max_iter=10, random_state=random)
    with threadpool_limits(1):
        return clusters.fit(sample).cluster_centers_


def _nearest(descriptors: Descriptors, words: Descriptors) -> NDArray[np.intp]:
    """Index of the nearest word of each descriptor; the first of equals."""
    return (descriptors @ words.T - np.square(words).sum(axis=1) / 2).argmax(axis=1)
