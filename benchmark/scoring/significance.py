"""Tests of whether a difference between two classifiers is larger than chance explains.

Each test returns a ``Result`` with the number of observations, the effect and the p-value. If there
are too few observations, the result has no p-value but a refusal that names the required number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from benchmark.scoring.fast_scores import placement_values
from benchmark.scoring.paired_shares import tango_interval

ALPHA = 0.05
# with 5, the most extreme outcome has the two-sided p-value 2 / 2**5 > 0.05
MIN_DISCORDANT = MIN_PAIRS = 6


@dataclass(frozen=True)
class Result:
    """Result of a test or of an interval estimate.

    Parameters
    ----------
    test : str
        Display name of the test.
    n : int
        Number of independent observations.
    effect : float
        The first value minus the second, in the units of what is compared; NaN if it cannot be
        computed. For an interval estimate, the value itself.
    p_value : float
        Two-sided; NaN if the test is refused.
    statistic, lower, upper : float
        Test statistic, and confidence interval of the effect at the level ``1 - alpha``; NaN where
        the test has none.
    refusal : str
        Why there is no p-value: the given and the required number of observations. Empty otherwise.
    unit : str
        What the observations are, such as 'test images' or 'folds'.
    alpha : float
        One minus the level of the interval: 0.05, divided by ``family`` if the comparison is one of
        several.
    family : int
        Number of comparisons that this one was selected from.
    adjusted : float
        p-value adjusted for ``family`` comparisons (Holm 1979, or Bonferroni); NaN for a single
        comparison.
    error, df : float
        Standard error of the effect and its degrees of freedom, infinite for a normal statistic;
        NaN where the test has none.
    deviation : float
        Standard deviation of the paired differences of the observations; NaN without ``error``.
    discordant : (int, int) or None
        For McNemar's test, the numbers of images that only the first, and only the second
        classifier predicts correctly.
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
    alpha: float = ALPHA
    family: int = 1
    adjusted: float = np.nan
    error: float = np.nan
    df: float = np.nan
    deviation: float = np.nan
    discordant: tuple[int, int] | None = None

    @property
    def significant(self) -> bool:
        """Whether the difference is significant at the level 0.05.

        A single comparison is significant only if its interval excludes zero, too. For one of
        several, the adjusted p-value alone decides: Holm's procedure may reject where the
        simultaneous interval contains zero.
        """
        if np.isnan(self.adjusted):
            return self.p_value < ALPHA and not self.lower <= 0 <= self.upper
        return self.adjusted < ALPHA


@dataclass(frozen=True)
class Spread:
    """Standard error of an estimate, from the contributions of independent units.

    Parameters
    ----------
    error : float
        Standard error; NaN if a contribution is undefined.
    df : float
        Degrees of freedom of Student's t. There are fewer if few units dominate the variance
        (Satterthwaite 1946, from their fourth moments).
    n : int
        Number of units: images, or groups of images where there are groups.
    """

    error: float
    df: float
    n: int

    @property
    def effective(self) -> float:
        """Effective number of units: equal to their number if they contribute equally."""
        return self.df + 1


def estimate_spread(
    contributions: ArrayLike, groups: NDArray | None = None, pseudo: ArrayLike = ()
) -> Spread:
    """Standard error of an estimate, from the contribution of each image.

    Parameters
    ----------
    contributions : array of shape (n,), float
        Contributions that sum to the error of the estimate, to first order.
    groups : array of shape (n,), int, optional
        Index, from 0, of the group (patient, lesion) of each image. Images of one group are not
        independent, so that their contributions are summed first.
    pseudo : array of shape (m, 2), float, optional
        Weights and contributions of pseudo-images (``influence.compute_smoothed_influence``), each
        of which is a unit of its own.
    """
    units = np.asarray(contributions, dtype=float)
    if groups is not None:
        units = np.bincount(groups, units)
    n = len(units)
    weights, added = (
        np.reshape(pseudo, (-1, 2)).T if len(np.shape(pseudo)) else (np.empty(0), np.empty(0))
    )
    squares = n / max(n - 1, 1) * (units**2).sum() + (weights * added**2).sum()
    if np.isnan(squares) or squares < 1e-24:
        return Spread(np.nan if np.isnan(squares) else 0.0, np.nan, n)
    uneven = ((units**4).sum() + (weights * added**4).sum()) / squares**2 - 1 / n
    return Spread(float(np.sqrt(squares)), float(min(n - 1, 2 / max(uneven, 1e-12))), n)


