"""Mean and spread of the pixels, a control that a useful extractor has to beat."""

from __future__ import annotations

import cv2
import numpy as np

from features.base import Extractor, Features, Images


class ImageStatistics(Extractor):
    """Mean and standard deviation of each channel, over all pixels of an image.

    They describe how bright, how coloured and how contrasted an image is, and nothing that is in
    it. An extractor that does no better has not been shown to use more than brightness, colour and
    contrast, which the exposure, the stain or the scanner may give away.

    Values are those of pixels scaled to [0, 1]; the standard deviation is that of the population.

    See Also
    --------
    features.random_embedding.RandomEmbedding : The control for features of networks.
    features.color_histogram.ColorHistogram : The distribution of the values.

    Examples
    --------
    >>> import numpy as np
    >>> from features import ImageStatistics
    >>> half_white = np.array([[[[0], [255]], [[0], [255]]]], np.uint8)
    >>> ImageStatistics().fit_transform(half_white)
    array([[0.5, 0.5]], dtype=float32)
    """

    def extract(self, batch: Images) -> Features:
        """All means, then all standard deviations, (b, 2 * c) float32."""
        statistics = np.array([np.ravel(cv2.meanStdDev(image)) for image in batch])
        return (statistics / 255).astype(np.float32)

    def _feature_names(self) -> list[str]:
        channels = ("gray",) if self.image_shape_[-1] == 1 else ("red", "green", "blue")
        return [f"{statistic}_{channel}" for statistic in ("mean", "std") for channel in channels]
