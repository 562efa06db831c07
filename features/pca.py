"""Principal components of another extractor's features."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn import decomposition
from sklearn.base import clone
from sklearn.utils import check_random_state

from features.base import Extractor, Features, Images
from features.pixels import Pixels
from models.constraints import ObjectWith, WholeNumber


class PCA(Extractor):
    """Principal components (Pearson 1901) of the features of another extractor.

    Parameters
    ----------
    extractor : Extractor, default=None
        The other extractor; None means raw pixels ("eigenfaces", Turk & Pentland 1991).
    n_components : int, default=64
        Number of components. Components whose variance is no more than rounding, as with few
        training images, are zero.
    whiten : bool, default=False
        Divide each component by its standard deviation on the training images.
    n_sampled : int, default=10_000
        Largest number of training images that the components are learned from, which bounds the
        memory. The images are drawn at random.
    random_state : int, RandomState or None, default=None
        Draws the images, and seeds the other extractor unless that has a ``random_state`` of its
        own.

    Attributes
    ----------
    extractor_ : Extractor
        The other extractor, fitted.
    projection_ : sklearn.decomposition.PCA
        The projection, fitted to the features of the sampled training images.
    scale_ : (n,) float32
        Factor of each component.

    See Also
    --------
    features.pixels.Pixels : The default extractor.
    features.autoencoder.Autoencoder : A nonlinear projection of the pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from features import PCA
    >>> images = np.random.default_rng(0).integers(256, size=(5, 8, 8, 1), dtype=np.uint8)
    >>> PCA(n_components=3, random_state=0).fit_transform(images).shape
    (5, 3)
    """

    stateless = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "extractor": [None, ObjectWith("extract", "an extractor, such as HOG()")],
        "n_components": [WholeNumber(1)],
        "whiten": ["boolean"],
        "n_sampled": [WholeNumber(1)],
        "random_state": ["random_state"],
    }
    search_space: ClassVar[dict[str, Any]] = {
        "n_components": [32, 64, 128],
        "whiten": [False, True],
    }

    def __init__(
        self,
        extractor: Any = None,
        n_components: int = 64,
        whiten: bool = False,
        n_sampled: int = 10_000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.extractor = extractor
        self.n_components = n_components
        self.whiten = whiten
        self.n_sampled = n_sampled
        self.random_state = random_state

    def _inner_extractor(self) -> Any:
        return Pixels() if self.extractor is None else self.extractor

    @property
    def min_size(self) -> int:
        """Smallest side that the other extractor accepts."""
        return int(self._inner_extractor().min_size)

    @property
    def learns_from_sample(self) -> bool:
        """Whether the other extractor learns from a sample, or learns nothing."""
        inner = self._inner_extractor()
        return bool(inner.stateless or inner.learns_from_sample)

    @property
    def batch_size(self) -> int:
        """Batch size of the other extractor."""
        return int(self._inner_extractor().batch_size)

    @property
    def uses_labels(self) -> bool:
        """Whether the other extractor uses labels."""
        return bool(self._inner_extractor().uses_labels)

    def learn(self, images: Images, *labels: Any) -> None:
        """Fit the other extractor to all images, and the components to a sample of them."""
        random = check_random_state(self.random_state)
        inner = clone(self._inner_extractor())
        unset = [
            name
            for name, value in inner.get_params().items()
            if name.split("__")[-1] == "random_state" and value is None
        ]
        inner.set_params(**{name: random.randint(2**31 - 1) for name in unset})
        self.extractor_ = inner.fit(images, *labels)
        drawn = np.sort(random.permutation(len(images))[: self.n_sampled])
        features = self.extractor_.transform(images[drawn])
        features = np.repeat(features, 2, axis=0) if len(features) == 1 else features
        n = min(self.n_components, *features.shape)
        with np.errstate(invalid="ignore"):  # constant features: shares of a variance of zero
            self.projection_ = decomposition.PCA(n, random_state=random).fit(features)
        variances, eps = self.projection_.explained_variance_, np.finfo(np.float32).eps
        rounding = max(
            eps * max(features.shape) * variances[0],
            features.shape[1] * (eps * np.abs(features).max()) ** 2,
        )
        real = variances > rounding
        self.scale_ = np.where(
            real, 1 / np.sqrt(np.where(real, variances, 1)) if self.whiten else 1, 0
        ).astype(np.float32)

    def extract(self, batch: Images) -> Features:
        """Principal components, the largest first, (b, n_components)."""
        features = self.extractor_.extract(batch).astype(np.float32)
        components = self.projection_.transform(features) * self.scale_
        return np.pad(components, ((0, 0), (0, self.n_components - components.shape[1])))

    def check_parameters(self) -> None:
        """Check the parameters, and those of the other extractor."""
        super().check_parameters()
        self._inner_extractor().check_parameters()

    def _feature_names(self) -> list[str]:
        return [f"component{i}" for i in range(self.n_components)]
