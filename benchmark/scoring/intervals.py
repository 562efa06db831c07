"""How sure a metric, or a difference of two, is: a 95% interval and a test by whatever the test images allow.

Each method is used only from the numbers on from which its simulated coverage is 93 to 97 % and its
type-I error 0.03 to 0.07 (``RULES``; the simulation is ``tests/benchmarks/interval_coverage.py``,
its table ``results/coverage.md``).
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

from benchmark.scoring import fast_scores
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
    mcnemar,
    paired_t_test,
    student_t_interval,
    wilson_interval,
)
from benchmark.utils.text import format_count


@dataclass(frozen=True)
class Rule:
    """What a method needs.

    Parameters
    ----------
    images, groups : int
        Test images of the rarest class, and groups that they are in (of a multi-label task: with
        and without the rarest label).
    n_images, n_groups : int
        Test images and groups in all.
    effective : float
        Images or groups that decide a difference: fewer make a test conservative, or wrong.
    uneven : float
        Most that the sizes of groups may differ, by ``group_size_unevenness``: above, intervals are too short
        and tests reject too often.
    """

    images: int = 0
    groups: int = 0
    n_images: int = 0
    n_groups: int = 20
    effective: float = 15
    uneven: float = 2.0


RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "share": Rule(),  # Wilson's interval, McNemar's test
        "counts": Rule(
            images=20, groups=20
        ),  # functions of the confusion matrix: logit-t of smoothed counts
        "ranks": Rule(images=50, groups=40),  # placements, DeLong
        "means": Rule(
            images=20, groups=20, n_images=400, n_groups=100
        ),  # of what each image loses: log-t
    }
)
SHARES = ("accuracy", "subset_accuracy")
MEANS = ("log_loss", "brier", "hamming_loss", "label_ranking_average_precision")
RANKS = ("auc", "average_precision")
SCALES: MappingProxyType[str, str] = MappingProxyType(
    {"log_loss": "log", "brier": "log", "kappa": "symmetric", "mcc": "symmetric"}
)


def find_interval_method(metric: str, multilabel: bool = False) -> str:
    """Method that a metric has: 'share', 'counts', 'ranks' or 'means'; empty where none is known to cover."""
    if metric in SHARES and not (multilabel and metric == "accuracy"):
        return "share"
    if metric in MEANS or metric == "accuracy":
        return "means"
    if metric in RANKS:
        return "ranks"
    return "counts" if metric in fast_scores.OF_COUNTS or metric == "kappa" else ""


def compute_interval(
    read_predictions: PredictionReader, cells: pd.DataFrame, metric: str
) -> Result:
    """Mean of one configuration's metric, with its interval.

    Over folds by the corrected variance of Nadeau & Bengio (2003), seeds averaged within a fold
    first, as they share its test set; on a single split by the test images (``interval_over_images``).

    Parameters
    ----------
    read_predictions : callable (key, digest) -> Predictions
        See ``read_cell_predictions``.
    cells : DataFrame
        Rows of the configuration that are done.
    metric : str
    """
    cells = rows_for_mean(cells, metric)
    found = cells.groupby("fold")[metric].agg(lambda values: values.astype(float).mean()).dropna()
    if len(found) > 1:
        return corrected_t_over_folds(found, cells["n_images"], cells["n_test"])
    return interval_over_images(
        metric, read_cell_predictions(read_predictions, cells[cells["fold"].isin(found.index)])
    )


def corrected_t_over_folds(
    scores: pd.Series, n_images: pd.Series, n_test: pd.Series, alpha: float = ALPHA
) -> Result:
    """Corrected resampled t-test of scores, one per fold.

    The correction is for the overlap of training sets, which n_test / n_train of the fold stands
    for; of a part of the fold's training images, as a training size or an imbalance takes, the
    overlap is no larger, so that the fold's own sizes are used.

    Parameters
    ----------
    scores : Series
        Or differences of scores.
    n_images, n_test : Series
        Images of the dataset and of the test set, of each cell.
    alpha : float
    """
    return corrected_t_test(scores, (n_images - n_test).mean(), n_test.mean(), alpha)


def interval_over_images(
    metric: str,
    seeds: Sequence[Predictions],
    alpha: float = ALPHA,
    rules: Mapping[str, Rule] = RULES,
) -> Result:
    """Interval of a metric on one test set, by whole groups where there are groups.

    Parameters
    ----------
    metric : str
    seeds : sequence of Predictions
        Of each seed; the interval is that of their mean.
    alpha : float
    rules : mapping of method to Rule

    Returns
    -------
    Result
        Without a p-value. Refused where the rule of the method (``RULES``) is not met, with the
        numbers that it needs.
    """
    seeds = drop_identical_seeds(seeds)
    first, kind = seeds[0] if seeds else None, ""
    if first is None:
        return Result("interval", 0, np.nan, refusal="no fold where it is defined")
    kind, effect = (
        find_interval_method(metric, first.multilabel),
        float(np.mean([METRICS[metric](p) for p in seeds])),
    )
    groups, n, unit = _find_independent_units(first)
    refusal = _explain_undefined(metric, seeds, effect) or _explain_too_few(
        metric, rules[kind], first, groups
    )
    if refusal:
        return Result("interval", n, effect, refusal=refusal, unit=unit, alpha=alpha)
    lower, upper = (np.nan, np.nan)
    if kind == "share" and len(seeds) == 1:
        lower, upper = _share_interval(
            effect, estimate_spread(_average_influence(metric, seeds), groups), first, groups, alpha
        )
    else:
        value, spread = _estimate_with_spread(metric, seeds, groups)
        if not spread.error > 0 or not abs(value) > 0:
            why = (
                "all test images have the same part in it: more are needed, of which some are wrong"
            )
            return Result("interval", n, effect, refusal=why, unit=unit, alpha=alpha)
        lower, upper = student_t_interval(value, spread, SCALES.get(metric, "logit"), alpha)
    return Result(
        "interval",
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
    """Test of two configurations on the images of one test set, as one training set left them.

    McNemar's test for accuracy, DeLong's for the AUC of two classes; otherwise, and whenever images
    come in groups or seeds differ in what they predict, a t-test of the paired influences of images
    or groups.

    Parameters
    ----------
    metric : str
    a, b : sequences of Predictions
        Of each seed; their mean is tested.
    alpha : float
    rules : mapping of method to Rule
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
    rule = replace(
        rules[kind], n_images=0, n_groups=rules["share"].n_groups
    )  # these are for an interval, which a long tail skews
    few = _explain_too_few(metric, rule, first, groups)
    if few and effect:
        return Result("the comparison", n, effect, refusal=few, unit=unit, alpha=alpha)
    spread = estimate_spread(_average_influence(metric, a) - _average_influence(metric, b), groups)
    few = few if spread.error else ""
    few = few or _explain_few_effective_units(spread, rule, unit)
    if few:
        return Result("the comparison", n, effect, refusal=few, unit=unit, alpha=alpha)
    if single and metric == "auc" and len(first.classes) == 2:
        return delong_test(first.y_true, first.proba[:, 1], b[0].proba[:, 1], alpha)
    return paired_t_test(effect, spread, alpha, unit)


