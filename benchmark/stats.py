"""Is a difference larger than chance explains? Each test gives n, the effect and the p-value, or refuses with the n it needs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

ALPHA = 0.05
CONFIDENCE = 1 - ALPHA
MIN_UNITS = 10  # below, a bootstrap sample has too few distinct values for its percentiles to mean anything
MIN_DISCORDANT = MIN_PAIRS = 6  # 2 / 2**5 > 0.05: with fewer, the most extreme outcome is not significant two-sided


@dataclass(frozen=True)
class Result:
    """What a test found.

    Parameters
    ----------
    test : str
        Its name, for people.
    n : int
        Independent observations it rests on; ``unit`` says what they are.
    effect : float
        In the units of what was compared, the first minus the second; NaN when it cannot be computed.
    p_value : float
        Two-sided; NaN when the test refuses.
    statistic, lower, upper : float
        Test statistic, and 95% confidence interval of the effect; NaN where the test has none.
    refusal : str
        Why there is no p-value: the n that was given and the n that is needed. Empty otherwise.
    unit : str
    """

    test: str
    n: int
    effect: float
    p_value: float = np.nan
    statistic: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    refusal: str = ""
    unit: str = "test images"

    @property
    def significant(self) -> bool:
        """Whether chance alone would give such a difference in fewer than 5% of the cases."""
        return self.p_value < ALPHA


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    n: int,
    groups: NDArray | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Result:
    """Percentile interval of a statistic (Efron & Tibshirani 1993); whole groups are resampled when there are groups.

    Parameters
    ----------
    statistic : callable (indices of images, repeats included) -> float
        Such as a metric, or a difference of two. Resamples on which it is NaN are left out; more than a tenth of them is refused.
    n : int
        Images.
    groups : (n,), optional
        Group (patient, lesion) of each image.
    n_resamples, seed : int

    Returns
    -------
    Result
        ``p_value`` is that of the statistic being zero. Refused below ten units.
    """
    members = None if groups is None else _members(groups)
    n_units, unit = (n, "test images") if members is None else (len(members), "groups of test images")
    test, effect = "paired bootstrap", float(statistic(np.arange(n)))
    if np.isnan(effect):
        return Result(test, n_units, effect, refusal="undefined on the test part itself", unit=unit)
    if n_units < MIN_UNITS:
        return Result(test, n_units, effect, refusal=f"{n_units} {unit}, and the bootstrap needs at least {MIN_UNITS}", unit=unit)

    def resampled(units: NDArray) -> float:
        return statistic(units if members is None else np.concatenate([members[unit] for unit in units]))

    found = _resample(resampled, n_units, n_resamples, seed)
    if len(found) < 0.9 * n_resamples:
        why = f"undefined on {n_resamples - len(found)} of {n_resamples} resamples: more images of the rarest class are needed"
        return Result(test, n_units, effect, refusal=why, unit=unit)
    lower, upper = np.quantile(found, [ALPHA / 2, 1 - ALPHA / 2])
    return Result(test, n_units, effect, _beyond_zero(found), lower=float(lower), upper=float(upper), unit=unit)


def _resample(statistic: Callable[[NDArray], float], n: int, n_resamples: int, seed: int) -> NDArray[np.float64]:
    """Values of a statistic on resamples of n units, without those that are NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # of SciPy's own interval, where a value is NaN
        found = stats.bootstrap(
            (np.arange(n),), statistic, n_resamples=n_resamples, batch=100, vectorized=False, method="percentile", rng=seed
        ).bootstrap_distribution
    return found[~np.isnan(found)]


def _members(groups: NDArray) -> list[NDArray[np.int64]]:
    """Indices of the images of each group."""
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.split(np.argsort(which, kind="stable"), np.cumsum(counts)[:-1])


def _beyond_zero(found: NDArray) -> float:
    """Twice the share of resamples on the rarer side of zero; never zero, as the sample itself is one of the resamples."""
    beyond = min((found <= 0).sum(), (found >= 0).sum())
    return min(1.0, 2 * (1 + int(beyond)) / (1 + len(found)))


