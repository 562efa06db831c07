"""Base classes of the searches, and the estimator that scikit-learn's searches compare.

A candidate is a mapping such as ``{"rbf_svm": {"C": 10.0}}``; the empty one is the configuration as
it is listed in the study.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from benchmark.scoring.metrics import METRICS
from benchmark.tuning.search_space import (
    Candidate,
    Distribution,
    SearchSpace,
    flatten_space,
    nest_candidate,
)
from models.constraints import OneOf, RealNumber, WholeNumber

# score of a candidate in an inner fold (an index), trained on a share of the images of that fold;
# the higher the better, and NaN if there is none
Scorer = Callable[[Candidate, int, float], float]
DEFAULT: Candidate = {}
MAX_CANDIDATES = 10_000
MAX_FOLDS = 20


class Best(NamedTuple):
    """The best candidate, and the mean of its scores; NaN if no candidate has a score."""

    candidate: Candidate
    score: float


class Search(BaseEstimator):
    """Base class of the searches.

    A subclass overrides ``list_candidates`` and ``count_candidates``, or ``find_best``.

    Parameters
    ----------
    metric : str, default='log_loss'
        Metric that candidates are compared by: its mean over the inner folds, or its value on the
        official validation set.
    folds : int, default=3
        Number of inner folds; not used if there is an official validation set.
    seconds : float or None, default=None
        Time for extracting features, fitting and predicting, after which no candidate is begun.
        The configuration as it is listed is always evaluated. With a limit, what is chosen depends
        on the machine.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "metric": [OneOf(METRICS)],
        "folds": [WholeNumber(2, MAX_FOLDS)],
        "seconds": [None, RealNumber(0)],
    }

    metric: str
    folds: int
    seconds: float | None

    def refusal(self, space: SearchSpace) -> str | None:
        """Return why this space cannot be searched; None if it can."""
        return None

    def count_candidates(self, space: SearchSpace) -> int:
        """Return the number of candidates, at most."""
        raise NotImplementedError

    def describe_few_images(self, n_train: int) -> str:
        """Say what the search cannot do with so few training images; empty if there are enough."""
        return ""

    def relative_cost(self, space: SearchSpace, n_train: int) -> float:
        """Estimate how many fits of a candidate, in every inner fold, take as long as the search.

        Parameters
        ----------
        space : mapping of component to mapping of parameter to values
        n_train : int
            Number of training images of an inner fold.
        """
        return self.count_candidates(space)

    def list_candidates(self, space: SearchSpace, seed: int) -> list[Candidate]:
        """List the candidates, the configuration as it is listed first."""
        raise NotImplementedError

    def find_best(
        self, score: Scorer, n_folds: int, n_train: int, space: SearchSpace, seed: int
    ) -> Best:
        """Compare the candidates on the inner folds.

        Parameters
        ----------
        score : callable (candidate, index of a fold, share of its training images) -> float
            The higher the better; NaN if the candidate cannot be evaluated.
        n_folds : int
        n_train : int
            Number of training images of the smallest inner fold.
        space : mapping of component to mapping of parameter to values
        seed : int

        Returns
        -------
        Best
            Of equal candidates the first.
        """
        from sklearn.model_selection import GridSearchCV

        grid = {"candidate": self.list_candidates(space, seed)}
        options = search_options(n_folds)
        return run_search(GridSearchCV(CandidateScorer(score), grid, **options), n_folds)


class SampledSearch(Search):
    """Base class of the searches with a given number of candidates, ``n``."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Search._parameter_constraints,
        "n": [WholeNumber(1, MAX_CANDIDATES)],
    }

    n: int

    def count_candidates(self, space: SearchSpace) -> int:
        """Return ``n``."""
        return self.n

    def list_candidates(self, space: SearchSpace, seed: int) -> list[Candidate]:
        """List the configuration as it is listed, and ``n - 1`` random candidates.

        There are fewer if the space has fewer.
        """
        from sklearn.model_selection import ParameterSampler

        if self.n == 1:
            return [DEFAULT]
        flat = {
            key: values.freeze() if isinstance(values, Distribution) else list(values)
            for key, values in flatten_space(space).items()
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the space has fewer candidates
            drawn = list(ParameterSampler(flat, self.n - 1, random_state=seed))
        return [DEFAULT, *map(nest_candidate, drawn)]


class CandidateScorer(BaseEstimator):
    """Estimator that makes a candidate out of a parameter, for the searches of scikit-learn.

    Its "training set" is the index of an inner fold, and so is its "test set"; ``score`` does all
    of the work.

    Parameters
    ----------
    function : callable (candidate, index of a fold, share of its training images) -> float
    candidate : mapping
    level : int
        Number of training images in the unit ``1 / levels``.
    levels : int
    """

    def __init__(
        self, function: Scorer, candidate: Candidate = DEFAULT, level: int = 1, levels: int = 1
    ) -> None:
        self.function = function
        self.candidate = candidate
        self.level = level
        self.levels = levels

    def fit(self, X: Any, y: None = None) -> CandidateScorer:
        """Do nothing."""
        return self

    def score(self, X: Any, y: None = None) -> float:
        """Return the score of the candidate in a fold."""
        return self.function(self.candidate, int(X[0]), self.level / self.levels)

    def __sklearn_clone__(self) -> CandidateScorer:
        return CandidateScorer(**self.get_params(deep=False))


def search_options(n_folds: int) -> dict[str, Any]:
    """Return the arguments that every search of scikit-learn over a `CandidateScorer` has."""
    folds = [(np.array([k]), np.array([k])) for k in range(n_folds)]
    return {"cv": folds, "refit": False, "error_score": "raise", "return_train_score": False}


def run_search(search: Any, n_folds: int) -> Best:
    """Run a search of scikit-learn over a `CandidateScorer`, and return its best candidate.

    If the search ended without a score, because the time was up, it is the best one of the last
    round that has any.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about scores that are NaN
        search.fit(np.arange(n_folds))
    results = search.cv_results_
    scores = np.asarray(results["mean_test_score"])
    rounds = np.asarray(results.get("iter", np.zeros(len(scores))))
    scored = np.flatnonzero(np.isfinite(scores))
    if not len(scored):
        return Best(DEFAULT, float("nan"))
    last = scored[rounds[scored] == rounds[scored].max()]
    best = last[scores[last].argmax()]
    return Best(results["params"][best]["candidate"], float(scores[best]))
