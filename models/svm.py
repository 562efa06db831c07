"""Support vector machines with probabilities that mean something."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn import svm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import cross_val_predict
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted, validate_data

LARGE = 10_000  # from so many images on, two folds are enough to fit the two numbers of a sigmoid
AT_ONCE = 2_000_000  # entries of the systems that are solved together
CERTAIN = 1e-7  # no pair's probability is nearer to 0 or 1, as in libsvm


class ScarceFolds:
    """Stratified folds for calibration that also serve rare classes, where scikit-learn's ask for five members of each.

    There are at most ``n_folds`` (two from 10,000 images on), and no more than the rarest class of two or more has members.
    The members of a class are dealt to the folds like cards. A class of one member stays in every training part: the score
    of that one image is not held out, which is all that one image allows. The test parts are a partition.
    """

    def __init__(self, n_folds: int = 5) -> None:
        self.n_folds = n_folds

    def __repr__(self) -> str:
        return f"ScarceFolds({self.n_folds})"

    def get_n_splits(self, X: NDArray | None = None, y: NDArray | None = None, groups: Any = None) -> int:
        """At most so many."""
        return self.n_folds

    def split(self, X: NDArray, y: NDArray, groups: Any = None) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield (train, test) indices."""
        _, codes, counts = np.unique(np.asarray(y), return_inverse=True, return_counts=True)
        most = self.n_folds if len(codes) < LARGE else 2
        n_folds = min(most, counts[counts > 1].min()) if counts.max() > 1 else 2
        fold = np.empty(len(codes), dtype=int)
        fold[np.argsort(codes, kind="stable")] = np.arange(len(codes)) % n_folds
        alone = counts[codes] == 1
        for k in range(n_folds):
            yield np.flatnonzero((fold != k) | alone), np.flatnonzero(fold == k)


