"""Sentences on the comparison of two configurations, and tables of many comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from benchmark.plugins.registry import BASELINE
from benchmark.reporting.leaderboard import CONFIGURATION_AXES
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.significance import ALPHA, Result
from benchmark.utils.text import format_count

Configuration = tuple[str, ...]  # labels in the order of CONFIGURATION_AXES


def is_baseline(configuration: Configuration) -> bool:
    """Whether a configuration is the baseline, which ignores the images."""
    return configuration[CONFIGURATION_AXES.index("model")] == BASELINE


@dataclass(frozen=True)
class Comparison:
    """Comparison of two configurations.

    Parameters
    ----------
    title : str
        Dataset and split of the rows that are compared.
    dataset : str
    a, b : tuple of str
        The configurations: extractor, strategy, model.
    metric : str
    mean_a, mean_b : float
        Means of the metric over folds and seeds.
    result : Result
        Result of the test; its effect is a minus b.
    note : str
        Which cells are left out.
    label : str
        Display name of the metric.

    See Also
    --------
    benchmark.reporting.compare.compare_configurations : Compare two stored configurations.

    Examples
    --------
    >>> from benchmark.scoring.significance import corrected_t_test
    >>> a, b = ("hog", "none", "rbf_svm"), ("pixels", "none", "rbf_svm")
    >>> result = corrected_t_test([0.03, 0.02, 0.04], n_train=200, n_test=100)
    >>> comparison = Comparison("digits", "digits", a, b, "f1", 0.98, 0.95, result)
    >>> comparison.differing_names
    ('hog', 'pixels')
    """

    title: str
    dataset: str
    a: Configuration
    b: Configuration
    metric: str
    mean_a: float
    mean_b: float
    result: Result
    note: str = ""
    label: str = ""

    @property
    def summary(self) -> str:
        """Effect, interval, test and verdict, in sentences."""
        shared = [label for label, other in zip(self.a, self.b, strict=True) if label == other]
        sentences = [
            f"{' · '.join([self.title, *shared])}: {self._effect_sentence}",
            self._test_sentence,
            self.note,
        ]
        return " ".join(sentence for sentence in sentences if sentence)

    @property
    def differing_names(self) -> tuple[str, str]:
        """Names of the two configurations, without the labels that they share."""
        pairs = zip(self.a, self.b, strict=True)
        a, b = zip(*(pair for pair in pairs if pair[0] != pair[1]), strict=True)
        return " / ".join(a), " / ".join(b)

    @property
    def _effect_sentence(self) -> str:
        result, label = self.result, self.label or self.metric
        a, b = self.differing_names
        if np.isnan(result.effect):
            return f"the difference of {a} and {b} in {label} is undefined."
        size = (
            f"{abs(result.effect):.3g} {'higher' if result.effect > 0 else 'lower'} than"
            if result.effect
            else "equal to"
        )
        if np.isnan(result.lower):
            interval = ""
        elif result.family > 1:
            interval = (
                f", interval of the difference {result.lower:.3g} to {result.upper:.3g}, at 95% "
                f"for all {result.family} comparisons together"
            )
        else:
            interval = f", 95% interval of the difference {result.lower:.3g} to {result.upper:.3g}"
        better = _better_direction(self.metric)
        means = f"{self.mean_a:.3f} against {self.mean_b:.3f}, {better} is better"
        return f"{a} is {size} {b} in {label} ({means}){interval}."

    @property
    def _test_sentence(self) -> str:
        result = self.result
        test = capitalize_first_letter(result.test)
        if result.refusal:
            return f"{test} is not computed: {result.refusal}."
        adjustment = (
            f" for this pair alone, {_format_p_value(result.adjusted)} adjusted for "
            f"the {result.family} comparisons that involve either configuration (Holm)"
            if result.family > 1
            else ""
        )
        return (
            f"{test} on {result.n} {result.unit}: {_format_p_value(result.p_value)}{adjustment}. "
            f"{self._verdict_sentence}"
        )

    @property
    def _verdict_sentence(self) -> str:
        if not self.result.significant:
            return "The difference is not significant."
        better = self.differing_names[0 if self.a_is_better else 1]
        return f"The difference is significant: {better} is better."

    @property
    def a_is_better(self) -> bool:
        """Whether the difference, significant or not, is in favour of the first configuration."""
        return (self.result.effect > 0) == METRICS[self.metric].greater_is_better


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
        The columns are extractor, strategy, model, the configuration compared ``with`` if it is not
        the same for all, the value of the metric, the difference, its interval, the p-value and the
        verdict.
    lines : list of str
        The level of the intervals and the tests; what some of the comparisons lack, and why.
    """
    for title, group in groupby(comparisons, key=lambda comparison: comparison.title):
        members = list(group)
        references = {comparison.b for comparison in members}
        single = len(references) == 1
        yield (
            f"{title}: compared with {' / '.join(members[0].b)}" if single else title,
            pd.DataFrame([_make_table_line(comparison, not single) for comparison in members]),
            _describe_comparisons(members),
        )


