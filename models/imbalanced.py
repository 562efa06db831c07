"""Ensembles of imbalanced-learn for imbalanced classes.

Each member is fitted on a sample with equally frequent classes, so that every image can contribute
to some member. Parameters and defaults are those of imbalanced-learn; ``random_state`` and
``class_weight`` are not arguments, as explained in `models.classical`. Each docstring states how
the ensemble treats a class of a single image.
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

from models.search_space import with_search_space


@with_search_space(max_features=["sqrt", 0.1, 0.3], min_samples_leaf=[1, 2, 4, 8])
def balanced_random_forest(
    n_estimators: int = 100,
    max_depth: int | None = None,
    min_samples_leaf: int = 1,
    max_features: float | str | None = "sqrt",
) -> BalancedRandomForestClassifier:
    """Random forest of trees that see every class equally often (Chen, Liaw & Breiman 2004).

    If a class has a single image, every tree sees that image and one of each other class.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    max_depth : int or None, default=None
        Largest depth of a tree; None is no limit.
    min_samples_leaf : int, default=1
        Fewest training images in a leaf.
    max_features : int, float, {"sqrt", "log2"} or None, default="sqrt"
        Features that are drawn for each division: a number, a share, or a function of their number;
        None is all.

    See Also
    --------
    models.classical.random_forest : A forest without balancing.

    Examples
    --------
    >>> X, y = np.arange(30.0)[:, None], np.repeat([0, 1], [25, 5])
    >>> model = balanced_random_forest(n_estimators=10).set_params(random_state=0)
    >>> model.fit(X, y).predict([[0.0], [29.0]])
    array([0, 1])
    """
    return BalancedRandomForestClassifier(
        n_estimators=n_estimators,
        max_depth=max_depth,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
    )


@with_search_space(n_estimators=[10, 20, 40])
def easy_ensemble(n_estimators: int = 10) -> EasyEnsembleClassifier:
    """Average of AdaBoost ensembles, each fitted on a balanced sample (Liu, Wu & Zhou 2009).

    If a class has a single image, every sample holds that image and one of each other class.

    Parameters
    ----------
    n_estimators : int, default=10
        Number of AdaBoost ensembles.

    See Also
    --------
    rus_boost : Boosting with a new balanced sample for each stump.

    Examples
    --------
    >>> X, y = np.arange(30.0)[:, None], np.repeat([0, 1], [25, 5])
    >>> model = easy_ensemble(n_estimators=2).set_params(random_state=0)
    >>> model.fit(X, y).predict([[0.0], [29.0]])
    array([0, 1])
    """
    return EasyEnsembleClassifier(n_estimators=n_estimators)


@with_search_space(n_estimators=[25, 50, 100], learning_rate="loguniform(0.1, 1)")
def rus_boost(n_estimators: int = 50, learning_rate: float = 1.0) -> RUSBoostClassifier:
    """AdaBoost of stumps, each fitted after random under-sampling (Seiffert et al. 2010).

    With a class of one or two images the first stump may be worse than chance on the whole training
    set; then ``fit`` raises a ValueError.

    Parameters
    ----------
    n_estimators : int, default=50
        Most stumps.
    learning_rate : float, default=1.0
        What the weight of each stump is multiplied by.

    See Also
    --------
    easy_ensemble : An average of boosted ensembles.

    Examples
    --------
    >>> X, y = np.arange(30.0)[:, None], np.repeat([0, 1], [25, 5])
    >>> model = rus_boost(n_estimators=2).set_params(random_state=0)
    >>> model.fit(X, y).predict([[0.0], [29.0]])
    array([0, 1])
    """
    return RUSBoostClassifier(n_estimators=n_estimators, learning_rate=learning_rate)


@with_search_space(n_estimators=[10, 30, 100])
def balanced_bagging(n_estimators: int = 10) -> BalancedBaggingClassifier:
    """Trees fitted on under-sampled bootstrap samples (Hido, Kashima & Takahashi 2009).

    Bootstrap aggregation is due to Breiman (1996). Changed by imbalanced-learn: classes are
    exactly, not roughly, equally frequent. If a class has a single image, it is missing from a
    third of the bootstrap samples; trees that are fitted on these know only the other classes.

    Parameters
    ----------
    n_estimators : int, default=10
        Number of trees.

    See Also
    --------
    balanced_random_forest : A forest that also draws features at random.

    Examples
    --------
    >>> X, y = np.arange(30.0)[:, None], np.repeat([0, 1], [25, 5])
    >>> model = balanced_bagging(n_estimators=5).set_params(random_state=0)
    >>> model.fit(X, y).predict([[0.0], [29.0]])
    array([0, 1])
    """
    return BalancedBaggingClassifier(n_estimators=n_estimators, sampler=UnderSampler())


class UnderSampler(RandomUnderSampler):
    """Random under-sampling that accepts a single class and returns it unchanged.

    imbalanced-learn's own sampler raises an error for a single class. Then bagging of two classes
    with a rare one would mostly fail, because some bootstrap sample lacks the rare class: among ten
    samples with probability 0.99 if it has one image, 0.77 if it has two.

    See Also
    --------
    balanced_bagging : The model that uses this sampler.

    Examples
    --------
    >>> X, y = UnderSampler().fit_resample(np.zeros((3, 1)), np.array([1, 1, 1]))
    >>> len(y)
    3
    """

    def fit_resample(self, X: NDArray, y: NDArray, **params: NDArray) -> tuple[NDArray, NDArray]:
        """Resample X and y; a single class is returned unchanged."""
        if len(np.unique(y)) > 1:
            return super().fit_resample(X, y, **params)
        self.sample_indices_ = np.arange(len(y))
        return X, y
