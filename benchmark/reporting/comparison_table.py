"""Tables of many comparisons of configurations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from benchmark.errors import unknown_name_error
from benchmark.reporting.comparable_rows import CONFIGURATION_AXES, NAME_COLUMNS, name_parts
from benchmark.reporting.comparison import (
    Comparison,
    format_effect_size,
    format_p_value,
)
from benchmark.reporting.comparison_captions import describe_comparisons
from benchmark.reporting.text_tables import FOR_PROGRAMS, WRITERS, Document
from benchmark.scoring.effect_sizes import EffectSize
from benchmark.scoring.equivalence import MarginTest
from benchmark.scoring.significance import ALPHA


def render_comparisons(comparisons: Sequence[Comparison], form: str) -> str:
    """Render comparisons as text.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Comparisons of one metric, sorted by title.
    form : str
        One of ``text_tables.WRITERS``: 'md' and 'latex' have the texts of
        ``make_comparison_tables``, 'csv' and 'json' the values of ``make_comparison_values``.

    Raises
    ------
    UserError
        The format is unknown.
    """
    if form not in WRITERS:
        raise unknown_name_error("format", form, WRITERS)
    if form in FOR_PROGRAMS:
        return WRITERS[form](Document([("", make_comparison_values(comparisons))], [], []))
    documents = (
        Document([], [(title, table)], lines)
        for title, table, lines in make_comparison_tables(comparisons)
    )
    return "\n".join(map(WRITERS[form], documents))


def make_comparison_values(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Values of comparisons at full precision, one line per comparison.

    Returns
    -------
    DataFrame
        The columns are ``table`` (the title of the comparable rows), the labels of the
        configuration, those of the one it is compared with (prefix ``with_``), the metric and its
        two means, the ``difference`` (across datasets the pseudomedian) with its interval, the
        ``level`` of that, test, number and unit of observations, p-value, number of comparisons
        (``family``), the p-value adjusted for them, verdict, effect size with its interval at the
        same level, and why there is no test (``reason``). An odds ratio is infinite where the other
        configuration alone is correct on no image: 'inf', in JSON as a text. With a margin they are
        followed by the margin, the p-values of non-inferiority and equivalence, adjusted, the
        interval of the difference, its level, verdict and reason.
    """
    return pd.DataFrame([_make_value_line(comparison) for comparison in comparisons])


def _make_value_line(comparison: Comparison) -> dict[str, object]:
    result, test = comparison.result, comparison.margin_test
    size = comparison.effect_size or EffectSize("")
    line: dict[str, object] = {"table": comparison.title}
    line |= dict(zip(CONFIGURATION_AXES, comparison.a, strict=True))
    line |= {
        f"with_{axis}": label for axis, label in zip(CONFIGURATION_AXES, comparison.b, strict=True)
    }
    line |= {
        "metric": comparison.metric,
        "value": comparison.mean_a,
        "with_value": comparison.mean_b,
        "difference": result.effect,
        "difference_lower": result.lower,
        "difference_upper": result.upper,
        "level": 1 - result.alpha,
        "test": result.test,
        "n": result.n,
        "unit": result.unit,
        "p_value": result.p_value,
        "family": result.family,
        "p_adjusted": result.adjusted if result.family > 1 else result.p_value,
        "verdict": _verdict_label(comparison),
        "effect_size": size.name,
        "effect_size_value": size.value,
        "effect_size_lower": size.lower,
        "effect_size_upper": size.upper,
        "reason": result.refusal or size.refusal,
    }
    if test is None:
        return line
    return line | {
        "margin": test.margin,
        "margin_test": test.test,
        "p_noninferior": test.p_noninferior,
        "p_equivalent": test.p_equivalent,
        "margin_lower": test.lower,
        "margin_upper": test.upper,
        "margin_level": 1 - 2 * ALPHA / test.family,
        "margin_verdict": _margin_verdict(test),
        "margin_reason": test.refusal,
    }


