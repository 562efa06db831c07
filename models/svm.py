"""Kernel support vector machines with calibrated probabilities.

``SVC(probability=True)`` computes the same kind of probabilities inside libsvm, but scikit-learn
has deprecated it, and its ``fit`` takes no held-out images from outside. A
``CalibratedClassifierCV`` around ``SVC`` receives votes of the pairs of classes in place of their
scores; its log loss on the digits is two to three times as high as that of ``CoupledSVC``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import combinations
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from models.calibration import HeldOut, Pair, check_two_classes
from models.pairwise_machines import PairwiseMachines
from models.standardizer import Standardizer

AT_ONCE = 2_000_000  # coefficients of the linear systems that are solved together
CERTAIN = 1e-7  # smallest distance of the probability of a pair from 0 and 1, as in libsvm


class CoupledSVC(ClassifierMixin, BaseEstimator):
    """Kernel support vector machines of all pairs of classes, with pairwise-coupled probabilities.

    The machines are those of ``sklearn.svm.SVC``. A sigmoid of held-out scores (Platt 1999) gives
    the probabilities of the two classes of each pair, and the probabilities of all classes are
    those that fit the pairs best (Wu, Lin & Weng 2004, second approach).

    Parameters
    ----------
    kernel, C, gamma, class_weight
        As in ``sklearn.svm.SVC``; the weights are used in the sigmoids, too.
    gamma_factor : float, default=1.0
        ``gamma`` is multiplied by it.
    standardize : bool, default=True
        Standardise the features first, within each fold of the calibration as well.

    Attributes
    ----------
    classes_ : (n_classes,) array
    pairs_ : list of (int, int)
        Indices into ``classes_`` of the classes of each pair.
    sigmoids_ : (n_pairs, 2) float64
        Slope and intercept of the sigmoid of each pair.
    machine_ : Pipeline
        The machines, fitted to all of the training set.

    See Also
    --------
    models.calibration.Calibrated : Calibration of machines that separate a class from the rest.

    Notes
    -----
    Wu, Lin & Weng, "Probability estimates for multi-class classification by pairwise coupling",
    JMLR 5, 2004.

    Examples
    --------
    >>> X, y = [[0.0], [1.0], [8.0], [9.0]], ["a", "a", "b", "b"]
    >>> CoupledSVC(C=10).fit(X, y).predict([[0.5], [8.5]])
    array(['a', 'b'], dtype='<U1')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PairwiseMachines._parameter_constraints,
        "standardize": ["boolean"],
    }

    def __init__(
        self,
        kernel: str = "rbf",
        C: float = 1.0,
        gamma: float | str = "scale",
        gamma_factor: float = 1.0,
        class_weight: dict[Any, float] | str | None = None,
        standardize: bool = True,
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.gamma = gamma
        self.gamma_factor = gamma_factor
        self.class_weight = class_weight
        self.standardize = standardize

    def fit(self, X: NDArray, y: NDArray, inner_folds: Iterable[Pair] | None = None) -> Self:
        """Fit the machines and a sigmoid for each of them.

        Parameters
        ----------
        X : (n, d) array
        y : (n,) array
        inner_folds : iterable of X_train, y_train, X_held, y_held
            Held-out images that the sigmoids are fitted to; by default those of folds of X. If one
            of the two classes of a pair has no held-out image, the sigmoid has slope 1 and
            intercept 0.

        Raises
        ------
        ValueError
            There is a single class, or the value of a parameter is not allowed.
        """
        self._validate_params()
        X, y = validate_data(self, X, y)
        check_two_classes(y)
        self.classes_ = np.unique(y)
        self.pairs_ = list(combinations(range(len(self.classes_)), 2))
        held = HeldOut(self._make_machine(), X, y, inner_folds, self.class_weight)
        held.scores = _pair_scores(held.scores)
        sigmoids = [
            held.fit_column_sigmoid(k, held.codes == first, np.isin(held.codes, (first, second)))
            for k, (first, second) in enumerate(self.pairs_)
        ]
        self.sigmoids_ = np.array(sigmoids)
        self.machine_ = self._make_machine().fit(X, y)
        return self

    def _make_machine(self) -> Pipeline:
        machines = PairwiseMachines(
            self.kernel, self.C, self.gamma, self.gamma_factor, self.class_weight
        )
        return make_pipeline(*([Standardizer()] if self.standardize else []), machines)

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        scores = _pair_scores(self.machine_.decision_function(X))
        first_wins = expit(scores * self.sigmoids_[:, 0] + self.sigmoids_[:, 1])
        first_wins = np.clip(first_wins, CERTAIN, 1 - CERTAIN)
        k = len(self.classes_)
        step = max(1, AT_ONCE // k**2)
        chunks = (first_wins[start : start + step] for start in range(0, len(scores), step))
        matrices = (_pairwise_matrix(chunk, self.pairs_, k) for chunk in chunks)
        return np.concatenate([couple_pairwise_probabilities(wins) for wins in matrices])

    def predict(self, X: NDArray) -> NDArray[Any]:
        """The most probable class, for each row of X."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class AtMostNystroem(Nystroem):
    """``Nystroem`` of scikit-learn without a warning if X has fewer rows than ``n_components``.

    See Also
    --------
    models.classical.nystroem_svm : The model that uses this transformer.

    Examples
    --------
    >>> AtMostNystroem(n_components=100).fit_transform([[0.0], [1.0], [2.0]]).shape
    (3, 3)
    """

    def fit(self, X: NDArray, y: Any = None) -> Self:
        """Draw the components from X, or take all rows of X if there are fewer."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_components > n_samples")
            return super().fit(X)


def couple_pairwise_probabilities(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of classes that fit those of the pairs best (Wu, Lin & Weng 2004, equation 21).

    Parameters
    ----------
    wins : (n, k, k) float64
        ``wins[i, a, b]`` is the probability that image i is of class a, given that it is of a or b.
        The diagonal is 0.

    Returns
    -------
    (n, k) float64
        Each row sums to 1.

    Examples
    --------
    >>> couple_pairwise_probabilities(np.array([[[0, 0.8], [0.2, 0]]])).round(3)
    array([[0.8, 0.2]])
    """
    n, k, _ = wins.shape
    # the unknowns are the probabilities and the multiplier of the constraint that their sum is 1
    system = np.ones((n, k + 1, k + 1))
    losses = wins.transpose(0, 2, 1)
    system[:, :k, :k] = -losses * wins
    system[:, range(k), range(k)] = np.square(losses).sum(axis=2)
    system[:, k, k] = 0
    right_side = np.zeros((n, k + 1, 1))
    right_side[:, k] = 1
    proba = np.maximum(np.linalg.solve(system, right_side)[:, :k, 0], 0)
    return proba / proba.sum(axis=1, keepdims=True)


def _pairwise_matrix(
    first_wins: NDArray[np.float64], pairs: list[tuple[int, int]], k: int
) -> NDArray[np.float64]:
    """Arrange the probabilities of pairs, (n, n_pairs), as matrices, (n, k, k)."""
    wins = np.zeros((len(first_wins), k, k))
    for column, (first, second) in enumerate(pairs):
        wins[:, first, second] = first_wins[:, column]
        wins[:, second, first] = 1 - first_wins[:, column]
    return wins


def _pair_scores(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scores of pairs, (n, n_pairs), positive for the first class of each pair."""
    return -scores[:, None] if scores.ndim == 1 else scores