def explain_undefined_spread(unit: str) -> str:
    """Why there is no standard error where a contribution is undefined."""
    return f"the contribution of some {unit} is undefined, so that the variance cannot be estimated"


def student_t_interval(
    estimate: float, spread: Spread, scale: str = "plain", alpha: float = ALPHA
) -> tuple[float, float]:
    """Confidence interval by Student's t.

    Parameters
    ----------
    estimate : float
    spread : Spread
    scale : 'plain', 'log', 'logit' or 'symmetric'
        Scale on which the interval is symmetric: 'plain' for any number, 'log' for a positive one,
        'logit' for one between 0 and 1, 'symmetric' for one between -1 and 1.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    lower, upper : float

    Examples
    --------
    >>> lower, upper = student_t_interval(0.8, Spread(error=0.05, df=30, n=31))
    >>> print(f"{lower:.3f} to {upper:.3f}")
    0.698 to 0.902
    """
    half = float(-special.stdtrit(spread.df, alpha / 2)) * spread.error
    if scale == "plain":
        return estimate - half, estimate + half
    if scale == "log":
        return float(estimate * np.exp(-half / estimate)), float(estimate * np.exp(half / estimate))
    if scale == "symmetric":
        lower, upper = student_t_interval(
            (estimate + 1) / 2, Spread(spread.error / 2, spread.df, spread.n), "logit", alpha
        )
        return 2 * lower - 1, 2 * upper - 1
    half /= estimate * (1 - estimate)
    middle = special.logit(estimate)
    return float(special.expit(middle - half)), float(special.expit(middle + half))