def mcnemar(truth: ArrayLike, labels_a: ArrayLike, labels_b: ArrayLike) -> Result:
    """McNemar's test (1947) of two classifiers on one test part: whether they err equally often.

    Exact below 25 discordant images (right for one of the two only), else chi-square with continuity correction (Edwards 1948).

    Parameters
    ----------
    truth, labels_a, labels_b : (n,)
        Right labels, and those that the two predict.

    Returns
    -------
    Result
        ``effect`` is the difference of the accuracies. Refused below 6 discordant images.
    """
    from statsmodels.stats import contingency_tables

    right_a, right_b = np.asarray(labels_a) == np.asarray(truth), np.asarray(labels_b) == np.asarray(truth)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n, discordant, effect = len(right_a), only_a + only_b, float(right_a.mean() - right_b.mean())
    unit = f"test images, {discordant} of them right for one only"
    if discordant < MIN_DISCORDANT:
        why = (
            f"{discordant} test images are right for one only, and the exact test needs at least {MIN_DISCORDANT} to reach p < {ALPHA} "
            "two-sided"
        )
        return Result("McNemar's test", n, effect, refusal=why, unit=unit)
    table = [[int((right_a & right_b).sum()), only_a], [only_b, int((~right_a & ~right_b).sum())]]
    found = contingency_tables.mcnemar(table, exact=discordant < 25)
    return Result("McNemar's test", n, effect, float(found.pvalue), float(found.statistic), unit=unit)


def corrected_t(differences: ArrayLike, n_train: float, n_test: float) -> Result:
    """Corrected resampled t-test of (repeated) k-fold cross-validation (Nadeau & Bengio 2003).

    Training parts overlap, so that the differences are not independent: their variance is multiplied by 1/J + n_test/n_train
    where a t-test has 1/J.

    Parameters
    ----------
    differences : (J,)
        Of a metric, one a fold (of all repeats).
    n_train, n_test : float
        Images that train and that test, in the mean over folds.

    Returns
    -------
    Result
        Refused below 2 folds, when a difference is NaN, or when all are equal and not zero.
    """
    values = np.asarray(differences, dtype=float)
    n, test, unit = len(values), "corrected resampled t-test", "folds"
    effect = float(values.mean()) if n else np.nan
    if n < 2:
        return Result(test, n, effect, refusal=f"{n} folds, and a variance needs at least 2", unit=unit)
    if np.isnan(values).any():
        return Result(test, n, effect, refusal=f"undefined on {np.isnan(values).sum()} of {n} folds, and all are needed", unit=unit)
    if np.ptp(values) < 1e-12:
        why = "" if abs(effect) < 1e-12 else f"the difference is the same on all {n} folds: more folds are needed to estimate its variance"
        return Result(test, n, effect, np.nan if why else 1.0, refusal=why, unit=unit)
    error = np.sqrt(values.var(ddof=1) * (1 / n + n_test / n_train))
    lower, upper = stats.t.interval(CONFIDENCE, n - 1, loc=effect, scale=error)
    p_value = 2 * stats.t.sf(abs(effect / error), n - 1)
    return Result(test, n, effect, float(p_value), float(effect / error), float(lower), float(upper), unit=unit)


def delong(truth: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike) -> Result:
    """Test of two areas under the ROC curve on the same images (DeLong, DeLong & Clarke-Pearson 1988).

    Parameters
    ----------
    truth : (n,) bool or 0/1
    scores_a, scores_b : (n,)
        Greater where a positive is more likely.

    Returns
    -------
    Result
        ``effect`` is the difference of the areas, ``statistic`` is z. Refused below 2 positives or 2 negatives, or without variance.
    """
    positive = np.asarray(truth).astype(bool)
    n, n_positive, n_negative, test = len(positive), int(positive.sum()), int((~positive).sum()), "DeLong's test"
    if min(n_positive, n_negative) < 2:
        why = f"{n_positive} positive and {n_negative} negative test images, and a variance needs at least 2 of each"
        return Result(test, n, np.nan, refusal=why)
    pairs = zip(_placements(positive, np.asarray(scores_a)), _placements(positive, np.asarray(scores_b)), strict=True)
    parts = [of_a - of_b for of_a, of_b in pairs]
    effect = float(parts[0].mean())
    error = float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)))
    if error < 1e-12:
        why = "" if abs(effect) < 1e-12 else f"the areas differ by the same in all {n} images: more are needed to estimate a variance"
        return Result(test, n, effect, np.nan if why else 1.0, refusal=why)
    lower, upper = stats.norm.interval(CONFIDENCE, loc=effect, scale=error)
    return Result(test, n, effect, float(2 * stats.norm.sf(abs(effect / error))), effect / error, float(lower), float(upper))


def _placements(positive: NDArray[np.bool_], scores: NDArray) -> tuple[NDArray, NDArray]:
    """Share of negatives below each positive, and of positives below each negative, ties half: by midranks (Sun & Xu 2014)."""
    ranks = stats.rankdata(scores)
    of_positives = (ranks[positive] - stats.rankdata(scores[positive])) / (~positive).sum()
    of_negatives = (ranks[~positive] - stats.rankdata(scores[~positive])) / positive.sum()
    return of_positives, of_negatives
