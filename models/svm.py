"""Support vector machines with probabilities that mean something."""

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
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted, validate_data

from models.calibration import HeldOut, Pair, check_two_classes
from models.faster import estimator_class

AT_ONCE = 2_000_000  # entries of the systems that are solved together
CERTAIN = 1e-7  # no pair's probability is nearer to 0 or 1, as in libsvm


class CoupledSVC(ClassifierMixin, BaseEstimator):
    """Kernel machines of all pairs of classes (``sklearn.svm.SVC``), with probabilities by pairwise coupling.

    A sigmoid of held-out scores (Platt 1999) says for each pair which of the two classes it is, and
    the probabilities of all classes are those that fit the pairs best (Wu, Lin & Weng 2004, second
    approach). libsvm does the same inside, where scikit-learn has deprecated it; around
    scikit-learn's ``SVC`` a ``CalibratedClassifierCV`` sees votes of the pairs in place of scores,
    and its log loss is two to three times as high on the digits.

    Parameters
    ----------
    kernel, C, gamma, class_weight
        As in ``sklearn.svm.SVC``; the weights count in the sigmoids, too.
    standardize : bool
        Bring the features to one scale first, inside each fold of the calibration as well.

    Notes
    -----
    Wu, Lin & Weng, "Probability estimates for multi-class classification by pairwise coupling", JMLR 5, 2004.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{
            name: SVC._parameter_constraints[name]
            for name in ("kernel", "C", "gamma", "class_weight")
        },
        "standardize": ["boolean"],
    }

    def __init__(
        self,
        kernel: str = "rbf",
        C: float = 1.0,
        gamma: float | str = "scale",
        class_weight: dict[Any, float] | str | None = None,
        standardize: bool = True,
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.gamma = gamma
        self.class_weight = class_weight
        self.standardize = standardize

    def fit(self, X: NDArray, y: NDArray, inner_folds: Iterable[Pair] | None = None) -> Self:
        """Fit the machines, and a sigmoid for each.

        Parameters
        ----------
        X : (n, d) array
        y : (n,) array
        inner_folds : iterable of X_train, y_train, X_held, y_held
            What the sigmoids are fitted on; by default folds of X. The sigmoid of two classes of
            which one has no image held out is that of the plain score.

        Raises
        ------
        ValueError
            There is a single class.
        """
        self._validate_params()
        X, y = validate_data(self, X, y)
        check_two_classes(y)
        self.classes_ = np.unique(y)
        self.pairs_ = list(combinations(range(len(self.classes_)), 2))
        held = HeldOut(self._make_machine(), X, y, inner_folds, self.class_weight)
        held.scores = _as_pairs(held.scores)
        self.sigmoids_ = np.array(
            [
                held.fit_column_sigmoid(
                    k, held.codes == first, np.isin(held.codes, (first, second))
                )
                for k, (first, second) in enumerate(self.pairs_)
            ]
        )
        self.machine_ = self._make_machine().fit(X, y)
        return self

    def _make_machine(self) -> Pipeline:
        svc = estimator_class("svm:SVC")(
            kernel=self.kernel,
            C=self.C,
            gamma=self.gamma,
            class_weight=self.class_weight,
            decision_function_shape="ovo",
        )
        return make_pipeline(StandardScaler(), svc) if self.standardize else make_pipeline(svc)

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        scores = _as_pairs(self.machine_.decision_function(X))
        first_wins = np.clip(
            expit(scores * self.sigmoids_[:, 0] + self.sigmoids_[:, 1]), CERTAIN, 1 - CERTAIN
        )
        k = len(self.classes_)
        step = max(1, AT_ONCE // k**2)
        return np.concatenate(
            [
                couple_pairwise_probabilities(
                    _pairwise_matrix(first_wins[start : start + step], self.pairs_, k)
                )
                for start in range(0, len(scores), step)
            ]
        )

    def predict(self, X: NDArray) -> NDArray[Any]:
        """The most probable class of each row."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class AtMostNystroem(Nystroem):
    """scikit-learn's ``Nystroem`` for training sets that may be smaller than ``n_components``, without a warning."""

    def fit(self, X: NDArray, y: Any = None) -> Self:
        """Draw the components; all of X where it is smaller."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_components > n_samples")
            return super().fit(X)


def couple_pairwise_probabilities(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of classes that fit those of the pairs best (Wu, Lin & Weng 2004, equation 21).

    Parameters
    ----------
    wins : (n, k, k) float64
        [i, a, b]: the probability that image i is of class a, were it of a or b; the diagonal is 0.

    Returns
    -------
    (n, k) float64
    """
    n, k, _ = wins.shape
    system = np.ones(
        (n, k + 1, k + 1)
    )  # the probabilities, and the multiplier that makes their sum 1
    losses = wins.transpose(0, 2, 1)
    system[:, :k, :k] = -losses * wins
    system[:, range(k), range(k)] = np.square(losses).sum(axis=2)
    system[:, k, k] = 0
    wanted = np.zeros((n, k + 1, 1))
    wanted[:, k] = 1
    found = np.maximum(np.linalg.solve(system, wanted)[:, :k, 0], 0)
    return found / found.sum(axis=1, keepdims=True)


def _pairwise_matrix(
    first_wins: NDArray[np.float64], pairs: list[tuple[int, int]], k: int
) -> NDArray[np.float64]:
    """Probabilities of pairs, (n, n_pairs), as ``couple_pairwise_probabilities`` takes them, (n, k, k)."""
    wins = np.zeros((len(first_wins), k, k))
    for column, (first, second) in enumerate(pairs):
        wins[:, first, second], wins[:, second, first] = (
            first_wins[:, column],
            1 - first_wins[:, column],
        )
    return wins


def _as_pairs(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scores of pairs, (n, n_pairs), positive for the first class; those of two classes are turned round."""
    return -scores[:, None] if scores.ndim == 1 else scores
