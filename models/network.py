"""Building blocks of all networks: normalised pixels, a body, and a last layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, linear, normalize

# Largest probability from a last layer of cosines when the classes are evenly spread.
CERTAINTY = 0.999


class Pixels(nn.Module):
    """Normalise images, (n, h, w, c) uint8, to the input of a convolution, (n, c, h, w) float32.

    The result keeps the channels last in memory, which makes convolutions faster.

    Parameters
    ----------
    mean, std : tuple of float
        Mean and standard deviation of pixels in [0, 1], for all channels or one per channel.
    least : int
        Images whose shorter side is smaller are enlarged to it (bilinear), pixels.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, mean: tuple[float, ...] = (0.5,), std: tuple[float, ...] = (0.5,), least: int = 1
    ) -> None:
        super().__init__()
        self.least = least
        self.register_buffer(
            "shift",
            -torch.tensor(mean)[:, None, None] / torch.tensor(std)[:, None, None],
            persistent=False,
        )
        self.register_buffer(
            "scale", 1 / (255 * torch.tensor(std)[:, None, None]), persistent=False
        )

    def forward(self, images: Tensor) -> Tensor:
        """Normalise a batch; gray images become as many equal channels as there are means."""
        planes = images.permute(0, 3, 1, 2).float() * self.scale + self.shift
        height, width = images.shape[1:3]
        if min(height, width) >= self.least:
            return planes
        larger = self.least / min(height, width)
        return interpolate(planes, (round(height * larger), round(width * larger)), mode="bilinear")


class Cosine(nn.Linear):
    """Layer whose logits are scaled cosines between features and the weights of each class.

    Wang et al. (2018), Cao et al. (2019). Changed: the scale in evaluation differs from that in
    training. With the scale of training, whose margins are in the loss only, the softmax is far too
    confident (0.98 on average with an accuracy of 0.83). The scale in evaluation is the smallest
    with which an image in the direction of its class gets the probability ``CERTAINTY`` if the
    classes are evenly spread (the bound on s of Wang et al. 2018). The order of the classes is the
    same.

    Parameters
    ----------
    in_features, out_features : int
        Number of features and of classes; at least two classes.
    scale : float
        Scale in training.
    """

    def __init__(self, in_features: int, out_features: int, scale: float) -> None:
        super().__init__(in_features, out_features, bias=False)
        self.scale = scale
        self.scale_in_evaluation = (1 - 1 / out_features) * math.log(
            (out_features - 1) * CERTAINTY / (1 - CERTAINTY)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Logits, (n, out_features)."""
        return (self.scale if self.training else self.scale_in_evaluation) * linear(
            normalize(features), normalize(self.weight)
        )


@dataclass(frozen=True)
class Body:
    """All of a network but its last layer.

    Parameters
    ----------
    layers : Module
        Maps (n, c, h, w) float32 to (n, width) float32.
    width : int
        Number of features.
    pixels : Pixels
        Normalisation of the images.
    """

    layers: nn.Module
    width: int
    pixels: Pixels


class Network(nn.Module):
    """A body and a last layer: images (n, h, w, c) uint8 to logits (n, n_outputs) float32.

    Parameters
    ----------
    body : Body
    n_outputs : int
        Number of classes, or of labels of a multi-label task.
    cosine_scale : float or None
        Scale in training of a last layer of cosines; None means a linear last layer.
    """

    def __init__(self, body: Body, n_outputs: int, cosine_scale: float | None = None) -> None:
        super().__init__()
        self.pixels = body.pixels
        self.body = body.layers
        self.last = (
            nn.Linear(body.width, n_outputs)
            if cosine_scale is None
            else Cosine(body.width, n_outputs, cosine_scale)
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, (n, n_outputs)."""
        return self.last(self.embed_images(images))

    def embed_images(self, images: Tensor) -> Tensor:
        """Input of the last layer, (n, width)."""
        return self.body(self.pixels(images))
