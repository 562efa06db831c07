"""The Laplacian pyramid: what an image holds at each scale, and what is left at the coarsest."""

from __future__ import annotations

from functools import lru_cache
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from features.base import Extractor, Images

Level = NDArray[np.floating]  # (b, c, h, w)

STATISTICS = ("mean", "std", "mean_abs", "skewness", "kurtosis")
FLAT = 1e-3  # a band whose standard deviation is below this (in gray levels) has no shape to describe


class LaplacianPyramid(Extractor):
    """Laplacian pyramid (Burt & Adelson 1983): statistics of each band-pass layer and the coarsest low-pass itself.

    Of each layer and channel: mean, standard deviation and mean absolute value (gray levels / 255), skewness, and
    kurtosis less 3 (both 0 where the layer is flat); then the low-pass values / 255, row by row.

    Parameters
    ----------
    max_layer : int
        Most band-pass layers; fewer where the next low-pass would be less than 4 pixels high or wide, but always one.
    coarse_size : int
        The low-pass is reduced further, without counting layers, until neither side exceeds this.

    Notes
    -----
    Burt, P. J. & Adelson, E. H. (1983), "The Laplacian pyramid as a compact image code", IEEE Transactions on
    Communications 31(4), 532-540; the 5-tap kernel with a = 0.375 and the borders are those of OpenCV's pyrDown and
    pyrUp. Changed: the article codes images; here the layers are summarised so that d stays small on large images.
    """

    batch_size = 64

    def __init__(self, max_layer: int = 3, coarse_size: int = 8) -> None:
        self.max_layer = max_layer
        self.coarse_size = coarse_size

    def extract(self, batch: Images) -> NDArray[np.floating]:
        """Statistics layer by layer (finest first), channel by channel, then the low-pass, (b, d)."""
        images = np.ascontiguousarray(batch.transpose(0, 3, 1, 2), dtype=np.float32)
        bands, low = decompose(images, n_layers(batch.shape[1], batch.shape[2], self.max_layer))
        while max(low.shape[2:]) > self.coarse_size:
            low = reduce(low)
        parts = [*(statistics(band) for band in bands), low.transpose(0, 2, 3, 1) / np.float32(255)]
        return np.hstack([part.reshape(len(batch), -1) for part in parts])

    def check_parameters(self) -> None:
        """Refuse values that are not allowed."""
        for name in ("max_layer", "coarse_size"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} must be a positive integer; got {value!r}")

    def _feature_names(self) -> list[str]:
        height, width, n_channels = self.image_shape_
        channels = ("gray",) if n_channels == 1 else ("red", "green", "blue")
        layers = n_layers(height, width, self.max_layer)
        names = [f"layer_{i}_{channel}_{statistic}" for i in range(layers) for channel in channels for statistic in STATISTICS]
        depth = 0
        while depth < layers or max(height, width) > self.coarse_size:
            height, width, depth = -(-height // 2), -(-width // 2), depth + 1
        return names + [f"low_{y}_{x}_{channel}" for y in range(height) for x in range(width) for channel in channels]


def n_layers(height: int, width: int, max_layer: int) -> int:
    """Band-pass layers of an image: at most ``max_layer``, at least one, no low-pass with a side below 4 otherwise."""
    layers, side = 1, -(-min(height, width) // 2)
    while layers < max_layer and side > 6:  # the next side, rounded up, is at least 4
        layers, side = layers + 1, -(-side // 2)
    return layers


def decompose(low: Level, layers: int) -> tuple[list[Level], Level]:
    """Band-pass layers (finest first) and the low-pass that is left of (b, c, h, w)."""
    bands: list[Level] = []
    for _ in range(layers):
        fine, low = low, reduce(low)
        bands.append(fine - expand(low, fine.shape[2], fine.shape[3]))
    return bands, low


def reduce(images: Level) -> Level:
    """Blur and drop every second row and column, (b, c, h, w) to (b, c, ceil(h / 2), ceil(w / 2)): cv2.pyrDown."""
    height, width = images.shape[2:]
    return blur_matrix(height)[::2] @ images @ blur_matrix(width)[::2].T


def expand(images: Level, height: int, width: int) -> Level:
    """Put zeros between rows and columns and blur, to (b, c, height, width): cv2.pyrUp."""
    rows, columns = (2 * blur_matrix(2 * n)[:, ::2] for n in images.shape[2:])
    return rows[:height] @ images @ columns[:width].T


@lru_cache(maxsize=64)
def blur_matrix(n: int) -> NDArray[np.float32]:
    """Write the kernel (1, 4, 6, 4, 1) / 16 along n pixels as an (n, n) matrix, mirrored at the outermost pixels."""
    source = np.pad(np.arange(n), 2, mode="reflect")
    matrix = np.zeros((n, n), np.float32)
    for shift, weight in enumerate((1, 4, 6, 4, 1)):
        np.add.at(matrix, (np.arange(n), source[shift : shift + n]), weight / 16)
    matrix.flags.writeable = False
    return matrix


def statistics(band: Level) -> Level:
    """Compute the STATISTICS of each channel of (b, c, h, w), (b, c, 5)."""
    values = band.reshape(*band.shape[:2], -1)
    mean = values.mean(axis=-1, keepdims=True)
    std = values.std(axis=-1, keepdims=True)
    z = np.where(std > FLAT, (values - mean) / np.maximum(std, FLAT), 0)
    skewness = (z * z * z).mean(axis=-1, keepdims=True)
    kurtosis = (z * z * z * z).mean(axis=-1, keepdims=True) - 3 * (std > FLAT)
    mean_abs = np.abs(values).mean(axis=-1, keepdims=True)
    return np.concatenate([mean / 255, std / 255, mean_abs / 255, skewness, kurtosis], axis=-1)
