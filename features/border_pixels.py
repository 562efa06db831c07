"""The edge of an image, a probe for classes that come from different sources."""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np

from features.base import Extractor, Features, Images
from models.constraints import WholeNumber


class BorderPixels(Extractor):
    """Pixels along the four edges of an image, without what is inside.

    A finding is rarely there; letters, black frames, and the field of view of a scanner are. If the
    border alone predicts the class, the classes may come from different hospitals or devices, and
    any model may have learned to recognise these instead of the disease.

    The image is resized to a square, so that images of all sizes have the same number of features.

    Parameters
    ----------
    side : int, default=32
        Side of the square, in pixels.
    width : int, default=2
        Width of the border of the square, in pixels.

    See Also
    --------
    features.image_statistics.ImageStatistics : A probe for brightness and colour.

    Examples
    --------
    >>> import numpy as np
    >>> from features import BorderPixels
    >>> image = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1) * 17
    >>> (BorderPixels(side=3, width=1).fit_transform(image) * 15).round().tolist()
    [[0.0, 1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0]]
    """

    probe = "border pixels"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "side": [WholeNumber(2, 512)],
        "width": [WholeNumber(1, 256)],
    }

    def __init__(self, side: int = 32, width: int = 2) -> None:
        self.side = side
        self.width = width

    def extract(self, batch: Images) -> Features:
        """Values scaled to [0, 1], row by row, (b, n_border * c) float32."""
        inside = slice(self.width, max(self.width, self.side - self.width))
        border = np.ones((self.side, self.side), bool)
        border[inside, inside] = False
        shrinks = batch.shape[1] * batch.shape[2] > self.side**2
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        squares = np.array(
            [cv2.resize(image, (self.side, self.side), interpolation=method) for image in batch]
        ).reshape(len(batch), self.side, self.side, -1)
        return (squares[:, border].reshape(len(batch), -1) / 255).astype(np.float32)