def _make_table_line(comparison: Comparison, name_reference: bool) -> dict[str, str]:
    line = dict(zip(CONFIGURATION_AXES, comparison.a, strict=True))
    if name_reference:
        line["with"] = comparison.differing_names[1]
    result = comparison.result
    p_value = result.adjusted if result.family > 1 else result.p_value
    no_interval, no_p_value = np.isnan(result.lower), np.isnan(p_value)
    return line | {
        comparison.label or comparison.metric: _format_value(comparison.mean_a),
        "difference": _format_value(result.effect, "+.3f"),
        "interval": "-" if no_interval else f"{result.lower:+.3f} to {result.upper:+.3f}",
        "p": "-"
        if no_p_value
        else _format_p_value(p_value).removeprefix("p = ").removeprefix("p "),
        "verdict": _verdict_label(comparison),
    }


def _format_value(value: float, form: str = ".3f") -> str:
    return "-" if np.isnan(value) else format(value, form)


def _verdict_label(comparison: Comparison) -> str:
    if comparison.result.refusal:
        return "not computed"
    if not comparison.result.significant:
        return "not significant"
    return "better" if comparison.a_is_better else "worse"


def _describe_comparisons(comparisons: list[Comparison]) -> list[str]:
    """Caption and footnotes of a table of comparisons."""
    family = max(comparison.result.family for comparison in comparisons)
    level = (
        f"intervals hold at 95% for all {family} comparisons together (Bonferroni), p-values are "
        "adjusted for them (Holm)"
        if family > 1
        else "intervals are at 95%"
    )
    tests = dict.fromkeys(
        f"{comparison.result.test} on {comparison.result.n} {_observation_unit(comparison)}"
        for comparison in comparisons
        if not comparison.result.refusal
    )
    tested = f" {capitalize_first_letter('; '.join(tests))}." if tests else ""
    caption = (
        f"Best first, {_better_direction(comparisons[0].metric)} is better; the difference is the "
        f"value of the configuration minus that of the one it is compared with; {level}.{tested}"
    )
    simultaneous_interval_has_zero = any(
        comparison.result.significant and comparison.result.lower <= 0 <= comparison.result.upper
        for comparison in comparisons
    )
    holm = (
        "Holm's procedure rejects slightly more often than simultaneous intervals do: a difference "
        "may be significant although its interval contains zero."
    )
    names_by_refusal: dict[str, list[str]] = {}
    for comparison in comparisons:
        if comparison.result.refusal:
            refusal = f"{comparison.result.test} is not computed: {comparison.result.refusal}"
            names_by_refusal.setdefault(refusal, []).append(" / ".join(comparison.a))
    refusals = [
        f"{names[0] if len(names) == 1 else format_count(len(names), 'configuration')}: {refusal}"
        for refusal, names in names_by_refusal.items()
    ]
    notes = dict.fromkeys(comparison.note for comparison in comparisons if comparison.note)
    return [caption, *([holm] if simultaneous_interval_has_zero else []), *refusals, *notes]


def _better_direction(metric: str) -> str:
    return "higher" if METRICS[metric].greater_is_better else "lower"


def _observation_unit(comparison: Comparison) -> str:
    """Unit of the observations, without the part after a comma, which is specific to the pair."""
    return comparison.result.unit.partition(",")[0]


def _format_p_value(p_value: float) -> str:
    """Format with two digits, or as many as show whether it is below 0.05."""
    if p_value < 0.001:
        return "p < 0.001"
    texts = (f"{p_value:.{digits}g}" for digits in range(2, 17))
    faithful = (text for text in texts if (float(text) < ALPHA) == (p_value < ALPHA))
    return f"p = {next(faithful, p_value)}"


def capitalize_first_letter(text: str) -> str:
    """Capitalize the first letter of a text and keep the others."""
    return text[:1].upper() + text[1:]
