"""Entries of a results folder compared, by the test that their data allow, in sentences computed from the stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.averages import counted_by_group, remarks, title_of_metric
from benchmark.comparison import Comparison, capital
from benchmark.entries import Entry, find_entry
from benchmark.errors import UserError, unknown
from benchmark.intervals import difference, over_folds
from benchmark.leaderboard import COMPARABLE, ENTRY, title_of
from benchmark.metrics import METRICS
from benchmark.predictions import Predictions, read
from benchmark.ranks import holm, wilcoxon
from benchmark.stats import ALPHA, Result
from benchmark.store import load_results
from benchmark.study import FLOOR

CELL = ["fold", "seed"]  # what pairs the cells of two entries


def compare(folder: str | Path, a: str, b: str, metric: str = "f1") -> list[Comparison]:
    """Compare two entries on everything that a results folder holds of both.

    One split is tested by its images: McNemar's test for accuracy, DeLong's for the AUC of two classes, otherwise, and whenever images come
    in groups or seeds differ in what they predict, a t-test of paired influences. Folds are tested by the corrected resampled t-test, seeds
    averaged within a fold first: they share its test set. Several datasets are tested by Wilcoxon's test besides.

    A pair is taken to be picked from its table: where that has further entries, p-value and interval are adjusted for the comparisons of
    all of them with ``b`` (Holm 1979), the floor not counted.

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
        One for each group of rows that can be compared (dataset, split), the last one across datasets if there are several.

    Raises
    ------
    UserError
        A metric or an entry that is not there or not unique, no cells that both have done, or predictions that are missing.
    """
    rows = _rows(folder, metric)
    one, two = find_entry(a, rows, Path(folder)), find_entry(b, rows, Path(folder))
    if one == two:
        raise UserError(f"'{a}' and '{b}' are both {' / '.join(one)}: name two entries")
    family = [one, *(entry for entry in _entries(rows) if entry not in (one, two) and entry[2] != FLOOR)]
    found = [comparison for entry, comparison in _compared_with(Path(folder), rows, family, two, metric) if entry == one]
    if not found:
        raise UserError(f"{' / '.join(one)} and {' / '.join(two)} have no cell in {folder} that both have done; run them on one split")
    return found


def compare_all(folder: str | Path, against: str, metric: str = "f1") -> list[Comparison]:
    """Compare every entry of a results folder with one, adjusted for their number; see ``compare``.

    Parameters
    ----------
    folder : str or Path
    against : str
        The entry that the others are compared with, named as for ``compare``.
    metric : str

    Returns
    -------
    list of Comparison
        By group of rows that can be compared, the best entry of each first.

    Raises
    ------
    UserError
        As for ``compare``.
    """
    rows = _rows(folder, metric)
    two = find_entry(against, rows, Path(folder))
    family = [entry for entry in _entries(rows) if entry != two and (entry[2] != FLOOR or two[2] == FLOOR)]
    found = [comparison for _, comparison in _compared_with(Path(folder), rows, family, two, metric)]
    if not found:
        raise UserError(f"no entry has a cell in {folder} that {' / '.join(two)} has done too; run them on one split")
    sign = -1 if METRICS[metric].greater_is_better else 1
    order = {title: k for k, title in enumerate(dict.fromkeys(one.group for one in found))}
    return sorted(found, key=lambda one: (order[one.group], np.nan_to_num(sign * one.result.effect, nan=np.inf)))


def _rows(folder: str | Path, metric: str) -> pd.DataFrame:
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    rows = load_results(folder, [metric, "n_images", "n_test", "per_class", "subset_accuracy"])
    if metric not in rows:
        raise UserError(f"no row in {folder} has the metric {metric}; those of its leaderboard: python -m benchmark table {folder}")
    return rows


def _entries(rows: pd.DataFrame) -> list[Entry]:
    return list(dict.fromkeys(rows[ENTRY].itertuples(index=False, name=None)))


def _compared_with(folder: Path, rows: pd.DataFrame, family: list[Entry], two: Entry, metric: str) -> Iterator[tuple[Entry, Comparison]]:
    """Comparisons of each entry with one, adjusted within each group of rows, and across datasets."""
    reading = lru_cache(maxsize=64)(partial(read, folder))
    everything: list[tuple[Entry, Comparison]] = []
    for labels, group in rows.groupby(COMPARABLE, sort=False, dropna=False):
        title = title_of(dict(zip(COMPARABLE, labels, strict=True)), rows)
        pairs = {entry: pair for entry in family if (pair := _paired(group, entry, two, metric)) is not None}

        def one_of(entry: Entry, alpha: float, pairs: dict[Entry, Pair] = pairs, title: str = title) -> Comparison:
            return _compared(title, pairs[entry], entry, two, metric, reading, alpha)

        first = {entry: one_of(entry, ALPHA) for entry in pairs}
        p_values = {entry: one.result.p_value for entry, one in first.items() if not np.isnan(one.result.p_value)}
        for entry, p_value, adjusted in _holm(p_values):
            again = one_of(entry, ALPHA * p_value / adjusted if adjusted else ALPHA / len(p_values))
            first[entry] = replace(again, result=replace(again.result, family=len(p_values), adjusted=adjusted))
        everything += first.items()
    yield from everything
    yield from _across(everything)


def _holm(p_values: dict[Entry, float]) -> Iterator[tuple[Entry, float, float]]:
    """Entries with their p-values and those adjusted for their number, where there are several."""
    if len(p_values) > 1:
        adjusted = holm(list(p_values.values()))
        yield from ((entry, p, float(q)) for (entry, p), q in zip(p_values.items(), adjusted, strict=True))


@dataclass(frozen=True)
class Pair:
    """Cells that two entries have both done and that count, one row each; and what to say of them."""

    cells: pd.DataFrame
    dataset: str
    label: str
    note: str


def _paired(group: pd.DataFrame, one: Entry, two: Entry, metric: str) -> Pair | None:
    """Pair the cells of two entries; None where they have none that both have done."""
    halves = [group[(group[ENTRY] == list(entry)).all(axis=1)].drop(columns=ENTRY) for entry in (one, two)]
    pairs = halves[0].merge(halves[1], on=[*COMPARABLE, *CELL], suffixes=("_a", "_b"))
    done = pairs[(pairs["status_a"] == "ok") & (pairs["status_b"] == "ok")]
    if done.empty:
        return None
    counting = counted_by_group(group, metric, COMPARABLE)["fold"].unique()
    note = f"Only {len(done)} of {len(pairs)} pairs of cells are done." if len(done) < len(pairs) else ""
    left_out = " ".join(f"{capital(said)}." for said in remarks(group)) if METRICS[metric].macro else ""
    note = " ".join(words for words in (note, left_out) if words)
    return Pair(done[done["fold"].isin(counting)], str(done["dataset"].iloc[0]), title_of_metric(metric, group), note)


def _compared(
    title: str, pair: Pair, one: Entry, two: Entry, metric: str, reading: Callable[[str], Predictions], alpha: float
) -> Comparison:
    cells, names, note = pair.cells, [f"{metric}_a", f"{metric}_b"], pair.note
    means = cells.groupby("fold")[names].agg(lambda values: values.astype(float).mean(skipna=False))
    defined = means.dropna()
    if len(means) > 1 and len(defined) < len(means):
        note = f"{note} Over {len(defined)} of {len(means)} folds: {pair.label} is undefined on the others.".strip()
    cells = cells[cells["fold"].isin(defined.index)] if len(means) > 1 else cells
    if cells.empty:
        result = Result("the comparison", 0, np.nan, refusal=f"no fold on which {pair.label} is defined and compares")
    elif len(means) > 1:
        result = over_folds(defined[names[0]] - defined[names[1]], cells["n_images_a"], cells["n_test_a"], alpha)
    else:
        result = _one_split(metric, [reading(key) for key in cells["key_a"]], [reading(key) for key in cells["key_b"]], alpha)
    mean_a, mean_b = (float(defined[name].mean()) if len(defined) else np.nan for name in names)
    shared, name_a, name_b = _names(one, two)
    whole = " · ".join([title, *shared])
    return Comparison(whole, pair.dataset, name_a, name_b, metric, mean_a, mean_b, result, note, pair.label, group=title)


def _names(one: Entry, two: Entry) -> tuple[list[str], str, str]:
    """What two entries share, and the rest of each: a sentence need not say the same twice."""
    shared = [a for a, b in zip(one, two, strict=True) if a == b]
    rest_of_a, rest_of_b = (" / ".join(part for part in entry if part not in shared) for entry in (one, two))
    return shared, rest_of_a, rest_of_b


def _one_split(metric: str, a: list[Predictions], b: list[Predictions], alpha: float) -> Result:
    """Test on the images of one test set, as one training set left the entries; a list has one element per seed."""
    first = a[0]
    if not all(np.array_equal(first.test_index, other.test_index) and np.array_equal(first.y_true, other.y_true) for other in [*a, *b]):
        raise UserError("the two entries were tested on different images: run them again in one study")
    return difference(metric, a, b, alpha)


def _across(found: list[tuple[Entry, Comparison]]) -> Iterator[tuple[Entry, Comparison]]:
    """Wilcoxon's test over datasets, one pair of means each, adjusted by Holm; none when there is a single dataset."""
    parts = pd.DataFrame([(entry, one.dataset, one.mean_a, one.mean_b) for entry, one in found], columns=["entry", "dataset", "a", "b"])
    tested: dict[Entry, Comparison] = {}
    example = dict(reversed(found))
    for entry, part in parts.dropna().groupby("entry", sort=False):
        means = part.groupby("dataset")[["a", "b"]].mean()
        if len(means) > 1:
            title = f"across {len(means)} data sets, by the median of the differences"
            result, (mean_a, mean_b) = wilcoxon(means["a"], means["b"]), means.mean()
            tested[entry] = replace(
                example[entry], title=title, dataset="", mean_a=float(mean_a), mean_b=float(mean_b), result=result, note="", group="across"
            )
    for entry, _, adjusted in _holm({entry: one.result.p_value for entry, one in tested.items() if not one.result.refusal}):
        n = sum(not one.result.refusal for one in tested.values())
        tested[entry] = replace(tested[entry], result=replace(tested[entry].result, family=n, adjusted=adjusted))
    yield from tested.items()
