"""imbalanced-learn's ensembles: each member is fitted on a part with equally frequent classes, so that no image need be dropped by all.

Parameters are imbalanced-learn's, and so are their defaults; ``random_state`` and ``class_weight``
are no arguments, see `models.classical`. All are made for a class of few images; what becomes of a
class of one is said at each.
"""

from __future__ import annotations

import numpy as np
from imblearn.ensemble import (
    BalancedBaggingClassifier,
    BalancedRandomForestClassifier,
    EasyEnsembleClassifier,
    RUSBoostClassifier,
)
from imblearn.under_sampling import RandomUnderSampler
from numpy.typing import NDArray


def balanced_random_forest(
    n_estimators: int = 100,
    max_depth: int | None = None,
    min_samples_leaf: int = 1,
    max_features: float | str | None = "sqrt",
) -> BalancedRandomForestClassifier:
    """Random forest whose trees see every class equally often (Chen, Liaw & Breiman 2004).

    A class of one image is in every tree, with one image of each other class.
    """
    return BalancedRandomForestClassifier(
        n_estimators=n_estimators,
        max_depth=max_depth,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
    )


def easy_ensemble(n_estimators: int = 10) -> EasyEnsembleClassifier:
    """AdaBoost on each of several balanced parts, averaged (Liu, Wu & Zhou 2009).

    A class of one image is in every part, with one image of each other class.
    """
    return EasyEnsembleClassifier(n_estimators=n_estimators)


def rus_boost(n_estimators: int = 50, learning_rate: float = 1.0) -> RUSBoostClassifier:
    """AdaBoost of stumps, each fitted after random under-sampling (Seiffert et al. 2010).

    With a class of one or two images a first stump may be worse than chance on the whole training
    part; then ``fit`` raises a ValueError.
    """
    return RUSBoostClassifier(n_estimators=n_estimators, learning_rate=learning_rate)


def balanced_bagging(n_estimators: int = 10) -> BalancedBaggingClassifier:
    """Trees, each fitted on a bootstrap sample (Breiman 1996) that is then under-sampled (Hido, Kashima & Takahashi 2009).

    Changed, by imbalanced-learn: classes are exactly, not roughly, as frequent. A class of one
    image is missing from a third of the bootstrap samples; the trees fitted on these know only the
    others.
    """
    return BalancedBaggingClassifier(n_estimators=n_estimators, sampler=UnderSampler())


class UnderSampler(RandomUnderSampler):
    """Random under-sampling that leaves alone what holds a single class.

    In place of imbalanced-learn's, which refuses it: then two classes, one of them rare, could
    hardly be bagged, as some bootstrap sample lacks the rare one (99 in 100 times among ten when it
    has one image, 77 when it has two).
    """

    def fit_resample(self, X: NDArray, y: NDArray, **params: NDArray) -> tuple[NDArray, NDArray]:
        """Resample; a single class is returned as it is."""
        if len(np.unique(y)) > 1:
            return super().fit_resample(X, y, **params)
        self.sample_indices_ = np.arange(len(y))
        return X, y
