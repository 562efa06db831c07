"""Losses of the networks, all on logits; those for imbalanced classes need only the number of training images of each class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    log_softmax,
    logsigmoid,
    mse_loss,
    one_hot,
)

Loss = Callable[[Tensor, Tensor], Tensor]

FOCAL_GAMMA = 2.0  # Lin et al. 2017 found it best
EFFECTIVE_BETA = 0.999  # Cui et al. 2019 tried 0.9 to 0.9999; see effective_weights
LOGIT_TAU = 1.0  # Menon et al. 2021: the value that is consistent for the balanced error
LDAM_MARGIN = 0.5  # of the rarest class; Cao et al. 2019
LDAM_SCALE = 30.0  # of the cosines; Cao et al. 2019


def make_loss(
    name: str,
    truth: Tensor,
    n_outputs: int,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Loss:
    """Loss of (logits, targets), a mean over the images of a batch.

    Parameters
    ----------
    name : {"cross_entropy", "focal", "class_balanced", "logit_adjusted", "ldam"}
    truth : (n,) int64 class codes, (n, n_outputs) float32 of 0 and 1, or (n, h, w, c) uint8 images
        All training targets. For the second there is a loss per label, of the first two names; for
        images it is the mean squared error of pixels in -1..1, whatever the name.
    n_outputs : int
    weight : (n_outputs,) float32 or None
        Of the classes, or of a label's presence; not with "class_balanced", which sets it, nor
        "logit_adjusted".
    label_smoothing : float
        Share of the truth that is spread over all classes (Szegedy et al. 2016); of
        cross-entropies.
    """
    if truth.ndim == 4:
        return reconstruction_loss
    if truth.ndim == 2:
        return partial(
            multilabel_focal_loss if name == "focal" else binary_cross_entropy_with_logits,
            pos_weight=weight,
        )
    counts = truth.bincount(minlength=n_outputs)
    if name == "focal":
        return partial(focal_loss, weight=weight)
    if name == "class_balanced":
        return partial(
            class_balanced_loss, weight=effective_weights(counts), label_smoothing=label_smoothing
        )
    if name == "logit_adjusted":
        return partial(
            logit_adjusted_loss, prior=counts / counts.sum(), label_smoothing=label_smoothing
        )
    if name == "ldam":
        return partial(ldam_loss, margins=ldam_margins(counts), weight=weight)
    return partial(cross_entropy, weight=weight, label_smoothing=label_smoothing)


def reconstruction_loss(pixels: Tensor, images: Tensor) -> Tensor:
    """Mean squared error between (n, c, h, w) float32 and images (n, h, w, c) uint8 brought to -1..1."""
    return mse_loss(pixels, images.permute(0, 3, 1, 2).float() / 127.5 - 1)


def class_weights(
    truth: Tensor, n_outputs: int, class_weight: str | NDArray[np.float64] | None
) -> Tensor | None:
    """Weight of each class, or of each label's presence, on the device of the targets.

    Balanced, every class (or a label's presence and its absence) weighs the same in total.
    """
    if class_weight is None:
        return None
    if not isinstance(class_weight, str):
        return torch.tensor(class_weight, dtype=torch.float32, device=truth.device)
    if truth.ndim == 1:
        return len(truth) / (n_outputs * truth.bincount(minlength=n_outputs).float())
    present = truth.sum(dim=0)
    return (len(truth) - present).clamp(min=1) / present.clamp(min=1)


def effective_weights(counts: Tensor, beta: float = EFFECTIVE_BETA) -> Tensor:
    """Inverse effective numbers of images, (1 - beta) / (1 - beta^n) (Cui et al. 2019), brought to a mean of 1.

    A class can have at most 1 / (1 - beta) effective images. The authors' 0.9999 for CIFAR, ten
    thousand of them, is on classes of hundreds the same as weighting by inverse frequency; 0.999
    begins to level at some hundreds, where small sets have most.
    """
    weights = (1 - beta) / (1 - beta ** counts.double())
    return (weights * len(counts) / weights.sum()).float()


def class_balanced_loss(
    logits: Tensor, target: Tensor, weight: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Weighted cross-entropy, divided by the number of images as Cui et al. 2019 have it (their equation 12).

    torch's own mean divides by the sum of the batch's weights, which takes the weighting back
    wherever a batch holds nearly one class: of six images of a class of 1,000 and one of a class of
    40 (beside classes of 3 and 1) it gives 2.212 in place of 0.032. Deferred re-weighting (Cao et
    al. 2019) divides as torch does, like its authors' code.
    """
    return cross_entropy(
        logits, target, weight=weight, label_smoothing=label_smoothing, reduction="none"
    ).mean()


def focal_loss(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, gamma: float = FOCAL_GAMMA
) -> Tensor:
    """Cross-entropy times (1 - p)^gamma, p the probability of the true class: what is easy already counts little.

    Lin et al. 2017, changed: their sigmoid of each class is one softmax over all, and a weighted
    mean divides by the sum of the weights, as that of the weighted cross-entropy does.
    """
    log_p = log_softmax(logits, dim=1).gather(1, target[:, None])[:, 0]
    terms = (1 - log_p.exp()) ** gamma * -log_p
    return terms.mean() if weight is None else (weight[target] * terms).sum() / weight[target].sum()


def multilabel_focal_loss(
    logits: Tensor, target: Tensor, pos_weight: Tensor | None = None, gamma: float = FOCAL_GAMMA
) -> Tensor:
    """Focal loss as Lin et al. 2017 have it, with a sigmoid per label; ``pos_weight`` multiplies that of present labels."""
    log_p = logsigmoid(torch.where(target > 0, logits, -logits))
    terms = (1 - log_p.exp()) ** gamma * -log_p
    return (
        terms if pos_weight is None else torch.where(target > 0, pos_weight * terms, terms)
    ).mean()


def logit_adjusted_loss(
    logits: Tensor, target: Tensor, prior: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of logits + tau * log prior (Menon et al. 2021); without the sum, the logits are those of equally frequent classes."""
    return cross_entropy(logits + LOGIT_TAU * prior.log(), target, label_smoothing=label_smoothing)


def ldam_loss(
    logits: Tensor, target: Tensor, margins: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Label-distribution-aware margins (Cao et al. 2019): cross-entropy after the true class's cosine is made smaller by its margin.

    Logits are cosines times ``LDAM_SCALE``, as a ``Cosine`` layer gives them in training.
    """
    return cross_entropy(
        logits - LDAM_SCALE * margins * one_hot(target, len(margins)), target, weight=weight
    )


def ldam_margins(counts: Tensor) -> Tensor:
    """Margins in proportion to n^(-1/4), that of the rarest class ``LDAM_MARGIN``."""
    margins = counts.float() ** -0.25
    return margins * (LDAM_MARGIN / margins.max())
