"""Fit extractors and models, and refuse training sets that a model cannot be fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.evaluation.image_changes import Changes, change_images
from benchmark.strategies.base import Refused
from features.image_rows import ImageRows

if TYPE_CHECKING:
    import pandas as pd


# from scikit-learn's message in AdaBoost, on which other boosting models are based
WORSE_THAN_CHANCE = "worse than random"


def tabulate_attributes(dataset: Dataset, indices: NDArray[np.int64]) -> pd.DataFrame:
    """Tabulate the attributes of some images, for an extractor that takes them."""
    import pandas as pd

    return pd.DataFrame({name: values[indices] for name, values in dataset.attributes.items()})


def fit_extractor(
    extractor: Any,
    dataset: Dataset,
    train: NDArray[np.int64],
    changes: Changes = (),
    seed: int = 0,
) -> Any:
    """Fit an extractor to training images, and to their labels if it uses labels.

    Parameters
    ----------
    extractor : Extractor
    dataset : Dataset
    train : (n,) int64
        Indices of the training images.
    changes : tuple
        What is done to the images; see ``find_changes``.
    seed : int
        Seed of these changes.

    Returns
    -------
    Extractor
        The fitted extractor.
    """
    if getattr(extractor, "takes", "images") == "attributes":
        return extractor.fit(tabulate_attributes(dataset, train))
    if getattr(extractor, "stateless", False):
        train = train[:1]  # it learns nothing: avoid a copy of all training images
    images: Any = ImageRows(
        dataset.images, train, lambda read, indices: change_images(read, indices, changes, seed)
    )
    if not getattr(extractor, "learns_from_sample", False):
        images = np.asarray(images)
    labels = (dataset.targets[train],) if getattr(extractor, "uses_labels", False) else ()
    return extractor.fit(images, *labels)


def fit_model(model: Any, X: NDArray, y: NDArray, rarest: str, **given: Any) -> Any:
    """Fit a model to a training set.

    Parameters
    ----------
    model : scikit-learn classifier
    X : (n, d) float32, or (n, h, w, c) uint8
        Features or images after resampling.
    y : (n,) or (n, n_classes) int64
        Targets after resampling.
    rarest : str
        Description of the training set before resampling, for the reason of a refusal.
    **given : dict
        Held-out images, from ``prepare_fit``.

    Returns
    -------
    scikit-learn classifier
        The fitted model.

    Raises
    ------
    Refused
        The model needs more training images than there are, or it is a boosting model whose first
        weak learner is worse than chance.
    """
    reason = size_refusal(model, len(X))
    if reason:
        raise Refused(reason)
    try:
        return model.fit(X, y, **given)
    except ValueError as error:
        if WORSE_THAN_CHANCE not in str(error):
            raise
        raise Refused(
            f"{type(model).__name__} cannot learn from this training set: its first weak learner "
            "is worse than chance; more images of the rarest class, or a model that is not "
            f"boosted, would work ({rarest})"
        ) from error


def size_refusal(model: Any, n_images: int) -> str | None:
    """Return why a model cannot be fitted to this number of images; None if it can."""
    for name, value in model.get_params().items():
        if name.split("__")[-1] == "n_neighbors" and isinstance(value, int) and value > n_images:
            return (
                f"n_neighbors={value} needs at least {value} training images; it is given "
                f"{n_images}"
            )
    return None
