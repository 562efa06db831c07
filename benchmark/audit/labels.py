"""Images whose label may be wrong, by a quick model that was not trained on them."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmark.audit.frequent_classes import FEWEST
from benchmark.datasets.base import Dataset
from benchmark.scoring.label_errors import suggest_labels
from features.hog import HOG

SIDE = 32  # pixels
MOST_IMAGES = 5000  # that are examined: a support vector machine takes a minute for more
BETTER = 0.1  # than the largest class, as a share of the images
FOLDS = 5


def find_label_errors(
    dataset: Dataset,
) -> tuple[NDArray[np.int64], NDArray[np.int64], float, str]:
    """Rank the images whose label confident learning suspects, the most doubtful first.

    A support vector machine on histograms of oriented gradients predicts each image from four
    fifths of the others, of other groups if there are groups. An image is the more doubtful the
    more probable another class is than its own.

    Returns
    -------
    indices : (n,) int64
    suggested : (n,) int64
        The class that is suggested for each.
    accuracy : float
        Share of the images that the machine predicts as they are labelled.
    not_examined : str
        Which labels were not examined, and why; empty if all were.
    """
    nothing = np.empty(0, np.int64)
    if dataset.multilabel:
        return nothing, nothing, math.nan, "labels: an image may have several"
    chosen, remark = np.arange(len(dataset.targets)), ""
    if len(chosen) > MOST_IMAGES:
        chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:MOST_IMAGES])
        remark = f"labels: {MOST_IMAGES:,} of {len(dataset.targets):,} were examined, at random"
    y = dataset.targets[chosen]
    groups = None if dataset.groups is None else dataset.groups[chosen]
    if _count_units(y, groups, len(dataset.classes)) < FEWEST:
        few = f"labels: a class has fewer than {FEWEST} images or groups"
        return nothing, nothing, math.nan, few
    proba = _predict_out_of_fold(_describe_shapes(dataset, chosen), y, groups)
    accuracy = float((proba.argmax(axis=1) == y).mean())
    if accuracy < np.bincount(y).max() / len(y) + BETTER:
        poor = "labels: the quick model that doubts them is hardly better than the largest class"
        return nothing, nothing, accuracy, poor
    suggested = suggest_labels(y, proba)
    rows = np.arange(len(y))
    others = np.where(np.eye(proba.shape[1], dtype=bool)[y], -1, proba).max(axis=1)
    order = np.argsort(proba[rows, y] - others, kind="stable")
    order = order[suggested[order] != y[order]]
    return chosen[order], suggested[order], accuracy, remark


def _count_units(y: NDArray[np.int64], groups: NDArray | None, n_classes: int) -> int:
    """Number of images, or groups, of the rarest class."""
    units = np.arange(len(y)) if groups is None else groups
    return min(len(np.unique(units[y == k])) for k in range(n_classes))


def _describe_shapes(dataset: Dataset, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    import cv2

    images = np.empty((len(chosen), SIDE, SIDE, dataset.images.shape[3]), np.uint8)
    for k, i in enumerate(chosen):
        image = np.ascontiguousarray(dataset.images[i])
        small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        images[k] = small.reshape(images.shape[1:])
    extractor = HOG(pixels_per_cell=(4, 4), cells_per_block=(2, 2))
    return extractor.fit(images[:1]).transform(images)


def _predict_out_of_fold(
    X: NDArray[np.float32], y: NDArray[np.int64], groups: NDArray | None
) -> NDArray[np.float64]:
    n_components = min(64, X.shape[1], len(y) // 3)
    machine = make_pipeline(
        StandardScaler(), PCA(n_components, random_state=0), SVC(C=3, random_state=0)
    )
    model = CalibratedClassifierCV(machine, ensemble=False, cv=3)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = kind(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cross_val_predict(model, X, y, groups=groups, cv=folds, method="predict_proba")
