"""FastResNet: a small residual network that trains quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from models.constraints import ListOf, WholeNumber
from models.network_classifier import Images, NetworkClassifier

if TYPE_CHECKING:
    from models.network import Body


class FastResNet(NetworkClassifier):
    """Residual network that trains in minutes on a CPU and in seconds on a GPU.

    It belongs to the family of Page's ResNet-9 for DAWNBench (2018-19) and follows Jordan (2024,
    "94% on CIFAR-10 in 3.29 seconds on a single GPU"). The first layer whitens 2 x 2 patches: its
    filters are the principal components of patches of the training images and are not trained.
    Three stages of convolution, max-pooling, batch norm and GELU follow. Changed: each stage ends
    in a residual block (He et al. 2016) of one convolution, the widths are a parameter, all layers
    share one learning rate, and images are predicted once, without mirrored or shifted copies.
    Images below 16 pixels are enlarged to 16.

    Parameters
    ----------
    widths : tuple of three int, default=(24, 64, 128)
        Number of channels of each stage.
    **parameters
        Those of `NetworkClassifier`.

    See Also
    --------
    models.resnet.ResNet18 : A larger residual network.
    models.cnn.SimpleCNN : A smaller network.

    Examples
    --------
    >>> import numpy as np
    >>> from models import FastResNet
    >>> images, labels = np.zeros((20, 8, 8, 1), np.uint8), np.arange(20) % 2
    >>> network = FastResNet(widths=(4, 4, 8), epochs=1, device="cpu").fit(images, labels)
    >>> network.predict_proba(images).shape
    (20, 2)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkClassifier._parameter_constraints,
        "widths": [ListOf(WholeNumber(1), length=3)],
    }
    search_space: ClassVar[dict[str, Any]] = {
        **NetworkClassifier.search_space,
        "learning_rate": "loguniform(0.02, 1)",
    }

    def __init__(
        self,
        widths: tuple[int, int, int] = (24, 64, 128),
        optimizer: str = "sgd",
        learning_rate: float = 0.2,
        weight_decay: float = 5e-4,
        batch_size: int = 256,
        epochs: int = 10,
        schedule: str = "one_cycle",
        augmentation: tuple[str, ...] = ("flip", "shift"),
        label_smoothing: float = 0.1,
        ema: float | None = None,
        validation: float = 0.0,
        patience: int | None = None,
        loss: str = "cross_entropy",
        class_weight: str | dict[Any, float] | None = None,
        deferred_reweighting: bool = False,
        two_phase: bool = False,
        compile: bool = False,
        max_side: int | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.widths = widths
        super().__init__(
            optimizer=optimizer,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            epochs=epochs,
            schedule=schedule,
            augmentation=augmentation,
            label_smoothing=label_smoothing,
            ema=ema,
            validation=validation,
            patience=patience,
            loss=loss,
            class_weight=class_weight,
            deferred_reweighting=deferred_reweighting,
            two_phase=two_phase,
            compile=compile,
            max_side=max_side,
            device=device,
            random_state=random_state,
        )

    def make_body(self, images: Images) -> Body:
        """All layers but the last."""
        from models.fast_layers import fast_body

        return fast_body(images, self.widths)