class Calibrated(CalibratedClassifierCV):
    """A machine fitted to all of the training part, with probabilities by a sigmoid (Platt 1999) of held-out scores.

    Changed: ``class_weight`` weighs the sigmoid as well as the machine, since a sigmoid fitted without weights undoes
    those of the machine; and rare classes can be calibrated (`ScarceFolds`).
    """

    def __init__(self, estimator: Any = None, class_weight: dict[Any, float] | str | None = None) -> None:
        super().__init__(estimator, ensemble=False, cv=ScarceFolds())
        self.class_weight = class_weight

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Fit the machine and its sigmoid.

        Raises
        ------
        ValueError
            There is a single class.
        """
        check_two_classes(y)
        return super().fit(X, y, sample_weight=compute_sample_weight(self.class_weight, y))


class CoupledSVC(ClassifierMixin, BaseEstimator):
    """Kernel machines of all pairs of classes (``sklearn.svm.SVC``), with probabilities by pairwise coupling.

    A sigmoid of held-out scores (Platt 1999) says for each pair which of the two classes it is, and the probabilities of
    all classes are those that fit the pairs best (Wu, Lin & Weng 2004, second approach). libsvm does the same inside, where
    scikit-learn has deprecated it; around scikit-learn's ``SVC`` a ``CalibratedClassifierCV`` sees votes of the pairs in
    place of scores, and its log loss is two to three times as high on the digits.

    Parameters
    ----------
    kernel, C, gamma, class_weight
        As in ``sklearn.svm.SVC``; the weights count in the sigmoids, too.

    Notes
    -----
    Wu, Lin & Weng, "Probability estimates for multi-class classification by pairwise coupling", JMLR 5, 2004.
    """

    def __init__(
        self, kernel: str = "rbf", C: float = 1.0, gamma: float | str = "scale", class_weight: dict[Any, float] | str | None = None
    ) -> None:
        self.kernel = kernel
        self.C = C
        self.gamma = gamma
        self.class_weight = class_weight

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Fit the machines, and a sigmoid for each.

        Raises
        ------
        ValueError
            There is a single class.
        """
        check_two_classes(y)
        self.check_parameters()  # else cross_val_predict is blamed for what is wrong
        machine = self._machine()
        X, y = validate_data(self, X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.pairs_ = list(combinations(range(len(self.classes_)), 2))
        held_out = _as_pairs(cross_val_predict(machine, X, y, cv=ScarceFolds(), method="decision_function"))
        weight = compute_sample_weight(self.class_weight, y)
        self.sigmoids_ = np.array(
            [
                fit_sigmoid(held_out[of_pair, k], codes[of_pair] == first, weight[of_pair])
                for k, (first, second) in enumerate(self.pairs_)
                for of_pair in [(codes == first) | (codes == second)]
            ]
        )
        self.machine_ = machine.fit(X, y)
        return self

    def check_parameters(self) -> None:
        """Refuse values that scikit-learn's SVC refuses."""
        self._machine()._validate_params()

    def _machine(self) -> svm.SVC:
        return svm.SVC(kernel=self.kernel, C=self.C, gamma=self.gamma, class_weight=self.class_weight, decision_function_shape="ovo")

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        """Probabilities, (n, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        scores = _as_pairs(self.machine_.decision_function(X))
        first_wins = np.clip(expit(scores * self.sigmoids_[:, 0] + self.sigmoids_[:, 1]), CERTAIN, 1 - CERTAIN)
        k = len(self.classes_)
        step = max(1, AT_ONCE // k**2)
        return np.concatenate([couple(_table(first_wins[start : start + step], self.pairs_, k)) for start in range(0, len(scores), step)])

    def predict(self, X: NDArray) -> NDArray[Any]:
        """The most probable class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class AtMostNystroem(Nystroem):
    """scikit-learn's ``Nystroem`` for training parts that may be smaller than ``n_components``, without a warning."""

    def fit(self, X: NDArray, y: Any = None) -> Self:
        """Draw the components; all of X where it is smaller."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_components > n_samples")
            return super().fit(X)


def fit_sigmoid(scores: NDArray[np.floating], positive: NDArray[np.bool_], weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """Slope and intercept of the sigmoid that best turns scores into probabilities (Platt 1999, with his softened targets)."""
    target = np.where(positive, 1 - 1 / (positive.sum() + 2), 1 / ((~positive).sum() + 2))

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        raw = line[0] * scores + line[1]
        error = weight * (expit(raw) - target)
        return float(weight @ (np.logaddexp(0, raw) - target * raw)), np.array([error @ scores, error.sum()])

    return np.asarray(minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x)


def couple(wins: NDArray[np.float64]) -> NDArray[np.float64]:
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
    system = np.ones((n, k + 1, k + 1))  # the probabilities, and the multiplier that makes their sum 1
    losses = wins.transpose(0, 2, 1)
    system[:, :k, :k] = -losses * wins
    system[:, range(k), range(k)] = np.square(losses).sum(axis=2)
    system[:, k, k] = 0
    wanted = np.zeros((n, k + 1, 1))
    wanted[:, k] = 1
    found = np.maximum(np.linalg.solve(system, wanted)[:, :k, 0], 0)
    return found / found.sum(axis=1, keepdims=True)


def _table(first_wins: NDArray[np.float64], pairs: list[tuple[int, int]], k: int) -> NDArray[np.float64]:
    """Probabilities of pairs, (n, n_pairs), as ``couple`` takes them, (n, k, k)."""
    wins = np.zeros((len(first_wins), k, k))
    for column, (first, second) in enumerate(pairs):
        wins[:, first, second], wins[:, second, first] = first_wins[:, column], 1 - first_wins[:, column]
    return wins


def _as_pairs(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scores of pairs, (n, n_pairs), positive for the first class; those of two classes are turned round."""
    return -scores[:, None] if scores.ndim == 1 else scores


def check_two_classes(y: NDArray) -> None:
    """Raise a ValueError when all labels are the same."""
    if len(np.unique(np.asarray(y))) < 2:
        raise ValueError("a support vector machine needs two classes; the training part has one")