def wilson_interval(share: float, n: float, critical: float) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927).

    Parameters
    ----------
    share : float
        Between 0 and 1.
    n : float
        Number of independent observations; for clustered samples, the effective number.
    critical : float
        Critical value, such as 1.96 for 95%.

    Returns
    -------
    lower, upper : float

    Examples
    --------
    >>> lower, upper = wilson_interval(0.9, 50, 1.96)
    >>> print(f"{lower:.3f} to {upper:.3f}")
    0.786 to 0.957
    """
    extra = critical**2 / n
    middle, half = share + extra / 2, critical * np.sqrt(share * (1 - share) / n + extra / (4 * n))
    return float((middle - half) / (1 + extra)), float((middle + half) / (1 + extra))


def paired_t_test(
    effect: float, spread: Spread, alpha: float = ALPHA, unit: str = "test images"
) -> Result:
    """Paired t-test of a difference, with its interval.

    Parameters
    ----------
    effect : float
        The difference.
    spread : Spread
        Spread of the paired contributions, the first minus the second.
    alpha : float
        One minus the level of the interval.
    unit : str
        What the observations are.

    Returns
    -------
    Result
        Refused if the variance is zero and the difference is not, or if it is undefined.
    """
    if np.isnan(spread.error):
        return Result(
            "paired jackknife t-test",
            spread.n,
            effect,
            refusal=explain_undefined_spread(unit),
            unit=unit,
            alpha=alpha,
        )
    if spread.error == 0:
        why = (
            ""
            if abs(effect) < 1e-12
            else f"the difference is the same for all {unit}: more are needed to estimate its "
            "variance"
        )
        return Result(
            "paired jackknife t-test",
            spread.n,
            effect,
            np.nan if why else 1.0,
            refusal=why,
            unit=unit,
            alpha=alpha,
        )
    lower, upper = student_t_interval(effect, spread, alpha=alpha)
    p_value, statistic = (
        float(2 * special.stdtr(spread.df, -abs(effect) / spread.error)),
        effect / spread.error,
    )
    return Result(
        "paired jackknife t-test",
        spread.n,
        effect,
        p_value,
        statistic,
        lower,
        upper,
        unit=unit,
        alpha=alpha,
        error=spread.error,
        df=spread.df,
        deviation=float(spread.error * np.sqrt(spread.n)),
    )


def mcnemar(
    truth: ArrayLike, labels_a: ArrayLike, labels_b: ArrayLike, alpha: float = ALPHA
) -> Result:
    """McNemar's test (1947) of whether two classifiers are equally accurate on one test set.

    This is the mid-p binomial test (Fagerland, Lydersen & Laake 2013) of the discordant images,
    those that only one of the classifiers predicts correctly, for any number of them. Its type-I
    error is near 0.05, while that of the exact test is far below.

    Parameters
    ----------
    truth, labels_a, labels_b : arrays of shape (n,)
        True labels, and the labels that the two classifiers predict.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Result
        ``effect`` is the accuracy of the first minus that of the second, ``statistic`` the smaller
        of the two numbers of discordant images. The interval is the score interval of Tango (1998),
        extended to contain zero where the test does not reject. Refused below 6 discordant images.

    See Also
    --------
    delong_test : Test of the difference of two areas under the ROC curve.
    corrected_t_test : Test of the difference of a metric over folds.

    Examples
    --------
    >>> truth = [0] * 20
    >>> result = mcnemar(truth, [0] * 18 + [1] * 2, [1] * 10 + [0] * 10)
    >>> print(f"{result.effect:.2f}, p = {result.p_value:.3f}")
    0.40, p = 0.022
    """
    right_a, right_b = (
        np.asarray(labels_a) == np.asarray(truth),
        np.asarray(labels_b) == np.asarray(truth),
    )
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n, discordant, effect = len(right_a), only_a + only_b, float(right_a.mean() - right_b.mean())
    test = "McNemar's mid-p test"
    unit = f"test images, of which {discordant} are predicted correctly by one configuration only"
    if discordant < MIN_DISCORDANT:
        why = (
            f"the number of test images that only one configuration predicts correctly is "
            f"{discordant}; at least {MIN_DISCORDANT} are required for a two-sided p < {ALPHA}"
        )
        return Result(
            test,
            n,
            effect,
            refusal=why,
            unit=unit,
            alpha=alpha,
            discordant=(only_a, only_b),
        )
    fewer = min(only_a, only_b)
    p_value = min(
        1.0,
        float(
            special.bdtr(fewer, discordant, 0.5)
            + (special.bdtr(fewer - 1, discordant, 0.5) if fewer else 0)
        ),
    )
    lower, upper = tango_interval(only_a, only_b, n, alpha)
    if p_value >= alpha:
        lower, upper = min(lower, 0.0), max(upper, 0.0)
    return Result(
        test,
        n,
        effect,
        p_value,
        float(fewer),
        lower,
        upper,
        unit=unit,
        alpha=alpha,
        discordant=(only_a, only_b),
    )


def corrected_t_test(
    differences: ArrayLike, n_train: float, n_test: float, alpha: float = ALPHA
) -> Result:
    """Corrected resampled t-test of (repeated) k-fold cross-validation (Nadeau & Bengio 2003).

    Training sets overlap, so that the differences are not independent. To correct for that, their
    variance is multiplied by 1/J + n_test/n_train instead of 1/J.

    Parameters
    ----------
    differences : array of shape (J,), float
        Differences of a metric, one per fold of each repeat.
    n_train, n_test : float
        Number of training and of test images, averaged over folds.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Result
        Refused below 2 folds, if a difference is NaN, or if all are equal and not zero.

    See Also
    --------
    mcnemar : Test of the difference of two accuracies on one test set.

    Examples
    --------
    >>> result = corrected_t_test([0.01, 0.02, 0.03, 0.04], n_train=75, n_test=25)
    >>> print(f"{result.effect:.3f}, p = {result.p_value:.3f}")
    0.025, p = 0.085
    """
    values = np.asarray(differences, dtype=float)
    n, test, unit = len(values), "corrected resampled t-test", "folds"
    effect = float(values.mean()) if n else np.nan
    if n < 2:
        return Result(
            test,
            n,
            effect,
            refusal=f"{n} fold{'s' * (n != 1)}; at least 2 are required to estimate a variance",
            unit=unit,
        )
    if np.isnan(values).any():
        return Result(
            test,
            n,
            effect,
            refusal=f"undefined on {np.isnan(values).sum()} of {n} folds; all are required",
            unit=unit,
        )
    if np.ptp(values) < 1e-12:
        why = (
            ""
            if abs(effect) < 1e-12
            else f"the difference is the same on all {n} folds: more folds are needed to estimate "
            "its variance"
        )
        return Result(test, n, effect, np.nan if why else 1.0, refusal=why, unit=unit)
    error = np.sqrt(values.var(ddof=1) * (1 / n + n_test / n_train))
    lower, upper = stats.t.interval(1 - alpha, n - 1, loc=effect, scale=error)
    p_value = 2 * stats.t.sf(abs(effect / error), n - 1)
    return Result(
        test,
        n,
        effect,
        float(p_value),
        float(effect / error),
        float(lower),
        float(upper),
        unit=unit,
        alpha=alpha,
        error=float(error),
        df=n - 1,
        deviation=float(values.std(ddof=1)),
    )


def delong_test(
    truth: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, alpha: float = ALPHA
) -> Result:
    """Test the difference of two areas under the ROC curve on the same images.

    The test is that of DeLong, DeLong & Clarke-Pearson (1988).

    Parameters
    ----------
    truth : array of shape (n,), bool or 0/1
        Whether each image is positive.
    scores_a, scores_b : arrays of shape (n,), float
        Scores of the two classifiers, greater where a positive is more likely.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Result
        ``effect`` is the first area minus the second, ``statistic`` is z. Refused below 2 positives
        or 2 negatives, or without variance.

    See Also
    --------
    mcnemar : Test of the difference of two accuracies.

    Examples
    --------
    >>> result = delong_test([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6], [1, 4, 3, 2, 5, 6])
    >>> print(f"{result.effect:.2f}, p = {result.p_value:.2f}")
    0.22, p = 0.37
    """
    positive = np.asarray(truth).astype(bool)
    n, n_positive, n_negative, test = (
        len(positive),
        int(positive.sum()),
        int((~positive).sum()),
        "DeLong's test",
    )
    if min(n_positive, n_negative) < 2:
        why = (
            f"{n_positive} positive and {n_negative} negative test images; at least 2 of each are "
            "required to estimate a variance"
        )
        return Result(test, n, np.nan, refusal=why)
    pairs = zip(
        placement_values(positive, np.asarray(scores_a)),
        placement_values(positive, np.asarray(scores_b)),
        strict=True,
    )
    differences = [of_a - of_b for of_a, of_b in pairs]
    effect = float(differences[0].mean())
    error = float(np.sqrt(sum(values.var(ddof=1) / len(values) for values in differences)))
    if error < 1e-12:
        why = (
            ""
            if abs(effect) < 1e-12
            else f"the difference of the areas is the same for all {n} images: more are needed to "
            "estimate its variance"
        )
        return Result(test, n, effect, np.nan if why else 1.0, refusal=why)
    lower, upper = stats.norm.interval(1 - alpha, loc=effect, scale=error)
    p_value = float(2 * stats.norm.sf(abs(effect / error)))
    return Result(
        test,
        n,
        effect,
        p_value,
        effect / error,
        float(lower),
        float(upper),
        alpha=alpha,
        error=error,
        df=np.inf,
        deviation=float(error * np.sqrt(n)),
    )
