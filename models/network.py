"""What every network here is made of: pixels made numbers, a body that ends in features, and a last layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, linear, normalize

CERTAINTY = (
    0.999  # most that a network with a last layer of cosines can be, when classes are evenly spread
)


class Pixels(nn.Module):
    """Stored pixels, (n, h, w, c) uint8, to what a convolution takes: (n, c, h, w) float32, normalised where the tensor lies.

    The view keeps the channels last in memory, which convolutions are quicker with.

    Parameters
    ----------
    mean, std : tuple of float
        Of pixels in 0..1; one for all channels, or one each.
    least : int
        Images whose shorter side is less are enlarged to it (bilinear).
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
    """Cosines between features and the weights of each class as logits, times a scale (Wang et al. 2018; Cao et al. 2019).

    Changed: in evaluation the scale is another. That of training leaves a softmax far too sure
    (0.98 on average where 0.83 of the answers are right), as the margins that belong to it are in
    the loss only. Here it is the least that gives images in the very direction of their class the
    probability ``CERTAINTY``, with classes evenly spread (Wang et al. 2018, their bound on s). The
    order of the classes is the same.

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
    """All of a network between the pixels and its last layer.

    Parameters
    ----------
    layers : Module
        (n, c, h, w) float32 to (n, width) float32.
    width : int
    pixels : Pixels
    """

    layers: nn.Module
    width: int
    pixels: Pixels


class Network(nn.Module):
    """A body and its last layer: (n, h, w, c) uint8 to logits (n, n_outputs) float32.

    Parameters
    ----------
    body : Body
    n_outputs : int
        Classes, or labels of a multi-label task.
    cosine_scale : float or None
        In training, of a last layer of cosines; None: it is linear.
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
        """Logits."""
        return self.last(self.embed_images(images))

    def embed_images(self, images: Tensor) -> Tensor:
        """What the last layer is given, (n, width)."""
        return self.body(self.pixels(images))
