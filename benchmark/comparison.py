"""What the stored cells say of two entries, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.metrics import METRICS
from benchmark.stats import ALPHA, Result


@dataclass(frozen=True)
class Comparison:
    """What the stored cells say of two entries.

    Parameters
    ----------
    title : str
        The rows that were compared: data set and split, and what the two entries share.
    dataset : str
    a, b : str
        Names of the entries, as far as they differ.
    metric : str
    mean_a, mean_b : float
        Over folds and seeds.
    result : Result
        Of the test; its effect is a minus b.
    note : str
        What the reader must know of the cells.
    label : str
        Name of the metric for people.
    group : str
        Title of the rows alone, without what the two entries share.
    """

    title: str
    dataset: str
    a: str
    b: str
    metric: str
    mean_a: float
    mean_b: float
    result: Result
    note: str = ""
    label: str = ""
    group: str = ""

    @property
    def text(self) -> str:
        """Effect, interval, test and verdict, in sentences."""
        sentences = [f"{self.title}: {self._effect}", self._test, self.note]
        return " ".join(sentence for sentence in sentences if sentence)

    @property
    def _effect(self) -> str:
        found, way, label = self.result, "higher" if METRICS[self.metric].greater_is_better else "lower", self.label or self.metric
        if np.isnan(found.effect):
            return f"the difference of {self.a} and {self.b} in {label} is undefined."
        size = f"{abs(found.effect):.3g} {'higher' if found.effect > 0 else 'lower'} than" if found.effect else "equal to"
        of_all = f", at 95% for all {found.family} comparisons together" if found.family > 1 else ""
        words = "interval of the difference" if of_all else "95% interval of the difference"
        interval = "" if np.isnan(found.lower) else f", {words} {found.lower:.3g} to {found.upper:.3g}{of_all}"
        means = f"{self.mean_a:.3f} against {self.mean_b:.3f}, {way} is better"
        return f"{self.a} is {size} {self.b} in {label} ({means}){interval}."

    @property
    def _test(self) -> str:
        found = self.result
        if found.refusal:
            return f"{capital(found.test)} is not computed: {found.refusal}."
        of_several = (
            f" for this pair alone, {_p_value(found.adjusted)} adjusted for {found.family} comparisons with one of the two (Holm)"
            if found.family > 1
            else ""
        )
        return f"{capital(found.test)} on {found.n} {found.unit}: {_p_value(found.p_value)}{of_several}. {self._verdict}"

    @property
    def _verdict(self) -> str:
        if not self.result.significant:
            return "The data cannot tell them apart."
        better = self.a if (self.result.effect > 0) == METRICS[self.metric].greater_is_better else self.b
        return f"The difference is larger than chance explains: {better} is better."


def _p_value(p_value: float) -> str:
    """Two digits, or as many as show on which side of 0.05 it is."""
    if p_value < 0.001:
        return "p < 0.001"
    texts = (f"{p_value:.{digits}g}" for digits in range(2, 17))
    return f"p = {next((text for text in texts if (float(text) < ALPHA) == (p_value < ALPHA)), p_value)}"


def capital(text: str) -> str:
    """A text with its first letter as a capital."""
    return text[:1].upper() + text[1:]
