"""FastResNet: a small residual network that is quick to train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from models.constraints import ListOf, WholeNumber
from models.network_classifier import Images, NetworkClassifier

if TYPE_CHECKING:
    from models.network import Body


class FastResNet(NetworkClassifier):
    """A few wide convolutions behind a whitening layer: minutes on a CPU, seconds on a GPU.

    Of the family that began with Page's ResNet-9 for DAWNBench (2018-19), after Jordan's (2024,
    "94% on CIFAR-10 in 3.29 seconds on a single GPU"): the first layer whitens 2 x 2 patches, its
    filters are the principal components of the training images' patches and stay as they are; then
    three stages of convolution, max-pooling, batch norm and GELU. Changed: each stage ends in a
    residual block (He et al. 2016) of one convolution, widths are a parameter, the learning rate is
    one for all layers, and images are predicted once, without mirrored or moved copies. Images
    below 16 pixels are enlarged to that.

    Parameters
    ----------
    widths : tuple of three int
        Channels of the stages.
    **others
        Those of `NetworkClassifier`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkClassifier._parameter_constraints,
        "widths": [ListOf(WholeNumber(1), length=3)],
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
            device=device,
            random_state=random_state,
        )

    def make_body(self, images: Images) -> Body:
        """All layers but the last."""
        from models.fast_layers import fast_body

        return fast_body(images, self.widths)
