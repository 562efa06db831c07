"""The base class of every network: a scikit-learn classifier of images that trains one from nothing, or from given weights."""

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
from models.inputs import check_images, encode_targets

if TYPE_CHECKING:
    from torch import Tensor

    from models.network import Body, Network

Images = NDArray[np.uint8]
Labelled = tuple[Images, ArrayLike]


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """A network as a classifier of images, (n, h, w, 1 or 3) uint8.

    Write ``make_body(images)``, all of the network but its last layer, and an ``__init__`` with
    defaults that suit it. Everything else is done here: the last layer, training (the images lie on
    the device as one uint8 tensor, and are augmented there), probabilities, checks.

    Parameters
    ----------
    optimizer : {"adam", "adamw", "sgd"}
        The last with Nesterov's momentum of 0.9.
    learning_rate : float
    weight_decay : float
        Of the weights of layers, not of biases and batch norms.
    batch_size : int
        A last batch of one image is left out of its epoch. Halved, with a warning, when a GPU's
        memory does not hold it.
    epochs : int
    schedule : {"constant", "cosine", "one_cycle"}
        Of the learning rate, from step to step.
    augmentation : tuple of "flip", "shift", "cutout"
        What is done to each training image at random: mirrored left to right, moved by up to an
        eighth of its side, a square of a quarter of it grayed out.
    label_smoothing : float
        Share of the truth that is spread over all classes (Szegedy et al. 2016).
    ema : float or None
        Decay, a step, of a moving average of the weights, which predicts in their place (Polyak &
        Juditsky 1992).
    validation : float
        Share of the training images that is held out; the weights of the epoch with the least loss
        on them are kept. The benchmark holds out whole groups (patients, lesions), and before any
        resampling.
    patience : int or None
        Stop when that loss has not fallen for so many epochs.
    loss : {"cross_entropy", "focal", "class_balanced", "logit_adjusted", "ldam"}
        Focal (Lin et al. 2017): what is easy already counts little. Class-balanced (Cui et al.
        2019): cross-entropy weighted by inverse effective numbers of images. Logit-adjusted (Menon
        et al. 2021): the priors are in the loss, so the probabilities are those of equally frequent
        classes. LDAM (Cao et al. 2019): larger margins for rarer classes, and a last layer of
        cosines. Several labels an image: the first two, with a sigmoid per label.
    class_weight : None, "balanced" or dict
        Balanced: the loss weighs classes by n / (n_classes * n_of_class), a label's presences by
        absences / presences. A dict holds the weight of each class (the number of a label: of its
        presences); classes left out weigh 1.
    deferred_reweighting : bool
        The loss as it is, then for the last fifth of the epochs weighted by inverse effective
        numbers (Cao et al. 2019).
    two_phase : bool
        All layers on images drawn equally often from every class, then for the last fifth of the
        epochs only the last layer on the training images as they are (Havaei et al. 2017; Buda,
        Maki & Mazurowski 2018).
    compile : bool
        Have ``torch.compile`` make one program of the network; takes a while first, and a compiler.
    device : {"auto", "cpu", "cuda", "cuda:N"}
        Auto: CUDA when there is one, otherwise the CPU. On CUDA layers compute in bfloat16 where
        torch deems that safe.
    random_state : int, RandomState or None
        The same integer gives the same network bit for bit on the CPU. torch's own generators are
        left as they were.

    Attributes
    ----------
    classes_ : (n_classes,) array
        The labels seen in ``fit``; for multi-label targets the column numbers.
    history_ : list of {"epoch", "loss", "accuracy"}, with a validation set also {"val_loss", "val_accuracy"}
        Means over each epoch's batches, in training (with dropout).
    network_ : models.network.Network
        On the CPU, whatever the device, so that a fitted model can be unpickled anywhere.

    Notes
    -----
    Of ``class_weight``, ``deferred_reweighting``, ``two_phase`` and the class-balanced and logit-adjusted losses at most one
    may be used: each corrects for the class frequencies, and two of them would do so twice or undo one another.
    """

    takes = "images"
    smallest_side: ClassVar[int] = 4
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **recipe.CONSTRAINTS,
        "random_state": ["random_state"],
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
        compile: bool = False,  # torch's own word
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
        self.device = device
        self.random_state = random_state

    def make_body(self, images: Images) -> Body:
        """All of the network but its last layer, for training images (n, h, w, c) uint8; drawn from torch's own generator."""
        raise NotImplementedError(f"{type(self).__name__} must define make_body(images)")

    def initialise(self, body: Body) -> None:
        """Give the new layers of ``make_body`` weights to begin with, where random ones are not what is wanted."""

    def fit(self, X: Images, y: ArrayLike, held_out: Labelled | None = None) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : (n, h, w, c) uint8
        y : (n,) labels, or (n, n_labels) of 0 and 1
        held_out : images and labels
            The validation set; without it, a stratified part of X where ``validation`` asks for
            one.

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
        how = recipe.Recipe.from_model(self, class_weight=self._resolve_class_weight(classes))
        kept = held_out and self._select_known_classes(held_out, classes)
        self.network_, self.history_ = train_network(
            lambda batch: self._make_network(batch, len(classes)), images, targets, how, seed, kept
        )
        self.classes_, self.multilabel_, self.image_shape_ = (
            classes,
            targets.ndim == 2,
            images.shape[1:],
        )
        return self

    def build_untrained(self, X: Images) -> Self:
        """Build the network for images of one shape, with the weights it begins with; ``embed_images`` works then, ``predict`` does not."""
        from models.training import build_untrained_network

        self.check_parameters()
        images = self._check_images(X)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.network_ = build_untrained_network(
            lambda batch: self._make_network(batch, 2), images, seed
        )
        self.image_shape_ = images.shape[1:]
        return self

    def restore(self, state: dict[str, Tensor]) -> None:
        """Build ``network_`` anew from the state dictionary of another's; all else that ``fit`` sets is there."""
        from models.training import rebuild_network

        n_outputs = len(state["last.weight"])
        self.network_ = rebuild_network(
            lambda batch: self._make_network(batch, n_outputs, initialised=False),
            self.image_shape_,
            state,
        )

    def predict_proba(self, X: Images) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) in the order of ``classes_``; rows sum to 1 unless the targets were multi-label."""
        from models.prediction import predict_logits

        images = self._check_fitted(X)
        logits = predict_logits(self.network_, images, self.device)
        return expit(logits) if self.multilabel_ else softmax(logits, axis=1)

    def predict(self, X: Images) -> NDArray[Any]:
        """The most probable class of each image, or a 0/1 matrix of the labels above 0.5."""
        probabilities = self.predict_proba(X)
        return (
            (probabilities > 0.5).astype(int)
            if self.multilabel_
            else self.classes_[probabilities.argmax(axis=1)]
        )

    def embed_images(self, X: Images) -> NDArray[np.float32]:
        """What the last layer is given, (n, width)."""
        from models.prediction import predict_embeddings

        images = self._check_fitted(X, "network_")
        return predict_embeddings(self.network_, images, self.device)

    def check_parameters(self) -> None:
        """Raise a ValueError for values that are not allowed, alone or together."""
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
        """A part of the images to train on, and the rest; classes of one image are trained on."""
        _, codes, counts = np.unique(y, axis=0, return_inverse=True, return_counts=True)
        common = np.flatnonzero(counts[codes.ravel()] > 1)
        n_held = round(self.validation * len(images))
        if n_held < 1 or len(common) - n_held < 2:
            raise ValueError(
                f"{type(self).__name__}: validation={self.validation} of {len(images)} images "
                "leaves too few on one side"
            )
        few = n_held < len(np.unique(codes.ravel()[common])) or y.ndim == 2
        _, held = train_test_split(
            common,
            test_size=n_held,
            random_state=seed,
            stratify=None if few else codes.ravel()[common],
        )
        kept = np.setdiff1d(np.arange(len(images)), held)
        return images[kept], y[kept], (images[held], y[held])

    def _select_known_classes(
        self, held_out: Labelled, classes: NDArray[Any]
    ) -> tuple[Images, NDArray[Any]] | None:
        """Held-out images of classes that are trained, and their codes; None where there are none."""
        images, y = self._check_images(held_out[0]), np.asarray(held_out[1])
        if y.ndim == 2:
            return images, y.astype(np.float32)
        known = np.isin(y, classes)
        return (images[known], np.searchsorted(classes, y[known])) if known.any() else None

    def _resolve_class_weight(self, classes: NDArray[Any]) -> str | NDArray[np.float64] | None:
        """``class_weight``, a dict as an array in the order of ``classes``."""
        if not isinstance(self.class_weight, dict):
            return self.class_weight
        return compute_class_weight(self.class_weight, classes=classes, y=classes)

    def _check_images(self, X: Images) -> Images:
        return check_images(X, self.smallest_side, type(self).__name__)

    def _check_fitted(self, X: Images, attribute: str = "classes_") -> Images:
        check_is_fitted(self, attribute)
        images = self._check_images(X)
        if images.shape[1:] != self.image_shape_:
            raise ValueError(
                f"{type(self).__name__} was fitted on images of shape {self.image_shape_} and is "
                f"asked about {images.shape[1:]}"
            )
        return images

    @property
    def balances(self) -> bool:
        """Whether training corrects for the class frequencies."""
        return bool(recipe.imbalance_corrections(self))

    @property
    def uses_gpu(self) -> bool:
        """Whether it runs on a GPU where there is one; such cells take turns at it."""
        return self.device != "cpu"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        return tags
