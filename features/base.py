"""The base class of every extractor: what an author writes, and what the base class does."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

Images = NDArray[np.uint8]
Features = NDArray[np.float32]


class Extractor(TransformerMixin, BaseEstimator):
    """Turn images into one feature vector each.

    Write ``extract(batch)``. If something is learned from the training images (a vocabulary, a
    projection), write ``learn(images)`` too and set ``stateless = False``. Declare which values
    each parameter may have in ``_parameter_constraints``, as scikit-learn's estimators do. The base
    class does the rest: checking parameters, shapes and types, splitting the images into batches,
    distributing them over threads, enlarging images that are smaller than ``min_size``, checking
    what ``extract`` returned.

    As in scikit-learn, one thread is used unless joblib is told otherwise:
    ``with joblib.parallel_config("threading", n_jobs=4): extractor.transform(images)``.
    The features do not depend on the number of threads.

    ``__init__`` only stores its arguments, as scikit-learn asks; what ``learn`` computes is stored
    in attributes that end with an underscore. An extractor that draws random numbers takes
    ``random_state``; the harness sets it.

    images : (n, h, w, c) uint8, c is 1 (gray) or 3 (RGB)        features : (n, d) float32, finite

    What the base class asks of an extractor, ``stateless``, ``uses_labels``, ``min_size`` and
    ``batch_size``, is stated in the class: by a line (``stateless = False``), or by a property
    where it depends on the parameters.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    @property
    def stateless(self) -> bool:
        """Whether nothing is learned in ``fit``: features are computed once per dataset, not once per training set."""
        return True

    @property
    def uses_labels(self) -> bool:
        """Whether ``learn(images, y)`` is given the labels of the training images as well.

        The training images then have better features than new images will have, so a model fitted
        to them is too confident.
        """
        return False

    @property
    def min_size(self) -> int:
        """Smallest side that ``extract`` can work on; smaller images are enlarged (bicubic) to it."""
        return 1

    @property
    def batch_size(self) -> int:
        """Number of 32x32 images per call of ``extract``; of larger images, proportionally fewer. It bounds the memory per thread."""
        return 512

    def extract(self, batch: Images) -> NDArray[np.floating]:
        """Features of a few images; the one method every extractor writes.

        Parameters
        ----------
        batch : (b, h, w, c) uint8
            Read-only: an extractor never changes its input.

        Returns
        -------
        (b, d) float array
            One vector per image; d depends on the parameters and on (h, w, c), never on the pixel
            values.
        """
        raise NotImplementedError(f"{type(self).__name__} must define extract(batch)")

    def check_parameters(self) -> None:
        """Check the values of the parameters against ``_parameter_constraints``, before any work.

        Override it, and call it by ``super()``, for values that are refused only together.

        Raises
        ------
        ValueError
            It names the parameter, what is allowed, and what was given.
        """
        self._validate_params()

    def learn(self, images: Images, *labels: Any) -> None:
        """Learn from the training images (already enlarged to ``min_size``); sets attributes that end with ``_``."""

    def fit(self, X: Images, y: Any = None) -> Self:
        """Learn from training images; labels are not used unless ``uses_labels``.

        Raises
        ------
        ValueError
            A parameter's value is not allowed, or the images are not (n, h, w, c) uint8 with 1 or 3
            channels, or there are none; or there are no labels and they are needed.
        """
        self.check_parameters()
        X = check_images(X)
        if self.uses_labels and y is None:
            raise ValueError(f"{type(self).__name__} learns from labels: fit(images, y)")
        self.image_shape_ = X.shape[1:]
        if not self.stateless:
            self.learn(
                enlarge_images(X, self.min_size), *([np.asarray(y)] if self.uses_labels else [])
            )
        return self

    def transform(self, X: Images) -> Features:
        """Features of images, (n, h, w, c) uint8 to (n, d) float32.

        Raises
        ------
        ValueError
            The images differ in size or channels from those of ``fit``, or ``extract`` broke its
            contract.
        """
        check_is_fitted(self, "image_shape_")
        X = check_images(X)
        if X.shape[1:] != self.image_shape_:
            raise ValueError(
                f"{type(self).__name__} was fitted on {self.image_shape_} images and was given "
                f"{X.shape[1:]}"
            )
        first, *others = self.batch_slices(X)
        features = self._extract_checked(X[first])
        out = np.empty((len(X), features.shape[1]), np.float32)
        out[first] = features
        if others:  # asking joblib takes as long as a batch of small images
            Parallel(require="sharedmem")(
                delayed(self._fill_batch)(out, X, batch) for batch in others
            )
        return out

    def batch_slices(self, images: Images) -> list[slice]:
        """Where each batch of images begins and ends."""
        height, width = enlarged_shape(images.shape[1], images.shape[2], self.min_size)
        size = max(1, min(self.batch_size, self.batch_size * 32 * 32 // (height * width)))
        return [slice(start, start + size) for start in range(0, len(images), size)]

    def _fill_batch(self, out: Features, X: Images, batch: slice) -> None:
        features = self._extract_checked(X[batch])
        if features.shape[1] != out.shape[1]:
            raise ValueError(
                f"{type(self).__name__}.extract gave {out.shape[1]} features for one batch and "
                f"{features.shape[1]} for another"
            )
        out[batch] = features

    def _extract_checked(self, batch: Images) -> NDArray[np.floating]:
        """Features of one batch, checked."""
        batch = np.ascontiguousarray(enlarge_images(batch, self.min_size)).view(np.ndarray)
        batch.flags.writeable = False
        name, returned = type(self).__name__, self.extract(batch)
        try:
            features = np.asarray(returned)
        except ValueError:
            raise ValueError(
                f"{name}.extract returned vectors of several lengths; every image must have as "
                "many features"
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
        """Names of the features, (d,) str; an extractor with telling names overrides ``_feature_names``."""
        check_is_fitted(self, "image_shape_")
        return np.array(self._feature_names(), dtype=object)

    def _feature_names(self) -> list[str]:
        probe = np.zeros((1, *self.image_shape_), np.uint8)
        prefix = type(self).__name__.lower()
        return [f"{prefix}{i}" for i in range(self.transform(probe).shape[1])]


def check_images(X: Images) -> Images:
    """Return X as an array if it is (n, h, w, c) uint8 with n > 0 and 1 or 3 channels; else raise ValueError."""
    X = np.asarray(X)
    if X.ndim != 4 or X.shape[-1] not in (1, 3) or X.dtype != np.uint8 or 0 in X.shape:
        raise ValueError(
            f"images must be (n, h, w, c) uint8, n > 0 and c 1 or 3; got shape {X.shape} and type "
            f"{X.dtype}"
        )
    return X


def enlarged_shape(height: int, width: int, min_size: int) -> tuple[int, int]:
    """Height and width after ``enlarge_images``: the shorter side is at least ``min_size``, the proportions stay."""
    scale = max(1.0, min_size / min(height, width))
    return round(height * scale), round(width * scale)


def enlarge_images(images: Images, min_size: int) -> Images:
    """Bicubic enlargement of images whose shorter side is below ``min_size``; others are returned as they are."""
    shape = enlarged_shape(images.shape[1], images.shape[2], min_size)
    if shape == images.shape[1:3]:
        return images
    import cv2

    big = [cv2.resize(image, shape[::-1], interpolation=cv2.INTER_CUBIC) for image in images]
    return np.stack(big).reshape(len(images), *shape, images.shape[-1])


def to_gray(images: Images) -> NDArray[np.float32]:
    """Gray values, (n, h, w) float32 in [0, 255]: the luma of Rec. 601 for RGB, the only channel otherwise."""
    if images.shape[-1] == 1:
        return images[..., 0].astype(np.float32)
    return np.asarray(images @ np.array([0.299, 0.587, 0.114], np.float32))
