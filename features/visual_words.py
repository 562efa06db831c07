"""Encodings of the descriptors of an image as one vector, by a vocabulary learned from a sample."""

from __future__ import annotations

import warnings

import numpy as np
from numba import types
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from features.compiled import compile_kernel, readonly_array_type, writable_array_type

Array = NDArray[np.float32]

SOFT = 5  # words that a descriptor is distributed among, with soft and Fisher encoding
SMALLEST_SHARE = 1e-4  # of a descriptor in a Gaussian of a Fisher vector
CHUNK = 8192  # number of descriptors that are compared with all words at once


class Hard:
    """Hard assignment: each descriptor is counted for its nearest word (Csurka et al. 2004).

    Parameters
    ----------
    sample : (m, d) float32
        Descriptors of training images, whole numbers.
    n_words : int
        Size of the vocabulary.
    random : RandomState
        Draws the initial words.

    See Also
    --------
    Soft, VLAD, Fisher : The other encodings.

    Examples
    --------
    >>> import numpy as np
    >>> sample = np.array([[0, 0], [9, 9]], np.float32)
    >>> vocabulary = Hard(sample, 2, np.random.RandomState(0))
    >>> vocabulary.encode_cells(sample[[0, 1, 1]], np.array([0, 0, 1]), n_cells=2)
    array([[1., 1.],
           [0., 1.]], dtype=float32)
    """

    per_word = 1  # length of the vector of a cell per word

    def __init__(self, sample: Array, n_words: int, random: np.random.RandomState) -> None:
        self.n_words = n_words
        self.words = k_means(sample, n_words, random)

    def encode_cells(self, descriptors: Array, cell: NDArray[np.intp], n_cells: int) -> Array:
        """Sum the encoded descriptors of each cell, (n_cells, n_words * per_word).

        The vector of a union of cells is the sum of their vectors.

        Parameters
        ----------
        descriptors : (m, d) float32
        cell : (m,) intp
            Index of the cell of each descriptor.
        n_cells : int
        """
        out = np.zeros((n_cells, self.n_words * self.per_word), np.float32)
        sums = out.reshape(n_cells, self.n_words, -1)
        for start in range(0, len(descriptors) if len(self.words) else 0, CHUNK):
            chunk = slice(start, start + CHUNK)
            self._add_descriptors(descriptors[chunk], cell[chunk], sums)
        return out

    def _add_descriptors(self, descriptors: Array, cell: NDArray[np.intp], out: Array) -> None:
        word, _ = self._nearest_words(descriptors, 1)
        _add_shares(cell, word, np.ones(word.shape, np.float32), out[..., 0])

    def _nearest_words(self, descriptors: Array, n: int) -> tuple[NDArray[np.intp], Array]:
        """Nearest words, (m, n), and their squared distances less the squared descriptor lengths.

        With n = 1 the first of several equally near words is chosen.
        """
        scores = descriptors @ self.words.T - np.square(self.words).sum(axis=1) / 2
        word, best = _largest_scores(scores, n)
        return word, -2 * best


class Soft(Hard):
    """Soft assignment: each descriptor is distributed among its five nearest words.

    The shares are a Gaussian of the distance (van Gemert et al. 2010), whose width is the root mean
    square distance of the sample from the nearest word.
    """

    def __init__(self, sample: Array, n_words: int, random: np.random.RandomState) -> None:
        super().__init__(sample, n_words, random)
        if len(self.words):
            squares = self._nearest_words(sample, 1)[1][:, 0] + np.square(sample).sum(axis=1)
            self.width = max(float(squares.mean()), 1.0)

    def _add_descriptors(self, descriptors: Array, cell: NDArray[np.intp], out: Array) -> None:
        word, squares = self._nearest_words(descriptors, min(SOFT, len(self.words)))
        _add_shares(cell, word, _softmax_rows(-squares / np.float32(2 * self.width)), out[..., 0])


class VLAD(Hard):
    """Sums of the differences between descriptors and their nearest words (Jegou et al. 2010)."""

    per_word = 128

    def _add_descriptors(self, descriptors: Array, cell: NDArray[np.intp], out: Array) -> None:
        word, _ = self._nearest_words(descriptors, 1)
        _add_differences(cell, word, descriptors, self.words, out)


