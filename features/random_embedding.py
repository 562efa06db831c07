"""Features of a network with random weights, a control that a trained one has to beat."""

from __future__ import annotations

from typing import Any, ClassVar

from features.base import Extractor, Features, Images, enlarge_images
from models.constraints import WholeNumber

MAX_SIDE = 64  # pixels; the size of the dense layer grows with the area


class RandomEmbedding(Extractor):
    """Input of the last layer of a convolutional network that is not trained.

    The network is ``simple_cnn`` with its initial weights: two convolutions with pooling, and a
    random projection to 128 values. What it achieves is due to the architecture and to the model
    that is fitted to the features (Jarrett et al. 2009; Saxe et al. 2011). Features of a trained
    network that do no better have not been shown to benefit from its training. Images above 64
    pixels are reduced to 64.

    Parameters
    ----------
    random_state : int, default=0
        Draws the weights. They do not change with the fold or the seed of a study, so that the
        features are computed once per dataset.

    Attributes
    ----------
    estimator_ : models.cnn.SimpleCNN
        The network, on the CPU.

    See Also
    --------
    features.image_statistics.ImageStatistics : The control for all other features.
    features.cnn_embedding.CNNEmbedding : Features of a network that is trained.

    Notes
    -----
    Jarrett, K., Kavukcuoglu, K., Ranzato, M. & LeCun, Y. (2009), "What is the best multi-stage
    architecture for object recognition?", ICCV, 2146-2153.

    Saxe, A. M., Koh, P. W., Chen, Z., Bhand, M., Suresh, B. & Ng, A. Y. (2011), "On random weights
    and unsupervised feature learning", ICML 28, 1089-1096.

    Examples
    --------
    >>> import numpy as np
    >>> from features import RandomEmbedding
    >>> images = np.zeros((2, 28, 28, 1), np.uint8)
    >>> RandomEmbedding().fit_transform(images).shape
    (2, 128)
    """

    batch_size = 1  # so that the bits of the features do not depend on the other images
    min_size = 4  # two poolings by two

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "random_state": [WholeNumber(0, 2**32 - 1)],
    }

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: Images, y: Any = None) -> RandomEmbedding:
        """Draw the weights; nothing is learned from the images."""
        super().fit(X, y)
        from models.cnn import SimpleCNN

        network = SimpleCNN(max_side=MAX_SIDE, device="cpu", random_state=self.random_state)
        self.estimator_ = network.build_untrained(enlarge_images(X[:1], self.min_size))
        return self

    def extract(self, batch: Images) -> Features:
        """Input of the last layer, (b, 128)."""
        return self.estimator_.embed_images(batch)
