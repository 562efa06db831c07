"""The code of a convolutional autoencoder."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from features.base import Extractor, Features, Images
from models.constraints import WholeNumber
from models.recipe import CONSTRAINTS


class Autoencoder(Extractor):
    """The code of a convolutional autoencoder, learned from the training images without their labels (Hinton & Salakhutdinov 2006).

    Three convolutions of stride two make a code of an image, which a dense layer and three
    convolutions turn back into the image; the mean squared error of its pixels is minimised by Adam
    (Kingma & Ba 2015). With ``masking`` the network sees images of which a square is grayed out,
    and is to give back the whole ones (Vincent et al. 2008; Pathak et al. 2016): codes that bear
    with missing regions.

    Parameters
    ----------
    n_components : int
        Numbers of a code.
    epochs, batch_size : int
    learning_rate : float
    masking : bool
        Gray out a square of a quarter of the side of each training image.
    device : {"auto", "cpu", "cuda", "cuda:N"}
    random_state : int, RandomState or None
        Draws the weights, the batches and what is masked.

    Attributes
    ----------
    network_ : models.autoencoder_layers.AutoencoderNetwork
    history_ : list of {"epoch", "loss"}
        Mean squared error of pixels in -1..1.
    """

    stateless = False
    batch_size: int = 64  # here a parameter

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [WholeNumber(1)],
        "masking": ["boolean"],
        **{name: CONSTRAINTS[name] for name in ("epochs", "batch_size", "learning_rate", "device")},
        "random_state": ["random_state"],
    }

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
        """Train the network; a single image is trained on twice, as batch norm needs two."""
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
        """Build ``network_`` anew from the state dictionary of another's; all else that ``fit`` sets is there."""
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
        """What the network gives back for images, (n, h, w, c) uint8."""
        from models.prediction import predict_pixels

        return predict_pixels(self.network_, images, self.device)