class Fisher(Hard):
    """Fisher vectors (Perronnin, Sanchez & Mensink 2010).

    They are gradients with respect to the means and variances of a Gaussian mixture. Changed: a
    descriptor contributes to its five most probable Gaussians only, with a probability of at least
    1e-4 (Sanchez et al. 2013): smaller ones would give features that hardly vary, which a model
    that standardises them would magnify. The gradients with respect to the weights are left out, as
    is usual.
    """

    per_word = 256

    def __init__(self, sample: Array, n_words: int, random: np.random.RandomState) -> None:
        self.n_words = n_words
        distinct = np.unique(sample, axis=0)
        k = min(n_words, len(distinct))
        self.words = distinct[:k]
        if k == 0:
            return
        # scikit-learn's mixture needs at least two samples
        sample = np.repeat(sample, 2, axis=0) if len(sample) == 1 else sample
        mixture = GaussianMixture(
            k,
            covariance_type="diag",
            max_iter=30,
            reg_covar=1.0,
            init_params="random_from_data",
            random_state=random,
        )
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 30 iterations are sufficient
            mixture.fit(sample)
        self.words = mixture.means_.astype(np.float32)
        self.deviations = np.sqrt(mixture.covariances_).astype(np.float32)
        self.weights = mixture.weights_.astype(np.float32)

    def _add_descriptors(self, descriptors: Array, cell: NDArray[np.intp], out: Array) -> None:
        precision = 1 / np.square(self.deviations)
        constant = (
            np.log(self.weights)
            - np.log(self.deviations).sum(axis=1)
            - (np.square(self.words) * precision).sum(axis=1) / 2
        )
        logs = (
            descriptors @ (self.words * precision).T
            - np.square(descriptors) @ (precision / 2).T
            + constant
        )
        word, best = _largest_scores(logs, min(SOFT, len(self.words)))
        shares = _softmax_rows(best)
        shares[shares < SMALLEST_SHARE] = 0
        _add_gradients(
            cell,
            word,
            shares,
            descriptors,
            self.words,
            self.deviations,
            self.weights,
            out,
        )


ENCODINGS: dict[str, type[Hard]] = {"hard": Hard, "soft": Soft, "vlad": VLAD, "fisher": Fisher}


def k_means(sample: Array, n_words: int, random: np.random.RandomState) -> Array:
    """Cluster centres, rounded to whole numbers, (n, d) with n <= n_words.

    If there are at most ``n_words`` distinct descriptors, they are the centres. The initial centres
    are descriptors drawn at random, because k-means++ takes several times as long as the clustering
    for almost no gain. With whole numbers every sum in a distance is exact in float32, so that the
    nearest word of a descriptor depends neither on its batch nor on the linear algebra library. One
    thread is used, because the rounding of sums depends on the number of threads.
    """
    distinct = np.unique(sample, axis=0)
    if len(distinct) <= n_words:
        return distinct
    first = distinct[random.choice(len(distinct), n_words, replace=False)]
    clusters = MiniBatchKMeans(n_words, init=first, n_init=1, max_iter=10, random_state=random)
    with threadpool_limits(1):
        return np.rint(clusters.fit(sample).cluster_centers_).astype(np.float32)


def _largest_scores(scores: Array, n: int) -> tuple[NDArray[np.intp], Array]:
    """Columns of the n largest scores of each row, (m, n), and these scores."""
    if n == 1:
        word = scores.argmax(axis=1)[:, None]
        return word, np.take_along_axis(scores, word, axis=1)
    word = np.ascontiguousarray(np.argpartition(scores, -n, axis=1)[:, -n:])
    return word, np.take_along_axis(scores, word, axis=1)


def _softmax_rows(logs: Array) -> Array:
    """Softmax of each row."""
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


# cell of each descriptor, and its words
_WHERE = (readonly_array_type(types.intp, 1), readonly_array_type(types.intp, 2))


@compile_kernel(*_WHERE, readonly_array_type(types.float32, 2), types.Array(types.float32, 2, "A"))
def _add_shares(cell, word, share, out):  # type: ignore[no-untyped-def]
    for i in range(len(cell)):
        for k in range(word.shape[1]):
            out[cell[i], word[i, k]] += share[i, k]


@compile_kernel(
    *_WHERE,
    readonly_array_type(types.float32, 2),
    readonly_array_type(types.float32, 2),
    writable_array_type(types.float32, 3),
)
def _add_differences(cell, word, descriptors, words, out):  # type: ignore[no-untyped-def]
    for i in range(len(cell)):
        target, source, centre = out[cell[i], word[i, 0]], descriptors[i], words[word[i, 0]]
        for d in range(len(source)):
            target[d] += source[d] - centre[d]


@compile_kernel(
    *_WHERE,
    *(readonly_array_type(types.float32, 2),) * 4,
    readonly_array_type(types.float32, 1),
    writable_array_type(types.float32, 3),
)
def _add_gradients(  # type: ignore[no-untyped-def]
    cell, word, share, descriptors, means, deviations, weights, out
):
    n = descriptors.shape[1]
    for i in range(len(cell)):
        for k in range(word.shape[1]):
            w, source = word[i, k], descriptors[i]
            target, mean, deviation = out[cell[i], w], means[w], deviations[w]
            to_mean = share[i, k] / np.sqrt(weights[w])
            to_variance = to_mean / np.sqrt(np.float32(2))
            for d in range(n):
                z = (source[d] - mean[d]) / deviation[d]
                target[d] += to_mean * z
                target[n + d] += to_variance * (z * z - 1)
