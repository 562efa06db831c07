"""Scores of the positive class of a binary task: operating points, net benefit and calibration.

``truth`` says which images are of the positive class, ``scores`` are their probabilities of it.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmark.scoring.fast_scores import Counts

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]
NEGATIVE, POSITIVE = 0, 1
# probabilities of 0 and 1 have no logit; the bound is that of the R package CalibrationCurves
SMALLEST_PROBABILITY = 1e-8


def sensitivity(counts: Counts) -> Floats:
    """Share of the positive images that are predicted as positive."""
    return _divide(counts.right[..., POSITIVE], counts.true[..., POSITIVE])


def specificity(counts: Counts) -> Floats:
    """Share of the negative images that are predicted as negative."""
    return _divide(counts.right[..., NEGATIVE], counts.true[..., NEGATIVE])


def positive_predictive_value(counts: Counts) -> Floats:
    """Share of the images predicted as positive that are."""
    return _divide(counts.right[..., POSITIVE], counts.predicted[..., POSITIVE])


def negative_predictive_value(counts: Counts) -> Floats:
    """Share of the images predicted as negative that are."""
    return _divide(counts.right[..., NEGATIVE], counts.predicted[..., NEGATIVE])


def positive_predictive_value_at(prevalence: float, counts: Counts) -> Floats:
    """Positive predictive value where another share of the images is positive (Bayes)."""
    right = sensitivity(counts) * prevalence
    return _divide(right, right + (1 - specificity(counts)) * (1 - prevalence))


def negative_predictive_value_at(prevalence: float, counts: Counts) -> Floats:
    """Negative predictive value where another share of the images is positive (Bayes)."""
    right = specificity(counts) * (1 - prevalence)
    return _divide(right, right + (1 - sensitivity(counts)) * prevalence)


def youden_index(counts: Counts) -> Floats:
    """Sensitivity plus specificity minus one (Youden 1950)."""
    return sensitivity(counts) + specificity(counts) - 1


def positive_likelihood_ratio(counts: Counts) -> Floats:
    """Sensitivity divided by one minus specificity; infinite if no negative image is wrong."""
    return _divide(sensitivity(counts), 1 - specificity(counts))


def negative_likelihood_ratio(counts: Counts) -> Floats:
    """One minus sensitivity divided by specificity; infinite if no negative image is right."""
    return _divide(1 - sensitivity(counts), specificity(counts))


def _divide(numerator: NDArray, denominator: NDArray) -> Floats:
    """Quotient; infinite if only the denominator is zero, NaN if both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.true_divide(numerator, denominator))


