"""SimpleCNN: the small convolutional network of the article that this benchmark began with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.network_classifier import Images, NetworkClassifier

if TYPE_CHECKING:
    from models.network import Body


class SimpleCNN(NetworkClassifier):
    """Network of two convolutions and two dense layers, trained from random weights.

    The layers are two 3 x 3 convolutions (32 and 64 channels), each with ReLU, 2 x 2 max-pooling
    and batch norm (Ioffe & Szegedy 2015); dropout 0.5 (Srivastava et al. 2014), a dense layer of
    128, dropout, and a dense layer of classes. Changed from the article: the loss is computed from
    logits (the article had a softmax before it), the size of the first dense layer depends on the
    images, and every random number comes from ``random_state``.

    Parameters, attributes and defaults are those of `NetworkClassifier`.

    See Also
    --------
    models.fast_resnet.FastResNet : A more accurate network that trains quickly.

    Examples
    --------
    >>> import numpy as np
    >>> from models import SimpleCNN
    >>> images, labels = np.zeros((20, 8, 8, 1), np.uint8), np.arange(20) % 2
    >>> SimpleCNN(epochs=1, device="cpu").fit(images, labels).predict_proba(images).shape
    (20, 2)
    """

    def make_body(self, images: Images) -> Body:
        """All layers but the last."""
        from models.simple_cnn import simple_body

        return simple_body(images.shape[1:])