def make_comparison_tables(
    comparisons: Sequence[Comparison],
) -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    """Yield a title, a table of texts and its footnotes for each group of comparable rows.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Comparisons of one metric, sorted by title, as returned by
        ``compare.compare_all_configurations``.

    Yields
    ------
    title : str
    table : DataFrame
        The columns are extractor, strategy, model, without those that are the same for all, which
        the title names; the configuration compared ``with`` if the title does not name it, the
        value of the metric, the difference, its interval, the p-value, the
        verdict, the outcome of the tests of a margin, and the effect size.
    lines : list of str
        The level of the intervals and the tests; what the columns mean; what some of the
        comparisons lack, and why.
    """
    for title, group in groupby(comparisons, key=lambda comparison: comparison.title):
        members = list(group)
        shared = _find_shared_parts(members)
        reference = _describe_reference(members, shared)
        decimals = _choose_decimals(members)
        table = pd.DataFrame([_make_table_line(c, decimals, not reference) for c in members])
        has_size = (table["effect size"] != "-").any()
        named = " · ".join([title, *shared.values()])
        yield (
            f"{named}: compared with {reference}" if reference else named,
            table.drop(columns=[*shared, *([] if has_size else ["effect size"])]),
            describe_comparisons(members),
        )


def _find_shared_parts(comparisons: list[Comparison]) -> dict[str, str]:
    """Parts of their names that all configurations have, by column."""
    names = (name_parts(labels) for comparison in comparisons for labels in comparison.pair)
    return {
        column: parts[0]
        for column, parts in zip(NAME_COLUMNS, zip(*names, strict=True), strict=True)
        if len(set(parts)) == 1
    }


def _describe_reference(comparisons: list[Comparison], shared: Collection[str]) -> str:
    """Name what all are compared with, without the shared columns; empty if it is not the same."""
    if len({comparison.b for comparison in comparisons}) == 1:
        parts = zip(NAME_COLUMNS, name_parts(comparisons[0].b), strict=True)
        return " / ".join(part for column, part in parts if column not in shared)
    changes = {
        (axis, b)
        for comparison in comparisons
        for axis, a, b in zip(CONFIGURATION_AXES, comparison.a, comparison.b, strict=True)
        if a != b
    }
    if len(changes) > 1:
        return ""
    ((axis, label),) = changes
    return f"{axis} {label}, all else equal"


def _choose_decimals(comparisons: list[Comparison]) -> int:
    """Choose 3 decimals, or as many as show the narrowest interval with two digits."""
    widths = [c.result.upper - c.result.lower for c in comparisons]
    narrowest = min((width for width in widths if width > 0), default=1.0)
    return int(np.clip(1 - np.floor(np.log10(narrowest)), 3, 5))


def _make_table_line(comparison: Comparison, decimals: int, name_reference: bool) -> dict[str, str]:
    line = dict(zip(NAME_COLUMNS, name_parts(comparison.a), strict=True))
    if name_reference:
        line["with"] = comparison.differing_names[1]
    result, size, test = comparison.result, comparison.effect_size, comparison.margin_test
    p_value = result.adjusted if result.family > 1 else result.p_value
    form = f"+.{decimals}f"
    no_interval = np.isnan(result.lower)
    line |= {
        comparison.label or comparison.metric: _format_value(comparison.mean_a),
        "difference": _format_value(result.effect, form),
        "interval": "-" if no_interval else f"{result.lower:{form}} to {result.upper:{form}}",
        "p": _format_p_cell(p_value),
        "verdict": _verdict_label(comparison),
    }
    if test is not None:
        line[f"margin {test.margin:g}"] = _margin_label(test)
    return line | {"effect size": "-" if size is None or size.refusal else format_effect_size(size)}


def _format_value(value: float, form: str = ".3f") -> str:
    return "-" if np.isnan(value) else format(value, form)


def _format_p_cell(p_value: float) -> str:
    return "-" if np.isnan(p_value) else format_p_value(p_value).removeprefix("p ").lstrip("= ")


def _verdict_label(comparison: Comparison) -> str:
    if comparison.result.refusal:
        return "not computed"
    if not comparison.result.significant:
        return "not significant"
    return "better" if comparison.a_is_better else "worse"


def _margin_verdict(test: MarginTest) -> str:
    if test.refusal:
        return "not computed"
    if test.equivalent:
        return "equivalent"
    return "non-inferior" if test.noninferior else "not shown"


def _margin_label(test: MarginTest) -> str:
    """Verdict, with the p-value of equivalence where that is shown, or else of non-inferiority."""
    verdict = _margin_verdict(test)
    p_value = test.p_equivalent if test.equivalent else test.p_noninferior
    return verdict if test.refusal else f"{verdict}, {format_p_value(p_value)}"
