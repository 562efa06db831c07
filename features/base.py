"""Base class of the feature extractors, and the conversions of images that they share."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from features.image_rows import ImageRows

Images = NDArray[np.uint8]  # or an ImageRows where a docstring says so

Features = NDArray[np.float32]

BATCH_SIZE = 512  # 32x32 images


class Extractor(TransformerMixin, BaseEstimator):
    """Scikit-learn transformer that turns each image into a feature vector.

    Images are (n, h, w, c) uint8 arrays, where c is 1 (gray) or 3 (RGB). Features are (n, d)
    float32 arrays of finite numbers.

    A subclass defines ``extract(batch)``. If it learns something from the training images, such as
    a vocabulary or a projection, it also defines ``learn(images)`` and sets ``stateless = False``.
    It declares the values that each parameter may have in ``_parameter_constraints``, as
    scikit-learn's estimators do. The base class does the rest: it checks parameters, shapes and
    types, splits the images into batches, distributes the batches over threads, enlarges images
    that are smaller than ``min_size``, and checks what ``extract`` returned.

    ``__init__`` only stores its arguments, as scikit-learn requires. What ``learn`` computes is
    stored in attributes whose names end with an underscore. An extractor that draws random numbers
    takes the parameter ``random_state``, which the benchmark sets.

    The attributes ``stateless``, ``uses_labels``, ``learns_from_sample``, ``min_size`` and
    ``batch_size`` tell the base class what an extractor needs. A subclass overrides them with a
    class attribute (``stateless = False``), or with a property if the value depends on the
    parameters.

    As in scikit-learn, one thread is used unless joblib is configured otherwise:
    ``with joblib.parallel_config("threading", n_jobs=4): extractor.transform(images)``.
    The features do not depend on the number of threads.

    See Also
    --------
    features.pixels.Pixels : The shortest extractor; it learns nothing.
    features.pca.PCA : An extractor that learns from the training images.

    Examples
    --------
    >>> import numpy as np
    >>> class MeanBrightness(Extractor):
    ...     def extract(self, batch):
    ...         return batch.mean(axis=(1, 2))
    >>> MeanBrightness().fit_transform(np.full((2, 8, 8, 1), 7, np.uint8))
    array([[7.],
           [7.]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    @property
    def stateless(self) -> bool:
        """Whether nothing is learned in ``fit``.

        The features of a stateless extractor are computed once per dataset, those of any other
        once per training set.
        """
        return True

    @property
    def uses_labels(self) -> bool:
        """Whether ``learn(images, y)`` also receives the labels of the training images.

        If so, the features of the training images separate the classes better than those of new
        images, and a model that is fitted to them is overconfident.
        """
        return False

    @property
    def learns_from_sample(self) -> bool:
        """Whether ``learn`` indexes its images and reads a sample of them only.

        If so, ``images`` may be an ``ImageRows``, which reads the images that are indexed, so that
        a training set may be larger than memory. Otherwise all training images are in memory.
        """
        return False

    @property
    def min_size(self) -> int:
        """Smallest side in pixels that ``extract`` accepts; smaller images are enlarged."""
        return 1

    @property
    def batch_size(self) -> int:
        """Number of 32x32 images per call of ``extract``, which bounds the memory per thread.

        A batch of larger images holds proportionally fewer.
        """
        return BATCH_SIZE

    def extract(self, batch: Images) -> NDArray[np.floating]:
        """Compute the features of a batch of images; every extractor defines this method.

        Parameters
        ----------
        batch : (b, h, w, c) uint8
            A read-only array.

        Returns
        -------
        (b, d) float array
            One vector per image. Its length d depends on the parameters and on (h, w, c), never on
            the values of the pixels.
        """
        raise NotImplementedError(f"{type(self).__name__} must define extract(batch)")

    def check_parameters(self) -> None:
        """Check the values of the parameters against ``_parameter_constraints``.

        Override this method, and call it with ``super()``, to refuse combinations of values.

        Raises
        ------
        ValueError
            The value of a parameter is not allowed. The message names the parameter, the allowed
            values and the given one.
        """
        self._validate_params()

    def learn(self, images: Images, *labels: Any) -> None:
        """Learn from the training images and set attributes whose names end with an underscore.

        Parameters
        ----------
        images : (n, h, w, c) uint8
            Already enlarged to ``min_size``; an ``ImageRows`` if ``learns_from_sample``.
        *labels : (n,) array
            Passed only if ``uses_labels`` is True.
        """

    def fit(self, X: Images, y: Any = None) -> Self:
        """Learn from training images; labels are ignored unless ``uses_labels`` is True.

        Raises
        ------
        ValueError
            The value of a parameter is not allowed; the images are not (n, h, w, c) uint8 with 1 or
            3 channels, or there are none; or labels are needed and missing.
        """
        self.check_parameters()
        X = check_images(X)
        if self.uses_labels and y is None:
            raise ValueError(f"{type(self).__name__} learns from labels: fit(images, y)")
        self.image_shape_ = X.shape[1:]
        if not self.stateless:
            images = enlarge_images(X if self.learns_from_sample else np.asarray(X), self.min_size)
            self.learn(images, *([np.asarray(y)] if self.uses_labels else []))
        return self

    def transform(self, X: Images) -> Features:
        """Compute the features of images, (n, h, w, c) uint8 to (n, d) float32.

        Raises
        ------
        ValueError
            The images differ in size or channels from those of ``fit``, or ``extract`` returned
            something other than a (b, d) array of finite numbers.
        """
        check_is_fitted(self, "image_shape_")
        X = check_images(X)
        if X.shape[1:] != self.image_shape_:
            raise ValueError(
                f"{type(self).__name__} was fitted on {self.image_shape_} images and was given "
                f"{X.shape[1:]}"
            )
        first, *remaining = self.batch_slices(X)
        features = self._extract_checked(X[first])
        out = np.empty((len(X), features.shape[1]), np.float32)
        out[first] = features
        if remaining:  # starting joblib takes as long as a batch of small images
            Parallel(require="sharedmem")(
                delayed(self._fill_batch)(out, X, batch) for batch in remaining
            )
        return out

    def batch_slices(self, images: Images) -> list[slice]:
        """Slice of each batch of images."""
        size = images_per_batch(self, images.shape[1:])
        return [slice(start, start + size) for start in range(0, len(images), size)]

    def _fill_batch(self, out: Features, X: Images, batch: slice) -> None:
        features = self._extract_checked(X[batch])
        if features.shape[1] != out.shape[1]:
            raise ValueError(
                f"{type(self).__name__}.extract returned {out.shape[1]} features for one batch and "
                f"{features.shape[1]} for another"
            )
        out[batch] = features

    def _extract_checked(self, batch: Images) -> NDArray[np.floating]:
        """Compute the features of one batch and check them."""
        batch = np.ascontiguousarray(enlarge_images(batch, self.min_size)).view(np.ndarray)
        batch.flags.writeable = False
        name, returned = type(self).__name__, self.extract(batch)
        try:
            features = np.asarray(returned)
        except ValueError:
            raise ValueError(
                f"{name}.extract returned vectors of different lengths; every image must have the "
                "same number of features"
            ) from None
        if features.dtype.kind not in "biuf":
            what = "None" if returned is None else f"{features.dtype} values"
            raise ValueError(
                f"{name}.extract returned {what}; it must be an array of numbers ({len(batch)}, d)"
            )
        if features.ndim != 2 or len(features) != len(batch):
            raise ValueError(
                f"{name}.extract returned shape {features.shape} for {len(batch)} images; it must "
                f"be ({len(batch)}, d)"
            )
        if not np.isfinite(features).all():
            raise ValueError(
                f"{name}.extract returned NaN or infinite features: look for a division by zero or "
                "the logarithm of zero"
            )
        return features

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the features, (d,) str; subclasses override ``_feature_names``."""
        check_is_fitted(self, "image_shape_")
        return np.array(self._feature_names(), dtype=object)

    def _feature_names(self) -> list[str]:
        probe = np.zeros((1, *self.image_shape_), np.uint8)
        prefix = type(self).__name__.lower()
        return [f"{prefix}{i}" for i in range(self.transform(probe).shape[1])]


def check_images(X: Images) -> Images:
    """Return X as an array, or as it is if it is an ``ImageRows``.

    Raises
    ------
    ValueError
        X is not (n, h, w, c) uint8 with at least one image and with 1 or 3 channels.
    """
    X = X if isinstance(X, ImageRows) else np.asarray(X)
    if X.ndim != 4 or X.shape[-1] not in (1, 3) or X.dtype != np.uint8 or 0 in X.shape:
        raise ValueError(
            f"images must be (n, h, w, c) uint8, n > 0 and c 1 or 3; got shape {X.shape} and type "
            f"{X.dtype}"
        )
    return X


def images_per_batch(extractor: Any, image_shape: tuple[int, ...]) -> int:
    """Number of (h, w, c) images in a batch of an extractor, which need not be an ``Extractor``."""
    height, width = enlarged_shape(
        image_shape[0], image_shape[1], getattr(extractor, "min_size", 1)
    )
    most = int(getattr(extractor, "batch_size", BATCH_SIZE))
    return max(1, min(most, most * 32 * 32 // (height * width)))


def enlarged_shape(height: int, width: int, min_size: int) -> tuple[int, int]:
    """Height and width after ``enlarge_images``, in pixels.

    The shorter side is at least ``min_size``; the proportions are kept.
    """
    scale = max(1.0, min_size / min(height, width))
    return round(height * scale), round(width * scale)


def enlarge_images(images: Images, min_size: int) -> Images:
    """Enlarge images (bicubic) whose shorter side is below ``min_size``; others are unchanged."""
    shape = enlarged_shape(images.shape[1], images.shape[2], min_size)
    if shape == images.shape[1:3]:
        return images
    if isinstance(images, ImageRows):
        channels = images.shape[3]
        return images.map_images(lambda read: enlarge_images(read, min_size), (*shape, channels))
    import cv2

    big = [cv2.resize(image, shape[::-1], interpolation=cv2.INTER_CUBIC) for image in images]
    return np.stack(big).reshape(len(images), *shape, images.shape[-1])


def to_gray(images: Images) -> NDArray[np.float32]:
    """Gray values, (n, h, w) float32 in [0, 255].

    Those of RGB images are the luma of Rec. 601; gray images keep their only channel.
    """
    if images.shape[-1] == 1:
        return images[..., 0].astype(np.float32)
    return np.asarray(images @ np.array([0.299, 0.587, 0.114], np.float32))
