"""Layers of the convolutional autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.network import Body, Network, Pixels

WIDTHS = (32, 64, 128)
SIDE = 4  # side in pixels of the feature maps between the convolutions and the code


class AutoencoderNetwork(Network):
    """Network that maps images (n, h, w, c) uint8 to codes and to pixels (n, c, h, w) in [-1, 1].

    Parameters
    ----------
    image_shape : (h, w, c)
    n_components : int
        Length of a code.
    """

    def __init__(self, image_shape: tuple[int, int, int], n_components: int) -> None:
        height, width, channels = image_shape
        super().__init__(
            Body(_make_encoder(channels, n_components), n_components, Pixels()), n_outputs=1
        )
        self.last = _Decoder((height, width), channels, n_components)  # type: ignore[assignment]
        self.to(memory_format=torch.channels_last)


def _make_encoder(channels: int, n_components: int) -> nn.Sequential:
    pairs = zip((channels, *WIDTHS), WIDTHS, strict=False)
    layers = [
        layer
        for n_in, n_out in pairs
        for layer in (
            nn.Conv2d(n_in, n_out, 3, stride=2, padding=1),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
        )
    ]
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(SIDE),
        nn.Flatten(),
        nn.Linear(WIDTHS[-1] * SIDE * SIDE, n_components),
    )


class _Decoder(nn.Module):
    """Map codes to pixels by steps of enlargement, each followed by a convolution."""

    def __init__(self, size: tuple[int, int], channels: int, n_components: int) -> None:
        super().__init__()
        self.sizes = [tuple(-(-side // step) for side in size) for step in (4, 2, 1)]
        self.first = nn.Linear(n_components, WIDTHS[-1] * SIDE * SIDE)
        pairs = zip(WIDTHS[::-1], (*WIDTHS[-2::-1], channels), strict=True)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n_in, n_out, 3, padding=1) for n_in, n_out in pairs
        )

    def forward(self, codes: Tensor) -> Tensor:
        planes = self.first(codes).unflatten(1, (WIDTHS[-1], SIDE, SIDE))
        for size, convolution in zip(self.sizes, self.convolutions, strict=True):
            planes = convolution(interpolate(planes.relu(), size))
        return planes.tanh()
