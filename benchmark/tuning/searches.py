"""Searches: which candidates are compared, in which order, and which of them is the best.

Candidates are drawn and compared by scikit-learn, or by Optuna.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from benchmark.tuning.base import (
    DEFAULT,
    MAX_CANDIDATES,
    Best,
    CandidateScorer,
    SampledSearch,
    Scorer,
    Search,
    run_search,
    search_options,
)
from benchmark.tuning.search_space import (
    Candidate,
    Distribution,
    SearchSpace,
    flatten_space,
    nest_candidate,
)
from models.constraints import WholeNumber

FACTOR = 3  # between the numbers of images of two rounds of successive halving
FEWEST_IMAGES = 50  # to train on in the first of these rounds


class NoSearch(Search):
    """Use the configuration as it is listed.

    See Also
    --------
    RandomSearch : Tunes it.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        pass


class RandomSearch(SampledSearch):
    """Random search (Bergstra & Bengio 2012) by scikit-learn's ``ParameterSampler``.

    Every fold and strategy compares the same candidates, the configuration as it is listed and
    ``n - 1`` that are drawn from the search space.

    Parameters
    ----------
    n : int, default=25
        Number of candidates.
    metric, folds, seconds
        See `Search`.

    See Also
    --------
    HalvingSearch : Compares more candidates, most of them on few images.

    Examples
    --------
    >>> from benchmark.tuning.search_space import read_space
    >>> space = {"knn": read_space({"n_neighbors": [1, 5, 9]}, "knn")}
    >>> RandomSearch(n=3).list_candidates(space, seed=0)
    [{}, {'knn': {'n_neighbors': 9}}, {'knn': {'n_neighbors': 5}}]
    """

    def __init__(
        self, n: int = 25, metric: str = "log_loss", folds: int = 3, seconds: float | None = None
    ) -> None:
        self.n = n
        self.metric = metric
        self.folds = folds
        self.seconds = seconds


class HalvingSearch(SampledSearch):
    """Successive halving (Jamieson & Talwalkar 2016) by scikit-learn's ``HalvingGridSearchCV``.

    Random candidates are trained on few of the training images (a stratified sample of at least
    50), the best third of them on three times as many, and so on, and the last ones on all. All of
    the images that are held out are predicted in every round.

    Parameters
    ----------
    n : int, default=64
        Number of candidates.
    metric, folds, seconds
        See `Search`.

    See Also
    --------
    RandomSearch : Compares all candidates on all images.

    Examples
    --------
    >>> from benchmark.tuning.search_space import read_space
    >>> space = {"knn": read_space({"n_neighbors": [1, 5, 9]}, "knn")}
    >>> HalvingSearch(n=2).list_candidates(space, seed=0)
    [{}, {'knn': {'n_neighbors': 9}}]
    """

    def __init__(
        self, n: int = 64, metric: str = "log_loss", folds: int = 3, seconds: float | None = None
    ) -> None:
        self.n = n
        self.metric = metric
        self.folds = folds
        self.seconds = seconds

    def relative_cost(self, space: SearchSpace, n_train: int) -> float:
        """Estimate how many fits take as long; every round takes as long as the last one."""
        n_rounds = self._count_rounds(n_train)
        return n_rounds * math.ceil(self.n / FACTOR ** (n_rounds - 1))

    def find_best(
        self, score: Scorer, n_folds: int, n_train: int, space: SearchSpace, seed: int
    ) -> Best:
        """Compare the candidates on growing samples of the training images; see ``Search``."""
        from sklearn.experimental import enable_halving_search_cv  # noqa: F401
        from sklearn.model_selection import HalvingGridSearchCV

        levels = FACTOR ** (self._count_rounds(n_train) - 1)
        search = HalvingGridSearchCV(
            CandidateScorer(score, levels=levels),
            {"candidate": self.list_candidates(space, seed)},
            factor=FACTOR,
            resource="level",
            min_resources=1,
            max_resources=levels + 1,  # so that a rounding error loses no round
            **search_options(n_folds),
        )
        return run_search(search, n_folds)

    def describe_few_images(self, n_train: int) -> str:
        """Say that all candidates are trained on all images if there is a single round."""
        if self.n < FACTOR or self._count_rounds(n_train) > 1:
            return ""
        return (
            f"{n_train} training images are too few to be divided by {FACTOR}: halving trains all "
            f"{self.n} candidates on all of them, as random does"
        )

    def _count_rounds(self, n_train: int) -> int:
        """Return the number of rounds: until one candidate is left, or the images are too few."""
        for_candidates = math.floor(math.log(self.n, FACTOR))
        for_images = math.floor(math.log(max(1.0, n_train / FEWEST_IMAGES), FACTOR))
        return 1 + min(for_candidates, for_images)


