"""Features of a trained convolutional network."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from features.base import Extractor, Features, Images
from models.constraints import ObjectWith


class CNNEmbedding(Extractor):
    """Input of the last layer of a network (Donahue et al. 2014; Sharif Razavian et al. 2014).

    The network is first trained on the training images and their labels. With ``train=False`` it is
    used with its initial weights instead, such as those of ``resnet18(weights='imagenet')``.

    The features of the images that the network was trained on separate the classes better than
    those of new images, so that a model fitted to them is overconfident.

    Parameters
    ----------
    estimator : NetworkClassifier or None, default=None
        The network; None means ``FastResNet()``.
    train : bool, default=True
        Train the network. Without training it must have given weights.
    random_state : int, RandomState or None, default=None
        Seeds the network unless that has a ``random_state`` of its own.

    Attributes
    ----------
    estimator_ : NetworkClassifier
        The trained network; with ``train=False``, the network with its initial weights.
    history_ : list of dict
        Losses and accuracies of the training, as in ``NetworkClassifier``.

    See Also
    --------
    models.fast_resnet.FastResNet : The default network.
    features.autoencoder.Autoencoder : Features of a network trained without labels.

    Examples
    --------
    >>> import numpy as np
    >>> from features import CNNEmbedding
    >>> from models import FastResNet
    >>> network = FastResNet(widths=(4, 4, 8), epochs=1, device="cpu")
    >>> images, labels = np.zeros((20, 8, 8, 1), np.uint8), np.arange(20) % 2
    >>> CNNEmbedding(network).fit(images, labels).transform(images).shape
    (20, 8)
    """

    deep = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [None, ObjectWith("make_body", "a network, such as resnet18")],
        "train": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        train: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.train = train
        self.random_state = random_state

    @property
    def stateless(self) -> bool:
        """Whether the network is used without training."""
        return not self.train

    @property
    def uses_labels(self) -> bool:
        """Whether the network is trained."""
        return self.train

    def check_parameters(self) -> None:
        """Check the parameters and the network, which needs given weights if it is not trained."""
        super().check_parameters()
        network = self._make_estimator()
        if not self.train and getattr(network, "weights", None) is None:
            raise ValueError(
                "train=False: the network must begin with given weights, as "
                "resnet18(weights='imagenet') does"
            )
        network.check_parameters()

    def learn(self, images: Images, *labels: Any) -> None:
        """Train the network."""
        self.estimator_ = self._make_estimator().fit(images, *labels)
        self.history_ = self.estimator_.history_

    def fit(self, X: Images, y: Any = None) -> CNNEmbedding:
        """Train the network on images and labels; with ``train=False``, build it."""
        super().fit(X, y)
        if not self.train:
            self.estimator_ = self._make_estimator().build_untrained(X[:1])
        return self

    def extract(self, batch: Images) -> Features:
        """Input of the last layer, (b, width)."""
        return self.estimator_.embed_images(batch)

    def _make_estimator(self) -> Any:
        from models.fast_resnet import FastResNet

        network = FastResNet() if self.estimator is None else clone(self.estimator)
        if getattr(network, "random_state", 0) is None:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
            network.set_params(random_state=seed)
        return network
