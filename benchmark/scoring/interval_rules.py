"""Which interval and test a metric has, and how many test images or groups they require.

A method is used only where there are enough test images (``RULES``) for its simulated coverage to
be 93 to 97 % and its type-I error 0.03 to 0.07. The simulation is
``tests/benchmarks/interval_coverage.py``, its table ``results/coverage.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.metrics import METRICS, class_membership, note_undefined_metrics
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.significance import Spread, explain_undefined_spread
from benchmark.utils.text import format_count


@dataclass(frozen=True)
class Rule:
    """Requirements of a method.

    Parameters
    ----------
    images, groups : int
        Minimum number of test images of the rarest class, and of groups that contain it. In a
        multi-label task, images with the label and images without it are counted as two classes.
    n_images, n_groups : int
        Minimum number of test images, and of groups.
    effective : float
        Minimum effective number of images or groups that determine a difference
        (``Spread.effective``). With fewer, a test is conservative or wrong.
    uneven : float
        Maximum ``group_size_unevenness``. Above it, intervals are too short and tests reject too
        often.
    """

    images: int = 0
    groups: int = 0
    n_images: int = 0
    n_groups: int = 20
    effective: float = 15
    uneven: float = 2.0


INTERVALS: MappingProxyType[str, str] = MappingProxyType(
    {
        "share": "Wilson's interval",
        "counts": "t-interval of smoothed counts",
        "ranks": "t-interval of placement values",
        "means": "t-interval of losses",
        "plain means": "t-interval",
        "ratio": "t-interval of a ratio",
        "calibration": "robust t-interval",
        "bootstrap": "Wilson's interval with the bootstrap's variance",
    }
)
RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        # Wilson's interval, McNemar's test
        "share": Rule(),
        # functions of the confusion matrix: t-interval of smoothed counts on the logit scale
        "counts": Rule(images=20, groups=20),
        # placement values, DeLong's test
        "ranks": Rule(images=50, groups=40),
        # means of the losses of the images: t-interval on the log scale
        "means": Rule(images=20, groups=20, n_images=400, n_groups=100),
        # the metrics of a positive class; ``results/clinical_coverage.md``
        "plain means": Rule(images=20, groups=20),
        "ratio": Rule(images=20, groups=20),
        "calibration": Rule(images=50, groups=40),
        "bootstrap": Rule(images=100, groups=80),
    }
)
SHARES = ("accuracy", "subset_accuracy")
COUNTS = (
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "f1_micro",
    "geometric_mean",
    "mcc",
    "kappa",
)
MEANS = ("log_loss", "brier", "hamming_loss", "label_ranking_average_precision")
RANKS = ("auc", "average_precision")
_SCALES = MappingProxyType(
    {"log_loss": "log", "brier": "log", "kappa": "symmetric", "mcc": "symmetric"}
)


def find_interval_scale(metric: str) -> str:
    """Find the scale on which the interval of a metric is symmetric."""
    return _SCALES.get(metric, "logit") if metric in METRICS else find_metric(metric).scale


def find_interval_method(metric: str, multilabel: bool = False) -> str:
    """Find the interval method of a metric.

    Returns
    -------
    str
        A key of ``RULES``; empty if no method is known to have the nominal coverage.
    """
    if metric not in METRICS:
        return find_metric(metric).interval
    if metric in SHARES and not (multilabel and metric == "accuracy"):
        return "share"
    if metric in MEANS or metric == "accuracy":
        return "means"
    if metric in RANKS:
        return "ranks"
    return "counts" if metric in COUNTS else ""


@lru_cache(maxsize=4)
def find_independent_units(p: Predictions) -> tuple[NDArray[np.int64] | None, int, str]:
    """Find the independent observations of a test set.

    Returns
    -------
    groups : array of shape (n,), int, or None
        Index of the group of each image; None if each image is independent.
    n : int
        Number of independent observations.
    unit : str
        Such as 'test images' or 'groups of test images'.
    """
    n = len(p.y_true)
    codes = None if p.groups is None else np.unique(p.groups, return_inverse=True)[1]
    n_groups = n if codes is None else int(codes.max(initial=-1)) + 1
    return (None, n, p.unit) if n_groups == n else (codes, n_groups, "groups of test images")


def explain_undefined(metric: str, seeds: Sequence[Predictions], effect: float) -> str:
    """Explain why a metric has no value, or no method; empty if it has both."""
    if not find_interval_method(metric, seeds[0].multilabel):
        return f"no interval or test of {metric} is known to have its nominal level"
    if np.isnan(effect):
        reasons = [reason for p in seeds for reason in note_undefined_metrics(p)]
        return f"{metric} is undefined for these predictions" + "".join(
            f": {reason}" for reason in reasons[:1]
        )
    return ""


def explain_too_few(
    metric: str, rule: Rule, p: Predictions, groups: NDArray[np.int64] | None
) -> str:
    """Explain which numbers of test images or groups are too small; empty if none is."""
    n_units = find_independent_units(p)[1]
    if groups is not None and n_units < rule.n_groups:
        return (
            f"{format_count(n_units, 'group')} of test images; {metric} requires at least "
            f"{rule.n_groups}"
        )
    if groups is None and n_units < rule.n_images:
        return f"{format_count(n_units, 'test image')}; {metric} requires at least {rule.n_images}"
    if groups is not None:
        unevenness = group_size_unevenness(np.bincount(groups))
        if unevenness > rule.uneven:
            return (
                "the groups of test images differ too much in size: n sum(m^2) / sum(m)^2 of their "
                f"sizes m is {unevenness:.3g}, and intervals and tests are valid up to "
                f"{rule.uneven:.3g}; keep at most k images of each group, chosen at random"
            )
    if not rule.images:
        return ""
    truth = (
        np.hstack([class_membership(p), ~class_membership(p)])
        if p.multilabel
        else class_membership(p)
    )
    which = [*(f"of '{name}'" for name in p.classes), *(f"not of '{name}'" for name in p.classes)]
    n = truth.sum(axis=0)
    rarest = int(np.where(n > 0, n, n.max() + 1).argmin())
    if n[rarest] < rule.images:
        return (
            f"{format_count(n[rarest], 'test image')} {which[rarest]}; {metric} requires at "
            f"least {rule.images} of each class"
        )
    if groups is None:
        return ""
    n = np.array([np.count_nonzero(np.bincount(groups[members])) for members in truth.T])
    rarest = int(np.where(n > 0, n, n_units + 1).argmin())
    if n[rarest] < rule.groups:
        return (
            f"test images {which[rarest]} from {format_count(n[rarest], 'group')}; {metric} "
            f"requires at least {rule.groups} groups of each class"
        )
    return ""


def group_size_unevenness(sizes: ArrayLike) -> float:
    """Measure how much groups differ in size.

    It is n sum(m^2) / sum(m)^2 for n sizes m: 1 plus their squared coefficient of variation.

    Examples
    --------
    >>> group_size_unevenness([3, 3, 3])
    1.0
    """
    m = np.asarray(sizes, dtype=float)
    return float(len(m) * (m**2).sum() / m.sum() ** 2)


def explain_few_effective_units(spread: Spread, rule: Rule, unit: str) -> str:
    """Explain that too few images or groups determine a difference; empty if there are enough."""
    if spread.error == 0 or spread.effective >= rule.effective:
        return ""
    if np.isnan(spread.error):
        return explain_undefined_spread(unit)
    needed = ceil(spread.n * rule.effective / spread.effective)
    return (
        f"about {spread.effective:.0f} of {spread.n} {unit} determine the difference; at least "
        f"{rule.effective:.0f} are required, which takes about {needed} {unit}"
    )