class GridSearch(Search):
    """All combinations of values, by scikit-learn's ``ParameterGrid``.

    Parameters
    ----------
    points : int, default=5
        Number of values that are taken from each distribution, at equal distances; those of
        'loguniform' in the logarithm. Lists are taken as they are.
    metric, folds, seconds
        See `Search`.

    See Also
    --------
    RandomSearch : Needs fewer candidates for several parameters.

    Examples
    --------
    >>> from benchmark.tuning.search_space import read_space
    >>> space = {"rbf_svm": read_space({"C": "loguniform(1, 100)"}, "rbf_svm")}
    >>> GridSearch(points=2).list_candidates(space, seed=0)
    [{}, {'rbf_svm': {'C': 1.0}}, {'rbf_svm': {'C': 100.0}}]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Search._parameter_constraints,
        "points": [WholeNumber(2, 100)],
    }

    def __init__(
        self,
        points: int = 5,
        metric: str = "log_loss",
        folds: int = 3,
        seconds: float | None = None,
    ) -> None:
        self.points = points
        self.metric = metric
        self.folds = folds
        self.seconds = seconds

    def refusal(self, space: SearchSpace) -> str | None:
        """Refuse a grid of more than ``MAX_CANDIDATES``."""
        n = self.count_candidates(space)
        if n <= MAX_CANDIDATES:
            return None
        return (
            f"the grid has {n} candidates, more than {MAX_CANDIDATES}: list fewer values, or use "
            "random"
        )

    def count_candidates(self, space: SearchSpace) -> int:
        """Return the number of combinations, and the default configuration."""
        return 1 + math.prod(len(values) for values in self._value_lists(space).values())

    def list_candidates(self, space: SearchSpace, seed: int) -> list[Candidate]:
        """List the default configuration and all combinations."""
        from sklearn.model_selection import ParameterGrid

        return [DEFAULT, *map(nest_candidate, ParameterGrid(self._value_lists(space)))]

    def _value_lists(self, space: SearchSpace) -> dict[tuple[str, str], list[Any]]:
        return {
            key: values.spaced_values(self.points)
            if isinstance(values, Distribution)
            else list(values)
            for key, values in flatten_space(space).items()
        }


class OptunaSearch(SampledSearch):
    """Tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna (extra ``tune``).

    The first candidate is the configuration as it is listed, and the next ten are drawn at random.

    Parameters
    ----------
    n : int, default=50
        Number of candidates.
    metric, folds, seconds
        See `Search`.

    See Also
    --------
    RandomSearch : Draws candidates without regard to the scores of earlier ones.
    """

    packages: ClassVar[dict[str, str]] = {"optuna": "tune"}

    def __init__(
        self, n: int = 50, metric: str = "log_loss", folds: int = 3, seconds: float | None = None
    ) -> None:
        self.n = n
        self.metric = metric
        self.folds = folds
        self.seconds = seconds

    def find_best(
        self, score: Scorer, n_folds: int, n_train: int, space: SearchSpace, seed: int
    ) -> Best:
        """Let Optuna choose candidates by the scores of those before; see ``Search``."""
        import optuna

        def mean_score(candidate: Candidate) -> float:
            return float(np.mean([score(candidate, fold, 1.0) for fold in range(n_folds)]))

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        best = Best(DEFAULT, mean_score(DEFAULT))
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
        )
        for _ in range(self.n - 1):
            trial = study.ask()
            candidate = _suggest_candidate(trial, space)
            value = mean_score(candidate)
            if math.isnan(value):
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            study.tell(trial, value)
            if not best.score >= value:  # also if the one before has no score
                best = Best(candidate, value)
        return best


def _suggest_candidate(trial: Any, space: SearchSpace) -> Candidate:
    """Let Optuna suggest a value for each parameter; those of lists by their positions."""
    flat = {}
    for key, values in flatten_space(space).items():
        name = ".".join(key)
        if not isinstance(values, Distribution):
            flat[key] = values[trial.suggest_categorical(name, list(range(len(values))))]
        elif values.name == "randint":
            flat[key] = trial.suggest_int(name, int(values.low), int(values.high) - 1)
        else:
            is_log = values.name == "loguniform"
            flat[key] = trial.suggest_float(name, values.low, values.high, log=is_log)
    return nest_candidate(flat)
