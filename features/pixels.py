"""Raw pixel values, the baseline for all descriptors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.base import Extractor, Images


class Pixels(Extractor):
    """Raw pixel values in [0, 1], row by row.

    (b, h, w, c) uint8 images become (b, h * w * c) float32 features; the channels of a pixel are
    adjacent. As they describe nothing, they are the baseline that a descriptor has to beat.

    See Also
    --------
    features.pca.PCA : Principal components, by default those of the pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from features import Pixels
    >>> Pixels().fit_transform(np.full((1, 1, 2, 1), 255, np.uint8))
    array([[1., 1.]], dtype=float32)
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
