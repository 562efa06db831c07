"""Metrics of subgroups of the test images, such as women, and their gaps to the other images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.scoring.influence import compute_influence
from benchmark.scoring.interval_rules import (
    RULES,
    explain_few_effective_units,
    explain_too_few,
    explain_undefined,
    find_independent_units,
    find_interval_method,
)
from benchmark.scoring.intervals import interval_over_images
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.predictions import Predictions
from benchmark.scoring.rank_tests import adjust_by_holm
from benchmark.scoring.significance import Result, estimate_spread, paired_t_test
from benchmark.utils.text import format_count, format_exactly

MISSING = "missing"
SEVERAL = "several values"  # of the images of a group
OTHER = "other"
MOST_VALUES = 15  # of an attribute of text; the rarest others are one subgroup
N_BINS = 4
MIN_UNITS = 10  # test images, or groups, of a subgroup whose metric is computed
MIN_OF_CLASS = 5  # of them, of each of two classes, for a mean over classes


@dataclass(frozen=True)
class SubgroupResult:
    """A metric of one subgroup, and its gap to all other test images.

    Parameters
    ----------
    n : int
        Number of test images.
    prevalence : float
        Share of the positive class; NaN if the task is not binary.
    value, gap : Result
        The gap is the metric of the subgroup minus that of the other images; its adjusted p-value
        is Holm's for all subgroups of the attribute.
    """

    n: int
    prevalence: float
    value: Result
    gap: Result


def assign_subgroups(values: pd.Series, edges: Sequence[float] | None = None) -> pd.Series:
    """Assign images to subgroups by the values of an attribute.

    Parameters
    ----------
    values : Series
        Numbers or text; NaN where they are missing, which is a subgroup of its own.
    edges : sequence of float or None
        Edges between the bins of numbers; None: quartiles, rounded. Text is not binned: the rarest
        values beyond 15 are one subgroup.

    Returns
    -------
    Series of Categorical
        In the order in which subgroups are shown; empty categories are left out.

    Raises
    ------
    UserError
        Edges are given for text, or are not in increasing order.

    Examples
    --------
    >>> age = pd.Series([34, 71, np.nan, 50])
    >>> assign_subgroups(age, edges=(40, 60)).tolist()
    ['below 40', '60 and above', 'missing', '40 to below 60']
    """
    if pd.api.types.is_numeric_dtype(values):
        groups = _bin_numbers(values, edges)
    elif edges is not None:
        raise UserError(
            f"'{values.name}' is text, which has no bins: leave out --bins, or write its numbers "
            "as numbers"
        )
    else:
        frequent = list(values.value_counts().index[:MOST_VALUES])
        named = values.where(values.isin(frequent) | values.isna(), OTHER)
        # values called "other" and rare values are one subgroup
        groups = named.astype(pd.CategoricalDtype(list(dict.fromkeys([*frequent, OTHER]))))
    groups = groups.cat.add_categories([MISSING] if MISSING not in groups.cat.categories else [])
    return groups.fillna(MISSING).cat.remove_unused_categories()


def join_group_values(subgroups: pd.Series, groups: pd.Series) -> pd.Series:
    """Assign the images of groups that are in several subgroups to one of its own.

    Parameters
    ----------
    subgroups : Series of Categorical
        Subgroup of each image.
    groups : Series
        Group of each image, such as the patient.

    Examples
    --------
    >>> age = assign_subgroups(pd.Series([34.0, 71, 50]), edges=(60,))
    >>> join_group_values(age, pd.Series(["p1", "p1", "p2"])).tolist()
    ['several values', 'several values', 'below 60']
    """
    varies = subgroups.astype(str).groupby(groups.to_numpy()).transform("nunique") > 1
    joined = subgroups.cat.add_categories(
        [] if SEVERAL in subgroups.cat.categories else [SEVERAL]
    ).mask(varies, SEVERAL)
    return joined.cat.remove_unused_categories()


def _bin_numbers(values: pd.Series, edges: Sequence[float] | None) -> pd.Series:
    distinct = sorted(values.dropna().unique().tolist())
    if edges is None and len(distinct) <= N_BINS:
        categories = pd.CategoricalDtype([format_exactly(value) for value in distinct])
        return values.map(format_exactly, na_action="ignore").astype(categories)
    edges = _choose_edges(values) if edges is None else edges
    if not all(low < high for low, high in pairwise(edges)):
        raise UserError(f"bins must be in increasing order, not {', '.join(map(str, edges))}")
    numbers = [format_exactly(edge) for edge in edges]
    names = [
        f"below {numbers[0]}",
        *(f"{low} to below {high}" for low, high in pairwise(numbers)),
        f"{numbers[-1]} and above",
    ]
    return pd.cut(values, [-np.inf, *edges, np.inf], right=False, labels=names)


def _choose_edges(values: pd.Series) -> list[float]:
    """Return the quartiles of numbers, rounded to about a tenth of their distance."""
    quartiles = values.quantile(np.linspace(0, 1, N_BINS + 1)[1:-1]).to_numpy()
    distance = quartiles[-1] - quartiles[0] or values.max() - values.min()
    decimals = 1 - math.floor(math.log10(distance))
    edges = [round(float(edge), decimals) for edge in quartiles]
    edges = [edge for edge in dict.fromkeys(edges) if edge > values.min()]
    return edges or [float(values[values > values.min()].min())]


def compare_subgroups(
    metric: str, seeds: Sequence[Predictions], subgroups: pd.Series
) -> dict[str, SubgroupResult]:
    """Compute a metric in every subgroup, and test its gap to the other images.

    Parameters
    ----------
    metric : str
    seeds : sequence of Predictions
        Of the same images, one per seed.
    subgroups : Series of Categorical
        Subgroup of each image of the dataset, by its index.

    Returns
    -------
    dict of str to SubgroupResult
        By name of the subgroup, those with test images. A subgroup with fewer than 10 images (or
        groups) has no values, nor has one without a class if the metric is a mean over classes.
    """
    of_image = subgroups.iloc[seeds[0].test_index]
    results = {
        str(name): _compare_with_rest(metric, seeds, (of_image == name).to_numpy())
        for name in of_image.cat.categories
        if (of_image == name).any()
    }
    tested = [name for name, result in results.items() if np.isfinite(result.gap.p_value)]
    p_values = [results[name].gap.p_value for name in tested]
    # of two subgroups, one gap is minus the other: a single test
    adjusted = adjust_by_holm(p_values) if len(results) > 2 and tested else p_values
    family = len(tested) if len(results) > 2 else 1
    for name, p_value in zip(tested, adjusted, strict=True):
        gap = replace(results[name].gap, adjusted=float(p_value), family=family)
        results[name] = replace(results[name], gap=gap)
    return results


def _compare_with_rest(
    metric: str, seeds: Sequence[Predictions], members: NDArray[np.bool_]
) -> SubgroupResult:
    first = seeds[0]
    inside = [p.take_members(members) for p in seeds]
    binary = len(first.classes) == 2 and not first.multilabel
    prevalence = float((inside[0].y_true == 1).mean()) if binary else np.nan
    n, n_units, unit = len(inside[0].y_true), *find_independent_units(inside[0])[1:]
    if why := _explain_refusal(metric, first, inside[0], n_units, unit):
        refused = Result("", n_units, np.nan, refusal=why, unit=unit)
        return SubgroupResult(n, prevalence, refused, refused)
    value = interval_over_images(metric, inside)
    outside = [p.take_members(~members) for p in seeds]
    return SubgroupResult(n, prevalence, value, _test_gap(metric, seeds, inside, outside, members))


def _explain_refusal(
    metric: str, everything: Predictions, inside: Predictions, n_units: int, unit: str
) -> str:
    """Say why a metric of a subgroup is not computed; empty if it is."""
    if n_units < MIN_UNITS:
        return f"{format_count(n_units, unit.rstrip('s'))}; at least {MIN_UNITS} are required"
    if not find_metric(metric).macro:
        return ""
    absent = [name for name in inside.absent_classes if name not in everything.absent_classes]
    if absent:
        return (
            f"no test images of {', '.join(absent)}; a mean over the other classes cannot be "
            "compared with that of other subgroups"
        )
    if len(inside.classes) == 2 and not inside.multilabel:
        counts = np.bincount(inside.y_true, minlength=2)
        n, name = int(counts.min()), inside.classes[int(counts.argmin())]
        if 0 < n < MIN_OF_CLASS:
            images = format_count(n, "test image")
            return f"{images} of '{name}'; at least {MIN_OF_CLASS} are required"
    return ""


def _test_gap(
    metric: str,
    seeds: Sequence[Predictions],
    inside: Sequence[Predictions],
    outside: Sequence[Predictions],
    members: NDArray[np.bool_],
) -> Result:
    """t-test of the difference between a subgroup and the rest.

    The contributions of the images of a group are summed, so that a patient who has images in both
    is one observation.
    """
    name, declared = "t-test of influences", find_metric(metric)
    _, n, unit = find_independent_units(seeds[0])
    if members.all():
        return Result(name, n, np.nan, refusal="all test images are in this subgroup", unit=unit)
    effect = float(np.mean([declared(p) for p in inside]) - np.mean([declared(p) for p in outside]))
    rule = replace(
        RULES[find_interval_method(metric, seeds[0].multilabel)], n_images=0, n_groups=20
    )
    for side in (inside, outside):
        refusal = explain_undefined(metric, side, effect) or explain_too_few(
            metric, rule, side[0], find_independent_units(side[0])[0]
        )
        if refusal:
            return Result(name, n, effect, refusal=refusal, unit=unit)
    contributions = [
        _contributions(metric, *pair, members) for pair in zip(inside, outside, strict=True)
    ]
    if any(values is None for values in contributions):
        return Result(name, n, effect, refusal=f"there is no test of {metric}", unit=unit)
    groups = find_independent_units(seeds[0])[0]
    spread = estimate_spread(np.mean(contributions, axis=0), groups)  # type: ignore[arg-type]
    if refusal := explain_few_effective_units(spread, rule, unit):
        return Result(name, n, effect, refusal=refusal, unit=unit)
    return replace(paired_t_test(effect, spread, unit=unit), test=name)


def _contributions(
    metric: str, inside: Predictions, outside: Predictions, members: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Contribution of each image to the error of the gap; None if the metric has none."""
    sides = compute_influence(metric, inside), compute_influence(metric, outside)
    if sides[0] is None or sides[1] is None:
        return None
    values = np.empty(len(members))
    values[members], values[~members] = sides[0], -sides[1]
    return values
