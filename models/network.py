"""The network of `SimpleCNN`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

CERTAINTY = 0.999  # most that a network with a last layer of cosines can be, when classes are evenly spread


class Pixels(nn.Module):
    """Stored pixels, (n, h, w, c) uint8, to what a convolution takes: (n, c, h, w) float32 in -1..1.

    Mean 0.5 and standard deviation 0.5 of pixels in 0..1, computed where the tensor lies. The view keeps the channels last
    in memory, which convolutions on the CPU are quicker with.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Normalise a batch."""
        return images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


class Cosine(nn.Linear):
    """Cosines between features and the weights of each class as logits, times a scale (Wang et al. 2018; Cao et al. 2019).

    Changed: in evaluation the scale is another. That of training leaves a softmax far too sure (0.98 on average where 0.83 of
    the answers are right), as the margins that belong to it are in the loss only. Here it is the least that gives images in
    the very direction of their class the probability ``CERTAINTY``, with classes evenly spread (Wang et al. 2018, their bound
    on s). The order of the classes is the same.

    Parameters
    ----------
    in_features, out_features : int
        At least two of the latter.
    scale : float
        In training.
    """

    def __init__(self, in_features: int, out_features: int, scale: float) -> None:
        super().__init__(in_features, out_features, bias=False)
        self.scale = scale
        self.scale_in_evaluation = (1 - 1 / out_features) * math.log((out_features - 1) * CERTAINTY / (1 - CERTAINTY))

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (n, out_features)."""
        return (self.scale if self.training else self.scale_in_evaluation) * linear(normalize(features), normalize(self.weight))


def build_network(image_shape: tuple[int, int, int], n_outputs: int, cosine_scale: float | None = None) -> nn.Sequential:
    """Two convolutional blocks and two dense layers; the outputs are logits.

    Parameters
    ----------
    image_shape : (h, w, c)
        At least 4 x 4 pixels; the first dense layer takes its size from it.
    n_outputs : int
        Classes, or labels of a multi-label task.
    cosine_scale : float or None
        In training, of a last layer of cosines; None: it is linear.

    Returns
    -------
    Sequential
        Takes (n, h, w, c) uint8, gives (n, n_outputs) float32.
    """
    height, width, channels = image_shape
    return nn.Sequential(
        Pixels(),
        *_block(channels, 32),
        *_block(32, 64),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64 * (height // 4) * (width // 4), 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, n_outputs) if cosine_scale is None else Cosine(128, n_outputs, cosine_scale),
    ).to(memory_format=torch.channels_last)


def _block(n_in: int, n_out: int) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(n_out)]
