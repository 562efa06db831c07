"""SimpleCNN: the small convolutional network of the article."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.network_classifier import Images, NetworkClassifier

if TYPE_CHECKING:
    from models.network import Body


class SimpleCNN(NetworkClassifier):
    """Two convolutions and two dense layers, trained from nothing.

    The network of the article this benchmark began with: 3 x 3 convolutions (32, then 64 channels),
    each with ReLU, 2 x 2 max-pooling and batch norm (Ioffe & Szegedy 2015); dropout 0.5 (Srivastava
    et al. 2014), a dense layer of 128, dropout, a dense layer of classes. Changed: the loss is
    given logits (there was a softmax before it), the first dense layer takes its size from the
    images, and every random number comes from ``random_state``.

    Parameters and attributes are those of `NetworkClassifier`, and so are the defaults.
    """

    def make_body(self, images: Images) -> Body:
        """All layers but the last."""
        from models.simple_cnn import simple_body

        return simple_body(images.shape[1:])
