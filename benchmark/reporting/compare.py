"""Configurations of a results folder compared, by the test that their data allow, in sentences computed from the stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.errors import UserError, unknown_name_error
from benchmark.reporting.comparison import (
    Comparison,
    Configuration,
    capitalize_first_letter,
    is_baseline,
)
from benchmark.reporting.configuration_lookup import (
    find_comparison_pairs,
    find_configuration,
    unique_configurations,
)
from benchmark.reporting.leaderboard import COMPARABLE, CONFIGURATION_AXES, make_group_title
from benchmark.results.folder import ResultsFolder
from benchmark.results.store import load_results
from benchmark.scoring.averages import (
    describe_incomplete_folds,
    metric_label_for_rows,
    rows_for_group_means,
)
from benchmark.scoring.intervals import compare_predictions, corrected_t_over_folds
from benchmark.scoring.metrics import METRICS
from benchmark.scoring.predictions import Predictions, read_cell_predictions
from benchmark.scoring.rank_tests import adjust_by_holm, wilcoxon_test
from benchmark.scoring.significance import ALPHA, Result
from benchmark.utils.status import Status

ConfigurationPair = tuple[Configuration, Configuration]
CELL = ["fold", "seed"]  # what pairs the cells of two configurations
UNPAIRED = "they have no cell that both have done"


def compare_configurations(
    folder: str | Path, a: str, b: str, metric: str = "f1"
) -> list[Comparison]:
    """Compare two configurations on everything that a results folder holds of both.

    One split is tested by its images: McNemar's test for accuracy, DeLong's for the AUC of two
    classes, otherwise, and whenever images come in groups or seeds differ in what they predict, a
    t-test of paired influences. Folds are tested by the corrected resampled t-test, seeds averaged
    within a fold first: they share its test set. Several datasets are tested by Wilcoxon's test
    besides.

    A pair is taken to be picked from its table: where that has further configurations, the p-value is
    adjusted for the comparisons of all of them with ``b`` and for those with ``a`` (Holm 1979), the
    baseline not counted, and the larger of the two counts, so that the order of the pair does not
    matter. The interval is Bonferroni's, at the level 1 - 0.05 / n for n comparisons: all n hold
    together. Holm's p-values reject a little more, so that a difference may be significant while
    its interval touches zero.

    Parameters
    ----------
    folder : str or Path
        What ``run`` wrote to.
    a, b : str
        ``extractor / strategy / model``, or as much of it as only one configuration has.
    metric : str

    Returns
    -------
    list of Comparison
        One for each group of rows that can be compared (dataset, split), the last one across
        datasets if there are several.

    Raises
    ------
    UserError
        A metric or a configuration that is not there or not unique, no cells that both have done, or
        predictions that are missing.
    """
    rows = _load_metric_rows(folder, metric)
    one, two = find_configuration(a, rows, Path(folder)), find_configuration(b, rows, Path(folder))
    if one == two:
        raise UserError(f"'{a}' and '{b}' are both {' / '.join(one)}: name two configurations")
    others = [
        configuration
        for configuration in unique_configurations(rows)
        if configuration not in (one, two) and not is_baseline(configuration)
    ]
    families = [
        [(one, two), *((other, two) for other in others)],
        [(one, two), *((one, other) for other in others)],
    ]
    found = list(_compare_families(Path(folder), rows, families, metric))
    if all(each.result.refusal == UNPAIRED for each in found):
        raise UserError(
            f"{' / '.join(one)} and {' / '.join(two)} have no cell in {folder} that both have "
            "done; run them on one split"
        )
    return found


def compare_all_configurations(
    folder: str | Path, against: str, metric: str = "f1"
) -> list[Comparison]:
    """Compare every configuration of a results folder with one, adjusted for their number; see ``compare_configurations``.

    Parameters
    ----------
    folder : str or Path
    against : str
        The configuration that the others are compared with, named as for ``compare_configurations``; or a strategy, where
        several configurations have it: each configuration is compared with that of its own extractor and model.
    metric : str

    Returns
    -------
    list of Comparison
        By group of rows that can be compared, the best configuration of each first.

    Raises
    ------
    UserError
        As for ``compare_configurations``.
    """
    rows = _load_metric_rows(folder, metric)
    found = list(
        _compare_families(
            Path(folder), rows, [find_comparison_pairs(against, rows, Path(folder))], metric
        )
    )
    if all(one.result.refusal == UNPAIRED for one in found):
        raise UserError(
            f"no configuration has a cell in {folder} that its counterpart under '{against}' has done too; "
            "run them on one split"
        )
    sign = -1 if METRICS[metric].greater_is_better else 1
    order = {title: k for k, title in enumerate(dict.fromkeys(one.title for one in found))}
    return sorted(
        found,
        key=lambda one: (order[one.title], np.nan_to_num(sign * one.result.effect, nan=np.inf)),
    )


def _load_metric_rows(folder: str | Path, metric: str) -> pd.DataFrame:
    if metric not in METRICS:
        raise unknown_name_error("metric", metric, METRICS)
    rows = load_results(
        folder, [metric, "predictions", "n_images", "n_test", "per_class", "subset_accuracy"]
    )
    if metric not in rows:
        raise UserError(
            f"no row in {folder} has the metric {metric}; those of its leaderboard: python -m "
            f"benchmark table {folder}"
        )
    return rows


def _compare_families(
    folder: Path, rows: pd.DataFrame, families: list[list[ConfigurationPair]], metric: str
) -> Iterator[Comparison]:
    """Comparisons that are in all families, adjusted within each group of rows, and across data sets."""
    reading = lru_cache(maxsize=64)(ResultsFolder(folder).read_predictions)
    wanted = set(families[0]).intersection(*families)
    everything: list[tuple[ConfigurationPair, Comparison]] = []
    for labels, group in rows.groupby(COMPARABLE, sort=False, dropna=False):
        title = make_group_title(dict(zip(COMPARABLE, labels, strict=True)), rows)
        couples = dict.fromkeys(couple for family in families for couple in family)
        paired = {couple: _pair_cells(group, *couple, metric) for couple in couples}
        pairs = {couple: pair for couple, pair in paired.items() if pair is not None}

        def compare_at_level(
            couple: ConfigurationPair,
            alpha: float,
            pairs: dict[ConfigurationPair, Pair] = pairs,
            title: str = title,
        ) -> Comparison:
            return _compare_pair(title, pairs[couple], *couple, metric, reading, alpha)

        first = {couple: compare_at_level(couple, ALPHA) for couple in pairs}
        for couple, (n, adjusted) in _adjust_p_values(first, families).items():
            if couple in wanted:
                again = compare_at_level(couple, ALPHA / n)
                first[couple] = replace(
                    again, result=replace(again.result, family=n, adjusted=adjusted)
                )
        everything += first.items()
        in_group = unique_configurations(group)
        unpaired = [
            couple
            for couple in families[0]
            if couple in wanted and couple not in pairs and {*couple} <= {*in_group}
        ]
        everything += [
            (couple, _refuse_comparison(title, group, *couple, metric)) for couple in unpaired
        ]
    yield from (one for couple, one in everything if couple in wanted)
    yield from (
        one for couple, one in _compare_across_datasets(everything, families) if couple in wanted
    )


def _adjust_p_values(
    found: dict[ConfigurationPair, Comparison], families: list[list[ConfigurationPair]]
) -> dict[ConfigurationPair, tuple[int, float]]:
    """Number of comparisons and p-value adjusted for them (Holm 1979), the largest of all families that have several."""
    largest: dict[ConfigurationPair, tuple[int, float]] = {}
    for family in families:
        tested = [
            couple
            for couple in family
            if couple in found and not np.isnan(found[couple].result.p_value)
        ]
        if len(tested) > 1:
            p_values = adjust_by_holm([found[couple].result.p_value for couple in tested])
            for couple, p_value in zip(tested, p_values, strict=True):
                n, adjusted = largest.get(couple, (0, 0.0))
                largest[couple] = max(n, len(tested)), max(adjusted, float(p_value))
    return largest


@dataclass(frozen=True)
class Pair:
    """Cells that two configurations have both done and that count, one row each; and what to say of them."""

    cells: pd.DataFrame
    dataset: str
    label: str
    note: str


def _pair_cells(
    group: pd.DataFrame, one: Configuration, two: Configuration, metric: str
) -> Pair | None:
    """Pair the cells of two configurations; None where they have none that both have done."""
    halves = [
        group[(group[CONFIGURATION_AXES] == list(configuration)).all(axis=1)].drop(
            columns=CONFIGURATION_AXES
        )
        for configuration in (one, two)
    ]
    pairs = halves[0].merge(halves[1], on=[*COMPARABLE, *CELL], suffixes=("_a", "_b"))
    done = pairs[(pairs["status_a"] == Status.OK) & (pairs["status_b"] == Status.OK)]
    if done.empty:
        return None
    counting = rows_for_group_means(group, metric, COMPARABLE)["fold"].unique()
    note = (
        f"Only {len(done)} of {len(pairs)} pairs of cells are done."
        if len(done) < len(pairs)
        else ""
    )
    left_out = (
        " ".join(f"{capitalize_first_letter(said)}." for said in describe_incomplete_folds(group))
        if METRICS[metric].macro
        else ""
    )
    note = " ".join(words for words in (note, left_out) if words)
    return Pair(
        done[done["fold"].isin(counting)],
        str(done["dataset"].iloc[0]),
        metric_label_for_rows(metric, group),
        note,
    )


def _compare_pair(
    title: str,
    pair: Pair,
    one: Configuration,
    two: Configuration,
    metric: str,
    reading: Callable[[str, str | None], Predictions],
    alpha: float,
) -> Comparison:
    cells, names, note = pair.cells, [f"{metric}_a", f"{metric}_b"], pair.note
    means = cells.groupby("fold")[names].agg(lambda values: values.astype(float).mean(skipna=False))
    defined = means.dropna()
    if len(means) > 1 and len(defined) < len(means):
        note = f"{note} Over {len(defined)} of {len(means)} folds: {pair.label} is undefined on the others.".strip()
    cells = cells[cells["fold"].isin(defined.index)] if len(means) > 1 else cells
    if cells.empty:
        result = Result(
            "the comparison",
            0,
            np.nan,
            refusal=f"no fold on which {pair.label} is defined and compares",
        )
    elif len(means) > 1:
        result = corrected_t_over_folds(
            defined[names[0]] - defined[names[1]], cells["n_images_a"], cells["n_test_a"], alpha
        )
    else:
        result = _compare_on_images(
            metric,
            read_cell_predictions(reading, cells, "_a"),
            read_cell_predictions(reading, cells, "_b"),
            alpha,
        )
    mean_a, mean_b = (float(defined[name].mean()) if len(defined) else np.nan for name in names)
    return Comparison(
        title, pair.dataset, one, two, metric, mean_a, mean_b, result, note, pair.label
    )


def _refuse_comparison(
    title: str, group: pd.DataFrame, one: Configuration, two: Configuration, metric: str
) -> Comparison:
    """What is said of two configurations that were planned together and never done together."""
    result = Result("the comparison", 0, np.nan, refusal=UNPAIRED)
    return Comparison(
        title,
        str(group["dataset"].iloc[0]),
        one,
        two,
        metric,
        np.nan,
        np.nan,
        result,
        "",
        metric_label_for_rows(metric, group),
    )


def _compare_on_images(
    metric: str, a: list[Predictions], b: list[Predictions], alpha: float
) -> Result:
    """Test on the images of one test set, as one training set left the configurations; a list has one element per seed."""
    first = a[0]
    if not all(
        np.array_equal(first.test_index, other.test_index)
        and np.array_equal(first.y_true, other.y_true)
        for other in [*a, *b]
    ):
        raise UserError(
            "the two configurations were tested on different images: run them again in one study"
        )
    return compare_predictions(metric, a, b, alpha)


def _compare_across_datasets(
    found: list[tuple[ConfigurationPair, Comparison]], families: list[list[ConfigurationPair]]
) -> Iterator[tuple[ConfigurationPair, Comparison]]:
    """Wilcoxon's test over data sets, one pair of means each, adjusted by Holm; none when there is a single data set."""
    example = dict(reversed(found))
    tested: dict[ConfigurationPair, Comparison] = {}
    for couple in dict.fromkeys(couple for couple, _ in found):
        parts = [(one.dataset, one.mean_a, one.mean_b) for other, one in found if other == couple]
        means = (
            pd.DataFrame(parts, columns=["dataset", "a", "b"])
            .dropna()
            .groupby("dataset")[["a", "b"]]
            .mean()
        )
        if len(means) > 1:
            title = f"across {len(means)} data sets, by the median of the differences"
            result, (mean_a, mean_b) = wilcoxon_test(means["a"], means["b"]), means.mean()
            told = replace(example[couple], title=title, dataset="", note="")
            tested[couple] = replace(
                told, mean_a=float(mean_a), mean_b=float(mean_b), result=result
            )
    for couple, (n, adjusted) in _adjust_p_values(tested, families).items():
        tested[couple] = replace(
            tested[couple], result=replace(tested[couple].result, family=n, adjusted=adjusted)
        )
    yield from tested.items()
