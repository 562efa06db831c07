"""Layers of `FastResNet`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import conv2d

from models.network import Body, Pixels

PATCH = 2  # side of a patch in pixels
LEAST_SIDE = 16  # pixels; three poolings by two would reduce smaller images to almost nothing
N_PATCHES = 100_000  # enough for the principal components of 12 values
LEAST = 1e-2  # added to the variances of the directions, for patches of pixels in [-1, 1]


class Stage(nn.Module):
    """A pooled convolution and a residual block of another one, each with batch norm and GELU."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(n_out),
            nn.GELU("tanh"),
        )
        self.second = nn.Sequential(
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.GELU("tanh"),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(n, n_in, h, w) to (n, n_out, h / 2, w / 2)."""
        pooled = self.first(images)
        return pooled + self.second(pooled)


class Whitening(nn.Module):
    """A convolution with fixed filters, (n_out, n_in, h, w)."""

    filters: Tensor

    def __init__(self, filters: Tensor) -> None:
        super().__init__()
        self.register_buffer("filters", filters)

    def forward(self, images: Tensor) -> Tensor:
        """(n, n_in, h, w) to (n, n_out, h - 1, w - 1)."""
        return conv2d(images, self.filters)


def fast_body(images: NDArray[np.uint8], widths: tuple[int, int, int]) -> Body:
    """Whitening layer, three stages, and a maximum over the remaining pixels."""
    pixels = Pixels(least=LEAST_SIDE)
    whitening = whitening_layer(images, pixels)
    channels = [len(whitening.filters), *widths]
    stages = [Stage(n_in, n_out) for n_in, n_out in zip(channels, widths, strict=False)]
    layers = nn.Sequential(
        whitening, nn.GELU("tanh"), *stages, nn.AdaptiveMaxPool2d(1), nn.Flatten()
    )
    return Body(layers, widths[-1], pixels)


def whitening_layer(images: NDArray[np.uint8], pixels: Pixels) -> Whitening:
    """Convolution whose outputs on patches of the images are uncorrelated and of variance one.

    The filters are the principal components of 2 x 2 patches, each divided by its standard
    deviation, and their negatives (Page 2019; Jordan 2024).
    """
    channels = images.shape[3]
    n_directions = PATCH * PATCH * channels
    n_images = max(1, N_PATCHES // (images.shape[1] * images.shape[2]))
    drawn = np.random.default_rng(0).permutation(len(images))[:n_images]
    sample = torch.from_numpy(images[np.sort(drawn)]).to(pixels.shift.device)
    patches = nn.functional.unfold(pixels(sample), PATCH).transpose(1, 2)
    patches = patches.reshape(-1, n_directions).double()
    patches = patches - patches.mean(dim=0)
    variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    scaled = directions / (variances + LEAST).sqrt()
    filters = scaled.T.reshape(n_directions, channels, PATCH, PATCH).float()
    return Whitening(torch.cat([filters, -filters]))
