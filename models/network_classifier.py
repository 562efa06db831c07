"""Base class of all networks: a scikit-learn classifier of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags, check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from models import recipe
from models.constraints import WholeNumber
from models.inputs import check_images, encode_targets, reduce_images, reduced_shape

if TYPE_CHECKING:
    from torch import Tensor

    from models.network import Body, Network

Images = NDArray[np.uint8]
Labelled = tuple[Images, ArrayLike]


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """Classifier of images, (n, h, w, 1 or 3) uint8, that trains a network.

    A subclass defines ``make_body(images)``, which builds all of the network but its last layer,
    and an ``__init__`` with suitable defaults. The base class adds the last layer, training,
    probabilities and checks.

    Parameters
    ----------
    optimizer : {"adam", "adamw", "sgd"}
        "sgd" has a Nesterov momentum of 0.9.
    learning_rate : float
        Largest learning rate of the schedule.
    weight_decay : float
        Applied to the weights of layers, not to biases and batch norms.
    batch_size : int
        Number of images per training step. A last batch of one image is left out of its epoch. If a
        batch does not fit into the memory of the GPU, the batch size is halved with a warning.
    epochs : int
        Number of passes over the training images.
    schedule : {"constant", "cosine", "one_cycle"}
        Schedule of the learning rate, updated after each step.
    augmentation : tuple of "flip", "shift", "cutout"
        Random changes of each training image: mirror it left to right, shift it by up to an eighth
        of its side, gray out a square with a quarter of its side.
    label_smoothing : float
        Share of the target that is spread over all classes (Szegedy et al. 2016).
    ema : float or None
        Decay per step of a moving average of the weights; the average predicts in place of the
        trained weights (Polyak & Juditsky 1992).
    validation : float
        Share of the training images that is held out; the weights of the epoch with the smallest
        loss on them are kept. The benchmark holds out whole groups (patients, lesions), before any
        resampling.
    patience : int or None
        Stop if the validation loss has not fallen for this number of epochs.
    loss : {"cross_entropy", "focal", "class_balanced", "logit_adjusted", "ldam"}
        Focal (Lin et al. 2017): images that are easy to classify have a low weight. Class-balanced
        (Cui et al. 2019): cross-entropy, weighted by inverse effective numbers of images.
        Logit-adjusted (Menon et al. 2021): the class priors are part of the loss, so that the
        probabilities are those of equally frequent classes. LDAM (Cao et al. 2019): larger margins
        for rarer classes, and a last layer of cosines. For multi-label targets only "cross_entropy"
        and "focal" are allowed, with a sigmoid per label.
    class_weight : None, "balanced" or dict
        Weights of the classes in the loss. "balanced" weights a class by
        n / (n_classes * n_of_class), and the presence of a label by absences / presences. A dict
        holds the weight of each class, or by the number of a label that of its presence; missing
        classes have weight 1.
    deferred_reweighting : bool
        Weight the loss by inverse effective numbers in the last fifth of the epochs (Cao et al.
        2019).
    two_phase : bool
        First train all layers on images drawn equally often from every class, then, in the last
        fifth of the epochs, only the last layer on the training images as they are (Havaei et al.
        2017; Buda, Maki & Mazurowski 2018).
    compile : bool
        Compile the network with ``torch.compile``, which needs a compiler and takes a while at the
        start.
    max_side : int or None
        Images with a longer side are reduced to it before training and prediction, in proportion,
        by averaging over areas. None keeps all images as they are. The time of an epoch is
        proportional to the area.
    device : {"auto", "cpu", "cuda", "cuda:N"}
        "auto" is CUDA if available, otherwise the CPU. On CUDA layers compute in bfloat16 where
        torch considers it safe.
    random_state : int, RandomState or None
        The same integer gives the same network bit for bit on the CPU. torch's own generators are
        left as they were.

    Attributes
    ----------
    classes_ : (n_classes,) array
        The labels seen in ``fit``; for multi-label targets the numbers of the columns.
    history_ : list of {"epoch", "loss", "accuracy"}
        Means over the training batches of each epoch, with dropout. With a validation set,
        "val_loss" and "val_accuracy" as well.
    network_ : models.network.Network
        The network, always on the CPU, so that a fitted model can be unpickled anywhere.

    See Also
    --------
    models.cnn.SimpleCNN : The shortest subclass.
    features.cnn_embedding.CNNEmbedding : Features from a network.

    Notes
    -----
    At most one of ``class_weight``, ``deferred_reweighting``, ``two_phase`` and the class-balanced
    and logit-adjusted losses may be used. Each corrects for the class frequencies; two of them
    would correct twice or cancel each other.

    Examples
    --------
    >>> from torch import nn
    >>> from models.network import Body, Pixels
    >>> class Tiny(NetworkClassifier):
    ...     def make_body(self, images):
    ...         layers = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    ...         return Body(layers, 4 * images.shape[3], Pixels())
    >>> images, labels = np.zeros((20, 8, 8, 1), np.uint8), np.arange(20) % 2
    >>> Tiny(epochs=1, device="cpu").fit(images, labels).predict_proba(images).shape
    (20, 2)
    """

    takes = "images"
    deep = True
    smallest_side: ClassVar[int] = 4
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **recipe.CONSTRAINTS,
        "max_side": [None, WholeNumber(4)],
        "random_state": ["random_state"],
    }
    search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": "loguniform(0.0001, 0.01)",
        "weight_decay": "loguniform(0.000001, 0.01)",
        "augmentation": [[], ["flip"], ["flip", "shift"], ["flip", "shift", "cutout"]],
        "epochs": [10, 20, 40],
        "validation": [0.2],
        "patience": [3, 5, 10],
    }

    def __init__(
        self,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        batch_size: int = 32,
        epochs: int = 20,
        schedule: str = "constant",
        augmentation: tuple[str, ...] = (),
        label_smoothing: float = 0.0,
        ema: float | None = None,
        validation: float = 0.0,
        patience: int | None = None,
        loss: str = "cross_entropy",
        class_weight: str | dict[Any, float] | None = None,
        deferred_reweighting: bool = False,
        two_phase: bool = False,
        compile: bool = False,  # named after torch.compile
        max_side: int | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.schedule = schedule
        self.augmentation = augmentation
        self.label_smoothing = label_smoothing
        self.ema = ema
        self.validation = validation
        self.patience = patience
        self.loss = loss
        self.class_weight = class_weight
        self.deferred_reweighting = deferred_reweighting
        self.two_phase = two_phase
        self.compile = compile
        self.max_side = max_side
        self.device = device
        self.random_state = random_state

    def make_body(self, images: Images) -> Body:
        """Build all of the network but its last layer.

        Parameters
        ----------
        images : (n, h, w, c) uint8
            The training images. Shapes may depend on (h, w, c) only, weights on the images.

        Returns
        -------
        models.network.Body
            With weights drawn from torch's default generator.
        """
        raise NotImplementedError(f"{type(self).__name__} must define make_body(images)")

    def initialise(self, body: Body) -> None:
        """Set initial weights of the new layers of ``make_body``; by default they stay random."""

    def fit(self, X: Images, y: ArrayLike, held_out: Labelled | None = None) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : (n, h, w, c) uint8
        y : (n,) labels, or (n, n_labels) of 0 and 1
        held_out : images and labels, or None
            Validation set. If it is None and ``validation`` is not 0, a stratified sample of X is
            held out.

        Raises
        ------
        ValueError
            A parameter, the images or the targets are not as described, or there are fewer than two
            images or classes.
        FloatingPointError
            Training diverged.
        """
        from models.training import train_network

        self.check_parameters()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        images, y = self._check_images(X), np.asarray(y)
        if held_out is None and self.validation:
            images, y, held_out = self._split_validation_set(images, y, seed)
        classes, targets = encode_targets(y, len(images), type(self).__name__)
        if targets.ndim == 2:
            recipe.check_multilabel(self)
        weight = self._resolve_class_weight(classes)
        self.network_, self.history_ = train_network(
            lambda batch: self._make_network(batch, len(classes)),
            images,
            targets,
            recipe.Recipe.from_model(self, class_weight=weight),
            seed,
            held_out and self._select_known_classes(held_out, classes),
        )
        self.classes_, self.multilabel_ = classes, targets.ndim == 2
        self.image_shape_ = np.shape(X)[1:]
        return self

    def build_untrained(self, X: Images) -> Self:
        """Build the network with its initial weights, for images of the shape of X.

        Afterwards ``embed_images`` works, and ``predict`` does not.
        """
        from models.training import build_untrained_network

        self.check_parameters()
        images = self._check_images(X)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.network_ = build_untrained_network(
            lambda batch: self._make_network(batch, 2), images, seed
        )
        self.image_shape_ = np.shape(X)[1:]
        return self

    def restore(self, state: dict[str, Tensor]) -> None:
        """Rebuild ``network_`` from a state dictionary; all other fitted attributes must be set."""
        from models.training import rebuild_network

        n_outputs = len(state["last.weight"])
        height, width, channels = self.image_shape_
        self.network_ = rebuild_network(
            lambda batch: self._make_network(batch, n_outputs, initialised=False),
            (*reduced_shape(height, width, self.max_side, self.smallest_side), channels),
            state,
        )

    def predict_proba(self, X: Images) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``.

        Each row sums to 1 unless the targets were multi-label.
        """
        from models.prediction import predict_logits

        images = self._check_fitted(X)
        logits = predict_logits(self.network_, images, self.device)
        return expit(logits) if self.multilabel_ else softmax(logits, axis=1)

    def predict(self, X: Images) -> NDArray[Any]:
        """The most probable class of each image, or a 0/1 matrix of labels above 0.5."""
        probabilities = self.predict_proba(X)
        return (
            (probabilities > 0.5).astype(int)
            if self.multilabel_
            else self.classes_[probabilities.argmax(axis=1)]
        )

    def embed_images(self, X: Images) -> NDArray[np.float32]:
        """Input of the last layer, (n, width)."""
        from models.prediction import predict_embeddings

        images = self._check_fitted(X, "network_")
        return predict_embeddings(self.network_, images, self.device)

    def check_parameters(self) -> None:
        """Raise a ValueError for values, or combinations of values, that are not allowed."""
        self._validate_params()
        recipe.check_combination(self)

    def _make_network(self, images: Images, n_outputs: int, initialised: bool = True) -> Network:
        from models.losses import LDAM_SCALE
        from models.network import Network

        body = self.make_body(images)
        if initialised:
            self.initialise(body)
        return Network(body, n_outputs, LDAM_SCALE if self.loss == "ldam" else None)

    def _split_validation_set(
        self, images: Images, y: NDArray[Any], seed: int
    ) -> tuple[Images, NDArray[Any], Labelled | None]:
        """Split images into a training set and a validation set.

        Classes with a single image stay in the training set.
        """
        _, codes, counts = np.unique(y, axis=0, return_inverse=True, return_counts=True)
        common = np.flatnonzero(counts[codes.ravel()] > 1)
        n_held = round(self.validation * len(images))
        if n_held < 1 or len(common) - n_held < 2:
            raise ValueError(
                f"{type(self).__name__}: validation={self.validation} of {len(images)} images "
                "leaves too few on one side"
            )
        strata = codes.ravel()[common]
        stratified = n_held >= len(np.unique(strata)) and y.ndim != 2
        _, held = train_test_split(
            common,
            test_size=n_held,
            random_state=seed,
            stratify=strata if stratified else None,
        )
        trained = np.setdiff1d(np.arange(len(images)), held)
        return images[trained], y[trained], (images[held], y[held])

    def _select_known_classes(
        self, held_out: Labelled, classes: NDArray[Any]
    ) -> tuple[Images, NDArray[Any]] | None:
        """Held-out images of the training classes, and their codes; None if there are none."""
        images, y = self._check_images(held_out[0]), np.asarray(held_out[1])
        if y.ndim == 2:
            return images, y.astype(np.float32)
        known = np.isin(y, classes)
        return (images[known], np.searchsorted(classes, y[known])) if known.any() else None

    def _resolve_class_weight(self, classes: NDArray[Any]) -> str | NDArray[np.float64] | None:
        """Return ``class_weight``, with a dict replaced by an array in the order of ``classes``."""
        if not isinstance(self.class_weight, dict):
            return self.class_weight
        return compute_class_weight(self.class_weight, classes=classes, y=classes)

    def _check_images(self, X: Images) -> Images:
        name = type(self).__name__
        images = check_images(X, self.smallest_side, name)
        return reduce_images(images, self.max_side, self.smallest_side)

    def _check_fitted(self, X: Images, attribute: str = "classes_") -> Images:
        check_is_fitted(self, attribute)
        images = self._check_images(X)
        if np.shape(X)[1:] != self.image_shape_:
            raise ValueError(
                f"{type(self).__name__} was fitted on images of shape {self.image_shape_} and was "
                f"given {np.shape(X)[1:]}"
            )
        return images

    @property
    def balances(self) -> bool:
        """Whether training corrects for the class frequencies."""
        return bool(recipe.imbalance_corrections(self))

    @property
    def uses_gpu(self) -> bool:
        """Whether the model uses a GPU if there is one; such cells take turns at the GPU."""
        return self.device != "cpu"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        return tags
