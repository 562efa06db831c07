"""Training sets made smaller, and imbalanced on purpose; the test set is never touched.

Every sample is nested in the larger ones of the same seed: each class is shuffled once, and a
sample takes the first so many of it. The sample at ratio 50 is therefore a subset of the one at
ratio 10, and that of 100 images of the one of 200.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.utils.hashing import derive_seed

Shares = NDArray[np.float64]
EXACT = 1e-9  # added before truncation: 5000 / 50 is 100 images also where it is computed as a little less


def step_imbalance(
    n_classes: int, ratio: float, minority: float = 0.5, rare: tuple[str, ...] | None = None
) -> Shares:
    """Make some classes rare, all by the same ratio (Buda, Maki & Mazurowski 2018: 'step imbalance').

    Parameters
    ----------
    n_classes : int
    ratio : float
        Size of the frequent classes over that of the rare ones (rho).
    minority : float in (0, 1)
        Share of the classes that is rare (mu); at least one is, and at least one is not.
    rare : tuple of str or None
        Which classes are rare; None draws them by the seed.

    Returns
    -------
    shares : (n_classes,) float64
        Size of each class, from the most frequent to the rarest, relative to the most frequent.
    """
    _check_ratio(ratio)
    if not 0 < minority < 1:
        raise UserError(f"step: minority is a share of the classes between 0 and 1, not {minority}")
    n_rare = (
        len(rare)
        if rare is not None
        else int(np.clip(round(minority * n_classes), 1, n_classes - 1))
    )
    return np.repeat([1.0, 1 / ratio], [n_classes - n_rare, n_rare])


def linear_imbalance(n_classes: int, ratio: float, rare: tuple[str, ...] | None = None) -> Shares:
    """Sizes fall by equal steps from the most frequent class to the rarest (Buda, Maki & Mazurowski 2018: 'linear imbalance').

    Parameters
    ----------
    n_classes : int
    ratio : float
        Size of the most frequent class over that of the rarest.
    rare : tuple of str or None
        The rarest classes, the rarest of all last; the others are drawn by the seed.
    """
    _check_ratio(ratio)
    return np.linspace(1, 1 / ratio, n_classes)


def long_tail_imbalance(
    n_classes: int, ratio: float, rare: tuple[str, ...] | None = None
) -> Shares:
    """Sizes fall by equal factors, n_i = n_max * ratio^(-i / (C - 1)), truncated (Cui et al. 2019; Cao et al. 2019).

    CIFAR-10 at ratio 100 has 12,406 training images then, as in the papers.

    Parameters
    ----------
    n_classes : int
    ratio : float
        Size of the most frequent class over that of the rarest.
    rare : tuple of str or None
        The rarest classes, the rarest of all last; the others are drawn by the seed.
    """
    _check_ratio(ratio)
    return ratio ** (-np.arange(n_classes) / (n_classes - 1))


def no_imbalance(n_classes: int) -> None:
    """Leave the classes as they are."""
    return


def sample_training_set(
    train: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    train_size: float,
    shares: Shares | None,
    rare: Sequence[str] | None,
    seed: int,
    truncate: bool = False,
) -> NDArray[np.int64]:
    """Draw a training set from a training set.

    ``train_size`` is drawn first, the imbalance takes its part of that: the most frequent class
    keeps as many images as the smallest class had, so that the ratio holds exactly whatever the
    sizes were. No class loses its last image.

    Parameters
    ----------
    train : (n,) int64
        Indices of the training set.
    labels : (n,) int64
        Their classes.
    classes : tuple of str
    train_size : float
        Share (up to 1) or number (above) of the images; every class keeps one as long as there are
        as many.
    shares : (n_classes,) float64 or None
        What ``step_imbalance``, ``linear_imbalance`` or ``long_tail_imbalance`` gave.
    rare : sequence of str or None
        Names of the rarest classes, the rarest last.
    seed : int
    truncate : bool
        Cut the sizes of ``shares`` to whole images, as the long tails of Cui et al. (2019) and Cao
        et al. (2019) are; otherwise they are rounded.

    Returns
    -------
    (m,) int64
        Sorted.
    """
    rng = _make_generator(seed)
    order = _order_rare_last(classes, rare, rng)
    ranks = _rank_within_classes(labels, len(classes), rng)
    chosen = _select_stratified_subset(train_size, labels, ranks)
    if shares is not None:
        sizes = np.bincount(labels[chosen], minlength=len(classes))
        limits, wanted = np.empty(len(classes)), sizes[sizes > 0].min() * shares
        limits[order] = np.maximum(1, np.floor(wanted + EXACT) if truncate else np.rint(wanted))
        chosen = chosen[ranks[chosen] < limits[labels[chosen]]]
    return np.sort(train[chosen])


def sample_multilabel_set(
    train: NDArray[np.int64], train_size: float, seed: int
) -> NDArray[np.int64]:
    """Draw some of a training set's indices without a look at their classes, for multi-label targets; nested as ``sample_training_set`` is."""
    return np.sort(
        _make_generator(seed).permutation(train)[: _count_training_images(train_size, len(train))]
    )


