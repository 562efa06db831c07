"""Join the predictions of the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import rankdata

from benchmark.scoring.predictions import Predictions


def pool_test_sets(predictions: Sequence[Predictions]) -> list[Predictions]:
    """Join the test sets of folds into sets in which no image occurs twice.

    Parameters
    ----------
    predictions : sequence of Predictions
        Of one seed, in the order of the folds; every repetition of a cross-validation tests all
        images once.

    Returns
    -------
    list of Predictions
        One per repetition.
    """
    pooled: list[list[Predictions]] = []
    seen: set[int] = set()
    for p in predictions:
        if not pooled or seen.intersection(p.test_index.tolist()):
            pooled.append([])
            seen = set()
        pooled[-1].append(p)
        seen.update(p.test_index.tolist())
    return [_join(parts) for parts in pooled]


def rank_within_test_set(predictions: Predictions) -> Predictions:
    """Replace probabilities by their ranks, so that those of the models of several folds agree.

    Metrics of ranks, such as the AUC, then compare the images of different folds by their places
    in their own folds: a constant model has an AUC of one half.

    Parameters
    ----------
    predictions : Predictions
        Of two classes, or multi-label; others are returned unchanged, as the probabilities of an
        image must sum to one.

    Examples
    --------
    >>> proba = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]])
    >>> p = Predictions(np.array([0, 1, 0]), proba, ("benign", "malignant"), np.arange(3))
    >>> rank_within_test_set(p).proba[:, 1].tolist()
    [0.25, 0.75, 0.5]
    """
    ranks = rankdata(predictions.proba, axis=0) / (len(predictions.proba) + 1)
    if predictions.multilabel:
        return predictions.with_probabilities(ranks)
    if len(predictions.classes) != 2:
        return predictions
    return predictions.with_probabilities(np.column_stack([1 - ranks[:, 1], ranks[:, 1]]))


def _join(parts: Sequence[Predictions]) -> Predictions:
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([p.test_index for p in parts]), kind="stable")
    groups = None
    if all(p.groups is not None for p in parts):
        groups = np.concatenate([p.groups for p in parts])[order]
    return replace(
        parts[0],
        y_true=np.concatenate([p.y_true for p in parts])[order],
        proba=np.concatenate([p.proba for p in parts])[order],
        test_index=np.concatenate([p.test_index for p in parts])[order],
        groups=groups,
    )
