"""Smaller and artificially imbalanced training sets; the test set is never changed.

Samples of one seed are nested: each class is shuffled once, and a sample takes the first images of
that order. The sample at ratio 50 is therefore contained in the one at ratio 10, and the sample of
100 images in the one of 200.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.utils.hashing import derive_seed

Shares = NDArray[np.float64]
EXACT = 1e-9  # added before truncation, against rounding: 5000 / 50 must give 100 images, not 99


def step_imbalance(
    n_classes: int, ratio: float, minority: float = 0.5, rare: tuple[str, ...] | None = None
) -> Shares:
    """Step imbalance: some classes are rare, all by the same ratio (Buda et al. 2018).

    Parameters
    ----------
    n_classes : int
    ratio : float
        Size of the frequent classes divided by that of the rare ones (rho).
    minority : float in (0, 1), default=0.5
        Share of the classes that are rare (mu); at least one is rare, and at least one is not.
    rare : tuple of str or None
        Names of the rare classes; None draws them with the seed.

    Returns
    -------
    shares : (n_classes,) float64
        Size of each class relative to the most frequent one, in descending order.

    See Also
    --------
    linear_imbalance : Sizes that fall by equal steps.
    long_tail_imbalance : Sizes that fall by equal factors.

    Notes
    -----
    Buda, M., Maki, A. & Mazurowski, M. A. (2018), "A systematic study of the class imbalance
    problem in convolutional neural networks", Neural Networks 106, 249-259.

    Examples
    --------
    >>> step_imbalance(4, ratio=10).tolist()
    [1.0, 1.0, 0.1, 0.1]
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
    """Linear imbalance: sizes fall by equal steps (Buda, Maki & Mazurowski 2018).

    Parameters
    ----------
    n_classes : int
    ratio : float
        Size of the most frequent class divided by that of the rarest.
    rare : tuple of str or None
        Names of the rarest classes, the rarest last; the seed orders the others.

    Returns
    -------
    shares : (n_classes,) float64
        Size of each class relative to the most frequent one, in descending order.

    See Also
    --------
    step_imbalance, long_tail_imbalance

    Examples
    --------
    >>> linear_imbalance(3, ratio=2).tolist()
    [1.0, 0.75, 0.5]
    """
    _check_ratio(ratio)
    return np.linspace(1, 1 / ratio, n_classes)


def long_tail_imbalance(
    n_classes: int, ratio: float, rare: tuple[str, ...] | None = None
) -> Shares:
    """Long tail: sizes fall by equal factors (Cui et al. 2019; Cao et al. 2019).

    The size of class i of C is n_max * ratio^(-i / (C - 1)), truncated to whole images. As in the
    papers, CIFAR-10 at ratio 100 has 12,406 training images.

    Parameters
    ----------
    n_classes : int
    ratio : float
        Size of the most frequent class divided by that of the rarest.
    rare : tuple of str or None
        Names of the rarest classes, the rarest last; the seed orders the others.

    Returns
    -------
    shares : (n_classes,) float64
        Size of each class relative to the most frequent one, in descending order.

    See Also
    --------
    step_imbalance, linear_imbalance

    Examples
    --------
    >>> long_tail_imbalance(3, ratio=100).round(3).tolist()
    [1.0, 0.1, 0.01]
    """
    _check_ratio(ratio)
    return ratio ** (-np.arange(n_classes) / (n_classes - 1))