def sensitivity_at_specificity(
    least: float, truth: Truth, scores: Floats, weights: Floats | None = None
) -> Floats:
    """Highest sensitivity of a threshold that has at least the given specificity.

    An image is predicted as positive if its score is at least the threshold.

    Parameters
    ----------
    least : float
        Required specificity.
    truth : (n,) bool array
    scores : (n,) float array
    weights : (m, n) float array or None
        m weights of each image, one per sample of a bootstrap; None: one, and m = 1.

    Returns
    -------
    (m,) float array
        NaN if there is no positive or no negative image.

    Examples
    --------
    >>> truth, scores = np.array([0, 0, 1, 0, 1]) == 1, np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    >>> sensitivity_at_specificity(0.9, truth, scores).tolist()
    [0.5]
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of equal scores
    ordered = np.ones((1, len(truth))) if weights is None else weights[:, order]
    right = np.where(truth[order], ordered, 0).cumsum(axis=1)
    wrong = np.where(truth[order], 0, ordered).cumsum(axis=1)
    positives, negatives = right[:, [-1]], wrong[:, [-1]]
    # in counts, as 1 - wrong / negatives may be a rounding error below the bound
    allowed = wrong[:, ends] <= negatives * (1 - least) + 1e-9
    best = np.where(allowed, right[:, ends], 0).max(axis=1, initial=0)
    return np.where(negatives[:, 0] > 0, _divide(best, positives[:, 0]), np.nan)


def specificity_at_sensitivity(
    least: float, truth: Truth, scores: Floats, weights: Floats | None = None
) -> Floats:
    """Highest specificity of a threshold that has at least the given sensitivity.

    See ``sensitivity_at_specificity``: the classes change their roles.

    Examples
    --------
    >>> truth, scores = np.array([0, 0, 1, 0, 1]) == 1, np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    >>> specificity_at_sensitivity(0.9, truth, scores).round(3).tolist()
    [0.667]
    """
    return sensitivity_at_specificity(least, ~truth, -scores, weights)


def net_benefits(threshold: float, truth: Truth, scores: Floats) -> Floats:
    """Contribution of each image to the net benefit, (n,); their mean is the net benefit.

    A true positive counts 1, a false positive minus the odds of the threshold, an image below the
    threshold 0 (Vickers & Elkin 2006).

    Parameters
    ----------
    threshold : float
        Probability from which on a patient would be treated.
    truth : (n,) bool array
    scores : (n,) float array
    """
    treated = scores >= threshold
    return np.where(treated, np.where(truth, 1.0, -threshold / (1 - threshold)), 0.0)


def clipped_logits(scores: Floats) -> Floats:
    """Logits of probabilities, which are first clipped to ``SMALLEST_PROBABILITY`` from 0 and 1."""
    clipped = scores.clip(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.log(clipped / (1 - clipped))


def fit_calibration(truth: Truth, scores: Floats, fixed_slope: bool) -> NDArray[np.float64] | None:
    """Fit the logistic regression of the truth on the logits of the probabilities (Cox 1958).

    Parameters
    ----------
    truth : (n,) bool array
    scores : (n,) float array
    fixed_slope : bool
        Whether the slope is 1, so that only the intercept is estimated.

    Returns
    -------
    (2,) float array or None
        Intercept and slope. None if they are not finite: only one class is present, the logits are
        all equal, or a threshold separates the classes.
    """
    logits = clipped_logits(scores)
    if truth.all() or not truth.any():
        return None
    ones = np.ones_like(logits)
    if fixed_slope:
        fit = _fit_logistic(truth, ones[:, None], logits)
        return np.array([fit.params[0], 1.0]) if fit.converged else None
    if np.ptp(logits) == 0 or _is_separated(truth, logits):
        return None
    fit = _fit_logistic(truth, np.column_stack([ones, logits]))
    return np.asarray(fit.params) if fit.converged else None


def _fit_logistic(truth: Truth, columns: Floats, offset: Floats | None = None) -> Any:
    """Fit a logistic regression with statsmodels, to the precision of its iterations."""
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    model = sm.GLM(truth.astype(float), columns, family=sm.families.Binomial(), offset=offset)
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        return model.fit(tol=1e-12)


def calibration_band(truth: Truth, scores: Floats) -> tuple[Floats, Floats, Floats, Floats] | None:
    """Fitted share of positive images by probability, and its 95% confidence band.

    It is the logistic regression of ``fit_calibration``, over the range of the probabilities.

    Returns
    -------
    probability, share, lower, upper : (100,) float arrays, or None
        None if the regression cannot be fitted.
    """
    if fit_calibration(truth, scores, fixed_slope=False) is None:
        return None
    logits = clipped_logits(scores)
    fit = _fit_logistic(truth, np.column_stack([np.ones_like(logits), logits]))
    grid = np.linspace(logits.min(), logits.max(), 100)
    with np.errstate(over="ignore"):
        predicted = fit.get_prediction(np.column_stack([np.ones_like(grid), grid])).summary_frame()
    bands = (predicted[name].to_numpy() for name in ("mean", "mean_ci_lower", "mean_ci_upper"))
    share, lower, upper = bands
    return expit(grid), share, lower, upper


def _is_separated(truth: Truth, logits: Floats) -> bool:
    """Whether a threshold separates the classes, apart from images that lie on it."""
    positives, negatives = logits[truth], logits[~truth]
    return bool(positives.min() >= negatives.max() or negatives.min() >= positives.max())


def calibration_influence(truth: Truth, scores: Floats, fixed_slope: bool) -> Floats | None:
    """Contribution of each image to the error of intercept and slope, (n, 2) or (n, 1).

    It is the inverse information matrix times the score of the image, so that the sum of squares
    is the robust variance of Huber (1967).
    """
    fitted = fit_calibration(truth, scores, fixed_slope)
    if fitted is None:
        return None
    logits = clipped_logits(scores)
    probability = expit(fitted[0] + fitted[1] * logits)
    columns = np.column_stack([np.ones_like(logits), logits])[:, : 1 if fixed_slope else 2]
    information = (columns * (probability * (1 - probability))[:, None]).T @ columns
    residuals = truth - probability
    return np.linalg.solve(information, (columns * residuals[:, None]).T).T