def drop_identical_seeds(seeds: Sequence[Predictions]) -> list[Predictions]:
    """Only the first where all seeds predicted the same: there is one classifier then, and not a mean over several."""
    alike = all(np.array_equal(seeds[0].proba, other.proba) for other in seeds)
    return list(seeds[:1] if alike else seeds)


@lru_cache(maxsize=4)
def _find_independent_units(p: Predictions) -> tuple[NDArray[np.int64] | None, int, str]:
    """Number of the group of each image, where groups hold several images; number of independent units, and what these are."""
    n = len(p.y_true)
    codes = None if p.groups is None else np.unique(p.groups, return_inverse=True)[1]
    n_groups = n if codes is None else int(codes.max(initial=-1)) + 1
    return (None, n, "test images") if n_groups == n else (codes, n_groups, "groups of test images")


def _average_influence(metric: str, seeds: Sequence[Predictions]) -> NDArray[np.float64]:
    found = [compute_influence(metric, p) for p in seeds]
    return np.mean([values for values in found if values is not None], axis=0)


def _estimate_with_spread(
    metric: str, seeds: Sequence[Predictions], groups: NDArray[np.int64] | None
) -> tuple[float, Spread]:
    """Value that an interval is around, and its standard error."""
    found = [compute_smoothed_influence(metric, p) for p in seeds]
    parts = [values for values in found if values is not None]
    if not parts:
        return float(np.mean([METRICS[metric](p) for p in seeds])), estimate_spread(
            _average_influence(metric, seeds), groups
        )
    values, contributions, pseudo = zip(*parts, strict=True)
    return float(np.mean(values)), estimate_spread(
        np.mean(contributions, axis=0), groups, np.mean(pseudo, axis=0)
    )


