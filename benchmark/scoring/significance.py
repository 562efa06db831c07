"""Is a difference larger than chance explains? Each test gives n, the effect and the p-value, or refuses with the n it needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from benchmark.scoring.fast_scores import placement_values

ALPHA = 0.05
MIN_DISCORDANT = MIN_PAIRS = (
    6  # 2 / 2**5 > 0.05: with fewer, the most extreme outcome is not significant two-sided
)


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
        In the units of what was compared, the first minus the second; NaN when it cannot be
        computed.
    p_value : float
        Two-sided; NaN when the test refuses.
    statistic, lower, upper : float
        Test statistic, and confidence interval of the effect at the level ``1 - alpha``; NaN where
        the test has none.
    refusal : str
        Why there is no p-value: the n that was given and the n that is needed. Empty otherwise.
    unit : str
    alpha : float
        One minus the level of the interval: 0.05, divided by ``family`` where the comparison is one
        of several.
    family : int
        Number of comparisons that it was picked from.
    adjusted : float
        p-value adjusted for that (Holm 1979); equal to ``p_value`` for a single comparison.
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

    @property
    def significant(self) -> bool:
        """Whether chance alone would give such a difference in fewer than 5% of the cases.

        A single comparison is significant only where its interval lacks zero, too. Of several, the
        adjusted p-value alone decides: Holm's procedure may reject where the interval, which holds
        for all of them together, touches zero.
        """
        if np.isnan(self.adjusted):
            return self.p_value < ALPHA and not self.lower <= 0 <= self.upper
        return self.adjusted < ALPHA


@dataclass(frozen=True)
class Spread:
    """Standard error of an estimate from the contributions of independent units, and how sure that is itself.

    Parameters
    ----------
    error : float
    df : float
        Degrees of freedom of Student's t: fewer where few units decide (Satterthwaite 1946, from
        their fourth moments).
    n : int
        Units: images, or groups of images where there are groups.
    """

    error: float
    df: float
    n: int

    @property
    def effective(self) -> float:
        """Number of units, as far as they decide alike."""
        return self.df + 1


def estimate_spread(
    contributions: ArrayLike, groups: NDArray | None = None, pseudo: ArrayLike = ()
) -> Spread:
    """Standard error from what each image contributes to an estimate; those of a group are summed first.

    Parameters
    ----------
    contributions : (n,) float
        Their sum is the error of the estimate, to first order.
    groups : (n,) int, optional
        Number of the group (patient, lesion) of each image, from 0 on; images of one group are not
        independent.
    pseudo : (m, 2) float, optional
        Weights and contributions of images that were added; each is a unit of its own.
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
        return Spread(squares and 0.0, np.nan, n)
    uneven = ((units**4).sum() + (weights * added**4).sum()) / squares**2 - 1 / n
    return Spread(float(np.sqrt(squares)), float(min(n - 1, 2 / max(uneven, 1e-12))), n)


