"""Residual networks of torchvision for small and large images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.error import URLError

import numpy as np

from models.network_classifier import Images, NetworkClassifier
from models.weights import describe_weights_file, load_weights, read_state_dict

if TYPE_CHECKING:
    from torch import Tensor

    from models.network import Body

SMALL = 64  # pixels; the first layers would reduce smaller images to almost nothing
# normalisation of the images that torchvision's weights were trained on
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


class ResNet18(NetworkClassifier):
    """Residual network of 18 layers (He et al. 2016), as in torchvision.

    Changed for images below 64 pixels: the first convolution is 3 x 3 with stride 1, and there is
    no max-pooling after it, as for CIFAR-10 in the paper and in MedMNIST (Yang et al. 2023). The
    defaults are close to MedMNIST's: Adam with a learning rate of 0.001, batches of 128.

    Parameters
    ----------
    weights : None, "imagenet" or path, default=None
        Initial weights. None means random weights; "imagenet" means those of torchvision for
        ImageNet, from its cache or downloaded; a path is that of a file with such a state
        dictionary (.pth, .safetensors). With given weights gray images are converted to colour, and
        images below 64 pixels are enlarged to 64.
    **parameters
        Those of `NetworkClassifier`.

    See Also
    --------
    ResNet50 : A deeper network.
    models.fast_resnet.FastResNet : A network that trains much faster.

    Examples
    --------
    >>> from models import ResNet18
    >>> network = ResNet18(weights="imagenet", epochs=5)
    >>> network.learning_rate, network.schedule
    (0.001, 'cosine')
    """

    architecture: ClassVar[str] = "resnet18"

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkClassifier._parameter_constraints,
        "weights": [None, str],
    }

    def __init__(
        self,
        weights: str | None = None,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        batch_size: int = 128,
        epochs: int = 30,
        schedule: str = "cosine",
        augmentation: tuple[str, ...] = (),
        label_smoothing: float = 0.0,
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
        self.weights = weights
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

    def describe_weights(self) -> dict[str, str | None] | None:
        """Name and SHA-256 of the given file of weights; None without a file.

        torchvision's weights are determined by its version.
        """
        return None if self.weights in (None, "imagenet") else describe_weights_file(self.weights)

    def make_body(self, images: Images) -> Body:
        """All layers but the last."""
        from torch import nn
        from torchvision import models

        from models.network import Body, Pixels

        network = getattr(models, self.architecture)()
        small, gray = min(images.shape[1:3]) < SMALL, images.shape[3] == 1
        if self.weights is None and small:
            network.conv1, network.maxpool = (
                nn.Conv2d(images.shape[3], 64, 3, padding=1, bias=False),
                nn.Identity(),
            )
        elif self.weights is None and gray:
            network.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        width, network.fc = network.fc.in_features, nn.Identity()
        return Body(
            network, width, Pixels() if self.weights is None else Pixels(**IMAGENET, least=SMALL)
        )

    def initialise(self, body: Body) -> None:
        """Load the given weights, except those of the last layer."""
        if self.weights is not None:
            state = {
                name: value
                for name, value in self._read_state_dict().items()
                if not name.startswith("fc.")
            }
            load_weights(body.layers, state, f"weights={self.weights!r}")

    def _read_state_dict(self) -> dict[str, Tensor]:
        """Read the state dictionary of the given weights without unpickling objects."""
        import torch
        from torchvision import models

        if self.weights == "imagenet":
            try:
                return models.get_model_weights(self.architecture)["DEFAULT"].get_state_dict(
                    progress=False, check_hash=True
                )
            except (URLError, OSError) as error:
                folder = Path(torch.hub.get_dir()) / "checkpoints"
                raise ValueError(
                    f"weights='imagenet' of {self.architecture} are not in {folder}, and cannot be "
                    f"downloaded ({error}); put torchvision's file there, or name a file"
                ) from error
        return read_state_dict(str(self.weights))


class ResNet50(ResNet18):
    """Residual network of 50 layers with bottlenecks (He et al. 2016).

    Changes are those of `ResNet18`.

    Parameters
    ----------
    weights : None, "imagenet" or path, default=None
        Initial weights, as those of `ResNet18`.
    **parameters
        Those of `NetworkClassifier`.

    See Also
    --------
    ResNet18 : A shallower network.

    Examples
    --------
    >>> from models import ResNet50
    >>> ResNet50(epochs=5).get_params()["batch_size"]
    128
    """

    architecture: ClassVar[str] = "resnet50"