def _make_generator(seed: int) -> np.random.Generator:
    """Chance of its own, the same for every fold and ratio, so that the classes that are rare are too."""
    return np.random.default_rng(derive_seed(f"{seed}/sample", 60))


def _count_training_images(train_size: float, n: int) -> int:
    return int(train_size) if train_size > 1 else max(1, round(train_size * n))


def _order_rare_last(
    classes: tuple[str, ...], rare: Sequence[str] | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Numbers of the classes, from the most frequent to be to the rarest to be."""
    named = np.array(
        [classes.index(name) for name in rare or () if name in classes], dtype=np.int64
    )
    drawn = rng.permutation(len(classes))
    return np.concatenate([drawn[~np.isin(drawn, named)], named])


def _rank_within_classes(
    labels: NDArray[np.int64], n_classes: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Place of each image in the shuffled order of its class."""
    ranks = np.empty(len(labels), dtype=np.int64)
    for k in range(n_classes):
        members = np.flatnonzero(labels == k)
        ranks[members] = rng.permutation(len(members))
    return ranks


def _select_stratified_subset(
    train_size: float, labels: NDArray[np.int64], ranks: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Positions of the first images in the one order that takes every class in step with its size."""
    sizes = np.bincount(labels)
    return np.lexsort((labels, ranks / sizes[labels]))[
        : _count_training_images(train_size, len(labels))
    ]


def refusal_reason(
    n: int,
    train_size: float,
    imbalanced: bool,
    rare: Sequence[str] | None,
    classes: tuple[str, ...],
    multilabel: bool,
) -> str | None:
    """Why a training set of n images cannot be made so, or None."""
    if train_size > max(1, n):
        return f"train_size={train_size:g} is more than the {n} images of the training set"
    if imbalanced and multilabel:
        return "a multi-label set cannot be made imbalanced: an image belongs to several classes"
    unknown = [name for name in rare or () if name not in classes]
    if unknown:
        return f"no class '{unknown[0]}' to be rare; classes are {', '.join(classes)}"
    if rare and len(rare) >= len(classes):
        return "every class is to be rare; leave out one"
    if rare is not None and not rare:
        return "rare lists no class; leave it out to have the seed draw them"
    return "a class is listed as rare twice" if rare and len(set(rare)) < len(rare) else None


def _check_ratio(ratio: float) -> None:
    if not 1 <= ratio < float("inf"):
        raise UserError(
            "ratio is the size of the largest class over that of the smallest, 1 or more, not "
            f"{ratio}"
        )


REGISTRY = MappingProxyType(
    {
        "none": "benchmark.sampling.imbalance:no_imbalance",
        "step": "benchmark.sampling.imbalance:step_imbalance",
        "linear": "benchmark.sampling.imbalance:linear_imbalance",
        "long_tail": "benchmark.sampling.imbalance:long_tail_imbalance",
    }
)