def no_imbalance(n_classes: int) -> None:
    """Leave the class sizes as they are."""
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
    """Draw a smaller or imbalanced training set from a training set.

    The stratified sample of ``train_size`` is drawn first, then the imbalance is applied to it. The
    most frequent class keeps as many images as the smallest class had, so that the ratio is exact
    whatever the sizes were. Every class keeps at least one image.

    Parameters
    ----------
    train : (n,) int64
        Indices of the training set.
    labels : (n,) int64
        Their classes.
    classes : tuple of str
    train_size : float
        Share (up to 1) or number (above 1) of the images. Every class keeps an image as long as
        there are as many images as classes.
    shares : (n_classes,) float64 or None
        Result of ``step_imbalance``, ``linear_imbalance`` or ``long_tail_imbalance``.
    rare : sequence of str or None
        Names of the rarest classes, the rarest last.
    seed : int
    truncate : bool
        Truncate the class sizes to whole images, as Cui et al. (2019) and Cao et al. (2019) do,
        instead of rounding them.

    Returns
    -------
    sample : (m,) int64
        Indices, sorted.
    """
    rng = _make_generator(seed)
    order = _order_rare_last(classes, rare, rng)
    ranks = _rank_within_classes(labels, len(classes), rng)
    chosen = _select_stratified_sample(train_size, labels, ranks)
    if shares is not None:
        sizes = np.bincount(labels[chosen], minlength=len(classes))
        limits, wanted = np.empty(len(classes)), sizes[sizes > 0].min() * shares
        limits[order] = np.maximum(1, np.floor(wanted + EXACT) if truncate else np.rint(wanted))
        chosen = chosen[ranks[chosen] < limits[labels[chosen]]]
    return np.sort(train[chosen])


def sample_multilabel_set(
    train: NDArray[np.int64], train_size: float, seed: int
) -> NDArray[np.int64]:
    """Draw a smaller training set whatever the labels, for multi-label targets.

    Samples of one seed are nested, as those of ``sample_training_set`` are.
    """
    n = _count_training_images(train_size, len(train))
    return np.sort(_make_generator(seed).permutation(train)[:n])


def _make_generator(seed: int) -> np.random.Generator:
    """Make a generator that is the same for every fold and ratio, so that the rare classes are."""
    return np.random.default_rng(derive_seed(f"{seed}/sample", 60))


def _count_training_images(train_size: float, n: int) -> int:
    return int(train_size) if train_size > 1 else max(1, round(train_size * n))


def _order_rare_last(
    classes: tuple[str, ...], rare: Sequence[str] | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the class indices in the order of the sizes to be, the rarest last."""
    named = np.array(
        [classes.index(name) for name in rare or () if name in classes], dtype=np.int64
    )
    drawn = rng.permutation(len(classes))
    return np.concatenate([drawn[~np.isin(drawn, named)], named])


def _rank_within_classes(
    labels: NDArray[np.int64], n_classes: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the rank of each image in the shuffled order of its class."""
    ranks = np.empty(len(labels), dtype=np.int64)
    for k in range(n_classes):
        members = np.flatnonzero(labels == k)
        ranks[members] = rng.permutation(len(members))
    return ranks


def _select_stratified_sample(
    train_size: float, labels: NDArray[np.int64], ranks: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the positions of a stratified sample; a smaller sample is the start of a larger."""
    sizes = np.bincount(labels)
    n = _count_training_images(train_size, len(labels))
    return np.lexsort((labels, ranks / sizes[labels]))[:n]


def refusal_reason(
    n: int,
    train_size: float,
    imbalanced: bool,
    rare: Sequence[str] | None,
    classes: tuple[str, ...],
    multilabel: bool,
) -> str | None:
    """Return the reason why a training set of n images cannot be sampled so, or None."""
    if train_size > max(1, n):
        return f"train_size={train_size:g} is more than the {n} images of the training set"
    if imbalanced and multilabel:
        return "a multi-label set cannot be made imbalanced: an image belongs to several classes"
    unknown = [name for name in rare or () if name not in classes]
    if unknown:
        return f"rare lists '{unknown[0]}', which is no class; classes are {', '.join(classes)}"
    if rare and len(rare) >= len(classes):
        return "rare lists every class; leave out at least one"
    if rare is not None and not rare:
        return "rare lists no class; leave out rare to draw them with the seed"
    return "rare lists a class twice" if rare and len(set(rare)) < len(rare) else None


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