def _share_interval(
    share: float, spread: Spread, p: Predictions, groups: NDArray[np.int64] | None, alpha: float
) -> tuple[float, float]:
    """Wilson's interval; groups are worth as many independent images as have the same variance (Korn & Graubard 1998)."""
    n = len(p.y_true)
    if groups is None:
        return wilson_interval(share, n, float(-ndtri(alpha / 2)))
    worth = share * (1 - share) / spread.error**2 if spread.error > 0 else spread.n
    return wilson_interval(
        share, float(np.clip(worth, min(spread.n, n), n)), float(-stdtrit(spread.n - 1, alpha / 2))
    )


def _explain_undefined(metric: str, seeds: Sequence[Predictions], effect: float) -> str:
    if not find_interval_method(metric, seeds[0].multilabel):
        return f"no interval or test of {metric} is known to hold its level at any number of test images"
    if np.isnan(effect):
        reasons = [reason for p in seeds for reason in note_undefined_metrics(p)]
        return f"{metric} is undefined for these predictions" + "".join(
            f": {reason}" for reason in reasons[:1]
        )
    return ""


def _explain_too_few(
    metric: str, rule: Rule, p: Predictions, groups: NDArray[np.int64] | None
) -> str:
    """Say which numbers of test images or groups fall short, and what is needed; empty where none does."""
    n_units = _find_independent_units(p)[1]
    if groups is not None and n_units < rule.n_groups:
        return f"{format_count(n_units, 'group')} of test images, and {metric} needs at least {rule.n_groups}"
    if groups is None and n_units < rule.n_images:
        return f"{n_units} test images, and {metric} needs at least {rule.n_images}"
    if groups is not None and (found := group_size_unevenness(np.bincount(groups))) > rule.uneven:
        return (
            "the groups of test images differ too much in size: n sum(m^2) / sum(m)^2 is "
            f"{found:.3g} for their sizes m, and intervals "
            f"and tests hold up to {rule.uneven:.3g}; at most k images of each group, chosen at "
            "random, would help"
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
        return f"{n[rarest]} test images of {names[rarest]}, and {metric} needs at least {rule.images} of each class"
    if groups is None:
        return ""
    n = np.array([np.count_nonzero(np.bincount(groups[part])) for part in truth.T])
    rarest = int(np.where(n > 0, n, n_units + 1).argmin())
    if n[rarest] < rule.groups:
        return f"test images of {names[rarest]} from {n[rarest]} groups, and {metric} needs at least {rule.groups} of each class"
    return ""


def group_size_unevenness(sizes: ArrayLike) -> float:
    """How much groups differ in size: 1 plus the squared coefficient of variation, n sum(m^2) / sum(m)^2 of n sizes m."""
    m = np.asarray(sizes, dtype=float)
    return float(len(m) * (m**2).sum() / m.sum() ** 2)


def _explain_few_effective_units(spread: Spread, rule: Rule, unit: str) -> str:
    if spread.error == 0 or spread.effective >= rule.effective:
        return ""
    needed = ceil(spread.n * rule.effective / spread.effective)
    return (
        f"of {spread.n} {unit} about {spread.effective:.0f} decide the difference, and at least "
        f"{rule.effective:.0f} are needed: some "
        f"{needed} {unit}"
    )
