"""SimpleCNN: a small convolutional network as a scikit-learn classifier of images."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from models import cnn_parameters

SMALLEST_SIDE = 4  # two 2 x 2 poolings leave one pixel of it


class SimpleCNN(ClassifierMixin, BaseEstimator):
    """Two convolutions and two dense layers, trained from nothing.

    The network of the article this benchmark began with: 3 x 3 convolutions (32, then 64 channels), each with ReLU, 2 x 2
    max-pooling and batch norm (Ioffe & Szegedy 2015); dropout 0.5 (Srivastava et al. 2014), a dense layer of 128, dropout,
    a dense layer of classes. Changed: the loss is given logits (there was a softmax before it), the first dense layer takes
    its size from the images, every random number comes from ``random_state``, and the training set lies on the device as
    one uint8 tensor.

    Parameters
    ----------
    optimizer : {"adam", "sgd"}
        Adam (Kingma & Ba 2015), or stochastic gradient descent with momentum 0.9.
    learning_rate : float
    batch_size : int
        A last batch of one image is left out of its epoch.
    epochs : int
    loss : {"cross_entropy", "focal", "class_balanced", "logit_adjusted", "ldam"}
        Focal (Lin et al. 2017): what is easy already counts little. Class-balanced (Cui et al. 2019): cross-entropy weighted by
        inverse effective numbers of images. Logit-adjusted (Menon et al. 2021): the priors are in the loss, so the
        probabilities are those of equally frequent classes. LDAM (Cao et al. 2019): larger margins for rarer classes, and a
        last layer of cosines. Several labels an image: the first two, with a sigmoid per label.
    class_weight : None, "balanced" or dict
        Balanced: the loss weighs classes by n / (n_classes * n_of_class), a label's presences by absences / presences. A dict
        holds the weight of each class (the number of a label: of its presences); classes left out weigh 1.
    deferred_reweighting : bool
        The loss as it is, then for the last fifth of the epochs weighted by inverse effective numbers (Cao et al. 2019).
    two_phase : bool
        All layers on images drawn equally often from every class, then for the last fifth of the epochs only the last layer
        on the training images as they are (Havaei et al. 2017; Buda, Maki & Mazurowski 2018).
    device : {"auto", "cpu", "cuda", "cuda:N"}
        Auto: CUDA when there is one, otherwise the CPU.
    random_state : int, RandomState or None
        The same integer gives the same network bit for bit on the CPU. torch's own generators are left as they were.

    Attributes
    ----------
    classes_ : (n_classes,) array
        The labels seen in ``fit``; for multi-label targets the column numbers.
    history_ : list of {"epoch", "loss", "accuracy"}
        Means over each epoch's batches, in training (with dropout).
    network_ : torch.nn.Sequential
        On the CPU, whatever the device, so that a fitted model can be unpickled anywhere.

    Notes
    -----
    Of ``class_weight``, ``deferred_reweighting``, ``two_phase`` and the class-balanced and logit-adjusted losses at most one
    may be used: each corrects for the class frequencies, and two of them would do so twice or undo one another.
    """

    takes = "images"

    def __init__(
        self,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        batch_size: int = 32,
        epochs: int = 20,
        loss: str = "cross_entropy",
        class_weight: str | dict[Any, float] | None = None,
        deferred_reweighting: bool = False,
        two_phase: bool = False,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.loss = loss
        self.class_weight = class_weight
        self.deferred_reweighting = deferred_reweighting
        self.two_phase = two_phase
        self.device = device
        self.random_state = random_state

    def fit(self, X: NDArray[np.uint8], y: ArrayLike) -> Self:
        """Train a new network on images (n, h, w, c) uint8 and labels (n,), or a 0/1 matrix (n, n_labels).

        Raises
        ------
        ValueError
            A parameter, the images or the targets are not as described, or there are fewer than two images or classes.
        FloatingPointError
            Training diverged.
        """
        from models.training import train

        self.check_parameters()
        images = _check_images(X)
        classes, targets = _encode(np.asarray(y), len(images))
        if targets.ndim == 2:
            cnn_parameters.check_multilabel(self)
        self.network_, self.history_ = train(
            images,
            targets,
            len(classes),
            optimizer=self.optimizer,
            learning_rate=float(self.learning_rate),
            batch_size=int(self.batch_size),
            epochs=int(self.epochs),
            loss=self.loss,
            class_weight=self._weights(classes),
            deferred_reweighting=self.deferred_reweighting,
            two_phase=self.two_phase,
            device=self.device,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
        )
        self.classes_, self.multilabel_, self.image_shape_ = classes, targets.ndim == 2, images.shape[1:]
        return self

    def predict_proba(self, X: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) in the order of ``classes_``; rows sum to 1 unless the targets were multi-label."""
        from models.training import predict_logits

        check_is_fitted(self)
        images = _check_images(X)
        if images.shape[1:] != self.image_shape_:
            raise ValueError(f"SimpleCNN was fitted on images of shape {self.image_shape_} and is asked about {images.shape[1:]}")
        logits = predict_logits(self.network_, images, self.device)
        return expit(logits) if self.multilabel_ else softmax(logits, axis=1)

    def predict(self, X: NDArray[np.uint8]) -> NDArray[Any]:
        """The most probable class of each image, or a 0/1 matrix of the labels above 0.5."""
        probabilities = self.predict_proba(X)
        return (probabilities > 0.5).astype(int) if self.multilabel_ else self.classes_[probabilities.argmax(axis=1)]

    def check_parameters(self) -> None:
        """Refuse values that are not allowed, alone or together."""
        cnn_parameters.check(self)

    def _weights(self, classes: NDArray[Any]) -> str | NDArray[np.float64] | None:
        """``class_weight``, a dict as an array in the order of ``classes``."""
        if not isinstance(self.class_weight, dict):
            return self.class_weight
        return compute_class_weight(self.class_weight, classes=classes, y=classes)

    @property
    def uses_gpu(self) -> bool:
        """Whether it runs on a GPU where there is one; such cells take turns at it."""
        return self.device != "cpu"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        return tags


def _check_images(X: NDArray[np.uint8]) -> NDArray[np.uint8]:
    images = np.asarray(X)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or not len(images):
        raise ValueError(f"SimpleCNN takes images (n, h, w, 1 or 3) uint8, not {images.shape} {images.dtype}")
    if min(images.shape[1:3]) < SMALLEST_SIDE:
        raise ValueError(
            f"SimpleCNN needs images of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels, not {images.shape[1:3]}: enlarge them"
        )
    return images


def _encode(y: NDArray[Any], n_images: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """(classes, targets): codes 0.. of the labels as int64, or the 0/1 matrix as float32."""
    if y.ndim not in (1, 2) or len(y) != n_images:
        raise ValueError(f"targets must be ({n_images},) labels or ({n_images}, n_labels) of 0 and 1, not {y.shape}")
    if n_images < 2:
        raise ValueError("SimpleCNN needs at least two training images: batch norm can't normalise one")
    if y.ndim == 2:
        if not np.isin(y, (0, 1)).all():
            raise ValueError("multi-label targets must be 0 or 1")
        return np.arange(y.shape[1]), y.astype(np.float32)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"SimpleCNN needs at least two classes; the training labels hold only {classes.tolist()}")
    return classes, codes.astype(np.int64)