def student_t_interval(
    estimate: float, spread: Spread, scale: str = "plain", alpha: float = ALPHA
) -> tuple[float, float]:
    """Confidence interval by Student's t.

    Parameters
    ----------
    estimate : float
    spread : Spread
    scale : 'plain', 'log', 'logit' or 'symmetric'
        Where the interval is symmetric: of any number, a positive one, one between 0 and 1, or
        between -1 and 1.
    alpha : float
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
    """Score interval of a share (Wilson 1927), of ``n`` independent observations or as many as a clustered sample is worth."""
    extra = critical**2 / n
    middle, half = share + extra / 2, critical * np.sqrt(share * (1 - share) / n + extra / (4 * n))
    return float((middle - half) / (1 + extra)), float((middle + half) / (1 + extra))


def paired_t_test(
    effect: float, spread: Spread, alpha: float = ALPHA, unit: str = "test images"
) -> Result:
    """Test of a difference by Student's t, and its interval.

    Parameters
    ----------
    effect : float
    spread : Spread
        Of the paired contributions, the first's minus the second's.
    alpha : float
    unit : str
    """
    if spread.error == 0:
        why = (
            ""
            if abs(effect) < 1e-12
            else "the images differ all alike: more are needed to estimate a variance"
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
    )


def mcnemar(
    truth: ArrayLike, labels_a: ArrayLike, labels_b: ArrayLike, alpha: float = ALPHA
) -> Result:
    """McNemar's test (1947) of two classifiers on one test set: whether they err equally often.

    The mid-p binomial test of the discordant images (right for one of the two only; Fagerland,
    Lydersen & Laake 2013), for any number of them: its type-I error is near 0.05, where the exact
    test stays far below.

    Parameters
    ----------
    truth, labels_a, labels_b : (n,)
        Right labels, and those that the two predict.
    alpha : float

    Returns
    -------
    Result
        ``effect`` is the difference of the accuracies, ``statistic`` the smaller number of
        discordant images; the interval is Tango's (1998) by scores, made to hold zero where the
        test does not reject. Refused below 6 discordant images.
    """
    right_a, right_b = (
        np.asarray(labels_a) == np.asarray(truth),
        np.asarray(labels_b) == np.asarray(truth),
    )
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n, discordant, effect = len(right_a), only_a + only_b, float(right_a.mean() - right_b.mean())
    unit, test = f"test images, {discordant} of them right for one only", "McNemar's mid-p test"
    if discordant < MIN_DISCORDANT:
        why = f"{discordant} test images are right for one only, and the test needs at least {MIN_DISCORDANT} to reach p < {ALPHA} two-sided"
        return Result(test, n, effect, refusal=why, unit=unit, alpha=alpha)
    fewer = min(only_a, only_b)
    p_value = min(
        1.0,
        float(
            special.bdtr(fewer, discordant, 0.5)
            + (special.bdtr(fewer - 1, discordant, 0.5) if fewer else 0)
        ),
    )
    lower, upper = _tango_interval(only_a, only_b, n, alpha)
    if p_value >= alpha:
        lower, upper = min(lower, 0.0), max(upper, 0.0)
    return Result(test, n, effect, p_value, float(fewer), lower, upper, unit=unit, alpha=alpha)


def _tango_interval(only_a: int, only_b: int, n: int, alpha: float) -> tuple[float, float]:
    """Differences of two paired shares that the score test does not reject (Tango 1998)."""
    critical = float(-special.ndtri(alpha / 2))

    def score(difference: float) -> float:
        b = -only_a - only_b + (2 * n - only_a + only_b) * difference
        c = -only_b * difference * (1 - difference)
        share = (np.sqrt(max(b**2 - 8 * n * c, 0)) - b) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        return (only_a - only_b - n * difference) / np.sqrt(max(variance, 1e-12))

    middle, edge = (only_a - only_b) / n, 1 - 1e-9
    lower = (
        optimize.brentq(lambda d: score(d) - critical, -edge, middle)
        if score(-edge) > critical
        else -1.0
    )
    upper = (
        optimize.brentq(lambda d: score(d) + critical, middle, edge)
        if score(edge) < -critical
        else 1.0
    )
    return float(lower), float(upper)


def corrected_t_test(
    differences: ArrayLike, n_train: float, n_test: float, alpha: float = ALPHA
) -> Result:
    """Corrected resampled t-test of (repeated) k-fold cross-validation (Nadeau & Bengio 2003).

    Training sets overlap, so that the differences are not independent: their variance is
    multiplied by 1/J + n_test/n_train where a t-test has 1/J.

    Parameters
    ----------
    differences : (J,)
        Of a metric, one a fold (of all repeats).
    n_train, n_test : float
        Images that train and that test, in the mean over folds.
    alpha : float

    Returns
    -------
    Result
        Refused below 2 folds, when a difference is NaN, or when all are equal and not zero.
    """
    values = np.asarray(differences, dtype=float)
    n, test, unit = len(values), "corrected resampled t-test", "folds"
    effect = float(values.mean()) if n else np.nan
    if n < 2:
        return Result(
            test,
            n,
            effect,
            refusal=f"{n} fold{'s' * (n != 1)}, and a variance needs at least 2",
            unit=unit,
        )
    if np.isnan(values).any():
        return Result(
            test,
            n,
            effect,
            refusal=f"undefined on {np.isnan(values).sum()} of {n} folds, and all are needed",
            unit=unit,
        )
    if np.ptp(values) < 1e-12:
        why = (
            ""
            if abs(effect) < 1e-12
            else f"the difference is the same on all {n} folds: more folds are needed to estimate its variance"
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
    )


def delong_test(
    truth: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, alpha: float = ALPHA
) -> Result:
    """Test of two areas under the ROC curve on the same images (DeLong, DeLong & Clarke-Pearson 1988).

    Parameters
    ----------
    truth : (n,) bool or 0/1
    scores_a, scores_b : (n,)
        Greater where a positive is more likely.
    alpha : float

    Returns
    -------
    Result
        ``effect`` is the difference of the areas, ``statistic`` is z. Refused below 2 positives or
        2 negatives, or without variance.
    """
    positive = np.asarray(truth).astype(bool)
    n, n_positive, n_negative, test = (
        len(positive),
        int(positive.sum()),
        int((~positive).sum()),
        "DeLong's test",
    )
    if min(n_positive, n_negative) < 2:
        why = f"{n_positive} positive and {n_negative} negative test images, and a variance needs at least 2 of each"
        return Result(test, n, np.nan, refusal=why)
    pairs = zip(
        placement_values(positive, np.asarray(scores_a)),
        placement_values(positive, np.asarray(scores_b)),
        strict=True,
    )
    parts = [of_a - of_b for of_a, of_b in pairs]
    effect = float(parts[0].mean())
    error = float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)))
    if error < 1e-12:
        why = (
            ""
            if abs(effect) < 1e-12
            else f"the areas differ by the same in all {n} images: more are needed to estimate a variance"
        )
        return Result(test, n, effect, np.nan if why else 1.0, refusal=why)
    lower, upper = stats.norm.interval(1 - alpha, loc=effect, scale=error)
    p_value = float(2 * stats.norm.sf(abs(effect / error)))
    return Result(test, n, effect, p_value, effect / error, float(lower), float(upper), alpha=alpha)
