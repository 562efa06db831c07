"""Confidence intervals of metrics, and tests of differences between configurations.

A method is used only where there are enough test images (``RULES``) for its simulated coverage to
be 93 to 97 % and its type-I error 0.03 to 0.07. The simulation is
``tests/benchmarks/interval_coverage.py``, its table ``results/coverage.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from benchmark.scoring.averages import rows_for_mean
from benchmark.scoring.influence import compute_influence, compute_smoothed_influence
from benchmark.scoring.metrics import METRICS, class_membership, note_undefined_metrics
from benchmark.scoring.predictions import PredictionReader, Predictions, read_cell_predictions
from benchmark.scoring.significance import (
    ALPHA,
    Result,
    Spread,
    corrected_t_test,
    delong_test,
    estimate_spread,
    explain_undefined_spread,
    mcnemar,
    paired_t_test,
    student_t_interval,
    wilson_interval,
)
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
SCALES: MappingProxyType[str, str] = MappingProxyType(
    {"log_loss": "log", "brier": "log", "kappa": "symmetric", "mcc": "symmetric"}
)


def find_interval_method(metric: str, multilabel: bool = False) -> str:
    """Find the interval method of a metric.

    Returns
    -------
    str
        'share', 'counts', 'ranks' or 'means'; empty if no method is known to have the nominal
        coverage.
    """
    if metric in SHARES and not (multilabel and metric == "accuracy"):
        return "share"
    if metric in MEANS or metric == "accuracy":
        return "means"
    if metric in RANKS:
        return "ranks"
    return "counts" if metric in COUNTS else ""


def compute_interval(
    read_predictions: PredictionReader, cells: pd.DataFrame, metric: str
) -> Result:
    """Mean of the metric of one configuration, with a 95% confidence interval.

    With several folds, the interval uses the corrected variance of Nadeau & Bengio (2003); seeds
    are averaged within a fold first, since they share its test set. With a single split, it is
    computed from the test images (``interval_over_images``).

    Parameters
    ----------
    read_predictions : callable (key, digest) -> Predictions
        See ``read_cell_predictions``.
    cells : DataFrame
        Completed rows of the configuration.
    metric : str

    Returns
    -------
    Result
        Refused, with the reason, where the interval would not have its nominal coverage.
    """
    cells = rows_for_mean(cells, metric)
    means = cells.groupby("fold")[metric].agg(lambda values: values.astype(float).mean()).dropna()
    if len(means) > 1:
        return interval_over_folds(means, cells, METRICS[metric].bounds)
    return interval_over_images(
        metric, read_cell_predictions(read_predictions, cells[cells["fold"].isin(means.index)])
    )


def interval_over_folds(
    means: pd.Series, cells: pd.DataFrame, bounds: tuple[float, float]
) -> Result:
    """Confidence interval of the mean of a metric over folds.

    Parameters
    ----------
    means : Series
        One value per fold.
    cells : DataFrame
        The cells of these folds.
    bounds : tuple of float
        Lowest and highest value of the metric.
    """
    result = corrected_t_over_folds(means, cells["n_images"], cells["n_test"])
    return replace(
        result,
        lower=max(result.lower, bounds[0]),
        upper=min(result.upper, bounds[1]),
        refusal=result.refusal.replace("the difference is", "the value is"),
    )


def corrected_t_over_folds(
    scores: pd.Series, n_images: pd.Series, n_test: pd.Series, alpha: float = ALPHA
) -> Result:
    """Corrected resampled t-test of scores, one per fold.

    The variance is corrected for the overlap of the training sets by n_test / n_train of the fold.
    A training size or an imbalance takes a subsample of the training images of the fold; their
    overlap is no larger, so that the sizes of the whole fold are used.

    Parameters
    ----------
    scores : Series
        Scores, or differences of scores, one per fold.
    n_images, n_test : Series
        Number of images of the dataset and of the test set, one per cell.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Result
        See ``significance.corrected_t_test``.
    """
    return corrected_t_test(scores, (n_images - n_test).mean(), n_test.mean(), alpha)


def interval_over_images(
    metric: str,
    seeds: Sequence[Predictions],
    alpha: float = ALPHA,
    rules: Mapping[str, Rule] = RULES,
) -> Result:
    """Confidence interval of a metric on one test set.

    Where images have groups (patients, lesions), the groups are the independent observations.

    Parameters
    ----------
    metric : str
    seeds : sequence of Predictions
        One per seed; the interval is that of the mean over the seeds.
    alpha : float
        One minus the level of the interval.
    rules : mapping of str to Rule
        Requirements by method.

    Returns
    -------
    Result
        Without a p-value. Refused where the rule of the method is not met; ``refusal`` gives the
        numbers that are required.

    See Also
    --------
    compare_predictions : Test of the difference of two configurations.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.arange(200) % 2
    >>> labels = np.where(np.arange(200) < 20, 1 - y, y)
    >>> predictions = Predictions(y, np.eye(2)[labels], ("a", "b"), np.arange(200))
    >>> result = interval_over_images("accuracy", [predictions])
    >>> print(f"{result.effect:.3f}, {result.lower:.3f} to {result.upper:.3f}")
    0.900, 0.851 to 0.934
    """
    seeds = drop_identical_seeds(seeds)
    if not seeds:
        return Result("interval", 0, np.nan, refusal="the metric is not defined on any fold")
    first = seeds[0]
    kind = find_interval_method(metric, first.multilabel)
    effect = float(np.mean([METRICS[metric](p) for p in seeds]))
    groups, n, unit = _find_independent_units(first)
    method = INTERVALS.get(kind, "interval")
    if kind == "share" and len(seeds) > 1:
        method = "t-interval of shares"
    refusal = _explain_undefined(metric, seeds, effect) or _explain_too_few(
        metric, rules[kind], first, groups
    )
    if refusal:
        return Result(method, n, effect, refusal=refusal, unit=unit, alpha=alpha)
    if kind == "share" and len(seeds) == 1:
        lower, upper = _share_interval(
            effect, estimate_spread(_average_influence(metric, seeds), groups), first, groups, alpha
        )
    else:
        value, spread = _estimate_with_spread(metric, seeds, groups)
        if np.isnan(spread.error):
            why = explain_undefined_spread(unit)
            return Result(method, n, effect, refusal=why, unit=unit, alpha=alpha)
        if not spread.error > 0 or not abs(value) > 0:
            why = (
                "all test images contribute equally to the metric, so that its variance cannot be "
                "estimated: more test images are needed, some of them predicted wrongly"
            )
            return Result(method, n, effect, refusal=why, unit=unit, alpha=alpha)
        lower, upper = student_t_interval(value, spread, SCALES.get(metric, "logit"), alpha)
    return Result(
        method,
        n,
        effect,
        lower=min(lower, effect),
        upper=max(upper, effect),
        unit=unit,
        alpha=alpha,
    )


def compare_predictions(
    metric: str,
    a: Sequence[Predictions],
    b: Sequence[Predictions],
    alpha: float = ALPHA,
    rules: Mapping[str, Rule] = RULES,
) -> Result:
    """Test the difference of two configurations on one test set, for one training set.

    The test is McNemar's for the accuracy and DeLong's for the AUC of two classes. For all other
    metrics, and whenever images have groups or the predictions of the seeds differ, it is a t-test
    of the paired influences of images or groups.

    Parameters
    ----------
    metric : str
    a, b : sequences of Predictions
        One per seed; the means over the seeds are compared.
    alpha : float
        One minus the level of the interval.
    rules : mapping of str to Rule
        Requirements by method.

    Returns
    -------
    Result
        ``effect`` is the metric of ``a`` minus that of ``b``. Refused where the rule of the method
        is not met.

    See Also
    --------
    interval_over_images : Confidence interval of the metric of one configuration.
    """
    a, b = drop_identical_seeds(a), drop_identical_seeds(b)
    first, kind = a[0], find_interval_method(metric, a[0].multilabel)
    groups, n, unit = _find_independent_units(first)
    effect = float(
        np.mean([METRICS[metric](p) for p in a]) - np.mean([METRICS[metric](p) for p in b])
    )
    refusal = _explain_undefined(metric, [*a, *b], effect)
    if refusal:
        return Result("the comparison", n, effect, refusal=refusal, unit=unit, alpha=alpha)
    single = len(a) == len(b) == 1 and groups is None and not first.multilabel
    if single and metric == "accuracy":
        return mcnemar(first.y_true, first.labels, b[0].labels, alpha)
    # the total numbers are required by intervals, which a long tail skews, and not by differences
    rule = replace(rules[kind], n_images=0, n_groups=rules["share"].n_groups)
    refusal = _explain_too_few(metric, rule, first, groups)
    if refusal and effect:
        return Result("the comparison", n, effect, refusal=refusal, unit=unit, alpha=alpha)
    spread = estimate_spread(_average_influence(metric, a) - _average_influence(metric, b), groups)
    refusal = refusal if spread.error else ""
    refusal = refusal or _explain_few_effective_units(spread, rule, unit)
    if refusal:
        return Result("the comparison", n, effect, refusal=refusal, unit=unit, alpha=alpha)
    if single and metric == "auc" and len(first.classes) == 2:
        return delong_test(first.y_true, first.proba[:, 1], b[0].proba[:, 1], alpha)
    return paired_t_test(effect, spread, alpha, unit)


def drop_identical_seeds(seeds: Sequence[Predictions]) -> list[Predictions]:
    """Keep only the first seed if all predicted the same, since they are one classifier then."""
    alike = all(np.array_equal(seeds[0].proba, other.proba) for other in seeds)
    return list(seeds[:1] if alike else seeds)


@lru_cache(maxsize=4)
def _find_independent_units(p: Predictions) -> tuple[NDArray[np.int64] | None, int, str]:
    """Find the independent observations of a test set.

    Returns
    -------
    groups : array of shape (n,), int, or None
        Index of the group of each image; None if each image is independent.
    n : int
        Number of independent observations.
    unit : str
        'test images' or 'groups of test images'.
    """
    n = len(p.y_true)
    codes = None if p.groups is None else np.unique(p.groups, return_inverse=True)[1]
    n_groups = n if codes is None else int(codes.max(initial=-1)) + 1
    return (None, n, "test images") if n_groups == n else (codes, n_groups, "groups of test images")


def _average_influence(metric: str, seeds: Sequence[Predictions]) -> NDArray[np.float64]:
    influences = [compute_influence(metric, p) for p in seeds]
    return np.mean([values for values in influences if values is not None], axis=0)


def _estimate_with_spread(
    metric: str, seeds: Sequence[Predictions], groups: NDArray[np.int64] | None
) -> tuple[float, Spread]:
    """Value at the centre of an interval, and its standard error."""
    influences = [compute_smoothed_influence(metric, p) for p in seeds]
    smoothed = [values for values in influences if values is not None]
    if not smoothed:
        return float(np.mean([METRICS[metric](p) for p in seeds])), estimate_spread(
            _average_influence(metric, seeds), groups
        )
    values, contributions, pseudo = zip(*smoothed, strict=True)
    return float(np.mean(values)), estimate_spread(
        np.mean(contributions, axis=0), groups, np.mean(pseudo, axis=0)
    )


def _share_interval(
    share: float, spread: Spread, p: Predictions, groups: NDArray[np.int64] | None, alpha: float
) -> tuple[float, float]:
    """Wilson's interval of a share.

    With groups, the number of images is replaced by the effective number of independent images that
    gives the same variance (Korn & Graubard 1998).
    """
    n = len(p.y_true)
    if groups is None:
        return wilson_interval(share, n, float(-ndtri(alpha / 2)))
    worth = share * (1 - share) / spread.error**2 if spread.error > 0 else spread.n
    return wilson_interval(
        share, float(np.clip(worth, min(spread.n, n), n)), float(-stdtrit(spread.n - 1, alpha / 2))
    )


def _explain_undefined(metric: str, seeds: Sequence[Predictions], effect: float) -> str:
    if not find_interval_method(metric, seeds[0].multilabel):
        return f"no interval or test of {metric} is known to have its nominal level"
    if np.isnan(effect):
        reasons = [reason for p in seeds for reason in note_undefined_metrics(p)]
        return f"{metric} is undefined for these predictions" + "".join(
            f": {reason}" for reason in reasons[:1]
        )
    return ""


def _explain_too_few(
    metric: str, rule: Rule, p: Predictions, groups: NDArray[np.int64] | None
) -> str:
    """Explain which numbers of test images or groups are too small; empty if none is."""
    n_units = _find_independent_units(p)[1]
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
    names = [*(f"'{name}'" for name in p.classes), *(f"other than '{name}'" for name in p.classes)]
    n = truth.sum(axis=0)
    rarest = int(np.where(n > 0, n, n.max() + 1).argmin())
    if n[rarest] < rule.images:
        return (
            f"{format_count(n[rarest], 'test image')} of {names[rarest]}; {metric} requires at "
            f"least {rule.images} of each class"
        )
    if groups is None:
        return ""
    n = np.array([np.count_nonzero(np.bincount(groups[members])) for members in truth.T])
    rarest = int(np.where(n > 0, n, n_units + 1).argmin())
    if n[rarest] < rule.groups:
        return (
            f"test images of {names[rarest]} from {format_count(n[rarest], 'group')}; {metric} "
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


def _explain_few_effective_units(spread: Spread, rule: Rule, unit: str) -> str:
    if spread.error == 0 or spread.effective >= rule.effective:
        return ""
    if np.isnan(spread.error):
        return explain_undefined_spread(unit)
    needed = ceil(spread.n * rule.effective / spread.effective)
    return (
        f"about {spread.effective:.0f} of {spread.n} {unit} determine the difference; at least "
        f"{rule.effective:.0f} are required, which takes about {needed} {unit}"
    )
