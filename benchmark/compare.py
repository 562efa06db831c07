"""Two entries of a results folder compared, by the test that their data allow, in sentences computed from the stored predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.entries import Entry, find_entry
from benchmark.errors import UserError, unknown
from benchmark.intervals import over_folds, over_images
from benchmark.leaderboard import COMPARABLE, ENTRY, title_of
from benchmark.metrics import METRICS, undefined
from benchmark.predictions import Predictions, read
from benchmark.ranks import wilcoxon
from benchmark.stats import Result, delong, mcnemar
from benchmark.store import load_results

CELL = ["fold", "seed"]  # what pairs the cells of two entries


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

    @property
    def text(self) -> str:
        """Effect, interval, test and verdict, in sentences."""
        sentences = [f"{self.title}: {self._effect}", self._test, self.note]
        return " ".join(sentence for sentence in sentences if sentence)

    @property
    def _effect(self) -> str:
        found, way = self.result, "higher" if METRICS[self.metric].greater_is_better else "lower"
        if np.isnan(found.effect):
            return f"the difference of {self.a} and {self.b} in {self.metric} is undefined."
        size = f"{abs(found.effect):.3g} {'higher' if found.effect > 0 else 'lower'} than" if found.effect else "equal to"
        interval = "" if np.isnan(found.lower) else f", 95% interval of the difference {found.lower:.3g} to {found.upper:.3g}"
        means = f"{self.mean_a:.3f} against {self.mean_b:.3f}, {way} is better"
        return f"{self.a} is {size} {self.b} in {self.metric} ({means}){interval}."

    @property
    def _test(self) -> str:
        found = self.result
        if found.refusal:
            return f"{_capital(found.test)} is refused: {found.refusal}."
        p_value = "p < 0.001" if found.p_value < 0.001 else f"p = {found.p_value:.2g}"
        return f"{_capital(found.test)} on {found.n} {found.unit}: {p_value}. {self._verdict}"

    @property
    def _verdict(self) -> str:
        if not self.result.significant:
            return "The data cannot tell them apart."
        better = self.a if (self.result.effect > 0) == METRICS[self.metric].greater_is_better else self.b
        return f"The difference is larger than chance explains: {better} is better."


def compare(folder: str | Path, a: str, b: str, metric: str = "f1") -> list[Comparison]:
    """Compare two entries on everything that a results folder holds of both.

    One split is tested by its images: McNemar's test for accuracy, DeLong's for the AUC of two classes, otherwise, and whenever images come
    in groups or seeds differ in what they predict, the paired bootstrap. Folds are tested by the corrected resampled t-test, seeds averaged
    within a fold first: they share its test part. Several data sets are tested by Wilcoxon's test besides.

    Parameters
    ----------
    folder : str or Path
        What ``run`` wrote to.
    a, b : str
        ``extractor / strategy / model``, or as much of it as only one entry has.
    metric : str

    Returns
    -------
    list of Comparison
        One for each group of rows that can be compared (data set, split), the last one across data sets if there are several.

    Raises
    ------
    UserError
        A metric or an entry that is not there or not unique, no cells that both have done, or predictions that are gone.
    """
    folder = Path(folder)
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    rows = load_results(folder, [metric, "n_images", "n_test"])
    one, two = find_entry(a, rows, folder), find_entry(b, rows, folder)
    if one == two:
        raise UserError(f"'{a}' and '{b}' are both {' / '.join(one)}: name two entries")
    if metric not in rows:
        raise UserError(f"no row in {folder} has the metric {metric}; those of its leaderboard: python -m benchmark table {folder}")
    groups = _paired(rows, one, two).groupby(COMPARABLE, sort=False, dropna=False)
    found = [
        _compared(folder, title_of(dict(zip(COMPARABLE, labels, strict=True)), rows), cells, one, two, metric)
        for labels, cells in groups
        if cells["both"].any()
    ]
    if not found:
        raise UserError(f"{' / '.join(one)} and {' / '.join(two)} have no cell in {folder} that both have done; run them on one split")
    return found + _across(found)


def _paired(rows: pd.DataFrame, one: Entry, two: Entry) -> pd.DataFrame:
    """One row a cell that both entries have planned, ``both`` where both have done it; columns of the first end in _a, else in _b."""
    halves = [rows[(rows[ENTRY] == list(entry)).all(axis=1)].drop(columns=ENTRY) for entry in (one, two)]
    pairs = halves[0].merge(halves[1], on=[*COMPARABLE, *CELL], suffixes=("_a", "_b"))
    return pairs.assign(both=(pairs["status_a"] == "ok") & (pairs["status_b"] == "ok"))


def _compared(folder: Path, title: str, planned: pd.DataFrame, one: Entry, two: Entry, metric: str) -> Comparison:
    cells, names = planned[planned["both"]], (f"{metric}_a", f"{metric}_b")
    scores = cells.groupby("fold")[list(names)].agg(lambda values: values.astype(float).mean(skipna=False))
    if len(scores) > 1:
        result = over_folds(scores[names[0]] - scores[names[1]], cells["n_images_a"], cells["n_test_a"])
    else:
        result = _one_split(metric, *([read(folder, key) for key in cells[side]] for side in ("key_a", "key_b")))
    mean_a, mean_b = (float(scores[name].mean(skipna=False)) for name in names)
    note = f"Only {len(cells)} of {len(planned)} pairs of cells are done." if len(cells) < len(planned) else ""
    shared, name_a, name_b = _names(one, two)
    title = " · ".join([title, *shared])
    return Comparison(title, planned["dataset"].iloc[0], name_a, name_b, metric, mean_a, mean_b, result, note)


def _names(one: Entry, two: Entry) -> tuple[list[str], str, str]:
    """What two entries share, and the rest of each: a sentence need not say the same twice."""
    shared = [a for a, b in zip(one, two, strict=True) if a == b]
    rest_of_a, rest_of_b = (" / ".join(part for part in entry if part not in shared) for entry in (one, two))
    return shared, rest_of_a, rest_of_b


def _one_split(metric: str, a: list[Predictions], b: list[Predictions]) -> Result:
    """Test on the images of one test part, as one training part left the entries; a list has one element a seed."""
    first, second = a[0], b[0]
    if not all(np.array_equal(first.test_index, other.test_index) and np.array_equal(first.y_true, other.y_true) for other in [*a, *b]):
        raise UserError("the two entries were tested on different images: run them again in one study")
    if any(np.isnan(METRICS[metric](seed)) for seed in (*a, *b)):
        return Result("the comparison", len(first.y_true), np.nan, refusal=f"{metric} is undefined for these predictions{_why([*a, *b])}")
    a, b = _distinct(a), _distinct(b)
    grouped = first.groups is not None and len(np.unique(first.groups)) < len(first.groups)
    independent = len(a) == len(b) == 1 and not grouped and not first.multilabel
    if independent and metric == "auc" and len(first.classes) == 2:
        return delong(first.y_true, first.proba[:, 1], second.proba[:, 1])
    resampled = over_images(metric, (a, b))
    if independent and metric == "accuracy":
        return replace(mcnemar(first.y_true, first.labels, second.labels), lower=resampled.lower, upper=resampled.upper)
    return resampled


def _why(predictions: list[Predictions]) -> str:
    """Say why a metric is undefined, if it is known."""
    return next((f": {reason[0]}" for one in predictions if (reason := undefined(one))), "")


def _distinct(seeds: list[Predictions]) -> list[Predictions]:
    """Only the first where all seeds predicted the same: there is one classifier then, and not a mean over several."""
    return seeds[:1] if all(np.array_equal(seeds[0].proba, other.proba) for other in seeds) else seeds


def _across(found: list[Comparison]) -> list[Comparison]:
    """Wilcoxon's test over data sets, one pair of means each; none when there is a single data set."""
    means = pd.DataFrame([(one.dataset, one.mean_a, one.mean_b) for one in found], columns=["dataset", "a", "b"])
    means = means.dropna().groupby("dataset").mean()
    if len(means) < 2:
        return []
    title = f"across {len(means)} data sets, by the median of the differences"
    result = wilcoxon(means["a"], means["b"])
    return [
        replace(found[0], title=title, dataset="", mean_a=float(means["a"].mean()), mean_b=float(means["b"].mean()), result=result, note="")
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
