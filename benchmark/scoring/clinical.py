"""Declarations of the metrics of a positive class, which are computed when a table asks for them.

``CLINICAL`` maps the name of each metric to its declaration, and ``FAMILIES`` the name of a metric
that has a parameter, such as ``net_benefit(0.2)``, to the function that makes its declaration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring import binary_scores as scores
from benchmark.scoring.fast_scores import Counts
from benchmark.scoring.metrics import Metric, count_per_class
from benchmark.scoring.predictions import Predictions

Floats = NDArray[np.float64]
# read off the curve of the test set
CURVE_METRICS = ("sensitivity_at_specificity", "specificity_at_sensitivity")
# that compare the probabilities of images with each other
RANK_METRICS = ("auc", "average_precision", *CURVE_METRICS)
ANY_NUMBER = (-np.inf, np.inf)
POSITIVE_NUMBER = (0.0, np.inf)


@dataclass(frozen=True)
class Family:
    """A metric with a parameter between 0 and 1.

    Parameters
    ----------
    parameter : str
    describes : str
        One-line description.
    make : callable (value) -> Metric
    """

    parameter: str
    describes: str
    make: Callable[[float], Metric]

    @property
    def example(self) -> float:
        """A usual value of the parameter."""
        return 0.9 if self.parameter in ("sensitivity", "specificity") else 0.1


def _positive_class(p: Predictions) -> tuple[NDArray[np.bool_], Floats]:
    """Which images are of the positive class, and their probabilities of it."""
    return p.y_true == scores.POSITIVE, p.proba[:, scores.POSITIVE]


def _count_metric(
    name: str,
    of_counts: Callable[[Counts], Floats],
    describes: str,
    scale: str = "logit",
    greater_is_better: bool = True,
    bounds: tuple[float, float] = (0, 1),
) -> Metric:
    return Metric(
        name,
        "labels",
        greater_is_better,
        lambda p, labels: float(of_counts(count_per_class(p))),
        describes,
        False,
        bounds=bounds,
        binary=True,
        interval="counts",
        scale=scale,
        of_counts=of_counts,
    )


def _predictive_value(name: str, function: Callable[[float, Counts], Floats]) -> Family:
    describes = f"{name} with this share of positive images, from sensitivity and specificity"

    def make(prevalence: float) -> Metric:
        return _count_metric(f"{name}({prevalence:g})", partial(function, prevalence), describes)

    return Family("prevalence", describes, make)


def _operating_point(name: str, function: Callable[..., Floats], condition: str) -> Family:
    describes = (
        f"highest {name.partition('_at_')[0]} of a threshold with at least this {condition}; read "
        "off the curve of the test set, which is optimistic"
    )

    def make(least: float) -> Metric:
        return Metric(
            f"{name}({least:g})",
            "proba",
            True,
            lambda p, proba: float(function(least, *_positive_class(p))[0]),
            describes,
            False,
            binary=True,
            interval="bootstrap",
            resampled=lambda p, weights: function(least, *_positive_class(p), weights),
            share_of=scores.POSITIVE if name.startswith("sensitivity") else scores.NEGATIVE,
        )

    return Family(condition, describes, make)


NET_BENEFIT = (
    "true positives minus false positives at the odds of this threshold, per image (Vickers & "
    "Elkin 2006)"
)


def _net_benefit(threshold: float) -> Metric:
    def per_image(p: Predictions) -> Floats:
        return scores.net_benefits(threshold, *_positive_class(p))

    return Metric(
        f"net_benefit({threshold:g})",
        "proba",
        True,
        lambda p, proba: float(per_image(p).mean()),
        NET_BENEFIT,
        False,
        bounds=(-threshold / (1 - threshold), 1),
        binary=True,
        interval="plain means",
        influence=lambda p: (per_image(p) - per_image(p).mean()) / len(p.y_true),
    )


def _calibration(name: str, describes: str, column: int, fixed_slope: bool) -> Metric:
    def value(p: Predictions, proba: Floats) -> float:
        fitted = scores.fit_calibration(*_positive_class(p), fixed_slope)
        return np.nan if fitted is None else float(fitted[column])

    def influence(p: Predictions) -> Floats:
        contributions = scores.calibration_influence(*_positive_class(p), fixed_slope)
        return np.full(len(p.y_true), np.nan) if contributions is None else contributions[:, column]

    return Metric(
        name,
        "proba",
        True,
        value,
        describes,
        False,
        bounds=ANY_NUMBER,
        binary=True,
        interval="calibration",
        influence=influence,
        target=1.0 if name == "calibration_slope" else 0.0,
    )


def _observed_expected(p: Predictions, proba: Floats) -> float:
    truth, probability = _positive_class(p)
    expected = probability.sum()
    return float(truth.sum() / expected) if expected > 0 else np.nan


def _observed_expected_influence(p: Predictions) -> Floats:
    truth, probability = _positive_class(p)
    return (truth - _observed_expected(p, p.proba) * probability) / probability.sum()


CLINICAL = {
    metric.name: metric
    for metric in (
        _count_metric(
            "sensitivity",
            scores.sensitivity,
            "share of the positive images that are predicted as positive",
        ),
        _count_metric(
            "specificity",
            scores.specificity,
            "share of the negative images that are predicted as negative",
        ),
        _count_metric(
            "ppv",
            scores.positive_predictive_value,
            "positive predictive value: share of the images predicted as positive that are",
        ),
        _count_metric(
            "npv",
            scores.negative_predictive_value,
            "negative predictive value: share of the images predicted as negative that are",
        ),
        _count_metric(
            "youden",
            scores.youden_index,
            "Youden's index: sensitivity plus specificity minus 1",
            "symmetric",
            bounds=(-1, 1),
        ),
        _count_metric(
            "lr_positive",
            scores.positive_likelihood_ratio,
            "positive likelihood ratio: sensitivity / (1 - specificity)",
            "log",
            bounds=POSITIVE_NUMBER,
        ),
        _count_metric(
            "lr_negative",
            scores.negative_likelihood_ratio,
            "negative likelihood ratio: (1 - sensitivity) / specificity",
            "log",
            greater_is_better=False,
            bounds=POSITIVE_NUMBER,
        ),
        _calibration(
            "calibration_slope",
            "slope of the logistic regression of the truth on the logit of the probability (Cox "
            "1958): 1 is best, below 1 the probabilities are too extreme",
            1,
            False,
        ),
        _calibration(
            "calibration_intercept",
            "intercept of the logistic regression with the slope fixed to 1, calibration in the "
            "large: 0 is best, below 0 the probabilities are too high",
            0,
            True,
        ),
        Metric(
            "observed_expected",
            "proba",
            True,
            _observed_expected,
            "number of positive images divided by the sum of their probabilities: 1 is best",
            False,
            bounds=POSITIVE_NUMBER,
            binary=True,
            interval="ratio",
            scale="log",
            influence=_observed_expected_influence,
            target=1.0,
        ),
    )
}
FAMILIES = {
    "sensitivity_at_specificity": _operating_point(
        "sensitivity_at_specificity", scores.sensitivity_at_specificity, "specificity"
    ),
    "specificity_at_sensitivity": _operating_point(
        "specificity_at_sensitivity", scores.specificity_at_sensitivity, "sensitivity"
    ),
    "net_benefit": Family("threshold", NET_BENEFIT, _net_benefit),
    "ppv": _predictive_value("ppv", scores.positive_predictive_value_at),
    "npv": _predictive_value("npv", scores.negative_predictive_value_at),
}
