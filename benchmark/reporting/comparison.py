"""Comparison of two configurations, and sentences on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.plugins.registry import BASELINE
from benchmark.reporting.comparable_rows import CONFIGURATION_AXES, Configuration, name_parts
from benchmark.scoring.effect_sizes import ODDS_RATIO, EffectSize, compute_effect_size
from benchmark.scoring.equivalence import MarginTest
from benchmark.scoring.metric_lookup import find_metric
from benchmark.scoring.significance import ALPHA, Result

SYMMETRY = (
    "Test and interval assume that the differences are distributed symmetrically over datasets."
)
ConfigurationPair = tuple[Configuration, Configuration]


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
        Empty for a comparison across datasets.
    a, b : tuple of str
        Labels of the configurations.
    metric : str
    mean_a, mean_b : float
        Means of the metric over folds and seeds.
    result : Result
        Result of the test; its effect is a minus b.
    note : str
        Which cells are left out.
    label : str
        Display name of the metric.
    margin_test : MarginTest or None
        Tests of whether the first configuration is non-inferior or equivalent to the second.
    adjustment : str
        Name of the procedure by which p-values of several comparisons are adjusted.

    See Also
    --------
    benchmark.reporting.compare.compare_configurations : Compare two stored configurations.

    Examples
    --------
    >>> from benchmark.scoring.significance import corrected_t_test
    >>> a, b = ("hog", "none", "rbf_svm", "none"), ("pixels", "none", "rbf_svm", "none")
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
    margin_test: MarginTest | None = None
    adjustment: str = "Holm"

    @property
    def pair(self) -> ConfigurationPair:
        """Both configurations."""
        return self.a, self.b

    @property
    def is_across_datasets(self) -> bool:
        """Whether datasets are the observations; the effect is then their pseudomedian."""
        return not self.dataset

    @property
    def effect_size(self) -> EffectSize | None:
        """Odds ratio or standardized difference; None where there is none."""
        return compute_effect_size(self.result)

    @property
    def summary(self) -> str:
        """Effect, interval, test, verdict, effect size and tests of a margin, in sentences."""
        shared = [part for part, other in self._paired_parts if part == other]
        sentences = [
            f"{' · '.join([self.title, *shared])}: {self._effect_sentence}",
            self._test_sentence,
            SYMMETRY if self.is_across_datasets and not self.result.refusal else "",
            self._effect_size_sentence,
            self._margin_sentence,
            self.note,
        ]
        return " ".join(sentence for sentence in sentences if sentence)

    @property
    def differing_names(self) -> tuple[str, str]:
        """Names of the two configurations, without the parts that they share."""
        a, b = zip(*(pair for pair in self._paired_parts if pair[0] != pair[1]), strict=True)
        return " / ".join(a), " / ".join(b)

    @property
    def _paired_parts(self) -> list[tuple[str, str]]:
        return list(zip(name_parts(self.a), name_parts(self.b), strict=True))

    @property
    def _effect_sentence(self) -> str:
        result, label = self.result, self.label or self.metric
        a, b = self.differing_names
        if np.isnan(result.effect):
            return f"the difference of {a} and {b} in {label} is undefined."
        size = (
            f"{_format_number(abs(result.effect))} "
            f"{'higher' if result.effect > 0 else 'lower'} than"
            if result.effect
            else "equal to"
        )
        bounds = f"interval of the difference {_format_interval(result)}"
        if np.isnan(result.lower):
            interval = ""
        elif result.family > 1:
            interval = f", {bounds}, at 95% for all {result.family} comparisons together"
        else:
            interval = f", 95% {bounds}"
        return f"{a} is {size} {b} in {label} ({self._means}){interval}."

    @property
    def _means(self) -> str:
        better = better_direction(self.metric)
        if not self.is_across_datasets:
            return f"{self.mean_a:.3f} against {self.mean_b:.3f}, {better} is better"
        return (
            f"pseudomedian of the differences on each dataset, {better} is better; means over "
            f"datasets {self.mean_a:.3f} and {self.mean_b:.3f}"
        )

    @property
    def _test_sentence(self) -> str:
        result = self.result
        test = capitalize_first_letter(result.test)
        if result.refusal:
            return f"{test} is not computed: {result.refusal}."
        adjustment = (
            f" for this pair alone, {format_p_value(result.adjusted)} adjusted for "
            f"the {result.family} comparisons that this one was chosen from ({self.adjustment})"
            if result.family > 1
            else ""
        )
        return (
            f"{test} on {result.n} {result.unit}: {format_p_value(result.p_value)}{adjustment}. "
            f"{self._verdict_sentence}"
        )

    @property
    def _verdict_sentence(self) -> str:
        if not self.result.significant:
            return "The difference is not significant."
        better = self.differing_names[0 if self.a_is_better else 1]
        return f"The difference is significant: {better} is better."

    @property
    def _effect_size_sentence(self) -> str:
        size = self.effect_size
        if size is None:
            return ""
        if size.refusal:
            return f"The standardized difference {size.name} is not computed: {size.refusal}."
        name = capitalize_first_letter(size.name) if size.name == ODDS_RATIO else "Cohen's d_z"
        return f"{name} {format_effect_size(size)}, {self.effect_size_meaning}."

    @property
    def effect_size_meaning(self) -> str:
        """What the effect size is, and the counts or observations that it is computed from."""
        if self.result.discordant is None:
            return f"the difference divided by its standard deviation over {self.result.unit}"
        a, b = self.differing_names
        only_a, only_b = self.result.discordant
        return f"{a} alone being correct on {only_a} images and {b} alone on {only_b}"

    @property
    def _margin_sentence(self) -> str:
        test = self.margin_test
        if test is None:
            return ""
        a, b = self.differing_names
        worse = f"no more than {test.margin:g} worse than {b}"
        if test.refusal and test.refusal == self.result.refusal:
            return (
                f"For the same reason, the tests of a margin of {test.margin:g} are not computed."
            )
        if test.refusal:
            return f"Whether {a} is {worse} is not tested: {test.refusal}."
        together = (
            f"; both p-values are adjusted ({self.adjustment}), and the interval holds, for all "
            f"{test.family} comparisons together"
            if test.family > 1
            else ""
        )
        return (
            f"{a} is {'' if test.noninferior else 'not '}shown to be {worse} (one-sided "
            f"{test.test}, {format_p_value(test.p_noninferior)}), and the two are "
            f"{'' if test.equivalent else 'not '}shown to be equivalent within {test.margin:g} "
            f"(two one-sided tests, {format_p_value(test.p_equivalent)}); 90% interval of the "
            f"difference {_format_interval(test)}{together}."
        )

    @property
    def a_is_better(self) -> bool:
        """Whether the difference, significant or not, is in favour of the first configuration."""
        return (self.result.effect > 0) == find_metric(self.metric).greater_is_better


def better_direction(metric: str) -> str:
    """Whether higher or lower values of a metric are better, as a word."""
    return "higher" if find_metric(metric).greater_is_better else "lower"


def format_effect_size(size: EffectSize) -> str:
    """Value and interval, such as '+0.41 (+0.12 to +0.70)'; odds ratios have no sign."""
    value, lower, upper = (
        format(number, "+.2f" if size.name != ODDS_RATIO else ".0f" if number >= 100 else ".2g")
        for number in (size.value, size.lower, size.upper)
    )
    return f"{value} ({lower} to {upper})"


def _format_interval(result: Result | MarginTest) -> str:
    return f"{_format_number(result.lower)} to {_format_number(result.upper)}"


def _format_number(value: float) -> str:
    """Format with three significant digits, and never with an exponent."""
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")


def format_p_value(p_value: float) -> str:
    """Format with two digits, or as many as show whether it is below 0.05."""
    if p_value < 0.001:
        return "p < 0.001"
    texts = (f"{p_value:.{digits}g}" for digits in range(2, 17))
    faithful = (text for text in texts if (float(text) < ALPHA) == (p_value < ALPHA))
    return f"p = {next(faithful, p_value)}"


def capitalize_first_letter(text: str) -> str:
    """Capitalize the first letter of a text and keep the others."""
    return text[:1].upper() + text[1:]
