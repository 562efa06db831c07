"""Raw pixel values: the baseline every descriptor has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.base import Extractor, Images


class Pixels(Extractor):
    """Raw pixel values in [0, 1], row by row: no description at all, so the baseline of every comparison.

    (b, h, w, c) uint8 becomes (b, h * w * c) float32; the channels of a pixel stay side by side.
    """

    def extract(self, batch: Images) -> NDArray[np.float32]:
        """Values divided by 255, (b, h * w * c) float32."""
        return np.divide(batch.reshape(len(batch), -1), 255, dtype=np.float32)

    def _feature_names(self) -> list[str]:
        height, width, n_channels = self.image_shape_
        channels = ("gray",) if n_channels == 1 else ("red", "green", "blue")
        return [
            f"pixel_{y}_{x}_{channel}"
            for y in range(height)
            for x in range(width)
            for channel in channels
        ]
