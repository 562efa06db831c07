"""Confidence intervals of metrics, and tests of differences between configurations.

``benchmark.scoring.interval_rules`` says which method a metric has, and what it requires.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from benchmark.scoring.averages import rows_for_mean
from benchmark.scoring.bootstrap import bootstrap_interval, bootstrap_test, resample_metric
from benchmark.scoring.influence import compute_influence, compute_smoothed_influence
from benchmark.scoring.interval_rules import (
    INTERVALS,
    RULES,
    Rule,
    explain_few_effective_units,
    explain_too_few,
    explain_undefined,
    find_independent_units,
    find_interval_method,
    find_interval_scale,
)
from benchmark.scoring.member_shares import MEMBERS, OF_PREDICTED_CLASS, OF_TRUE_CLASS, take_share
from benchmark.scoring.metric_lookup import find_metric
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
        return interval_over_folds(means, cells, find_metric(metric).bounds)
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
    if metric in OF_TRUE_CLASS or (metric in OF_PREDICTED_CLASS and len(seeds) == 1):
        return _interval_of_share(metric, seeds, alpha, rules)
    first = seeds[0]
    kind = find_interval_method(metric, first.multilabel)
    declared = find_metric(metric)
    effect = float(np.mean([declared(p) for p in seeds]))
    groups, n, unit = find_independent_units(first)
    method = INTERVALS.get(kind, "interval")
    if kind == "share" and len(seeds) > 1:
        method = "t-interval of shares"
    refusal = explain_undefined(metric, seeds, effect) or explain_too_few(
        metric, rules[kind], first, groups
    )
    if refusal:
        return Result(method, n, effect, refusal=refusal, unit=unit, alpha=alpha)
    if kind == "share" and len(seeds) == 1:
        lower, upper = _share_interval(
            effect, estimate_spread(_average_influence(metric, seeds), groups), first, groups, alpha
        )
    elif kind == "bootstrap":
        lower, upper = bootstrap_interval(declared, seeds, groups, alpha)
    else:
        value, spread = _estimate_with_spread(metric, seeds, groups)
        if np.isnan(spread.error):
            why = explain_undefined_spread(unit)
            return Result(method, n, effect, refusal=why, unit=unit, alpha=alpha)
        scale = find_interval_scale(metric)
        if not spread.error > 0 or not (abs(value) > 0 or scale == "plain"):
            why = (
                "all test images contribute equally to the metric, so that its variance cannot be "
                "estimated: more test images are needed, some of them predicted wrongly"
            )
            return Result(method, n, effect, refusal=why, unit=unit, alpha=alpha)
        lower, upper = student_t_interval(value, spread, scale, alpha)
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
    groups, n, unit = find_independent_units(first)
    declared = find_metric(metric)
    effect = float(np.mean([declared(p) for p in a]) - np.mean([declared(p) for p in b]))
    refusal = explain_undefined(metric, [*a, *b], effect)
    if refusal:
        return Result("the comparison", n, effect, refusal=refusal, unit=unit, alpha=alpha)
    single = len(a) == len(b) == 1 and groups is None and not first.multilabel
    if single and (metric == "accuracy" or metric in OF_TRUE_CLASS):
        pair = [p if metric == "accuracy" else take_share(metric, p) for p in (a[0], b[0])]
        result = mcnemar(pair[0].y_true, pair[0].labels, pair[1].labels, alpha)
        return replace(result, unit=result.unit.replace("test images", unit))
    # the total numbers are required by intervals, which a long tail skews, and not by differences
    rule = replace(rules[kind], n_images=0, n_groups=rules["share"].n_groups)
    refusal = explain_too_few(metric, rule, first, groups)
    if refusal and effect:
        return Result("the comparison", n, effect, refusal=refusal, unit=unit, alpha=alpha)
    if kind == "bootstrap":
        samples = [resample_metric(declared, seeds, groups) for seeds in (a, b)]
        p_value, lower, upper = bootstrap_test(samples[0] - samples[1], effect, alpha)
        return Result(
            "bootstrap test", n, effect, p_value, np.nan, lower, upper, unit=unit, alpha=alpha
        )
    spread = estimate_spread(_average_influence(metric, a) - _average_influence(metric, b), groups)
    refusal = refusal if spread.error else ""
    refusal = refusal or explain_few_effective_units(spread, rule, unit)
    if refusal:
        return Result("the comparison", n, effect, refusal=refusal, unit=unit, alpha=alpha)
    if single and metric == "auc" and len(first.classes) == 2:
        result = delong_test(first.y_true, first.proba[:, 1], b[0].proba[:, 1], alpha)
        return replace(result, unit=unit)
    return paired_t_test(effect, spread, alpha, unit)


def _interval_of_share(
    metric: str, seeds: Sequence[Predictions], alpha: float, rules: Mapping[str, Rule]
) -> Result:
    """Confidence interval of a share of some of the images; see ``member_shares``."""
    if not find_metric(metric).is_defined_for(seeds[0]) or not MEMBERS[metric](seeds[0]).any():
        why = f"{metric} is undefined for these predictions"
        return Result(INTERVALS["share"], 0, np.nan, refusal=why, alpha=alpha)
    result = interval_over_images("accuracy", [take_share(metric, p) for p in seeds], alpha, rules)
    return replace(result, refusal=result.refusal.replace("accuracy", metric))


def drop_identical_seeds(seeds: Sequence[Predictions]) -> list[Predictions]:
    """Keep only the first seed if all predicted the same, since they are one classifier then."""
    alike = all(np.array_equal(seeds[0].proba, other.proba) for other in seeds)
    return list(seeds[:1] if alike else seeds)


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
        return float(np.mean([find_metric(metric)(p) for p in seeds])), estimate_spread(
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
