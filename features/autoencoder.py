"""Codes of a convolutional autoencoder as features."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from features.base import Extractor, Features, Images
from models.constraints import WholeNumber
from models.recipe import CONSTRAINTS


class Autoencoder(Extractor):
    """Codes of a convolutional autoencoder (Hinton & Salakhutdinov 2006).

    The network is trained on the training images without their labels. Three convolutions of stride
    two and a dense layer encode an image; a dense layer and three convolutions decode it. Adam
    (Kingma & Ba 2015) minimises the mean squared error of the pixels. With ``masking`` a square of
    each training image is grayed out, and the network learns to reconstruct the whole image
    (Vincent et al. 2008; Pathak et al. 2016), so that the codes tolerate missing regions.

    Parameters
    ----------
    n_components : int, default=64
        Length of a code.
    epochs : int, default=20
        Number of passes over the training images.
    batch_size : int, default=64
        Number of images per training step and per batch of ``transform``.
    learning_rate : float, default=1e-3
        Learning rate at the start of the cosine schedule.
    masking : bool, default=False
        Gray out a square, a quarter of the side long, in each training image.
    device : {"auto", "cpu", "cuda", "cuda:N"}, default="auto"
        Where the network is trained and applied.
    random_state : int, RandomState or None, default=None
        Draws the weights, the batches and the masked squares.

    Attributes
    ----------
    network_ : models.autoencoder_layers.AutoencoderNetwork
        The trained network, on the CPU.
    history_ : list of {"epoch", "loss"}
        The loss is the mean squared error of pixels scaled to [-1, 1].

    See Also
    --------
    features.pca.PCA : A linear projection.
    features.cnn_embedding.CNNEmbedding : Features of a network trained on labels.

    Examples
    --------
    >>> import numpy as np
    >>> from features import Autoencoder
    >>> images = np.zeros((20, 8, 8, 1), np.uint8)
    >>> Autoencoder(n_components=4, epochs=1, device="cpu").fit_transform(images).shape
    (20, 4)
    """

    stateless = False
    batch_size: int = 64  # a parameter here, which replaces the property of the base class

    deep = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [WholeNumber(1)],
        "masking": ["boolean"],
        **{name: CONSTRAINTS[name] for name in ("epochs", "batch_size", "learning_rate", "device")},
        "random_state": ["random_state"],
    }
    search_space: ClassVar[dict[str, Any]] = {"n_components": [32, 64, 128]}

    def __init__(
        self,
        n_components: int = 64,
        epochs: int = 20,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        masking: bool = False,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.masking = masking
        self.device = device
        self.random_state = random_state

    def learn(self, images: Images, *labels: Any) -> None:
        """Train the network; a single image is used twice, because batch norm needs two."""
        from models.autoencoder_layers import AutoencoderNetwork
        from models.recipe import Recipe
        from models.training import train_network

        images = np.repeat(images, 2, axis=0) if len(images) == 1 else images
        augmentation = ("cutout",) if self.masking else ()
        recipe = Recipe(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            epochs=self.epochs,
            schedule="cosine",
            augmentation=augmentation,
            device=self.device,
        )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.network_, self.history_ = train_network(
            lambda batch: AutoencoderNetwork(batch.shape[1:], self.n_components),
            images,
            images,
            recipe,
            seed,
        )

    def restore(self, state: dict[str, Any]) -> None:
        """Rebuild ``network_`` from a state dictionary; all other fitted attributes must be set."""
        from models.autoencoder_layers import AutoencoderNetwork
        from models.training import rebuild_network

        self.network_ = rebuild_network(
            lambda batch: AutoencoderNetwork(batch.shape[1:], self.n_components),
            self.image_shape_,
            state,
        )

    def extract(self, batch: Images) -> Features:
        """Codes, (b, n_components)."""
        from models.prediction import predict_embeddings

        return predict_embeddings(self.network_, batch, self.device)

    def reconstruct_images(self, images: Images) -> Images:
        """Reconstruct images from their codes, (n, h, w, c) uint8."""
        from models.prediction import predict_pixels

        return predict_pixels(self.network_, images, self.device)
