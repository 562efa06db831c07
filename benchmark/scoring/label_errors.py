"""Find images whose label may be wrong, from predictions of models not trained on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.predictions import Predictions

Floats = NDArray[np.float64]


def average_probabilities(predictions: Sequence[Predictions]) -> Floats:
    """Mean probabilities over predictions of the same images, (n, n_classes)."""
    return np.mean([p.proba for p in predictions], axis=0)


def suggest_labels(y: NDArray[np.int64], proba: Floats) -> NDArray[np.int64]:
    """Suggest the label of each image by confident learning (Northcutt, Jiang & Chuang 2021).

    The threshold of a class is the mean probability of it among the images labelled as it. Among
    the classes whose threshold an image reaches, its most probable one is suggested. The package
    ``cleanlab`` of the authors has a licence (AGPL) that would extend to users of this library.

    Parameters
    ----------
    y : (n,) int array
        Given labels.
    proba : (n, n_classes) float array
        Predicted by models that were not trained on the image.

    Returns
    -------
    (n,) int array
        The given label where no other class is suggested.

    Examples
    --------
    >>> y = np.array([0, 0, 0, 1, 1, 1])
    >>> positive = np.array([0.1, 0.2, 0.95, 0.9, 0.8, 0.7])
    >>> suggest_labels(y, np.column_stack([1 - positive, positive])).tolist()
    [0, 0, 1, 1, 1, 1]
    """
    n_classes = proba.shape[1]
    thresholds = np.array(
        [proba[y == k, k].mean() if (y == k).any() else np.inf for k in range(n_classes)]
    )
    reached = np.where(proba >= thresholds, proba, -np.inf)
    suggested = reached.argmax(axis=1)
    return np.where(np.isfinite(reached.max(axis=1)), suggested, y)
