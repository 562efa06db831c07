"""What a network has learned to see, as features."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from features.base import Extractor, Features, Images
from models.constraints import ObjectWith


class CNNEmbedding(Extractor):
    """What the last layer of a network is given (Donahue et al. 2014; Sharif Razavian et al. 2014).

    The network is trained on the training images and their labels first, unless ``train`` is False:
    then it is used with the weights it begins with, such as ``resnet18(weights='imagenet')``.
    Images that it was trained on are easier for it than others are, so that a model fitted to their
    features is surer than it should be.

    Parameters
    ----------
    estimator : NetworkClassifier or None
        None is ``FastResNet()``.
    train : bool
    random_state : int, RandomState or None
        Seeds the network where that has no ``random_state`` of its own.

    Attributes
    ----------
    estimator_ : NetworkClassifier
        Fitted; for ``train=False`` its layers are not.
    history_ : list of dict
        Of the training.
    """

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
        """Without training nothing is learned from images, unless the weights are drawn."""
        return not self.train

    @property
    def uses_labels(self) -> bool:
        """Training does."""
        return self.train

    def check_parameters(self) -> None:
        """Check the values of the network as well, and that it need not be trained where it is not."""
        super().check_parameters()
        inner = self._make_estimator()
        if not self.train and getattr(inner, "weights", None) is None:
            raise ValueError(
                "train=False: the network must begin with given weights, as "
                "resnet18(weights='imagenet') does"
            )
        inner.check_parameters()

    def learn(self, images: Images, *labels: Any) -> None:
        """Train the network."""
        self.estimator_ = self._make_estimator().fit(images, *labels)
        self.history_ = self.estimator_.history_

    def fit(self, X: Images, y: Any = None) -> CNNEmbedding:
        """Train the network on images and labels; without training, build it."""
        super().fit(X, y)
        if not self.train:
            self.estimator_ = self._make_estimator().build_untrained(X[:1])
        return self

    def extract(self, batch: Images) -> Features:
        """What the last layer is given, (b, width)."""
        return self.estimator_.embed_images(batch)

    def _make_estimator(self) -> Any:
        from models.fast_resnet import FastResNet

        inner = FastResNet() if self.estimator is None else clone(self.estimator)
        if getattr(inner, "random_state", 0) is None:
            inner.set_params(random_state=check_random_state(self.random_state).randint(2**31 - 1))
        return inner
