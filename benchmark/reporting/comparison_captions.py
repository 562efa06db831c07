"""Texts below a table of comparisons."""

from __future__ import annotations

import re

from benchmark.reporting.comparable_rows import configuration_name
from benchmark.reporting.comparison import (
    SYMMETRY,
    Comparison,
    better_direction,
    capitalize_first_letter,
)
from benchmark.scoring.effect_sizes import ODDS_RATIO, STANDARDIZED
from benchmark.utils.text import format_count


def describe_comparisons(comparisons: list[Comparison]) -> list[str]:
    """List the texts below a table of comparisons: the caption, then one line per footnote."""
    family = max(comparison.result.family for comparison in comparisons)
    level = (
        f"intervals hold at 95% for all {family} comparisons together (Bonferroni), p-values are "
        f"adjusted for them ({comparisons[0].adjustment})"
        if family > 1
        else "intervals are at 95%"
    )
    tests = dict.fromkeys(
        f"{comparison.result.test} on {comparison.result.n} {_observation_unit(comparison)}"
        for comparison in comparisons
        if not comparison.result.refusal
    )
    tested = f" {capitalize_first_letter('; '.join(tests))}." if tests else ""
    caption = f"{_describe_values(comparisons)}; {level}.{tested}"
    simultaneous_interval_has_zero = any(
        comparison.result.significant and comparison.result.lower <= 0 <= comparison.result.upper
        for comparison in comparisons
    )
    holm = (
        "Holm's procedure rejects slightly more often than simultaneous intervals do: a difference "
        "may be significant although its interval contains zero."
    )
    notes = dict.fromkeys(comparison.note for comparison in comparisons if comparison.note)
    symmetric = comparisons[0].is_across_datasets and tests
    return [
        caption,
        *([SYMMETRY] if symmetric else []),
        *_describe_margin(comparisons),
        *_describe_effect_sizes(comparisons),
        *([holm] if simultaneous_interval_has_zero else []),
        *_describe_refusals(comparisons),
        *notes,
    ]


def _describe_values(comparisons: list[Comparison]) -> str:
    """Order of the lines, and meaning of the values and differences."""
    better = f"{better_direction(comparisons[0].metric)} is better"
    if comparisons[0].is_across_datasets:
        return (
            f"Largest improvement first, {better}; the value is the mean of the configuration over "
            "the datasets; the difference is the pseudomedian (Hodges-Lehmann estimate) of the "
            "differences on each dataset to the configuration it is compared with, not the "
            "difference of the means"
        )
    same_reference = len({comparison.b for comparison in comparisons}) == 1
    return (
        f"{'Best' if same_reference else 'Largest improvement'} first, {better}; the difference is "
        "the value of the configuration minus that of the one it is compared with"
    )


def _describe_margin(comparisons: list[Comparison]) -> list[str]:
    tests = [c.margin_test for c in comparisons if c.margin_test is not None]
    if not tests:
        return []
    margin, family = tests[0].margin, max(test.family for test in tests)
    names = dict.fromkeys(test.test for test in tests if not test.refusal)
    adjusted = (
        f"; p-values are adjusted for {family} comparisons ({comparisons[0].adjustment})"
        if family > 1
        else ""
    )
    by = f"one-sided {'; '.join(names)}" if names else "one-sided test"
    return [
        f"margin {margin:g}: 'non-inferior' means no more than {margin:g} worse ({by}), "
        f"'equivalent' that it is no more than {margin:g} better either (two one-sided tests), and "
        f"'not shown' that neither is shown, not that it is worse{adjusted}."
    ]


def _describe_effect_sizes(comparisons: list[Comparison]) -> list[str]:
    sizes = [comparison.effect_size for comparison in comparisons]
    names = {size.name for size in sizes if size is not None and not size.refusal}
    meanings = {
        ODDS_RATIO: "the number of test images on which the configuration alone is correct, "
        "divided by the number of those on which only the other one is",
        STANDARDIZED: "the difference divided by the standard deviation of the paired differences "
        "of images, groups or folds (Cohen 1988)",
    }
    known = [
        f"effect size: {name}, {meaning}; interval at the level of that of the difference."
        for name, meaning in meanings.items()
        if name in names
    ]
    refused = dict.fromkeys(
        f"effect size: {size.name} is not computed: {size.refusal}."
        for size in sizes
        if size is not None and size.refusal
    )
    return [*known, *refused]


def _describe_refusals(comparisons: list[Comparison]) -> list[str]:
    """Reasons why something is not computed; those that differ in numbers only are one line."""
    names_by_kind: dict[str, list[str]] = {}
    first_of_kind: dict[str, str] = {}
    for comparison in comparisons:
        result, test = comparison.result, comparison.margin_test
        refusals = [f"{result.test} is not computed: {result.refusal}"] if result.refusal else []
        if test is not None and test.refusal not in ("", result.refusal):
            refusals.append(f"margin {test.margin:g} is not tested: {test.refusal}")
        for refusal in refusals:
            kind = re.sub(r"\d+", "#", refusal)
            names_by_kind.setdefault(kind, []).append(configuration_name(comparison.a))
            first_of_kind.setdefault(kind, refusal)
    return [f"{_name_first(names)}: {first_of_kind[kind]}" for kind, names in names_by_kind.items()]


def _name_first(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{format_count(len(names), 'configuration')}, such as {names[0]}"


def _observation_unit(comparison: Comparison) -> str:
    """Unit of the observations, without the part after a comma, which is specific to the pair."""
    return comparison.result.unit.partition(",")[0]
