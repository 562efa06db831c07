"""Layers of `SimpleCNN`."""

from __future__ import annotations

from torch import nn

from models.network import Body, Pixels


def simple_body(image_shape: tuple[int, int, int]) -> Body:
    """Two convolutional blocks and a dense layer for images of at least 4 x 4 pixels.

    The size of the dense layer depends on ``image_shape``, (h, w, c).
    """
    height, width, channels = image_shape
    layers = nn.Sequential(
        *_make_convolution_block(channels, 32),
        *_make_convolution_block(32, 64),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64 * (height // 4) * (width // 4), 128),
        nn.ReLU(),
        nn.Dropout(0.5),
    )
    return Body(layers, 128, Pixels())


def _make_convolution_block(n_in: int, n_out: int) -> list[nn.Module]:
    """Convolution, max-pooling, ReLU and batch norm.

    ReLU after pooling gives the same values as ReLU before it, for a quarter of the work.
    """
    return [
        nn.Conv2d(n_in, n_out, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.BatchNorm2d(n_out),
    ]
