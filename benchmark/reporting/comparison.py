"""What the stored cells say of two configurations, in sentences, and of many, in a table."""

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

Configuration = tuple[str, ...]  # labels of a configuration, in the order of CONFIGURATION_AXES


def is_baseline(configuration: Configuration) -> bool:
    """Whether a configuration looks at no image."""
    return configuration[CONFIGURATION_AXES.index("model")] == BASELINE


@dataclass(frozen=True)
class Comparison:
    """What the stored cells say of two configurations.

    Parameters
    ----------
    title : str
        The rows that were compared: data set and split.
    dataset : str
    a, b : tuple of str
        The configurations: extractor, strategy, model.
    metric : str
    mean_a, mean_b : float
        Over folds and seeds.
    result : Result
        Of the test; its effect is a minus b.
    note : str
        What the reader must know of the cells.
    label : str
        Name of the metric for people.
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
        shared = [part for part, other in zip(self.a, self.b, strict=True) if part == other]
        sentences = [
            f"{' · '.join([self.title, *shared])}: {self._effect_sentence}",
            self._test_sentence,
            self.note,
        ]
        return " ".join(sentence for sentence in sentences if sentence)

    @property
    def differing_names(self) -> tuple[str, str]:
        """Names of the configurations, as far as they differ."""
        differ = [
            (part, other) for part, other in zip(self.a, self.b, strict=True) if part != other
        ]
        a, b = zip(*differ, strict=True)
        return " / ".join(a), " / ".join(b)

    @property
    def _effect_sentence(self) -> str:
        found, way, label = (
            self.result,
            "higher" if METRICS[self.metric].greater_is_better else "lower",
            self.label or self.metric,
        )
        a, b = self.differing_names
        if np.isnan(found.effect):
            return f"the difference of {a} and {b} in {label} is undefined."
        size = (
            f"{abs(found.effect):.3g} {'higher' if found.effect > 0 else 'lower'} than"
            if found.effect
            else "equal to"
        )
        of_all = f", at 95% for all {found.family} comparisons together" if found.family > 1 else ""
        words = "interval of the difference" if of_all else "95% interval of the difference"
        interval = (
            ""
            if np.isnan(found.lower)
            else f", {words} {found.lower:.3g} to {found.upper:.3g}{of_all}"
        )
        means = f"{self.mean_a:.3f} against {self.mean_b:.3f}, {way} is better"
        return f"{a} is {size} {b} in {label} ({means}){interval}."

    @property
    def _test_sentence(self) -> str:
        found = self.result
        if found.refusal:
            return f"{capitalize_first_letter(found.test)} is not computed: {found.refusal}."
        of_several = (
            f" for this pair alone, {_format_p_value(found.adjusted)} adjusted for {found.family} "
            "comparisons with one of the two (Holm)"
            if found.family > 1
            else ""
        )
        return (
            f"{capitalize_first_letter(found.test)} on {found.n} {found.unit}: "
            f"{_format_p_value(found.p_value)}{of_several}. {self._verdict_sentence}"
        )

    @property
    def _verdict_sentence(self) -> str:
        if not self.result.significant:
            return "The data cannot tell them apart."
        return f"The difference is larger than chance explains: {self.differing_names[0 if self.a_is_better else 1]} is better."

    @property
    def a_is_better(self) -> bool:
        """Whether the difference, significant or not, speaks for the first configuration."""
        return (self.result.effect > 0) == METRICS[self.metric].greater_is_better


def make_comparison_tables(
    comparisons: Sequence[Comparison],
) -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    """Yield a title, a table of texts and the lines below it for each group of rows that can be compared.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Of one metric, by title, as ``compare.compare_all`` returns them.

    Yields
    ------
    title : str
    table : DataFrame
        extractor, strategy, model, what they are compared ``with`` where that differs, the value of
        the metric, the difference, its interval, the p-value and the verdict.
    lines : list of str
        The level of the intervals and the tests; what some of the comparisons lack, and why.
    """
    for title, group in groupby(comparisons, key=lambda one: one.title):
        several = list(group)
        against = {one.b for one in several}
        heading = (
            f"{title}: compared with {' / '.join(several[0].b)}" if len(against) == 1 else title
        )
        yield (
            heading,
            pd.DataFrame([_make_table_line(one, len(against) > 1) for one in several]),
            _describe_comparisons(several),
        )


def _make_table_line(one: Comparison, with_other: bool) -> dict[str, str]:
    row = dict(zip(CONFIGURATION_AXES, one.a, strict=True))
    row |= {"with": one.differing_names[1]} if with_other else {}
    result, label = one.result, one.label or one.metric
    p_value = result.adjusted if result.family > 1 else result.p_value
    row |= {label: _format_value(one.mean_a), "difference": _format_value(result.effect, "+.3f")}
    row |= {
        "interval": "-" if np.isnan(result.lower) else f"{result.lower:+.3f} to {result.upper:+.3f}"
    }
    return row | {
        "p": "-"
        if np.isnan(p_value)
        else _format_p_value(p_value).removeprefix("p = ").removeprefix("p "),
        "verdict": _verdict_label(one),
    }


def _format_value(value: float, form: str = ".3f") -> str:
    return "-" if np.isnan(value) else format(value, form)


def _verdict_label(one: Comparison) -> str:
    if one.result.refusal:
        return "not computed"
    if not one.result.significant:
        return "not significant"
    return "better" if one.a_is_better else "worse"


def _describe_comparisons(several: list[Comparison]) -> list[str]:
    """What the reader of a table of comparisons must know."""
    family = max(one.result.family for one in several)
    tests = dict.fromkeys(
        f"{one.result.test} on {one.result.n} {_observation_unit(one)}"
        for one in several
        if not one.result.refusal
    )
    way = "higher" if METRICS[several[0].metric].greater_is_better else "lower"
    together = f"intervals hold at 95% for all {family} comparisons together (Bonferroni), p-values are adjusted for them (Holm)"
    level = together if family > 1 else "intervals are at 95%"
    tested = f" {capitalize_first_letter('; '.join(tests))}." if tests else ""
    untested: dict[str, list[str]] = {}
    for one in several:
        if one.result.refusal:
            untested.setdefault(
                f"{one.result.test} is not computed: {one.result.refusal}", []
            ).append(" / ".join(one.a))
    refused = [
        f"{names[0] if len(names) == 1 else format_count(len(names), 'configuration', 'configurations')}: {why}"
        for why, names in untested.items()
    ]
    notes = dict.fromkeys(one.note for one in several if one.note)
    first = f"Best first, {way} is better; the difference is the configuration minus the other; {level}.{tested}"
    touching = any(
        one.result.significant and one.result.lower <= 0 <= one.result.upper for one in several
    )
    holm = "Holm rejects a little more than intervals that hold together: a difference may be significant though its interval has zero."
    return [first, *[holm] * touching, *refused, *notes]


def _observation_unit(one: Comparison) -> str:
    """What the observations of a test are, without what holds of this pair alone."""
    return one.result.unit.partition(",")[0]


def _format_p_value(p_value: float) -> str:
    """Two digits, or as many as show on which side of 0.05 it is."""
    if p_value < 0.001:
        return "p < 0.001"
    texts = (f"{p_value:.{digits}g}" for digits in range(2, 17))
    return f"p = {next((text for text in texts if (float(text) < ALPHA) == (p_value < ALPHA)), p_value)}"


def capitalize_first_letter(text: str) -> str:
    """A text with its first letter as a capital."""
    return text[:1].upper() + text[1:]
