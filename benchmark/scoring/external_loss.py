"""How much worse a metric is on an external dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.significance import Result


@dataclass(frozen=True)
class Loss:
    """Loss of a metric: positive where the external dataset is worse.

    Parameters
    ----------
    value : float
    lower, upper : float
        95% confidence interval; NaN where one of the two values has none.
    """

    value: float
    lower: float
    upper: float


def estimate_loss(metric: str, internal: Result, external: Result) -> Loss:
    """Estimate the loss of a metric from its internal to its external value.

    The interval follows from those of the two values, which are taken as independent ("square and
    add": Newcombe 1998; for any interval, Zou & Donner 2008). Both depend on the same trained
    models; in simulations the intervals cover too much rather than too little
    (``results/external_coverage.md``).

    Parameters
    ----------
    metric : str
    internal, external : Result
        Value and 95% confidence interval.

    Examples
    --------
    >>> internal = Result("interval", 100, 0.9, lower=0.82, upper=0.94)
    >>> external = Result("interval", 100, 0.8, lower=0.71, upper=0.87)
    >>> loss = estimate_loss("auc", internal, external)
    >>> print(f"{loss.value:.2f} ({loss.lower:.2f} to {loss.upper:.2f})")
    0.10 (-0.01 to 0.20)
    """
    better, worse = internal, external
    if not find_metric(metric).greater_is_better:
        better, worse = external, internal
    value = better.effect - worse.effect
    if not np.isfinite([better.lower, better.upper, worse.lower, worse.upper]).all():
        return Loss(value, math.nan, math.nan)
    below = math.hypot(better.effect - better.lower, worse.upper - worse.effect)
    above = math.hypot(better.upper - better.effect, worse.effect - worse.lower)
    return Loss(value, value - below, value + above)
