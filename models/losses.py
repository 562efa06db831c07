"""Losses of the networks, all computed from logits.

Those for imbalanced classes depend only on the number of training images of each class.
"""

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
LDAM_MARGIN = 0.5  # margin of the rarest class; Cao et al. 2019
LDAM_SCALE = 30.0  # scale of the cosines; Cao et al. 2019


def make_loss(
    name: str,
    truth: Tensor,
    n_outputs: int,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Loss:
    """Make the function of (logits, targets) that is minimised, a mean over the images of a batch.

    Parameters
    ----------
    name : {"cross_entropy", "focal", "class_balanced", "logit_adjusted", "ldam"}
        Multi-label targets allow "cross_entropy" and "focal" only, with a loss per label. For
        images the name is ignored, and the loss is the mean squared error of pixels in [-1, 1].
    truth : (n,) int64, (n, n_outputs) float32, or (n, h, w, c) uint8
        All training targets: class codes, a matrix of 0 and 1, or images.
    n_outputs : int
        Number of classes or labels.
    weight : (n_outputs,) float32 or None
        Weights of the classes, or of the presence of labels. It is ignored by "class_balanced",
        which computes its own, and by "logit_adjusted".
    label_smoothing : float
        Share of the target that is spread over all classes (Szegedy et al. 2016), in losses that
        are cross-entropies.

    Examples
    --------
    >>> loss = make_loss("cross_entropy", torch.tensor([0, 1, 1]), n_outputs=2)
    >>> round(loss(torch.zeros(1, 2), torch.tensor([0])).item(), 3)
    0.693
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
    """Mean squared error of pixels, (n, c, h, w) float32, from images, (n, h, w, c) uint8.

    The images are scaled to [-1, 1].
    """
    return mse_loss(pixels, images.permute(0, 3, 1, 2).float() / 127.5 - 1)


def class_weights(
    truth: Tensor, n_outputs: int, class_weight: str | NDArray[np.float64] | None
) -> Tensor | None:
    """Weight of each class, or of the presence of each label, on the device of the targets.

    With "balanced" the total weight of every class is the same; for a label, that of its presences
    and that of its absences.
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
    """Inverse effective numbers of images, (1 - beta) / (1 - beta^n), scaled to a mean of 1.

    Cui et al. (2019). A class has at most 1 / (1 - beta) effective images. The authors' value for
    CIFAR, 0.9999 and thus ten thousand images, amounts to inverse frequencies if classes have
    hundreds of images. With 0.999 the weights level off at some hundreds of images, the usual size
    of classes in small datasets.

    Examples
    --------
    >>> effective_weights(torch.tensor([1, 1000])).numpy().round(4)
    array([1.9968, 0.0032], dtype=float32)
    """
    weights = (1 - beta) / (1 - beta ** counts.double())
    return (weights * len(counts) / weights.sum()).float()


def class_balanced_loss(
    logits: Tensor, target: Tensor, weight: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Weighted cross-entropy, divided by the number of images (Cui et al. 2019, equation 12).

    torch's own mean divides by the sum of the weights in the batch, which cancels the weighting if
    a batch consists mostly of one class: for six images of a class of 1,000 and one of a class of
    40 (next to classes of 3 and 1) it gives 2.212 instead of 0.032. Deferred re-weighting (Cao et
    al. 2019) divides as torch does, like the code of its authors.
    """
    return cross_entropy(
        logits, target, weight=weight, label_smoothing=label_smoothing, reduction="none"
    ).mean()


def focal_loss(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, gamma: float = FOCAL_GAMMA
) -> Tensor:
    """Focal loss: cross-entropy times (1 - p)^gamma, where p is the probability of the true class.

    Images that are easy to classify thus have a low weight (Lin et al. 2017). Changed: one softmax
    over all classes replaces their sigmoid per class, and a weighted mean divides by the sum of the
    weights, as in the weighted cross-entropy.
    """
    log_p = log_softmax(logits, dim=1).gather(1, target[:, None])[:, 0]
    terms = (1 - log_p.exp()) ** gamma * -log_p
    return terms.mean() if weight is None else (weight[target] * terms).sum() / weight[target].sum()


def multilabel_focal_loss(
    logits: Tensor, target: Tensor, pos_weight: Tensor | None = None, gamma: float = FOCAL_GAMMA
) -> Tensor:
    """Focal loss with a sigmoid per label (Lin et al. 2017).

    ``pos_weight`` multiplies the loss of present labels.
    """
    log_p = logsigmoid(torch.where(target > 0, logits, -logits))
    terms = (1 - log_p.exp()) ** gamma * -log_p
    if pos_weight is not None:
        terms = torch.where(target > 0, pos_weight * terms, terms)
    return terms.mean()


def logit_adjusted_loss(
    logits: Tensor, target: Tensor, prior: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of logits + tau * log prior (Menon et al. 2021).

    Without the second term, in prediction, the logits are those of equally frequent classes.
    """
    return cross_entropy(logits + LOGIT_TAU * prior.log(), target, label_smoothing=label_smoothing)


def ldam_loss(
    logits: Tensor, target: Tensor, margins: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Cross-entropy with label-distribution-aware margins (Cao et al. 2019).

    The cosine of the true class is reduced by its margin. Logits are cosines times ``LDAM_SCALE``,
    as a ``Cosine`` layer returns them in training.
    """
    return cross_entropy(
        logits - LDAM_SCALE * margins * one_hot(target, len(margins)), target, weight=weight
    )


def ldam_margins(counts: Tensor) -> Tensor:
    """Margins proportional to n^(-1/4), where that of the rarest class is ``LDAM_MARGIN``."""
    margins = counts.float() ** -0.25
    return margins * (LDAM_MARGIN / margins.max())
